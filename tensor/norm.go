package tensor

// LayerNorm is (x − mean)/√(var + eps)·gamma + beta over the last axis, with the population variance (arXiv
// 1607.06450). gamma and beta are [C] or nil.
func (x *Tensor) LayerNorm(gamma, beta *Tensor, eps float64) *Tensor {
	c := normOperands("layer_norm", x, gamma, beta)
	x = x.packed()
	out := c.like(x)
	mean, rstd := c.perRow(x), c.perRow(x)
	prim.layerNorm(out, x, gamma, beta, mean, rstd, eps)
	if n := c.record("layer_norm", layerNormBack, out, x, gamma, beta); n != nil {
		n.save[0], n.save[1] = mean, rstd
	}
	return out
}

func layerNormBack(n *node) {
	x, gamma, beta, dy := n.in[0], n.in[1], n.in[2], n.out.grad.packed()
	dx := dy.ctx.like(x)
	dgamma, dbeta := dy.ctx.forGrad(gamma), dy.ctx.forGrad(beta)
	prim.layerNormGrad(dx, dgamma, dbeta, dy, x, gamma, n.save[0], n.save[1])
	giveGrad(gamma, dgamma)
	giveGrad(beta, dbeta)
	x.accumulate(dx)
}

// RMSNorm is x/√(mean(x²) + eps)·gamma over the last axis (arXiv 1910.07467). gamma is [C] or nil.
func (x *Tensor) RMSNorm(gamma *Tensor, eps float64) *Tensor {
	c := normOperands("rms_norm", x, gamma, nil)
	x = x.packed()
	out := c.like(x)
	rstd := c.perRow(x)
	prim.rmsNorm(out, x, gamma, rstd, eps)
	if n := c.record("rms_norm", rmsNormBack, out, x, gamma); n != nil {
		n.save[0] = rstd
	}
	return out
}

func rmsNormBack(n *node) {
	x, gamma, dy := n.in[0], n.in[1], n.out.grad.packed()
	dx := dy.ctx.like(x)
	dgamma := dy.ctx.forGrad(gamma)
	prim.rmsNormGrad(dx, dgamma, dy, x, gamma, n.save[0])
	giveGrad(gamma, dgamma)
	x.accumulate(dx)
}

// BatchNormTrain normalises each channel (the last axis) by its mean and population variance over all other axes,
// and returns these moments ([C] each) for the running statistics (arXiv 1502.03167).
func (x *Tensor) BatchNormTrain(gamma, beta *Tensor, eps float64) (y, mean, variance *Tensor) {
	c := normOperands("batch_norm", x, gamma, beta)
	x = x.packed()
	out := c.like(x)
	var shape [MaxRank]int
	shape[0] = x.shape[x.rank-1]
	mean, variance = c.empty(x.dt, shape[:1]), c.empty(x.dt, shape[:1])
	rstd := c.empty(x.dt, shape[:1])
	prim.colMoments(mean, variance, asMatrix(x))
	c.NoGrad(func() { prim.scalar(opAddS, rstd, variance, eps); prim.unary(opRsqrt, rstd, rstd, 0) })
	prim.normCols(out, x, mean, rstd, gamma, beta)
	if n := c.record("batch_norm", batchNormBack, out, x, gamma, beta); n != nil {
		n.save[0], n.save[1] = mean, rstd
	}
	return out, mean, variance
}

func batchNormBack(n *node) {
	x, gamma, beta, dy := n.in[0], n.in[1], n.in[2], n.out.grad.packed()
	c := dy.ctx
	dx := c.like(x)
	dgamma, dbeta := c.like(n.save[0]), c.like(n.save[0])
	prim.batchNormGrad(dx, dgamma, dbeta, dy, x, n.save[0], n.save[1], gamma)
	giveGrad(gamma, dgamma)
	giveGrad(beta, dbeta)
	x.accumulate(dx)
}

// BatchNorm is the inference form: the moments are given constants.
func (x *Tensor) BatchNorm(mean, variance, gamma, beta *Tensor, eps float64) *Tensor {
	c := normOperands("batch_norm", x, gamma, beta)
	rstd := c.Use(variance).Detach().AddS(eps).Rsqrt()
	if c.recording(x, gamma, beta) { // composed, so that gradients flow through the affine part
		y := x.Sub(mean).Mul(rstd)
		if gamma != nil {
			y = y.Mul(gamma)
		}
		if beta != nil {
			y = y.Add(beta)
		}
		return y
	}
	x = x.packed()
	out := c.like(x)
	prim.normCols(out, x, mean, rstd, gamma, beta)
	return out
}

func normOperands(op string, x, gamma, beta *Tensor) *Ctx {
	c := ctxOf(op, x, gamma, beta)
	sameFloat(op, x, gamma, beta)
	for _, p := range [...]*Tensor{gamma, beta} {
		if x.rank == 0 || (p != nil && (p.rank != 1 || p.shape[0] != x.shape[x.rank-1])) {
			fail(op, "scale and shift are [C], C the last axis", x, gamma, beta)
		}
	}
	return c
}

// perRow makes room for one number per row of x's last axis.
func (c *Ctx) perRow(x *Tensor) *Tensor { return c.empty(x.dt, x.shape[:x.rank-1]) }

// forGrad makes room for the gradient of an optional parameter, nil where none is wanted.
func (c *Ctx) forGrad(p *Tensor) *Tensor {
	if p == nil || !p.needs {
		return nil
	}
	return c.like(p)
}

func giveGrad(p, g *Tensor) {
	if p != nil && g != nil {
		p.accumulate(g)
	}
}
