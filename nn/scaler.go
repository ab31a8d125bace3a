package nn

import "github.com/hanji-ml/hanji/tensor"

// Scale standardises each window and channel of x [B, T, C] over the steps where observed [B, T, C] is 1 (nil: all):
// the scalers of transformers' and granite-tsfm's forecasters. kind is "std" (population variance, 1e-5 inside the
// root), "mean" (mean magnitude, at least 1e-10; the batch's where a series has no observation) or "none". scaled·scale + loc gives x back;
// loc and scale are [B, 1, C].
func Scale(kind string, x, observed *tensor.Tensor) (scaled, loc, scale *tensor.Tensor) {
	if observed == nil {
		observed = x.Ctx().Full(1, x.DType(), x.Shape()...)
	}
	switch kind {
	case "std":
		n := observed.Sum(1).ClampMin(1)
		loc = x.Mul(observed).Sum(1).Div(n)
		scale = x.Sub(loc).Mul(observed).Square().Sum(1).Div(n).AddS(1e-5).Sqrt()
		return x.Sub(loc).Div(scale), loc, scale
	case "mean":
		sum, n := x.Mul(observed).Abs().Sum(1), observed.Sum(1)
		whole := sum.Sum(0).Div(n.Sum(0).ClampMin(1))
		none := n.ClampMax(1).RSubS(1) // 1 where nothing was observed
		scale = sum.Div(n.ClampMin(1)).Add(none.Mul(whole)).ClampMin(1e-10)
		return x.Div(scale), scale.MulS(0), scale
	}
	one := x.Ctx().Full(1, x.DType(), x.Dim(0), 1, x.Dim(2))
	return x, one.MulS(0), one
}
