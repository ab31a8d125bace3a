// Package train runs the training loop: steps, schedule, clipping, validation, early stopping, checkpoints.
//
// A run is a function of its Options and Task alone. Batches and random draws are keyed by seed, epoch and step, never
// by what ran before, so a run that is killed at any moment and resumed ends with the same bits as one that was not.
//
//	result, err := train.Run(ctx, task, train.Options{Epochs: 10, Optimizer: optim.Options{LR: 1e-4}, Out: "run1"})
package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/optim"
	"github.com/hanji-ml/hanji/tensor"
)

// Task is what is trained: a model, its data and its objective.
type Task interface {
	// Params lists every parameter and buffer; checkpoints hold them all, the optimiser moves the trainable ones.
	Params() []nn.Param
	// StepsPerEpoch is the number of batches of an epoch.
	StepsPerEpoch() int
	// Loss is the loss of one batch, chosen by epoch and step (of that epoch) and the task's own seed alone.
	Loss(ctx *tensor.Ctx, epoch, step int) *tensor.Tensor
	// Validate measures the present parameters, lower being better; NaN where there is nothing to validate on.
	Validate(ctx context.Context) (float64, error)
}

// Spread is a Task that works on a batch in several places at once and so runs its own backward passes: Gradients is Loss(...)·scale
// and Backward, on Ctxs of its own that are at the given step, and leaves the gradients in Params. It returns the scaled loss.
type Spread interface {
	Task
	Gradients(step uint64, epoch, batch int, scale float64) (loss float64, err error)
}

// Options of a run; the same struct is the recipe's `train:`. Zero fields take the default in brackets.
type Options struct {
	Seed            uint64         `yaml:"seed" json:"seed"`                         // of dropout and other draws
	Epochs          int            `yaml:"epochs" json:"epochs"`                     // [1]
	MaxSteps        int            `yaml:"max_steps" json:"max_steps"`               // stop after so many steps [no limit]
	Optimizer       optim.Options  `yaml:"optimizer" json:"optimizer"`               //
	Schedule        optim.Schedule `yaml:"schedule" json:"schedule"`                 // [constant]
	ClipNorm        float64        `yaml:"clip_norm" json:"clip_norm"`               // largest gradient norm [no limit]
	Accumulate      int            `yaml:"accumulate" json:"accumulate"`             // batches a step [1]
	Patience        int            `yaml:"patience" json:"patience"`                 // stop after so many epochs without a better validation [never]
	ValidateEvery   int            `yaml:"validate_every" json:"validate_every"`     // epochs [1]
	CheckpointEvery int            `yaml:"checkpoint_every" json:"checkpoint_every"` // steps [each epoch]
	Out             string         `yaml:"-" json:"-"`                               // folder for checkpoints ["": none]
	Resume          bool           `yaml:"-" json:"-"`                               // go on from Out's checkpoint, if it has one
	Log             func(e Event)  `yaml:"-" json:"-"`                               // told of every step, validation and checkpoint
}

// Event is one thing that happened.
type Event struct {
	Kind       string        // step, validation, checkpoint, resumed, done
	Epoch      int           // from 0
	Step       int           // steps done in the run
	Total      int           // steps of the whole run
	Loss       float64       // step: the batch's; validation: the validation's
	LR         float64       // step
	GradNorm   float64       // step, where clipping measures it
	Best       bool          // validation: the best so far
	Elapsed    time.Duration // since this process began the run
	StepsHere  int           // steps done by this process
	Checkpoint string        // checkpoint, resumed: the file
}

// Result of a run. The model holds the parameters of the best validation, or the last ones where there is none.
type Result struct {
	Steps     int
	Loss      float64   // of the last step
	Best      float64   // validation; NaN: none
	BestEpoch int       // from 0; −1: none
	History   []float64 // validation after each validated epoch
	Stopped   bool      // by Patience
}

