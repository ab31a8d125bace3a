package tensor

// MLP is act(x·w1ᵀ + b1)·w2ᵀ + b2, the two-layer perceptron of every transformer and mixer, with dropout p on the
// hidden layer in training: x [..., in], w1 [hidden, in], b1 [hidden], w2 [out, hidden], b2 [out], the biases
// possibly nil. path is Dropout's.
//
// Rows go through both layers block by block, so that the hidden layer, often the largest tensor of a model, stays in
// the cache and is never stored; the backward pass makes it again. Larger weights, whose products are bound by
// arithmetic, take the plain way.
func (x *Tensor) MLP(w1, b1, w2, b2 *Tensor, act Act, p float64, path uint64) *Tensor {
	c := ctxOf("mlp", x, w1)
	sameFloat("mlp", x, w1, b1, w2, b2)
	if x.rank < 1 || w1.rank != 2 || w2.rank != 2 || x.shape[x.rank-1] != w1.shape[1] || w1.shape[0] != w2.shape[1] {
		fail("mlp", "x [..., in], w1 [hidden, in], w2 [out, hidden]", x, w1, w2)
	}
	if !c.Train {
		p = 0
	}
	if !fusable(act) || w1.Len()+w2.Len() > mlpWeights || !w1.contiguous() || !w2.contiguous() {
		h := x.LinearAct(w1, b1, act)
		if p > 0 {
			h = h.Dropout(p, path)
		}
		return h.Linear(w2, b2)
	}
	x = x.rows()
	shape := x.shape
	shape[x.rank-1] = w2.shape[0]
	out := c.empty(x.dt, shape[:x.rank])
	key := uint64(0)
	if p > 0 {
		key = c.Key(path)
	}
	prim.mlp(asMatrix(out), asMatrix(x), w1, b1, w2, b2, act, p, key)
	if n := c.record("mlp", mlpBack, out, x, w1, b1, w2, b2); n != nil {
		n.arg[0], n.num[0], n.key = int(act), p, key
	}
	return out
}

// mlpWeights is the largest number of weights of a fused MLP: each block of rows adds up gradients of its own.
const mlpWeights = 1 << 18

// fusable activations are those with a gradient kernel from their input.
func fusable(a Act) bool {
	switch a {
	case ActReLU, ActGELU, ActGELUTanh, ActQuickGELU, ActSiLU:
		return true
	}
	return false
}

func mlpBack(n *node) {
	x, w1, b1, w2, b2, dy := n.in[0], n.in[1], n.in[2], n.in[3], n.in[4], n.out.grad.rows()
	c := dy.ctx
	var dx *Tensor
	if x.needs {
		dx = c.like(x)
	}
	g := mlpGrads{c.forGrad(w1), c.forGrad(b1), c.forGrad(w2), c.forGrad(b2)}
	var dx2 *Tensor
	if dx != nil {
		dx2 = asMatrix(dx)
	}
	prim.mlpGrad(dx2, g, asMatrix(dy), asMatrix(x), w1, b1, w2, Act(n.arg[0]), n.num[0], n.key)
	giveGrad(w1, g.w1)
	giveGrad(b1, g.b1)
	giveGrad(w2, g.w2)
	giveGrad(b2, g.b2)
	if dx != nil {
		x.accumulate(dx)
	}
}

// mlpGrads are where the parameters' gradients go; nil where none is wanted.
type mlpGrads struct{ w1, b1, w2, b2 *Tensor }
