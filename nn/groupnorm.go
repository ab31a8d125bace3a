package nn

import "github.com/hanji-ml/hanji/tensor"

// GroupNorm normalises groups of channels of each sample (arXiv 1803.08494); see tensor.GroupNorm.
type GroupNorm struct {
	Weight *tensor.Tensor // [C]
	Bias   *tensor.Tensor // [C]
	Groups int
	Eps    float64
}

// NewGroupNorm makes the layer for c channels in groups with gain 1 and torch's eps 1e-5.
func NewGroupNorm(groups, c int) *GroupNorm {
	g := &GroupNorm{Weight: tensor.NewParam("weight", tensor.F32, c), Bias: tensor.NewParam("bias", tensor.F32, c), Groups: groups, Eps: 1e-5}
	g.Weight.Fill(1)
	return g
}

// Forward keeps the shape [B, C, ...].
func (g *GroupNorm) Forward(x *tensor.Tensor) *tensor.Tensor {
	return x.GroupNorm(g.Groups, g.Weight, g.Bias, g.Eps)
}
