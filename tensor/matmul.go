package tensor

// MatMul is a·b: [..., M, K]·[..., K, N] → [..., M, N]. A rank-2 b serves every leading index of a; otherwise
// leading axes broadcast.
func (a *Tensor) MatMul(b *Tensor) *Tensor { return matmul("matmul", a, b, false, false) }

// MatMulT is a·bᵀ: [..., M, K]·[..., N, K] → [..., M, N].
func (a *Tensor) MatMulT(b *Tensor) *Tensor { return matmul("matmul", a, b, false, true) }

// TMatMul is aᵀ·b: [..., K, M]·[..., K, N] → [..., M, N].
func (a *Tensor) TMatMul(b *Tensor) *Tensor { return matmul("matmul", a, b, true, false) }

// Linear is x·wᵀ + b: x [..., in], w [out, in] (torch's layout), bias [out] or nil → [..., out].
func (x *Tensor) Linear(w, bias *Tensor) *Tensor { return x.LinearAct(w, bias, ActNone) }

// LinearAct is act(x·wᵀ + b). Without a tape the activation is applied as the product is stored.
func (x *Tensor) LinearAct(w, bias *Tensor, act Act) *Tensor {
	c := ctxOf("linear", x, w)
	sameFloat("linear", x, w, bias)
	if x.rank < 1 || w.rank != 2 || x.shape[x.rank-1] != w.shape[1] || (bias != nil && (bias.rank != 1 || bias.shape[0] != w.shape[0])) {
		fail("linear", "x [..., in], w [out, in], bias [out]", x, w, bias)
	}
	x = x.rows()
	shape := x.shape
	shape[x.rank-1] = w.shape[0]
	out := c.empty(x.dt, shape[:x.rank])
	if c.recording(x, w, bias) {
		prim.gemm(asMatrix(out), asMatrix(x), w, false, true, epilogue{bias: bias})
		c.record("linear", linearBack, out, x, w, bias)
		return act.Apply(out)
	}
	prim.gemm(asMatrix(out), asMatrix(x), w, false, true, epilogue{bias: bias, act: act})
	return out
}

func linearBack(n *node) {
	x, w, bias, dy := n.in[0], n.in[1], n.in[2], n.out.grad.rows()
	x2, dy2 := asMatrix(x), asMatrix(dy)
	if w.needs { // dW = dyᵀ·x
		dw, add := w.gradInto()
		prim.gemm(dw, dy2, x2, true, false, epilogue{add: add})
	}
	if bias != nil && bias.needs {
		bias.accumulate(dy.detachedView(dy2).reduced(reduceSum, 0, 1).Reshape(-1))
	}
	if x.needs { // dx = dy·W
		dx, add := x.gradInto()
		prim.gemm(asMatrix(dx), dy2, w, false, false, epilogue{add: add})
	}
}

// detachedView turns a stack header of t's own storage into a tensor of t's Ctx.
func (t *Tensor) detachedView(v *Tensor) *Tensor {
	h := t.ctx.scope.header()
	gen := h.gen
	*h = *v
	h.ctx, h.gen, h.grad, h.needs, h.param, h.fresh = t.ctx, gen, nil, false, false, false
	return h
}

// rows is t when its leading axes fold into one with a constant stride, else a copy.
func (t *Tensor) rows() *Tensor {
	for i := t.rank - 3; i >= 0; i-- {
		if t.shape[i] != 1 && t.stride[i] != t.stride[i+1]*t.shape[i+1] {
			return t.packed()
		}
	}
	return t
}

// asMatrix folds the leading axes of a tensor for which rows holds: [..., C] → [rows, C].
func asMatrix(t *Tensor) *Tensor {
	v := t.header()
	v.rank = 2
	v.shape, v.stride = [MaxRank]int{1, t.shape[t.rank-1]}, [MaxRank]int{t.shape[t.rank-1], 1}
	for _, d := range t.shape[:t.rank-1] {
		v.shape[0] *= d
	}
	for i := t.rank - 2; i >= 0; i-- { // the innermost leading axis that is really there sets the row stride
		if t.shape[i] != 1 {
			v.stride[0] = t.stride[i]
			break
		}
	}
	return v
}

