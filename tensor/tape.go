package tensor

// node is one recorded operation. It holds no closure: back is a plain function that finds all it needs here.
type node struct {
	name string
	back func(n *node)
	out  *Tensor
	in   [6]*Tensor
	save [4]*Tensor
	num  [4]float64
	arg  [8]int
	key  uint64
	with any  // what is no tensor: a Matrix, counts of rows
	keep bool // another node has the same out and runs after this one: leave its gradient

	always bool // run back even where out has no gradient: other workers wait for it
}

// recording reports whether an op on ins must leave a node.
func (c *Ctx) recording(ins ...*Tensor) bool {
	if !c.Grad || c.quiet {
		return false
	}
	for _, t := range ins {
		if t != nil && t.needs {
			return true
		}
	}
	return false
}

// record leaves a node when some input takes part in the backward pass; it returns nil otherwise.
// Nodes must be filled in by the caller before the next op.
func (c *Ctx) record(name string, back func(*node), out *Tensor, ins ...*Tensor) *node {
	if !c.recording(ins...) {
		return nil
	}
	out.needs = true
	c.tape = append(c.tape, node{name: name, back: back, out: out})
	n := &c.tape[len(c.tape)-1]
	copy(n.in[:], ins)
	return n
}

// Backward computes the gradient of a scalar (one element) with respect to every parameter that it depends on, and
// adds it to their Grad. Activations made with Watch keep theirs too. The tape is used up.
func (t *Tensor) Backward() {
	if t.Len() != 1 {
		fail("backward", "the loss must have one element; use BackwardFrom for others", t)
	}
	t.BackwardFrom(nil)
}

// BackwardFrom is Backward for any shape, starting from the upstream gradient dy (nil: ones).
func (t *Tensor) BackwardFrom(dy *Tensor) {
	c := ctxOf("backward", t)
	if !t.needs {
		fail("backward", "depends on no parameter, or its Ctx records no gradients", t)
	}
	start := c.like(t) // a copy: the caller goes on owning dy
	if dy == nil {
		prim.fill(start, 1)
	} else if !sameShape(t, dy) || t.dt != dy.dt {
		fail("backward", "upstream gradient of another shape or type", t, dy)
	} else {
		prim.copy(start, dy)
	}
	c.quiet = true
	defer func() { c.quiet = false }()
	t.accumulate(start)
	for i := len(c.tape) - 1; i >= 0; i-- {
		n := &c.tape[i]
		if n.out.grad == nil && !n.always {
			continue
		}
		n.back(n)
		if n.out.grad != nil && !n.keep && !n.out.watched() {
			n.out.dropGrad()
		}
	}
	clear(c.tape)
	c.tape = c.tape[:0]
}

// Watch marks an activation or input whose gradient is wanted: after Backward, Grad returns it.
func (t *Tensor) Watch() *Tensor {
	t.check("watch")
	t.needs, t.fresh = true, true
	return t
}

func (t *Tensor) watched() bool { return t.fresh && !t.param }

// Grad is the gradient that Backward has left, nil when there is none.
func (t *Tensor) Grad() *Tensor {
	if t.param && t.fresh {
		return nil
	}
	return t.grad
}

// ZeroGrad forgets a parameter's gradient.
func (t *Tensor) ZeroGrad() { t.fresh = t.param || t.fresh }

// Trainable switches a parameter's part in training on or off: a frozen one gets no gradient.
func (t *Tensor) Trainable(on bool) {
	if !t.param {
		fail("trainable", "not a parameter", t)
	}
	t.needs = on
}

// NeedsGrad reports whether the tensor takes part in the backward pass.
func (t *Tensor) NeedsGrad() bool { return t.needs }

// IsParam reports whether the tensor was made by NewParam.
func (t *Tensor) IsParam() bool { return t.param }

// accumulate adds g to t's gradient. g is a gradient held by another tensor (or a view of it), or a temporary that the
// caller gives away: accumulate keeps it or takes its memory back. Holders of one storage are counted, and only a sole
// holder adds in place. A temporary can be given away once; forward activations never are.
func (t *Tensor) accumulate(g *Tensor) {
	if !t.needs {
		g.discard()
		return
	}
	if !sameShape(t, g) {
		whole := g
		g = g.sumTo(t)
		if g.st != whole.st {
			whole.discard()
		}
	}
	if t.param {
		dst, add := t.gradInto()
		if add {
			prim.binary(opAdd, dst, dst, g)
		} else {
			prim.copy(dst, g)
		}
		g.discard()
		return
	}
	if t.grad == nil {
		t.grad = g
		g.st.refs++
		return
	}
	if t.grad.st.refs == 1 && t.grad.contiguous() {
		prim.binary(opAdd, t.grad, t.grad, g)
		g.discard()
		return
	}
	sum := g.ctx.like(t.grad)
	prim.binary(opAdd, sum, t.grad, g)
	g.discard()
	t.dropGrad()
	t.grad = sum
	sum.st.refs++
}

// gradInto gives a contiguous tensor for t's gradient and whether it already holds something to add to. Kernels that
// can add to their output use it in place of accumulate and save a temporary.
func (t *Tensor) gradInto() (dst *Tensor, add bool) {
	if t.param {
		if t.grad == nil {
			t.grad = newOutside(t.name, t.dt, t.shape[:t.rank])
			t.fresh = true
		}
		add, t.fresh = !t.fresh, false
		return t.grad, add
	}
	if t.grad == nil {
		t.grad = t.ctx.like(t)
		t.grad.st.refs++
		return t.grad, false
	}
	if t.grad.st.refs != 1 || !t.grad.contiguous() {
		own := t.ctx.like(t)
		prim.copy(own, t.grad)
		t.dropGrad()
		t.grad = own
		own.st.refs++
	}
	return t.grad, true
}

func (t *Tensor) dropGrad() {
	g := t.grad
	t.grad = nil
	if g.st.refs--; g.st.refs == 0 && g.ctx != nil {
		g.ctx.scope.release(g.st)
	}
}

// discard takes the memory of a temporary back unless somebody holds it as a gradient.
func (t *Tensor) discard() {
	if t.st.refs == 0 && t.ctx != nil {
		t.ctx.scope.release(t.st)
	}
}
