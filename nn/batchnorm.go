package nn

import "github.com/hanji-ml/hanji/tensor"

// BatchNorm normalises each channel (the last axis) over all other axes (arXiv 1502.03167): in training by the batch's
// moments, which also move the running ones, else by the running ones. It is torch's BatchNorm1d with the channels last.
type BatchNorm struct {
	Weight      *tensor.Tensor // [C]
	Bias        *tensor.Tensor // [C]
	RunningMean *tensor.Tensor // [C]
	RunningVar  *tensor.Tensor // [C], unbiased
	NumBatches  *tensor.Tensor `w:"num_batches_tracked"` // [] i64; counts training batches as torch does
	Eps         float64
	Momentum    float64 // of the running moments: r ← (1−m)·r + m·batch
}

// NewBatchNorm makes the layer for C channels with torch's eps 1e-5 and momentum 0.1.
func NewBatchNorm(c int) *BatchNorm {
	b := &BatchNorm{
		Weight: tensor.NewParam("weight", tensor.F32, c), Bias: tensor.NewParam("bias", tensor.F32, c),
		RunningMean: tensor.NewBuffer("running_mean", tensor.F32, c), RunningVar: tensor.NewBuffer("running_var", tensor.F32, c),
		NumBatches: tensor.NewBuffer("num_batches_tracked", tensor.I64), Eps: 1e-5, Momentum: 0.1,
	}
	b.Weight.Fill(1)
	b.RunningVar.Fill(1)
	return b
}

// Forward keeps the shape [..., C].
func (b *BatchNorm) Forward(x *tensor.Tensor) *tensor.Tensor {
	if !x.Training() {
		return x.BatchNorm(b.RunningMean, b.RunningVar, b.Weight, b.Bias, b.Eps)
	}
	y, mean, variance := x.BatchNormTrain(b.Weight, b.Bias, b.Eps)
	n := float64(x.Len() / max(x.Dim(-1), 1))
	unbiased := n / max(n-1, 1)
	x.Ctx().NoGrad(func() {
		b.RunningMean.Set(x.Ctx().Use(b.RunningMean).MulS(1 - b.Momentum).Add(mean.MulS(b.Momentum)))
		b.RunningVar.Set(x.Ctx().Use(b.RunningVar).MulS(1 - b.Momentum).Add(variance.MulS(b.Momentum * unbiased)))
		b.NumBatches.Fill(float64(b.NumBatches.ReadInts()[0] + 1))
	})
	return y
}
