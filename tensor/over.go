package tensor

// Mixers treat an axis before the last as others treat the last. Where no tape is recorded, the axis second from the end is
// worked on where it lies; else the axis is brought to the end and back.

// LinearOver is Linear along any axis: [..., in, ...] → [..., out, ...].
func (x *Tensor) LinearOver(axis int, w, bias *Tensor) *Tensor {
	c := ctxOf("linear", x, w)
	axis = x.axis("linear", axis)
	last := x.rank - 1
	if axis == last {
		return x.Linear(w, bias)
	}
	if axis != last-1 || c.recording(x, w, bias) {
		return x.Transpose(axis, last).Linear(w, bias).Transpose(axis, last)
	}
	sameFloat("linear", x, w, bias)
	if w.rank != 2 || x.shape[axis] != w.shape[1] || (bias != nil && (bias.rank != 1 || bias.shape[0] != w.shape[0])) {
		fail("linear", "x [..., in, n], w [out, in], bias [out]", x, w, bias)
	}
	shape := x.shape
	shape[axis] = w.shape[0]
	out := c.empty(x.dt, shape[:x.rank])
	prim.gemm(out, w, x, false, false, epilogue{rowBias: bias})
	return out
}

// MLPOver is MLP along any axis: [..., in, ...] → [..., out, ...].
func (x *Tensor) MLPOver(axis int, w1, b1, w2, b2 *Tensor, act Act, p float64, path uint64) *Tensor {
	c := ctxOf("mlp", x, w1)
	axis = x.axis("mlp", axis)
	last := x.rank - 1
	if axis == last {
		return x.MLP(w1, b1, w2, b2, act, p, path)
	}
	if axis != last-1 || c.Train && p > 0 || c.recording(x, w1, b1, w2, b2) {
		return x.Transpose(axis, last).MLP(w1, b1, w2, b2, act, p, path).Transpose(axis, last)
	}
	sameFloat("mlp", x, w1, b1, w2, b2)
	if w1.rank != 2 || w2.rank != 2 || x.shape[axis] != w1.shape[1] || w1.shape[0] != w2.shape[1] {
		fail("mlp", "x [..., in, n], w1 [hidden, in], w2 [out, hidden]", x, w1, w2)
	}
	x = x.packed()
	shape := x.shape
	shape[axis] = w2.shape[0]
	out := c.empty(x.dt, shape[:x.rank])
	prim.mlpOver(out, x, w1, b1, w2, b2, act)
	return out
}

// Gate is residual + x∘softmax(g), the softmax along an axis: the gated attention of TSMixer and Tiny Time Mixers (arXiv
// 2306.09364, §3.2) with the residual connection around it. residual may be nil for 0.
func (x *Tensor) Gate(axis int, g, residual *Tensor) *Tensor {
	c := ctxOf("gate", x, g, residual)
	axis = x.axis("gate", axis)
	last := x.rank - 1
	if !sameShape(x, g) || residual != nil && !sameShape(x, residual) {
		fail("gate", "shapes differ", x, g, residual)
	}
	if residual == nil || axis < last-1 || c.recording(x, g, residual) {
		if axis == last {
			g = g.Softmax()
		} else {
			g = c.Use(g).Transpose(axis, last).Softmax().Transpose(axis, last)
		}
		if y := x.Mul(g); residual == nil {
			return y
		} else {
			return residual.Add(y)
		}
	}
	sameFloat("gate", x, g, residual)
	x, g, residual = x.packed(), g.packed(), residual.packed()
	out := c.like(x)
	prim.gate(out, x, g, residual, axis != last)
	return out
}