// run is the state that a checkpoint keeps, beside the tensors.
type run struct {
	Step      int       `json:"step"` // steps done
	Best      float64   `json:"best"`
	BestEpoch int       `json:"best_epoch"`
	History   []float64 `json:"history"`
	Loss      float64   `json:"loss"`
	Finished  bool      `json:"finished"`
	Stopped   bool      `json:"stopped"`
	Opt       int       `json:"optimizer_steps"`
	Identity  string    `json:"identity"` // of the options: a checkpoint of other options is not resumed

	o    Options
	task Task
	opt  *optim.Optimizer
	best []*tensor.Tensor // copies of Params at the best validation; nil: none yet
	from int              // Step when this process began
	t0   time.Time
}

// Run trains until the epochs are over, patience ends, or ctx does; then a checkpoint is written (if Out is set) and
// the context's error returned.
func Run(ctx context.Context, task Task, o Options) (res Result, err error) {
	defer tensor.Recover(&err)
	r, err := start(task, o)
	if err != nil {
		return Result{}, err
	}
	defer r.opt.Close()
	tctx := tensor.New(tensor.Options{Grad: true, Train: true, Seed: o.Seed})
	defer tctx.Close()
	perEpoch := task.StepsPerEpoch()
	total := r.total()
	for !r.Finished && r.Step < total {
		if ctx.Err() != nil {
			return r.result(), errors.Join(context.Cause(ctx), r.save())
		}
		if err := r.one(tctx, perEpoch, total); err != nil {
			return r.result(), err
		}
		if r.Step%perEpoch == 0 {
			if err := r.endEpoch(ctx, r.Step/perEpoch-1); err != nil {
				return r.result(), err
			}
		}
		if e := r.o.CheckpointEvery; (e > 0 && r.Step%e == 0) || (e == 0 && r.Step%perEpoch == 0) {
			if err := r.save(); err != nil {
				return r.result(), err
			}
		}
	}
	r.Finished = true
	if err := r.save(); err != nil {
		return r.result(), err
	}
	r.takeBest()
	r.log(Event{Kind: "done", Epoch: r.BestEpoch, Loss: r.Best})
	return r.result(), nil
}

func start(task Task, o Options) (*run, error) {
	if o.Epochs == 0 {
		o.Epochs = 1
	}
	o.Accumulate, o.ValidateEvery = max(o.Accumulate, 1), max(o.ValidateEvery, 1)
	if err := o.Schedule.Validate(); err != nil {
		return nil, err
	}
	if task.StepsPerEpoch() < 1 {
		return nil, errors.New("train: no batch: the training part has fewer windows than one batch")
	}
	var trainable []nn.Param
	for _, p := range task.Params() {
		if p.Tensor.IsParam() && p.Tensor.NeedsGrad() {
			trainable = append(trainable, p)
		}
	}
	opt, err := optim.New(o.Optimizer, trainable)
	if err != nil {
		return nil, err
	}
	r := &run{Best: math.Inf(1), BestEpoch: -1, o: o, task: task, opt: opt, t0: time.Now(), Identity: identity(task, o)}
	if o.Out != "" {
		if err := os.MkdirAll(o.Out, 0o777); err != nil {
			return nil, fmt.Errorf("train: %w", err)
		}
		if err := r.resume(); err != nil {
			return nil, err
		}
	}
	r.from = r.Step
	return r, nil
}

func (r *run) total() int {
	n := r.o.Epochs * r.task.StepsPerEpoch()
	if r.o.MaxSteps > 0 {
		n = min(n, r.o.MaxSteps)
	}
	return n
}

// one takes one optimiser step.
func (r *run) one(ctx *tensor.Ctx, perEpoch, total int) error {
	rate := r.o.Schedule.At(r.o.Optimizer.LR, r.Step, total, perEpoch)
	sum := 0.0
	for a := range r.o.Accumulate {
		step, epoch, batch := uint64(r.Step*r.o.Accumulate+a), r.Step/perEpoch, r.Step%perEpoch*r.o.Accumulate+a
		if s, ok := r.task.(Spread); ok {
			loss, err := s.Gradients(step, epoch, batch, 1/float64(r.o.Accumulate))
			if err != nil {
				return fmt.Errorf("train: step %d: %w", r.Step, err)
			}
			sum += loss
			continue
		}
		ctx.Next(step)
		loss := r.task.Loss(ctx, epoch, batch)
		if r.o.Accumulate > 1 {
			loss = loss.DivS(float64(r.o.Accumulate))
		}
		sum += loss.Item()
		loss.Backward()
	}
	if math.IsNaN(sum) || math.IsInf(sum, 0) {
		return fmt.Errorf("train: the loss is %v at step %d (learning rate %g); lower the rate or set clip_norm", sum, r.Step, rate.LR)
	}
	norm := 0.0
	if r.o.ClipNorm > 0 {
		norm = optim.ClipNorm(r.opt.Params(), r.o.ClipNorm)
	}
	r.opt.Step(rate)
	r.opt.ZeroGrad()
	r.Step++
	r.Loss = sum
	r.log(Event{Kind: "step", Epoch: (r.Step - 1) / perEpoch, Total: total, Loss: sum, LR: rate.LR, GradNorm: norm})
	return nil
}

