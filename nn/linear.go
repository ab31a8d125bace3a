package nn

import (
	"math"

	"github.com/hanji-ml/hanji/tensor"
)

// Linear is x·Wᵀ + b.
type Linear struct {
	Weight *tensor.Tensor // [out, in]
	Bias   *tensor.Tensor // [out]; nil: none

	Matrix tensor.Matrix `w:"-"` // in place of Weight, which then only has the shape: weights in a format of their own
}

// NewLinear makes a layer from in to out features.
func NewLinear(in, out int, bias bool) *Linear {
	l := &Linear{Weight: tensor.NewParam("weight", tensor.F32, out, in)}
	if bias {
		l.Bias = tensor.NewParam("bias", tensor.F32, out)
	}
	return l
}

// ReserveLinear is NewLinear without memory for the weight, which a checkpoint brings.
func ReserveLinear(in, out int, bias bool) *Linear {
	l := &Linear{Weight: tensor.Reserve("weight", tensor.F32, out, in)}
	if bias {
		l.Bias = tensor.NewParam("bias", tensor.F32, out)
	}
	return l
}

// Forward maps [..., in] to [..., out].
func (l *Linear) Forward(x *tensor.Tensor) *tensor.Tensor {
	if l.Matrix != nil {
		return x.MulMatrix(l.Matrix, l.Bias)
	}
	return x.Linear(l.Weight, l.Bias)
}

// ForwardOver is Forward along another axis than the last: [..., in, ...] to [..., out, ...].
func (l *Linear) ForwardOver(axis int, x *tensor.Tensor) *tensor.Tensor {
	return x.LinearOver(axis, l.Weight, l.Bias)
}

// ForwardAct is act(Forward(x)), fused in inference.
func (l *Linear) ForwardAct(x *tensor.Tensor, act tensor.Act) *tensor.Tensor {
	if l.Matrix != nil {
		return act.Apply(l.Forward(x))
	}
	return x.LinearAct(l.Weight, l.Bias, act)
}

// init draws weight and bias from ±1/√in, torch.nn.Linear's default (kaiming_uniform with a = √5).
func (l *Linear) init(key uint64) {
	bound := 1 / math.Sqrt(float64(max(l.Weight.Dim(1), 1)))
	l.Weight.FillUniform(key, -bound, bound)
	if l.Bias != nil {
		l.Bias.FillUniform(key+1, -bound, bound)
	}
}

// MLP is out(dropout(act(in(x)))) along the last axis, fused where that pays (tensor.MLP).
func MLP(x *tensor.Tensor, in, out *Linear, act tensor.Act, d *Dropout) *tensor.Tensor {
	return MLPOver(-1, x, in, out, act, d)
}

// MLPOver is MLP along any axis.
func MLPOver(axis int, x *tensor.Tensor, in, out *Linear, act tensor.Act, d *Dropout) *tensor.Tensor {
	p, path := 0.0, uint64(0)
	if d != nil {
		p, path = d.P, d.path
	}
	return x.MLPOver(axis, in.Weight, in.Bias, out.Weight, out.Bias, act, p, path)
}
