package tensor

// Dropout sets each element to 0 with probability p and multiplies the others by 1/(1−p), in training only
// (arXiv 1207.0580). path names the place in the model; with the Ctx's seed and step it fixes the draws, which
// are made again in the backward pass instead of being stored.
func (x *Tensor) Dropout(p float64, path uint64) *Tensor { return dropout(x, nil, p, path) }

// DropoutAdd is residual + Dropout(x) in one pass.
func (x *Tensor) DropoutAdd(residual *Tensor, p float64, path uint64) *Tensor {
	if !x.Training() || p == 0 {
		return residual.Add(x)
	}
	return dropout(x, residual, p, path)
}

func dropout(x, residual *Tensor, p float64, path uint64) *Tensor {
	if !x.Training() || p == 0 {
		return x
	}
	c := ctxOf("dropout", x, residual)
	sameFloat("dropout", x, residual)
	if p < 0 || p > 1 {
		fail("dropout", "the probability must lie in [0, 1]", x)
	}
	if residual != nil && !sameShape(x, residual) {
		fail("dropout", "the residual has another shape", x, residual)
	}
	x = x.packed()
	if residual != nil {
		residual = residual.packed()
	}
	out := c.like(x)
	key := c.Key(path)
	prim.dropout(out, x, residual, p, key)
	if n := c.record("dropout", dropoutBack, out, x, residual); n != nil {
		n.num[0], n.key = p, key
	}
	return out
}

func dropoutBack(n *node) {
	dy := n.out.grad
	if r := n.in[1]; r != nil {
		r.accumulate(dy)
	}
	if n.in[0].needs {
		dy = dy.packed()
		dx := dy.ctx.like(dy)
		prim.dropout(dx, dy, nil, n.num[0], n.key)
		n.in[0].accumulate(dx)
	}
}

// Uniform makes a tensor of independent draws from [0, 1) with 24 bits each.
func (c *Ctx) Uniform(path uint64, dt DType, shape ...int) *Tensor {
	t := c.empty(dt, shape)
	prim.random(t, false, c.Key(path))
	return t
}

// Normal makes a tensor of independent standard normal draws.
func (c *Ctx) Normal(path uint64, dt DType, shape ...int) *Tensor {
	t := c.empty(dt, shape)
	prim.random(t, true, c.Key(path))
	return t
}

// FillUniform fills a parameter with draws from [lo, hi), a function of key alone.
func (t *Tensor) FillUniform(key uint64, lo, hi float64) {
	prim.random(t, false, key)
	prim.scalar(opMulS, t, t, hi-lo)
	prim.scalar(opAddS, t, t, lo)
}

// FillNormal fills a parameter with normal draws of that mean and standard deviation, a function of key alone.
func (t *Tensor) FillNormal(key uint64, mean, std float64) {
	prim.random(t, true, key)
	prim.scalar(opMulS, t, t, std)
	prim.scalar(opAddS, t, t, mean)
}
