package nn

import (
	"fmt"
	"reflect"

	"github.com/hanji-ml/hanji/tensor"
)

// ShardExperts makes worker, a copy of the model whole, the part of rank among n workers (expert parallelism, arXiv 2006.16668,
// §3.2): of each mixture's E experts it keeps E/n, and these are whole's own, so that training moves them in place. All else
// stays a copy, to be kept equal (Shared lists it, tensor.Group.SumGrads adds its gradients). Its mixtures then
// exchange rows and need a Ctx with a Worker of that rank.
func ShardExperts(worker, whole any, rank, n int) error {
	mine, all := mixtures(worker), mixtures(whole)
	if len(mine) == 0 || len(mine) != len(all) {
		return fmt.Errorf("nn: expert parallelism: the model has %d mixtures of experts, its copy %d; a mixture-of-experts model is wanted", len(all), len(mine))
	}
	for i, m := range mine {
		e := len(all[i].Experts)
		if e%n != 0 {
			return fmt.Errorf("nn: expert parallelism: %d experts do not go evenly to %d workers", e, n)
		}
		m.Experts = all[i].Experts[rank*e/n:][: e/n : e/n]
	}
	return nil
}

// Shared is the parameters and buffers of a model outside its experts.
func Shared(model any) []*tensor.Tensor {
	expert := map[*tensor.Tensor]bool{}
	for _, m := range mixtures(model) {
		for _, p := range Walk(m.Experts) {
			expert[p.Tensor] = true
		}
	}
	var list []*tensor.Tensor
	for _, p := range Walk(model) {
		if !expert[p.Tensor] {
			list = append(list, p.Tensor)
		}
	}
	return list
}

func mixtures(model any) (found []*MoE) {
	walk(reflect.ValueOf(model), "", func(_ string, v reflect.Value) {
		if m, ok := v.Interface().(*MoE); ok {
			found = append(found, m)
		}
	})
	return found
}

// forwardSpread is Forward where this worker has only some of the experts: rows go to the workers that have theirs and come back.
// Capacity is each worker's own: what its rows may claim of an expert, as in GShard's groups.
func (m *MoE) forwardSpread(x, logits *tensor.Tensor) *tensor.Tensor {
	r := routings.Get().(*routing)
	defer r.done()
	gates, sent := m.send(r, x, logits)
	mine := len(m.Experts)
	workers := logits.Dim(1) / mine
	// Experts lie in order on the workers, so rows by expert are rows by worker. Where each of them begins goes along.
	to, bounds := make([]int, workers), make([]float64, workers*mine)
	for w := range workers {
		to[w] = r.start[(w+1)*mine] - r.start[w*mine]
		for i := range mine {
			bounds[w*mine+i] = float64(r.start[w*mine+i+1] - r.start[w*mine+i])
		}
	}
	came, from := sent.AllToAll(to)
	counts := exchangeCounts(x, bounds, workers, mine)
	parts := make([]*tensor.Tensor, workers*mine) // [worker, expert]: its rows, then what the expert makes of them
	at := 0
	for i, n := range counts {
		parts[i] = came.Slice(0, at, at+n)
		at += n
	}
	for i, expert := range m.Experts {
		var rows []*tensor.Tensor
		for w := range workers {
			if counts[w*mine+i] > 0 {
				rows = append(rows, parts[w*mine+i])
			}
		}
		if len(rows) == 0 {
			continue
		}
		y, at := expert.Forward(tensor.Concat(0, rows...)), 0
		for w := range workers {
			n := counts[w*mine+i]
			parts[w*mine+i] = y.Slice(0, at, at+n)
			at += n
		}
	}
	outs, _ := tensor.Concat(0, parts...).AllToAll(from)
	return r.join(gates, outs)
}

// exchangeCounts tells each worker how many of the rows that it gets are for which of its experts: [worker, expert].
func exchangeCounts(x *tensor.Tensor, sent []float64, workers, mine int) []int {
	c := x.Ctx()
	one := make([]int, workers)
	for i := range one {
		one[i] = 1
	}
	var got []float64
	c.NoGrad(func() {
		y, _ := c.F64s(sent, workers, mine).AllToAll(one)
		got = y.ReadF64()
	})
	counts := make([]int, len(got))
	for i, v := range got {
		counts[i] = int(v)
	}
	return counts
}
