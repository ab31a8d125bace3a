package tensor

import "sync"

// Options of a Ctx. The zero value is for inference.
type Options struct {
	Grad  bool   // record a tape, so that Backward works
	Train bool   // dropout drops, batch norm uses and updates batch statistics
	Seed  uint64 // of the random stream

	Worker *Worker // of the group that shares the model; nil: the model is here as a whole
}

// Ctx is what an activation carries along: memory, tape, random stream, and whether the model is training. One Ctx
// serves one goroutine at a time.
type Ctx struct {
	Options
	scope *scope
	tape  []node
	quiet bool   // backward runs: record nothing
	step  uint64 // part of every random key
	calls uint64 // random draws in this step
}

var scopes = sync.Pool{New: func() any { return &scope{gen: 1} }}

// New begins a scope. Close it when its results have been read.
func New(o Options) *Ctx {
	c := &Ctx{Options: o, scope: scopes.Get().(*scope)}
	c.scope.peak = 0 // of the Ctx before
	return c
}

// Close ends the scope: every tensor made in it is dead. Its memory serves the next Ctx.
func (c *Ctx) Close() {
	if c.scope == nil {
		return
	}
	c.end()
	scopes.Put(c.scope)
	c.scope = nil
}

// Next ends the scope's present generation and begins another, whose random stream is that of the given step: the
// same seed and step give the same draws, whatever ran before.
func (c *Ctx) Next(step uint64) {
	c.end()
	c.step, c.calls = step, 0
}

func (c *Ctx) end() {
	clear(c.tape)
	c.tape = c.tape[:0]
	c.scope.end()
}

// Mark is a point in the life of a Ctx, for Reuse.
type Mark int

// Mark is now.
func (c *Ctx) Mark() Mark { return Mark(len(c.scope.live)) }

// Reuse gives the memory of all tensors made since m, but that of keep, to the ops that follow; using one of them is
// an error as after Next. It returns keep. A Ctx with gradients needs them all and gives nothing back.
func (c *Ctx) Reuse(m Mark, keep *Tensor) *Tensor {
	keep.check("reuse")
	if !c.Grad {
		c.scope.since(int(m), keep.st)
	}
	return keep
}

// PeakBytes is the largest number of bytes that this Ctx's scope has held at once.
func (c *Ctx) PeakBytes() int64 { return c.scope.peak }

// NoGrad runs f with the tape switched off.
func (c *Ctx) NoGrad(f func()) {
	was := c.quiet
	c.quiet = true
	defer func() { c.quiet = was }()
	f()
}

// Key gives the key of the next random draw of the module whose path hashes to path: a function of seed, step,
// path, worker and how many draws came before in this step, never of threads or time.
func (c *Ctx) Key(path uint64) uint64 {
	c.calls++
	if c.Worker != nil && c.Worker.Rank > 0 {
		path = mix(path, uint64(c.Worker.Rank))
	}
	return mix(mix(mix(c.Seed^0x9e3779b97f4a7c15, c.step), path), c.calls)
}

// mix is the finaliser of SplitMix64 over a^b·odd: a fixed, well-spread hash of two words.
func mix(a, b uint64) uint64 {
	z := a + 0x9e3779b97f4a7c15*(b+1)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Zeros makes a tensor of zeros.
func (c *Ctx) Zeros(dt DType, shape ...int) *Tensor {
	t := c.empty(dt, shape)
	prim.fill(t, 0)
	return t
}

// Full makes a tensor whose elements all are v.
func (c *Ctx) Full(v float64, dt DType, shape ...int) *Tensor {
	t := c.empty(dt, shape)
	prim.fill(t, v)
	return t
}

// F32s makes a tensor of that shape with a copy of data.
func (c *Ctx) F32s(data []float32, shape ...int) *Tensor {
	return c.from(F32, bytesOf(data), shape)
}

// F64s makes a float64 tensor of that shape with a copy of data.
func (c *Ctx) F64s(data []float64, shape ...int) *Tensor {
	return c.from(F64, bytesOf(data), shape)
}

// Ints makes an int64 tensor of that shape with a copy of data.
func (c *Ctx) Ints(data []int64, shape ...int) *Tensor { return c.from(I64, bytesOf(data), shape) }

// from is not generic: called from another package that would cost an allocation, for shape.
func (c *Ctx) from(dt DType, data []byte, shape []int) *Tensor {
	t := c.empty(dt, shape)
	if len(data) != t.Len()*dt.Size() {
		fail("from slice", "the slice's length is not the shape's product", t)
	}
	prim.upload(t, data)
	return t
}

// Use gives a view of a parameter inside this Ctx, for ops that have no activation among their operands.
func (c *Ctx) Use(p *Tensor) *Tensor {
	t := c.view("use", p)
	c.record("use", useBack, t, p)
	return t
}

func useBack(n *node) { n.in[0].accumulate(n.out.grad) }

// empty makes a contiguous tensor of unspecified content.
func (c *Ctx) empty(dt DType, shape []int) *Tensor {
	t := c.scope.header()
	t.ctx, t.dt = c, dt
	n := t.setShape("new", shape)
	t.st = c.scope.alloc(n * dt.Size())
	return t
}

// like makes an uninitialised contiguous tensor of x's type and shape.
func (c *Ctx) like(x *Tensor) *Tensor { return c.empty(x.dt, x.shape[:x.rank]) }

// view makes another header onto x's storage.
func (c *Ctx) view(op string, x *Tensor) *Tensor {
	x.check(op)
	t := c.scope.header()
	gen := t.gen
	*t = *x
	t.ctx, t.gen, t.grad, t.name, t.needs, t.param = c, gen, nil, "", false, false
	return t
}

// Constant makes a tensor of float type dt from float64 values.
func (c *Ctx) Constant(dt DType, data []float64, shape ...int) *Tensor {
	return c.F64s(data, shape...).To(dt)
}
