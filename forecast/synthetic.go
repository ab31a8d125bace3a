package forecast

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"

	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/synth"
	"github.com/hanji-ml/hanji/tensor"
	"github.com/hanji-ml/hanji/train"
)

// SyntheticRecipe trains on series that package synth makes up, never the same twice: `data: {synthetic: {…}}`.
type SyntheticRecipe struct {
	Steps      int     `yaml:"steps_per_epoch" json:"steps_per_epoch"` // an epoch is nothing but the time between validations [250]
	Shortest   int     `yaml:"shortest" json:"shortest"`               // observed steps of the shortest history [16]
	Full       float64 `yaml:"full" json:"full"`                       // share of histories as long as the context [0.4]; the others' lengths are uniform
	Gaps       float64 `yaml:"gaps" json:"gaps"`                       // share of histories with missing values [0.05]
	Unknown    float64 `yaml:"unknown" json:"unknown"`                 // share of histories whose season is not told [0.15]
	Validation int     `yaml:"validation" json:"validation"`           // series of the validation, other ones [2048]
}

func (r SyntheticRecipe) withDefaults() SyntheticRecipe {
	set := func(v *float64, d float64) {
		if *v == 0 {
			*v = d
		}
	}
	for _, v := range []struct {
		at *int
		d  int
	}{{&r.Steps, 250}, {&r.Shortest, 16}, {&r.Validation, 2048}} {
		if *v.at == 0 {
			*v.at = v.d
		}
	}
	set(&r.Full, 0.4)
	set(&r.Gaps, 0.05)
	set(&r.Unknown, 0.15)
	return r
}

// validate reports every value that cannot be.
func (r SyntheticRecipe) validate(context int) error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("forecast: recipe: data.synthetic: "+format, args...))
	}
	if r.Steps < 1 || r.Validation < 1 {
		bad("steps_per_epoch %d and validation %d must be positive", r.Steps, r.Validation)
	}
	if r.Shortest < 1 || r.Shortest > context {
		bad("shortest %d must lie between 1 and the model's context of %d", r.Shortest, context)
	}
	for _, v := range []struct {
		name  string
		share float64
	}{{"full", r.Full}, {"gaps", r.Gaps}, {"unknown", r.Unknown}} {
		if !(v.share >= 0 && v.share <= 1) {
			bad("%s %g is a share, between 0 and 1", v.name, v.share)
		}
	}
	return errors.Join(errs...)
}

// SyntheticTask trains a forecaster of one channel on series made by package synth; it implements train.Task. A batch is
// a function of Seed, epoch and step.
type SyntheticTask struct {
	Model model.Trainable
	Data  SyntheticRecipe
	Batch int // series a batch
	Seed  uint64
}

// Params implements train.Task.
func (t *SyntheticTask) Params() []nn.Param { return nn.Walk(t.Model) }

// StepsPerEpoch implements train.Task.
func (t *SyntheticTask) StepsPerEpoch() int { return t.Data.withDefaults().Steps }

// Loss implements train.Task.
func (t *SyntheticTask) Loss(ctx *tensor.Ctx, epoch, step int) *tensor.Tensor {
	first := (uint64(epoch)<<24 | uint64(step)) * uint64(t.Batch)
	return t.loss(ctx, t.Seed, first, t.Batch)
}

// validationSeed keeps the validation's series apart from every training seed that people use.
const validationSeed = 0x76616c6964617465

// Validate implements train.Task: the loss over the validation's series, in inference.
func (t *SyntheticTask) Validate(ctx context.Context) (sum float64, err error) {
	defer tensor.Recover(&err)
	tctx := tensor.New(tensor.Options{})
	defer tctx.Close()
	n := t.Data.withDefaults().Validation
	for lo := 0; lo < n; lo += t.Batch {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		tctx.Next(0)
		size := min(t.Batch, n-lo)
		sum += t.loss(tctx, validationSeed, uint64(lo), size).Item() * float64(size) / float64(n)
	}
	return sum, nil
}

func (t *SyntheticTask) loss(ctx *tensor.Ctx, seed, first uint64, size int) *tensor.Tensor {
	spec := t.Model.Spec()
	h := newHistories(spec.Context, size)
	var target, mask []float32
	for i := range uint64(size) {
		s := t.Data.withDefaults().draw(seed, first+i, spec)
		h.add(s.y[:s.history], s.told)
		yt, mt := h.target(s.y[s.history:], s.season)
		target, mask = append(target, yt...), append(mask, mt...)
	}
	shape := []int{size, spec.Horizon, 1}
	return t.Model.Loss(ctx, h.window(ctx), ctx.F32s(target, shape...), ctx.F32s(mask, shape...))
}

