package tensor

// Softmax is e^(xᵢ−max)/Σⱼ e^(xⱼ−max) along the last axis. A row of −Inf alone gives NaN, as torch's does.
func (x *Tensor) Softmax() *Tensor { return softmax("softmax", x, false) }

// LogSoftmax is x − ln Σⱼ e^xⱼ along the last axis.
func (x *Tensor) LogSoftmax() *Tensor { return softmax("log_softmax", x, true) }

func softmax(name string, x *Tensor, log bool) *Tensor {
	c := ctxOf(name, x)
	sameFloat(name, x)
	if x.rank == 0 {
		fail(name, "no axis", x)
	}
	x = x.packed()
	out := c.like(x)
	prim.softmax(out, x, log)
	if n := c.record(name, softmaxBack, out, x); n != nil {
		n.arg[0] = btoi(log)
	}
	return out
}

// softmaxBack: dx = y∘(dy − Σ dy∘y); for the logarithm dx = dy − e^y·Σ dy.
func softmaxBack(n *node) {
	dy := n.out.grad.packed()
	dx := dy.ctx.like(dy)
	prim.softmaxGrad(dx, dy, n.out, n.arg[0] == 1)
	n.in[0].accumulate(dx)
}

// LogSumExp is ln Σⱼ e^xⱼ along the last axis, which stays with length 1.
func (x *Tensor) LogSumExp() *Tensor {
	m := x.Detach().Amax(-1)
	return x.Sub(m).Exp().Sum(-1).Log().Add(m)
}
