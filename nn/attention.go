package nn

import "github.com/hanji-ml/hanji/tensor"

// SplitHeads views [B, T, H·D] as [B, H, T, D].
func SplitHeads(x *tensor.Tensor, heads int) *tensor.Tensor {
	return x.Reshape(x.Dim(0), x.Dim(1), heads, x.Dim(2)/heads).Permute(0, 2, 1, 3)
}

// JoinHeads turns [B, H, T, D] into [B, T, H·D], without a copy when it came from tensor.Attention.
func JoinHeads(x *tensor.Tensor) *tensor.Tensor { return x.Permute(0, 2, 1, 3).Flatten(2, 3) }

// Attention is multi-head scaled dot-product attention (arXiv 1706.03762, §3.2) with separate projections.
type Attention struct {
	Q     *Linear `w:"q_proj"`
	K     *Linear `w:"k_proj"`
	V     *Linear `w:"v_proj"`
	Out   *Linear `w:"out_proj"`
	Heads int
}

// NewAttention makes the layer for C channels in heads, all projections with bias.
func NewAttention(c, heads int) *Attention {
	return &Attention{Q: NewLinear(c, c, true), K: NewLinear(c, c, true), V: NewLinear(c, c, true), Out: NewLinear(c, c, true), Heads: heads}
}

// Forward maps [B, T, C] to [B, T, C] and returns the scores when o asks for them.
func (a *Attention) Forward(x *tensor.Tensor, o tensor.AttentionOptions) (y, scores *tensor.Tensor) {
	q, k, v := SplitHeads(a.Q.Forward(x), a.Heads), SplitHeads(a.K.Forward(x), a.Heads), SplitHeads(a.V.Forward(x), a.Heads)
	y, scores = tensor.Attention(q, k, v, o)
	return a.Out.Forward(JoinHeads(y)), scores
}
