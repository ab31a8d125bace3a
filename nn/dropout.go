package nn

import (
	"reflect"

	"github.com/hanji-ml/hanji/tensor"
)

// Dropout zeroes elements with probability P in training and scales the rest by 1/(1−P).
type Dropout struct {
	P    float64
	path uint64
}

// NewDropout makes the layer; Name must tell it its place.
func NewDropout(p float64) *Dropout { return &Dropout{P: p} }

// Forward keeps the shape.
func (d *Dropout) Forward(x *tensor.Tensor) *tensor.Tensor {
	if d == nil || d.P == 0 {
		return x
	}
	return x.Dropout(d.P, d.path)
}

// Add is residual + Forward(x) in one pass.
func (d *Dropout) Add(residual, x *tensor.Tensor) *tensor.Tensor {
	if d == nil || d.P == 0 {
		return residual.Add(x)
	}
	return x.DropoutAdd(residual, d.P, d.path)
}

// Path is the key of the layer's random draws, for ops that drop out themselves.
func (d *Dropout) Path() uint64 { return d.path }

func (d *Dropout) place(path uint64) { d.path = path }

// SetDropout gives every dropout of a model the same probability.
func SetDropout(model any, p float64) {
	walk(reflect.ValueOf(model), "", func(_ string, v reflect.Value) {
		if d, ok := v.Interface().(*Dropout); ok {
			d.P = p
		}
	})
}
