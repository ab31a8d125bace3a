package tensor

import (
	"fmt"
	"math"
	"unsafe"
)

// MaxRank is the largest number of axes of a tensor.
const MaxRank = 6

// Tensor is a dense array. Axes may have any stride but for the innermost, which is contiguous, so most views cost
// nothing. A Tensor is made by a Ctx, by an op on other tensors, or by NewParam.
type Tensor struct {
	ctx    *Ctx // nil: outside any scope (parameters, kept tensors)
	st     *storage
	off    int // first element
	rank   int
	shape  [MaxRank]int
	stride [MaxRank]int // in elements
	dt     DType
	gen    uint32
	param  bool // its gradient lives outside scopes and is added up until ZeroGrad
	needs  bool // takes part in the backward pass
	fresh  bool // param: grad holds nothing yet
	grad   *Tensor
	name   string
}

// NewParam makes a trainable tensor of zeros outside any scope.
func NewParam(name string, dt DType, shape ...int) *Tensor {
	t := newOutside(name, dt, shape)
	t.param, t.needs = true, true
	return t
}

// NewBuffer makes a tensor of zeros outside any scope that is not trained: running statistics, tables.
func NewBuffer(name string, dt DType, shape ...int) *Tensor { return newOutside(name, dt, shape) }

func newOutside(name string, dt DType, shape []int) *Tensor {
	t := &Tensor{dt: dt, name: name}
	n := t.setShape("new", shape)
	t.st = &storage{b: alignedBytes(n * dt.Size()), class: -1}
	return t
}

// Wrap makes a constant tensor over bytes that the caller owns (little-endian, contiguous), such as a mapped file.
// The bytes must stay valid and unchanged for the tensor's life and be aligned to the element size.
func Wrap(name string, dt DType, data []byte, shape ...int) *Tensor {
	t := &Tensor{dt: dt, name: name}
	if n := t.setShape("wrap", shape); n*dt.Size() != len(data) {
		fail("wrap", fmt.Sprintf("%d bytes do not fill the shape", len(data)), t)
	}
	if len(data) > 0 && uintptr(unsafe.Pointer(unsafe.SliceData(data)))%uintptr(dt.Size()) != 0 {
		data = append(alignedBytes(len(data))[:0], data...)
	}
	t.st = &storage{b: data, class: -1}
	return t
}

// setShape fixes shape and contiguous strides and returns the number of elements.
func (t *Tensor) setShape(op string, shape []int) int {
	if len(shape) > MaxRank {
		panic(&Error{Op: op, Problem: fmt.Sprintf("%d axes, at most %d", len(shape), MaxRank)})
	}
	t.rank = copy(t.shape[:], shape)
	clear(t.shape[t.rank:]) // of a header that was another shape's
	clear(t.stride[t.rank:])
	n := 1
	for i := t.rank - 1; i >= 0; i-- {
		d := shape[i]
		if d < 0 || (d > 0 && n > math.MaxInt/16/d) {
			panic(&Error{Op: op, Problem: fmt.Sprintf("impossible shape %v", append([]int(nil), shape...))})
		}
		t.stride[i] = n
		n *= d
	}
	for i := 0; i < t.rank; i++ { // an empty tensor still has the strides of its outer axes
		if t.stride[i] == 0 {
			t.stride[i] = 1
		}
	}
	return n
}

// Rank is the number of axes.
func (t *Tensor) Rank() int { return t.rank }

// Dim is the length of an axis; negative axes count from the end.
func (t *Tensor) Dim(axis int) int { return t.shape[t.axis("dim", axis)] }

// Shape is a copy of the axis lengths.
func (t *Tensor) Shape() []int { return append([]int(nil), t.shape[:t.rank]...) }

// Len is the number of elements.
func (t *Tensor) Len() int {
	n := 1
	for _, d := range t.shape[:t.rank] {
		n *= d
	}
	return n
}

// DType is the type of the elements.
func (t *Tensor) DType() DType { return t.dt }

// Name is the name given to a parameter or buffer; "" for activations.
func (t *Tensor) Name() string { return t.name }

// SetName names a parameter or buffer.
func (t *Tensor) SetName(name string) { t.name = name }

// Ctx is the context that the tensor belongs to; nil for parameters and kept tensors.
func (t *Tensor) Ctx() *Ctx { return t.ctx }

// Training reports whether the tensor's Ctx is that of a training step.
func (t *Tensor) Training() bool { return t.ctx != nil && t.ctx.Train }

func (t *Tensor) String() string {
	s := fmt.Sprintf("%v%v", t.dt, t.shape[:t.rank])
	if t.name != "" {
		s = t.name + " " + s
	}
	return s
}

func (t *Tensor) axis(op string, a int) int {
	i := a
	if i < 0 {
		i += t.rank
	}
	if i < 0 || i >= t.rank {
		fail(op, fmt.Sprintf("no axis %d", a), t)
	}
	return i
}

func (t *Tensor) contiguous() bool {
	n := 1
	for i := t.rank - 1; i >= 0; i-- {
		if t.shape[i] != 1 && t.stride[i] != n {
			return false
		}
		n *= t.shape[i]
	}
	return true
}

