package tensor

// ReLU2 is max(x, 0)², the squared ReLU of Primer (arXiv 2109.08668, §4).
func (x *Tensor) ReLU2() *Tensor { return x.ReLU().Square() }

// SwiGLU is x·σ(x)∘up, the gate of Llama's feed-forward layer (arXiv 2002.05202, eq. 6); x and up have one shape. Without a
// tape it is one pass.
func (x *Tensor) SwiGLU(up *Tensor) *Tensor {
	c := ctxOf("swiglu", x, up)
	sameFloat("swiglu", x, up)
	if !sameShape(x, up) {
		fail("swiglu", "shapes differ", x, up)
	}
	if c.recording(x, up) {
		return x.SiLU().Mul(up)
	}
	x, up = x.packed(), up.packed()
	out := c.like(x)
	prim.swiGLU(out, x, up)
	return out
}
