package nn

import (
	"math"

	"github.com/hanji-ml/hanji/tensor"
)

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

// MaskedMean is the mean of the elements weighted by mask, which has x's shape and no negative element: with zeros and
// ones, the mean of what is marked. A nil mask counts everything; a mask of zeros gives 0 (the sum of weights is taken as at
// least 1, so weights that add up to less shrink the result).
func MaskedMean(x, mask *tensor.Tensor) *tensor.Tensor {
	if mask == nil {
		return x.Mean()
	}
	return x.Mul(mask).Sum().Div(mask.Sum().ClampMin(1))
}

// BCEWithLogits is the mean of −(w·t·ln σ(x) + (1−t)·ln(1−σ(x))) over all elements, t in [0, 1] of x's shape; w is posWeight,
// which broadcasts to x (nil: 1). It is computed as (1−t)·x − (1 + (w−1)·t)·ln σ(x), which does not overflow.
func BCEWithLogits(x, t, posWeight *tensor.Tensor) *tensor.Tensor {
	hit := x.LogSigmoid()
	if posWeight != nil {
		hit = t.Mul(posWeight).Sub(t).AddS(1).Mul(hit)
	}
	return t.RSubS(1).Mul(x).Sub(hit).Mean()
}

// KLDiv is KL(p ‖ q) = Σ p·(ln p − ln q), summed over the last axis and all samples, divided by the length of the first axis
// (torch's kl_div with reduction="batchmean"). logQ holds ln q; where p is 0 the term is 0.
func KLDiv(logQ, p *tensor.Tensor) *tensor.Tensor {
	tiny := 1e-37 // p·ln(max(p, tiny)) is 0 at 0, and exact wherever float32 is normal
	if p.DType() == tensor.F64 {
		tiny = 1e-307
	}
	return p.Mul(p.ClampMin(tiny).Log().Sub(logQ)).Sum().DivS(float64(max(p.Dim(0), 1)))
}

// CosineSimilarity is a·b/(max(‖a‖, ε)·max(‖b‖, ε)) along the last axis, which goes away; ε is torch's 1e-8.
func CosineSimilarity(a, b *tensor.Tensor) *tensor.Tensor {
	const eps = 1e-8
	norm := func(x *tensor.Tensor) *tensor.Tensor { return x.Square().Sum(-1).ClampMin(eps * eps).Sqrt() }
	return a.Mul(b).Sum(-1).Div(norm(a).Mul(norm(b))).Squeeze(-1)
}

// ZLoss is the mean of (ln Σ e^x)² over the rows of all layers' router logits [N, E] together: it keeps their normaliser near 1 (ST-MoE,
// arXiv 2202.08906, eq. 5). real tells which of the N rows count; nil: all.
func ZLoss(logits []*tensor.Tensor, real []bool) *tensor.Tensor {
	all := tensor.Concat(0, logits...)
	z := all.LogSumExp().Square()
	if real == nil {
		return z.Mean()
	}
	mask := make([]float64, z.Len())
	for i := range mask {
		if real[i%len(real)] {
			mask[i] = 1
		}
	}
	return MaskedMean(z, all.Ctx().Constant(z.DType(), mask, z.Shape()...))
}

// CausalLoss is the loss of a language model, the mean cross-entropy of the logits of position t against the label of position t+1, over the
// labels i64 [B, T] that are not ignore (transformers' ForCausalLMLoss). head makes logits of hidden states x [B·T, C]; only the rows that
// foretell a label which counts go through it. Without any the loss is NaN.
func CausalLoss(x, labels *tensor.Tensor, ignore int64, head func(x *tensor.Tensor) *tensor.Tensor) *tensor.Tensor {
	v, t := labels.ReadInts(), labels.Dim(1)
	rows, targets := make([]int64, 0, len(v)), make([]int64, 0, len(v))
	for i := range v {
		if (i+1)%t > 0 && v[i+1] != ignore {
			rows, targets = append(rows, int64(i)), append(targets, v[i+1])
		}
	}
	if len(rows) == 0 {
		return x.Sum().MulS(math.NaN())
	}
	c := x.Ctx()
	return head(c.Ints(rows, len(rows)).Embedding(x)).CrossEntropy(c.Ints(targets, len(targets)), tensor.CrossEntropyOptions{})
}
