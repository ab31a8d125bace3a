package golden

import (
	"slices"
	"testing"

	"github.com/hanji-ml/hanji/safetensors"
)

// Tensor is one array of a case, C order.
type Tensor struct {
	Name  string
	DType safetensors.DType
	Shape []int     // empty for a scalar
	F64   []float64 // every element
	I64   []int64   // the elements exactly, for integer types and BOOL; nil for floats
}

// F32 returns the elements as float32: as stored for F32 and narrower types,
// rounded for F64.
func (x Tensor) F32() []float32 {
	out := make([]float32, len(x.F64))
	for i, v := range x.F64 {
		out[i] = float32(v)
	}
	return out
}

// Ints returns the elements of an integer tensor as int; nil for floats.
func (x Tensor) Ints() []int {
	if x.I64 == nil {
		return nil
	}
	out := make([]int, len(x.I64))
	for i, v := range x.I64 {
		out[i] = int(v)
	}
	return out
}

// Has tells whether the case has a tensor of that name.
func (c *Case) Has(name string) bool {
	if c.tensors == nil {
		return false
	}
	_, ok := c.tensors.Tensor(name)
	return ok
}

// TensorNames lists the case's tensors, sorted.
func (c *Case) TensorNames() []string {
	if c.tensors == nil {
		return nil
	}
	names := c.tensors.Names()
	slices.Sort(names)
	return names
}

// Tensor returns the tensor of that name; the test fails if there is none.
func (c *Case) Tensor(t testing.TB, name string) Tensor {
	t.Helper()
	if !c.Has(name) {
		t.Fatalf("golden: %s/%s has no tensor %q; it has %.400q", c.Area, c.Name, name, c.TensorNames())
	}
	raw, _ := c.tensors.Tensor(name)
	x := Tensor{Name: name, DType: raw.DType, Shape: slices.Clone(raw.Shape)}
	var err error
	if x.F64, err = raw.Float64s(); err != nil {
		t.Fatalf("golden: %s/%s: %v", c.Area, c.Name, err)
	}
	if ints, err := raw.Int64s(); err == nil {
		x.I64 = ints
	}
	return x
}

// F32 returns the elements of a tensor as float32.
func (c *Case) F32(name string) []float32 {
	c.t.Helper()
	return c.Tensor(c.t, name).F32()
}

// F64 returns the elements of a tensor as float64.
func (c *Case) F64(name string) []float64 {
	c.t.Helper()
	return c.Tensor(c.t, name).F64
}

// Int64s returns the elements of an integer tensor; the test fails for floats.
func (c *Case) Int64s(name string) []int64 {
	c.t.Helper()
	x := c.Tensor(c.t, name)
	if x.I64 == nil {
		c.t.Fatalf("golden: %s/%s: tensor %q is %s, no integers", c.Area, c.Name, name, x.DType)
	}
	return x.I64
}

// Shape returns the dimensions of a tensor.
func (c *Case) Shape(name string) []int {
	c.t.Helper()
	return c.Tensor(c.t, name).Shape
}
