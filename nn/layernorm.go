package nn

import "github.com/hanji-ml/hanji/tensor"

// LayerNorm normalises the last axis and applies gain and shift (arXiv 1607.06450).
type LayerNorm struct {
	Weight *tensor.Tensor // [C]
	Bias   *tensor.Tensor // [C]
	Eps    float64
}

// NewLayerNorm makes the layer for C channels with gain 1; eps is torch's 1e-5 when 0.
func NewLayerNorm(c int, eps float64) *LayerNorm {
	if eps == 0 {
		eps = 1e-5
	}
	l := &LayerNorm{Weight: tensor.NewParam("weight", tensor.F32, c), Bias: tensor.NewParam("bias", tensor.F32, c), Eps: eps}
	l.Weight.Fill(1)
	return l
}

// Forward keeps the shape [..., C].
func (l *LayerNorm) Forward(x *tensor.Tensor) *tensor.Tensor {
	return x.LayerNorm(l.Weight, l.Bias, l.Eps)
}

// RMSNorm divides by the root mean square of the last axis (arXiv 1910.07467).
type RMSNorm struct {
	Weight  *tensor.Tensor // [C]
	Eps     float64
	Centred bool // the gain is 1 + Weight, as in Gemma's checkpoints
}

// NewRMSNorm makes the layer for C channels with gain 1.
func NewRMSNorm(c int, eps float64) *RMSNorm {
	l := &RMSNorm{Weight: tensor.NewParam("weight", tensor.F32, c), Eps: eps}
	l.Weight.Fill(1)
	return l
}

// Forward keeps the shape [..., C].
func (l *RMSNorm) Forward(x *tensor.Tensor) *tensor.Tensor {
	if l.Centred {
		return x.RMSNorm(x.Ctx().Use(l.Weight).AddS(1), l.Eps)
	}
	return x.RMSNorm(l.Weight, l.Eps)
}
