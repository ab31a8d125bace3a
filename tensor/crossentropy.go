package tensor

import "fmt"

// CrossEntropyOptions of CrossEntropy; the zero value is torch's default but for IgnoreIndex, which is off unless Ignore.
type CrossEntropyOptions struct {
	Ignore         bool    // rows whose target is IgnoreIndex do not count
	IgnoreIndex    int64   // torch and transformers use −100
	LabelSmoothing float64 // ε: the target is (1−ε)·onehot + ε/V
	Weight         *Tensor // [V] or nil: weight of each class
}

// CrossEntropyRows is −ln softmax(x)[target] for each row: logits [N, V], targets I64 [N] → [N]. Ignored rows are 0.
// The probabilities are never stored: the backward pass makes them again from one sum a row.
func (x *Tensor) CrossEntropyRows(targets *Tensor, o CrossEntropyOptions) *Tensor {
	c := ctxOf("cross_entropy", x, targets)
	sameFloat("cross_entropy", x, o.Weight)
	if x.rank != 2 || targets.rank != 1 || targets.dt != I64 || targets.shape[0] != x.shape[0] ||
		(o.Weight != nil && (o.Weight.rank != 1 || o.Weight.shape[0] != x.shape[1])) {
		fail("cross_entropy", "logits [N, V], targets i64 [N], weight [V]", x, targets, o.Weight)
	}
	x = x.packed()
	out, sums := c.perRow(x), c.perRow(x)
	if bad, ok := prim.crossEntropy(out, sums, x, targets, o); !ok {
		fail("cross_entropy", fmt.Sprintf("target %d is no class", bad), x, targets)
	}
	if n := c.record("cross_entropy", crossEntropyBack, out, x); n != nil {
		n.save[0], n.save[1], n.save[2] = sums, targets, o.Weight
		n.num[0], n.arg[0], n.arg[1] = o.LabelSmoothing, btoi(o.Ignore), int(o.IgnoreIndex)
	}
	return out
}

func crossEntropyBack(n *node) {
	dy := n.out.grad.packed()
	dx := dy.ctx.like(n.in[0])
	o := CrossEntropyOptions{Ignore: n.arg[0] == 1, IgnoreIndex: int64(n.arg[1]), LabelSmoothing: n.num[0], Weight: n.save[2]}
	prim.crossEntropyGrad(dx, dy, n.in[0], n.save[0], n.save[1], o)
	n.in[0].accumulate(dx)
}

// CrossEntropy is the mean of CrossEntropyRows as torch takes it: over the rows that count, each by its class's weight.
func (x *Tensor) CrossEntropy(targets *Tensor, o CrossEntropyOptions) *Tensor {
	c := ctxOf("cross_entropy", x, targets)
	rows := x.CrossEntropyRows(targets, o)
	total := 0.0 // the weight of what counts: a constant
	c.NoGrad(func() {
		if !o.Ignore && o.Weight == nil {
			total = float64(rows.Len())
			return
		}
		w := []float64(nil)
		if o.Weight != nil {
			w = o.Weight.ReadF64()
		}
		for _, t := range targets.ReadInts() {
			switch {
			case o.Ignore && t == o.IgnoreIndex:
			case w != nil:
				total += w[t]
			default:
				total++
			}
		}
	})
	return rows.Sum().DivS(total)
}
