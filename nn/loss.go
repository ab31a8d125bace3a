package nn

import "github.com/hanji-ml/hanji/tensor"

// MSE is mean((pred − target)²).
func MSE(pred, target *tensor.Tensor) *tensor.Tensor { return pred.Sub(target).Square().Mean() }

// MAE is mean|pred − target|, torch's l1_loss.
func MAE(pred, target *tensor.Tensor) *tensor.Tensor { return pred.Sub(target).Abs().Mean() }

// Huber is the mean of e²/2 where |e| ≤ δ, else δ(|e| − δ/2).
func Huber(pred, target *tensor.Tensor, delta float64) *tensor.Tensor {
	e := pred.Sub(target).Abs()
	q := e.ClampMax(delta) // q²/2 + δ(e − q) is both branches
	return q.Square().MulS(0.5).Add(e.Sub(q).MulS(delta)).Mean()
}

// SmoothL1 is Huber(δ)/δ: the mean of e²/2β where |e| < β, else |e| − β/2.
func SmoothL1(pred, target *tensor.Tensor, beta float64) *tensor.Tensor {
	return Huber(pred, target, beta).DivS(beta)
}

// Pinball is the quantile loss mean(max(τe, (τ−1)e)), e = target − pred: minimal when pred is the τ quantile.
func Pinball(pred, target *tensor.Tensor, tau float64) *tensor.Tensor {
	e := target.Sub(pred)
	return e.MulS(tau).Max(e.MulS(tau - 1)).Mean()
}

// MaskedMean is the mean of the elements where mask is 1, of all of them where it is nil. The mask is 0 or 1 and has
// x's shape. With nothing to count it is 0.
func MaskedMean(x, mask *tensor.Tensor) *tensor.Tensor {
	if mask == nil {
		return x.Mean()
	}
	return x.Mul(mask).Sum().Div(mask.Sum().ClampMin(1))
}
