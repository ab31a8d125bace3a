package nn

import (
	"math"

	"github.com/hanji-ml/hanji/tensor"
)

// Linear is x·Wᵀ + b.
type Linear struct {
	Weight *tensor.Tensor // [out, in]
	Bias   *tensor.Tensor // [out]; nil: none

	LoRA  *LoRA      `w:""`  // what AddLoRA adds; nil: nothing
	Quant *FakeQuant `w:"-"` // what SetFakeQuant rounds; nil: nothing

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

// plain tells that the layer is Weight and Bias and nothing else, which fused ops take.
func (l *Linear) plain() bool { return l.Matrix == nil && l.LoRA == nil && l.Quant == nil }

// Forward maps [..., in] to [..., out].
func (l *Linear) Forward(x *tensor.Tensor) *tensor.Tensor { return l.ForwardOver(-1, x) }

// ForwardOver is Forward along another axis than the last: [..., in, ...] to [..., out, ...].
func (l *Linear) ForwardOver(axis int, x *tensor.Tensor) *tensor.Tensor {
	y := l.base(axis, x)
	if l.LoRA != nil {
		y = l.LoRA.add(axis, y, x)
	}
	return y
}

// base is Forward without what LoRA adds.
func (l *Linear) base(axis int, x *tensor.Tensor) *tensor.Tensor {
	x, w := l.Quant.input(axis, x), l.Quant.weight(x.Ctx(), l.Weight)
	if l.Matrix == nil {
		return x.LinearOver(axis, w, l.Bias)
	}
	if last := x.Rank() - 1; axis >= 0 && axis < last {
		return x.Transpose(axis, last).MulMatrix(l.Matrix, l.Bias).Transpose(axis, last)
	}
	return x.MulMatrix(l.Matrix, l.Bias)
}

// ForwardAct is act(Forward(x)), fused in inference.
func (l *Linear) ForwardAct(x *tensor.Tensor, act tensor.Act) *tensor.Tensor {
	if !l.plain() {
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
	if !in.plain() || !out.plain() {
		return out.ForwardOver(axis, d.Forward(act.Apply(in.ForwardOver(axis, x))))
	}
	p, path := 0.0, uint64(0)
	if d != nil {
		p, path = d.P, d.path
	}
	return x.MLPOver(axis, in.Weight, in.Bias, out.Weight, out.Bias, act, p, path)
}
