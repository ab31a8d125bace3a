package tensor

// Rounding gives numbers the nearest values that a format of few bits has, for training that knows of the format. Its methods are
// called by primitives, which reach storage.
type Rounding interface {
	Forward(dst, x []float32, cols int)     // rounds x, rows of cols
	Backward(dx, dy, x []float32, cols int) // what of the gradient dy goes on to x: all of it, or not where x was cut off
}

// FakeQuant is x [..., C], float32, rounded as rows of C. The gradient goes through as if nothing had been rounded, as far as r lets
// it (straight-through estimator; Jacob et al., "Quantization and Training of Neural Networks for Efficient
// Integer-Arithmetic-Only Inference", CVPR 2018, §3).
func (x *Tensor) FakeQuant(r Rounding) *Tensor {
	c := ctxOf("fake quant", x)
	if x.dt != F32 || x.rank < 1 {
		fail("fake quant", "wants f32 rows", x)
	}
	x = x.packed()
	out := c.like(x)
	prim.fakeQuant(out, x, r)
	if n := c.record("fake quant", fakeQuantBack, out, x); n != nil {
		n.with = r
	}
	return out
}

func fakeQuantBack(n *node) {
	x, dy := n.in[0], n.out.grad.packed()
	dx := dy.ctx.like(x)
	prim.fakeQuantGrad(dx, dy, x, n.with.(Rounding))
	x.accumulate(dx)
}

func cpuFakeQuant(dst, x *Tensor, r Rounding) {
	n := x.Len()
	r.Forward(data[float32](dst)[:n], data[float32](x)[:n], x.shape[x.rank-1])
}

func cpuFakeQuantGrad(dx, dy, x *Tensor, r Rounding) {
	n := x.Len()
	r.Backward(data[float32](dx)[:n], data[float32](dy)[:n], data[float32](x)[:n], x.shape[x.rank-1])
}