// header is a copy of t's header for a primitive to see in another shape: from the scope's slab where t has one, which costs
// the garbage collector nothing.
func (t *Tensor) header() *Tensor {
	if t.ctx == nil {
		v := *t
		return &v
	}
	v := t.ctx.scope.header()
	*v = *t
	return v
}

func matmul(name string, a, b *Tensor, ta, tb bool) *Tensor {
	c := ctxOf(name, a, b)
	sameFloat(name, a, b)
	if a.rank < 2 || b.rank < 2 {
		fail(name, "operands need two axes", a, b)
	}
	m, ka := a.shape[a.rank-2], a.shape[a.rank-1]
	if ta {
		m, ka = ka, m
	}
	kb, n := b.shape[b.rank-2], b.shape[b.rank-1]
	if tb {
		kb, n = n, kb
	}
	if ka != kb {
		fail(name, "inner lengths differ", a, b)
	}
	var shape [MaxRank]int
	lead := leadingShape(name, a, b, &shape)
	shape[len(lead)], shape[len(lead)+1] = m, n
	out := c.empty(a.dt, shape[:len(lead)+2])
	prim.gemm(out, a, b, ta, tb, epilogue{})
	if nd := c.record(name, matmulBack, out, a, b); nd != nil {
		nd.arg[0], nd.arg[1] = btoi(ta), btoi(tb)
	}
	return out
}

// leadingShape broadcasts all axes but the last two.
func leadingShape(op string, a, b *Tensor, shape *[MaxRank]int) []int {
	va, vb := a.header(), b.header()
	va.rank, vb.rank = a.rank-2, b.rank-2
	return broadcast(op, va, vb, shape)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func matmulBack(n *node) {
	a, b, dy := n.in[0], n.in[1], n.out.grad
	ta, tb := n.arg[0] == 1, n.arg[1] == 1
	if a.needs { // a·b: da = dy·bᵀ; aᵀ·b: da = b·dyᵀ; a·bᵀ: da = dy·b
		if ta {
			a.accumulateProduct(b, dy, tb, true)
		} else {
			a.accumulateProduct(dy, b, false, !tb)
		}
	}
	if b.needs { // a·b: db = aᵀ·dy; aᵀ·b: db = a·dy; a·bᵀ: db = dyᵀ·a
		if tb {
			b.accumulateProduct(dy, a, true, ta)
		} else {
			b.accumulateProduct(a, dy, !ta, false)
		}
	}
}

// accumulateProduct adds op(x)·op(y) to t's gradient, straight from the product where no axis was broadcast.
func (t *Tensor) accumulateProduct(x, y *Tensor, tx, ty bool) {
	var shape [MaxRank]int
	lead := leadingShape("matmul", x, y, &shape)
	same := len(lead) == t.rank-2
	for i, d := range lead {
		same = same && t.shape[i] == d
	}
	if same {
		dst, add := t.gradInto()
		prim.gemm(dst, x, y, tx, ty, epilogue{add: add})
		return
	}
	if t.rank == 2 && len(lead) > 0 && tx && !ty { // weight shared by a batch: one product over all rows
		x, y = x.rows(), y.rows()
		dst, add := t.gradInto()
		prim.gemm(dst, asMatrix(x), asMatrix(y), true, false, epilogue{add: add})
		return
	}
	shape[len(lead)], shape[len(lead)+1] = t.shape[t.rank-2], t.shape[t.rank-1]
	g := ctxOf("matmul", x, y).empty(t.dt, shape[:len(lead)+2])
	prim.gemm(g, x, y, tx, ty, epilogue{})
	t.accumulate(g)
}

// MatMulInto writes a·b into dst: [M, K]·[K, N] → [M, N]. Nothing is recorded.
func MatMulInto(dst, a, b *Tensor) {
	for _, t := range [...]*Tensor{dst, a, b} {
		t.check("matmul")
	}
	sameFloat("matmul", dst, a, b)
	if dst.rank != 2 || a.rank != 2 || b.rank != 2 || a.shape[1] != b.shape[0] || dst.shape[0] != a.shape[0] || dst.shape[1] != b.shape[1] {
		fail("matmul", "shapes do not fit", dst, a, b)
	}
	prim.gemm(dst, a, b, false, false, epilogue{})
}
