package forecast

import (
	"context"
	"math"

	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/tensor"
)

// Task trains a forecaster on windows of one multivariate series; it implements train.Task.
type Task struct {
	Model      model.Trainable
	Train, Val *Windows // Val nil: no validation
	Batch      int      // windows a batch; the last, smaller batch of an epoch is left out, as the references do
	Seed       uint64   // of the order of windows

	epoch int // whose order is cached below
	order []int
}

// Params implements train.Task.
func (t *Task) Params() []nn.Param { return nn.Walk(t.Model) }

// StepsPerEpoch implements train.Task.
func (t *Task) StepsPerEpoch() int { return t.Train.Len() / max(t.Batch, 1) }

// Loss implements train.Task.
func (t *Task) Loss(ctx *tensor.Ctx, epoch, step int) *tensor.Tensor {
	if t.order == nil || t.epoch != epoch {
		t.epoch, t.order = epoch, shuffled(t.Seed, epoch, t.Train.Len())
	}
	step %= t.StepsPerEpoch() // with accumulated batches an epoch's order is gone through again
	past, target := t.Train.Batch(ctx, t.order[step*t.Batch:(step+1)*t.Batch])
	return t.Model.Loss(ctx, model.Window{Past: past}, target, nil)
}

// Validate implements train.Task: the mean squared error over all validation windows.
func (t *Task) Validate(ctx context.Context) (float64, error) {
	if t.Val == nil {
		return math.NaN(), nil
	}
	e, err := Errors(ctx, t.Model, t.Val, t.Val.Len())
	return e.MSE, err
}

// Error is a forecaster's error over windows, in the units of the windows.
type Error struct {
	Windows   int       `json:"windows"`
	MSE       float64   `json:"mse"`
	MAE       float64   `json:"mae"`
	ChannelSE []float64 `json:"channel_mse"` // per channel
	ChannelAE []float64 `json:"channel_mae"`
}

// errorBatch is how many windows are forecast at once: enough to keep the kernels busy, few enough for the caches.
const errorBatch = 64

// Errors forecasts the first n windows and averages squared and absolute errors over windows, steps and channels in float64.
func Errors(ctx context.Context, m model.Forecaster, w *Windows, n int) (e Error, err error) {
	defer tensor.Recover(&err)
	se, ae := make([]float64, w.C), make([]float64, w.C)
	tctx := tensor.New(tensor.Options{})
	defer tctx.Close()
	index := make([]int, 0, errorBatch)
	for lo := 0; lo < n; lo += errorBatch {
		if ctx.Err() != nil {
			return e, context.Cause(ctx)
		}
		index = index[:0]
		for i := lo; i < min(lo+errorBatch, n); i++ {
			index = append(index, i)
		}
		tctx.Next(0)
		past, target := w.Batch(tctx, index)
		d := model.ForecastBatch(tctx, m, model.Window{Past: past}).Mean.Slice(1, 0, w.Horizon).Sub(target).Read()
		for i, v := range d {
			se[i%w.C] += float64(v) * float64(v)
			ae[i%w.C] += math.Abs(float64(v))
		}
	}
	per := float64(n * w.Horizon)
	e.Windows = n
	for c := range se {
		se[c] /= per
		ae[c] /= per
		e.MSE += se[c] / float64(w.C)
		e.MAE += ae[c] / float64(w.C)
	}
	e.ChannelSE, e.ChannelAE = se, ae
	return e, nil
}