func (r *run) endEpoch(ctx context.Context, epoch int) error {
	if (epoch+1)%r.o.ValidateEvery != 0 && epoch+1 != r.o.Epochs {
		return nil
	}
	v, err := r.task.Validate(ctx)
	if err != nil {
		return fmt.Errorf("train: validation after epoch %d: %w", epoch+1, err)
	}
	if math.IsNaN(v) {
		return nil
	}
	r.History = append(r.History, v)
	better := v < r.Best
	if better {
		r.Best, r.BestEpoch = v, epoch
		r.keepBest()
	}
	r.log(Event{Kind: "validation", Epoch: epoch, Loss: v, Best: better})
	if r.o.Patience > 0 && epoch-r.BestEpoch >= r.o.Patience {
		r.Finished, r.Stopped = true, true
	}
	return nil
}

func (r *run) keepBest() {
	params := r.task.Params()
	if r.best == nil {
		for _, p := range params {
			r.best = append(r.best, p.Tensor.Keep())
		}
		return
	}
	for i, p := range params {
		r.best[i].Set(p.Tensor)
	}
}

func (r *run) takeBest() {
	if r.best == nil {
		return
	}
	for i, p := range r.task.Params() {
		p.Tensor.Set(r.best[i])
	}
}

func (r *run) log(e Event) {
	if r.o.Log != nil {
		e.Step, e.Elapsed, e.StepsHere = r.Step, time.Since(r.t0), r.Step-r.from
		r.o.Log(e)
	}
}

func (r *run) result() Result {
	res := Result{Steps: r.Step, Loss: r.Loss, Best: r.Best, BestEpoch: r.BestEpoch, History: r.History, Stopped: r.Stopped}
	if r.BestEpoch < 0 {
		res.Best = math.NaN()
	}
	return res
}

// Estimate is what a run will take.
type Estimate struct {
	Steps      int
	StepTime   time.Duration // measured on two steps
	Time       time.Duration // Steps · StepTime, without validation
	Bytes      int64         // activations and gradients of one step, parameters, gradients and optimiser state
	Parameters int           // trained
}

// DryRun measures two steps and says what the run would take. The model's parameters are as before afterwards.
func DryRun(task Task, o Options) (e Estimate, err error) {
	defer tensor.Recover(&err)
	o.Out, o.Log = "", nil
	r, err := start(task, o)
	if err != nil {
		return e, err
	}
	defer r.opt.Close()
	r.keepBest()
	defer r.takeBest()
	ctx := tensor.New(tensor.Options{Grad: true, Train: true, Seed: o.Seed})
	defer ctx.Close()
	e.Steps = r.total()
	for range 2 {
		t := time.Now()
		if err := r.one(ctx, task.StepsPerEpoch(), e.Steps); err != nil {
			return e, err
		}
		e.StepTime = time.Since(t)
	}
	e.Time = time.Duration(e.Steps) * e.StepTime
	e.Bytes = ctx.PeakBytes()
	for _, p := range r.opt.Params() {
		e.Parameters += p.Tensor.Len()
		e.Bytes += int64(2 * p.Tensor.Len() * p.Tensor.DType().Size())
	}
	for _, p := range r.opt.State() {
		e.Bytes += int64(p.Tensor.Len() * p.Tensor.DType().Size())
	}
	return e, nil
}
