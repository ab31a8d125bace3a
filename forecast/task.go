package forecast

import (
	"context"
	"fmt"
	"math"

	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/tensor"
	"github.com/hanji-ml/hanji/train"
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
		t.epoch, t.order = epoch, train.Order(t.Seed, epoch, t.Train.Len())
	}
	step %= t.StepsPerEpoch() // with accumulated batches an epoch's order is gone through again
	past, target := t.Train.Batch(ctx, t.order[step*t.Batch:(step+1)*t.Batch])
	return t.Model.Loss(ctx, model.Window{Past: past}, target, nil)
}

// Validate implements train.Task: the mean squared error over all validation windows; for a model in pre-training,
// which forecasts nothing yet, its loss over them.
func (t *Task) Validate(ctx context.Context) (float64, error) {
	if t.Val == nil {
		return math.NaN(), nil
	}
	if pretraining(t.Model) {
		return t.validationLoss(ctx)
	}
	e, err := Errors(ctx, t.Model, t.Val, t.Val.Len())
	return e.MSE, err
}

// pretraining reports whether what the model gives is no forecast but the answer to its pre-training task.
func pretraining(m model.Forecaster) bool {
	p, ok := m.(interface{ Pretraining() bool })
	return ok && p.Pretraining()
}

// validationLoss is the mean loss over the validation windows in inference. What is hidden of a window is the same every
// time, so that epochs can be compared.
func (t *Task) validationLoss(ctx context.Context) (sum float64, err error) {
	defer tensor.Recover(&err)
	tctx := tensor.New(tensor.Options{Seed: t.Seed})
	defer tctx.Close()
	n := t.Val.Len()
	for lo := 0; lo < n; lo += errorBatch {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		var index []int
		for i := lo; i < min(lo+errorBatch, n); i++ {
			index = append(index, i)
		}
		tctx.Next(uint64(lo))
		past, target := t.Val.Batch(tctx, index)
		sum += t.Model.Loss(tctx, model.Window{Past: past}, target, nil).Item() * float64(len(index)) / float64(n)
	}
	return sum, nil
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
// A model in pre-training is refused.
func Errors(ctx context.Context, m model.Forecaster, w *Windows, n int) (e Error, err error) {
	defer tensor.Recover(&err)
	if pretraining(m) {
		return e, fmt.Errorf("forecast: this %s is a pre-training model, which fills in what is hidden and forecasts nothing; fine-tune it first", m.Spec().Family)
	}
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
