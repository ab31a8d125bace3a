package tensor

type reduceOp uint8

const (
	reduceSum reduceOp = iota
	reduceMax
	reduceMin
)

// reduced folds axes lo…hi−1 (adjacent) of t, which become one axis of length 1.
func (t *Tensor) reduced(op reduceOp, lo, hi int) *Tensor {
	c := ctxOf("reduce", t)
	sameFloat("reduce", t)
	src := t.packed()
	outer, n, inner := 1, 1, 1
	shape := t.shape
	for i := range t.rank {
		switch {
		case i < lo:
			outer *= t.shape[i]
		case i < hi:
			n *= t.shape[i]
			shape[i] = 1
		default:
			inner *= t.shape[i]
		}
	}
	out := c.empty(t.dt, shape[:t.rank])
	prim.reduce(op, out, src, outer, n, inner)
	return out
}

// sumTo sums the axes over which like was broadcast to t, the inverse of broadcasting.
func (t *Tensor) sumTo(like *Tensor) *Tensor {
	add := t.rank - like.rank
	one := func(i int) bool { return i < add || (like.shape[i-add] == 1 && t.shape[i] != 1) }
	s := t
	for i := 0; i < t.rank; {
		if !one(i) {
			i++
			continue
		}
		j := i + 1
		for j < t.rank && (one(j) || t.shape[j] == 1) {
			j++
		}
		next := s.reduced(reduceSum, i, j)
		if s != t {
			s.discard()
		}
		s, i = next, j
	}
	return s.Reshape(like.shape[:like.rank]...)
}

// Sum adds up the elements along the given axes, which stay as axes of length 1; with no axis, all of them, giving a
// tensor without axes.
func (t *Tensor) Sum(axes ...int) *Tensor {
	c := ctxOf("sum", t)
	out := t.detachedReduce(c, reduceSum, axes)
	c.record("sum", sumBack, out, t)
	return out
}

func sumBack(n *node) {
	x, dy := n.in[0], n.out.grad
	dx := dy.ctx.like(x)
	prim.copy(dx, dy.stretched(x))
	x.accumulate(dx)
}

func (t *Tensor) detachedReduce(c *Ctx, op reduceOp, axes []int) *Tensor {
	var out *Tensor
	c.NoGrad(func() {
		if len(axes) == 0 {
			out = t.reduced(op, 0, t.rank).Reshape()
			return
		}
		out = t
		for _, a := range axes {
			a = t.axis("reduce", a)
			out = out.reduced(op, a, a+1)
		}
	})
	return out
}

// Mean averages the elements along the given axes, which stay as axes of length 1; with no axis, all of them.
func (t *Tensor) Mean(axes ...int) *Tensor {
	s := t.Sum(axes...)
	return s.MulS(float64(max(s.Len(), 1)) / float64(max(t.Len(), 1)))
}

// Amax is the largest element along an axis, which stays with length 1; equal maxima share the gradient, as torch.amax.
func (t *Tensor) Amax(axis int) *Tensor {
	c := ctxOf("amax", t)
	axis = t.axis("amax", axis)
	out := t.detachedReduce(c, reduceMax, []int{axis})
	if n := c.record("amax", amaxBack, out, t); n != nil {
		n.arg[0] = axis
	}
	return out
}

func amaxBack(n *node) {
	x := n.in[0]
	hit := x.same(n.out)
	x.accumulate(hit.Mul(n.out.grad.Div(hit.Sum(n.arg[0]))))
}

// Argmax is the position of the largest element along the last axis (the first of equals), as I64 without that axis.
func (t *Tensor) Argmax() *Tensor {
	c := ctxOf("argmax", t)
	sameFloat("argmax", t)
	if t.rank == 0 {
		fail("argmax", "no axis", t)
	}
	out := c.empty(I64, t.shape[:t.rank-1])
	prim.argmax(out, t.packed())
	return out
}