func sameShape(a, b *Tensor) bool {
	if a.rank != b.rank {
		return false
	}
	for i, d := range a.shape[:a.rank] { // beyond the rank a view may keep what it was made from
		if d != b.shape[i] {
			return false
		}
	}
	return true
}

// check panics when the tensor's scope has ended, or its memory was given back by Reuse and lies free.
func (t *Tensor) check(op string) {
	if t.ctx != nil && (t.ctx.scope == nil || t.ctx.scope.gen != t.gen || t.st.class >= 0 && t.st.slot < 0) {
		panic(&Error{Op: op, Problem: "tensor used after its scope ended; read it before, or Keep it", Shapes: []string{t.String()}})
	}
}

// ctxOf finds the Ctx of an op: that of its first operand that has one.
func ctxOf(op string, ts ...*Tensor) *Ctx {
	var c *Ctx
	for _, t := range ts {
		if t == nil {
			continue
		}
		t.check(op)
		if c == nil {
			c = t.ctx
		}
	}
	if c == nil {
		fail(op, "no operand belongs to a Ctx; take the parameter in with Ctx.Use", ts...)
	}
	return c
}

func sameFloat(op string, ts ...*Tensor) {
	for _, t := range ts {
		if t != nil && (t.dt != ts[0].dt || !t.dt.Float()) {
			fail(op, "operands must all be f32 or all f64", ts...)
		}
	}
}

// Keep copies the tensor out of its scope.
func (t *Tensor) Keep() *Tensor {
	t.check("keep")
	k := newOutside(t.name, t.dt, t.shape[:t.rank])
	prim.copy(k, t)
	return k
}

// Set copies src's elements over t's, converting between float types. The shapes must be equal.
func (t *Tensor) Set(src *Tensor) {
	t.check("set")
	src.check("set")
	if !sameShape(t, src) {
		fail("set", "shapes differ", t, src)
	}
	t.provide()
	prim.copy(t, src)
}

// SetF32 copies data into the tensor, converting to its element type.
func (t *Tensor) SetF32(data []float32) { setFrom(t, F32, data) }

// SetF64 copies data into the tensor, converting to its element type.
func (t *Tensor) SetF64(data []float64) { setFrom(t, F64, data) }

// SetInts copies data into the tensor, converting to its element type.
func (t *Tensor) SetInts(data []int64) { setFrom(t, I64, data) }

func setFrom[T any](t *Tensor, dt DType, data []T) {
	t.check("set")
	if len(data) != t.Len() {
		fail("set", fmt.Sprintf("%d values given", len(data)), t)
	}
	t.provide()
	prim.copy(t, Wrap("", dt, bytesOf(data), t.shape[:t.rank]...))
}

// Fill sets every element to v.
func (t *Tensor) Fill(v float64) {
	t.check("fill")
	prim.fill(t, v)
}

// Read returns a copy of the elements as float32, in row-major order.
func (t *Tensor) Read() []float32 {
	out := make([]float32, t.Len())
	readInto(t, F32, out)
	return out
}

// ReadInto copies the elements to dst, whose length must be Len.
func (t *Tensor) ReadInto(dst []float32) { readInto(t, F32, dst) }

// ReadF64 returns a copy of the elements as float64, in row-major order.
func (t *Tensor) ReadF64() []float64 {
	out := make([]float64, t.Len())
	readInto(t, F64, out)
	return out
}

// ReadInts returns a copy of an integer tensor's elements.
func (t *Tensor) ReadInts() []int64 {
	out := make([]int64, t.Len())
	readInto(t, I64, out)
	return out
}

// ReadBytes returns a copy of the elements in the tensor's own type, little-endian, row-major: what a file stores.
func (t *Tensor) ReadBytes() []byte {
	out := make([]byte, t.Len()*t.dt.Size())
	readInto(t, t.dt, out)
	return out
}

// Item is the value of a tensor of one element.
func (t *Tensor) Item() float64 {
	if t.Len() != 1 {
		fail("item", "more than one element", t)
	}
	var out [1]float64
	readInto(t, F64, out[:])
	return out[0]
}

func readInto[T any](t *Tensor, dt DType, out []T) {
	t.check("read")
	b := bytesOf(out)
	if len(b) != t.Len()*dt.Size() {
		fail("read", fmt.Sprintf("room for %d values", len(out)), t)
	}
	prim.download(b, dt, t)
}

func bytesOf[T any](s []T) []byte {
	var z T
	if len(s) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*int(unsafe.Sizeof(z)))
}

// Cast is a parameter or buffer in another float type, with the same name and standing.
func (t *Tensor) Cast(dt DType) *Tensor {
	if t.Reserved() {
		k := Reserve(t.name, dt, t.shape[:t.rank]...)
		k.needs = t.needs
		return k
	}
	k := newOutside(t.name, dt, t.shape[:t.rank])
	k.param, k.needs = t.param, t.needs
	prim.copy(k, t)
	return k
}