// sample is a series to learn from.
type sample struct {
	y            []float64 // history, NaN where missing, then the horizon
	history      int
	season, told int // the season, and what the model is told of it: 0 unknown
}

// draw makes series number index.
func (r SyntheticRecipe) draw(seed, index uint64, spec model.Spec) sample {
	// Its own stream: what is cut from a series must not depend on how many draws made it.
	rng := rand.New(rand.NewPCG(seed^0x9e3779b97f4a7c15, index*0xd1342543de82ef95+1))
	n := spec.Context
	if rng.Float64() >= r.Full {
		n = r.Shortest + rng.IntN(max(1, spec.Context-r.Shortest+1))
	}
	s := synth.Generator{Seed: seed}.Series(index, n+spec.Horizon)
	told := s.Season
	if rng.Float64() < r.Unknown {
		told = 0
	}
	if rng.Float64() < r.Gaps {
		for p, t := 0.3*rng.Float64(), 0; t < n; t++ {
			if rng.Float64() < p {
				s.Y[t] = math.NaN()
			}
		}
	}
	return sample{y: s.Y, history: n, season: s.Season, told: told}
}

// farthest bounds targets, in deviations of the history: a history that says nothing of an explosion to come must not
// outweigh all others. No quantile between 0.1 and 0.9 should lie there.
const farthest = 8

// calmest bounds what one calm series may weigh, in deviations of the history.
const calmest = 0.2

// target gives the last history's targets in its units, and their weight in the loss: one over the mean absolute
// difference of season steps in the history (at least calmest), so that the loss is MASE's pinball counterpart and calm
// series count as much as noisy ones. A history without any change has no unit to learn in and weighs nothing.
func (h *histories) target(y []float64, season int) (target, weight []float32) {
	last := len(h.loc) - 1
	past, observed := h.past[last*h.context:], h.observed[last*h.context:]
	sum, n := 0.0, 0.0
	for t := season; t < len(past); t++ {
		if observed[t]*observed[t-season] != 0 {
			sum += math.Abs(float64(past[t] - past[t-season]))
			n++
		}
	}
	w := float32(1 / max(calmest, sum/max(n, 1)))
	if n == 0 {
		w = 1
	}
	if slices.Min(past) == slices.Max(past) {
		w = 0
	}
	for _, v := range y {
		z := (v - h.loc[last]) / h.scale[last]
		if math.IsNaN(z) {
			z, w = 0, 0
		}
		target, weight = append(target, float32(max(-farthest, min(farthest, z)))), append(weight, w)
	}
	return target, weight
}

// runSynthetic is Run for synthetic data: there is no file to read and no test part.
func (r Recipe) runSynthetic(ctx context.Context, b Builder, o RunOptions) (res RunResult, err error) {
	stages := r.Stages
	if len(stages) == 0 {
		stages = []Stage{{Name: "train"}}
	}
	if r.Data.File != "" {
		return res, errors.New("forecast: recipe: data names both a file and synthetic; keep one")
	}
	var m model.Trainable
	for i, s := range stages {
		mr, opts := r.merged(s)
		opts.Out = filepath.Join(o.Out, fmt.Sprintf("stage-%d-%s", i+1, s.Name))
		opts.Resume = o.Resume
		if o.Log != nil {
			opts.Log = func(e train.Event) { o.Log(s.Name, e) }
		}
		if m, err = buildModel(b, mr, opts.Seed, 1, m); err != nil {
			return res, err
		}
		if c := m.Spec().Channels; c > 1 {
			return res, fmt.Errorf("forecast: recipe: synthetic series have one channel, the model wants %d", c)
		}
		if err := r.Data.Synthetic.withDefaults().validate(m.Spec().Context); err != nil {
			return res, err
		}
		t := &SyntheticTask{Model: m, Data: *r.Data.Synthetic, Batch: r.Batch, Seed: opts.Seed}
		if t.Batch == 0 {
			t.Batch = 32
		}
		if o.DryRun != nil {
			opts.Out = ""
			e, err := train.DryRun(t, opts)
			if err != nil {
				return res, err
			}
			o.DryRun(s.Name, e)
			continue
		}
		one, err := train.Run(ctx, t, opts)
		res.Stages = append(res.Stages, one)
		if err != nil {
			return res, err
		}
	}
	if o.DryRun != nil {
		return res, nil
	}
	return res, r.save(m, filepath.Join(o.Out, "model"))
}
