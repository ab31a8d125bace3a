package tensor

// ReLU2 is max(x, 0)², the squared ReLU of Primer (arXiv 2109.08668, §4).
func (x *Tensor) ReLU2() *Tensor { return x.ReLU().Square() }

// SwiGLU is x·σ(x)∘up, the gate of Llama's feed-forward layer (arXiv 2002.05202, eq. 6); x and up have one shape.
func (x *Tensor) SwiGLU(up *Tensor) *Tensor { return x.SiLU().Mul(up) }
