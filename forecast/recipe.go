package forecast

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/series"
	"github.com/hanji-ml/hanji/train"
)

// Recipe is a training run written down: `hanji train recipe.yaml`. With Stages each stage takes the recipe's own
// values, overridden by its own, and starts from the parameters of the stage before (those of equal name and shape).
type Recipe struct {
	Task   string        `yaml:"task" json:"task,omitempty"` // forecast; other tasks have recipes of their own
	Model  ModelRecipe   `yaml:"model" json:"model"`
	Data   DataRecipe    `yaml:"data" json:"data"`
	Batch  int           `yaml:"batch" json:"batch"` // windows a step [32]
	Train  train.Options `yaml:"train" json:"train"`
	Stages []Stage       `yaml:"stages" json:"stages,omitempty"`
	Store  string        `yaml:"store" json:"store,omitempty"` // type of the saved weights: f32 or f16 [f32]; a family may know f32 alone
}

// ModelRecipe says what is trained: a new model of a family, or a checkpoint to go on from.
type ModelRecipe struct {
	Family string         `yaml:"family" json:"family"` // ttm or patchtst; not with From
	Config map[string]any `yaml:"config" json:"config"` // keys of config.json over the family's defaults, or over From's
	From   string         `yaml:"from" json:"from"`     // checkpoint folder; $NAME is taken from the environment
	Freeze []string       `yaml:"freeze" json:"freeze"` // parameters whose name contains one of these stay as they are
}

// DataRecipe says what it is trained on.
type DataRecipe struct {
	File     string  `yaml:"file" json:"file"`         // wide table, a column a channel; $NAME is taken from the environment
	Protocol string  `yaml:"protocol" json:"protocol"` // ett-hour, ett-minute or ltsf [ltsf]
	Fraction float64 `yaml:"fraction" json:"fraction"` // of the training windows, the latest ones: few-shot [1]

	Synthetic *SyntheticRecipe `yaml:"synthetic" json:"synthetic,omitempty"` // not nil: series made up instead of a file
}

// Stage is a part of a run.
type Stage struct {
	Name  string         `yaml:"name" json:"name"`
	Model *ModelRecipe   `yaml:"model" json:"model,omitempty"` // Config is merged, Freeze replaced
	Train *train.Options `yaml:"train" json:"train,omitempty"` // replaces the recipe's
}

// Builder makes models; package model/all has the families.
type Builder interface {
	New(family string, config []byte, seed uint64) (model.Trainable, error)
	Open(path string, set map[string]string) (model.Forecaster, error)
}

// RunOptions of Recipe.Run.
type RunOptions struct {
	Out    string // folder: model and config at the end, a checkpoint folder a stage meanwhile
	Resume bool
	DryRun func(stage string, e train.Estimate) // not nil: only measure and estimate
	Log    func(stage string, e train.Event)    // may be nil
	Load   func(path string) (*Matrix, error)   // reads Data.File
}

// RunResult is what a recipe came to.
type RunResult struct {
	Stages []train.Result `json:"stages"`
	Test   *Error         `json:"test,omitempty"`           // error on the test part, all windows; nil if it is too short for one, and after pre-training alone
	Drop   *Error         `json:"test_drop_last,omitempty"` // the same without the last windows that do not fill a batch of 128; nil if none does
}

// Run trains by the recipe and measures the outcome on the test part. The model of the best validation ends in
// Out/model. A run that was interrupted goes on with Resume.
func (r Recipe) Run(ctx context.Context, b Builder, o RunOptions) (res RunResult, err error) {
	if err := r.checkStore(); err != nil {
		return res, err
	}
	if r.Data.Synthetic != nil {
		return r.runSynthetic(ctx, b, o)
	}
	file, err := expand("data.file", r.Data.File)
	if err != nil {
		return res, err
	}
	data, err := o.Load(file)
	if err != nil {
		return res, err
	}
	stages := r.Stages
	if len(stages) == 0 {
		stages = []Stage{{Name: "train"}}
	}
	var m model.Trainable
	var t *Task
	for i, s := range stages {
		mr, opts := r.merged(s)
		opts.Out = filepath.Join(o.Out, fmt.Sprintf("stage-%d-%s", i+1, s.Name))
		opts.Resume = o.Resume
		if m, err = buildModel(b, mr, opts.Seed, data.C, m); err != nil {
			return res, err
		}
		if t, err = r.task(m, data, opts.Seed); err != nil {
			return res, err
		}
		if o.Log != nil {
			opts.Log = func(e train.Event) { o.Log(s.Name, e) }
		}
		if o.DryRun != nil {
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
	if err := r.save(m, filepath.Join(o.Out, "model")); err != nil {
		return res, err
	}
	return res, r.test(ctx, m, data, &res)
}

// expand is train.Expand.
func expand(key, path string) (string, error) {
	out, err := train.Expand(key, path)
	if err != nil {
		err = fmt.Errorf("forecast: %w", err)
	}
	return out, err
}

// merged gives a stage's model and training options.
func (r Recipe) merged(s Stage) (ModelRecipe, train.Options) {
	mr, opts := r.Model, r.Train
	if s.Train != nil {
		opts = *s.Train
		if opts.Seed == 0 {
			opts.Seed = r.Train.Seed
		}
	}
	if s.Model != nil {
		mr.Config = maps.Clone(mr.Config)
		if mr.Config == nil {
			mr.Config = map[string]any{}
		}
		maps.Copy(mr.Config, s.Model.Config)
		mr.Freeze = s.Model.Freeze
	}
	return mr, opts
}

// buildModel makes the model of a stage; before is that of the stage before, nil at the first.
func buildModel(b Builder, r ModelRecipe, seed uint64, channels int, before model.Trainable) (model.Trainable, error) {
	var m model.Trainable
	if r.From != "" {
		set := map[string]string{}
		for k, v := range r.Config {
			j, err := json.Marshal(v)
			if err != nil {
				return nil, fmt.Errorf("forecast: recipe: model.config.%s: %w", k, err)
			}
			set[k] = string(j)
		}
		from, err := expand("model.from", r.From)
		if err != nil {
			return nil, err
		}
		f, err := b.Open(from, set)
		if err != nil {
			return nil, err
		}
		var ok bool
		if m, ok = f.(model.Trainable); !ok {
			return nil, fmt.Errorf("forecast: recipe: the model of %s cannot be trained", r.From)
		}
	} else {
		config := maps.Clone(r.Config)
		if config == nil {
			config = map[string]any{}
		}
		if _, ok := config["num_input_channels"]; !ok {
			config["num_input_channels"] = channels
		}
		j, err := json.Marshal(config)
		if err != nil {
			return nil, fmt.Errorf("forecast: recipe: model.config: %w", err)
		}
		if m, err = b.New(r.Family, j, seed); err != nil {
			return nil, err
		}
	}
	if before != nil {
		from := map[string]nn.Param{}
		for _, p := range nn.Walk(before) {
			from[p.Name] = p
		}
		for _, p := range nn.Walk(m) {
			if q, ok := from[p.Name]; ok && slices.Equal(p.Tensor.Shape(), q.Tensor.Shape()) {
				p.Tensor.Set(q.Tensor)
			}
		}
	}
	for _, p := range nn.Walk(m) {
		if p.Tensor.IsParam() && slices.ContainsFunc(r.Freeze, func(s string) bool { return strings.Contains(p.Name, s) }) {
			p.Tensor.Trainable(false)
		}
	}
	return m, nil
}

func (r Recipe) task(m model.Trainable, data *Matrix, seed uint64) (*Task, error) {
	spec := m.Spec()
	split, err := series.LTSFSplit(r.protocol(), data.T, spec.Context)
	if err != nil {
		return nil, err
	}
	x := data.Standardise(split.Train)
	part := func(p series.Range) *Windows {
		return &Windows{X: x, C: data.C, Context: spec.Context, Horizon: spec.Horizon, Part: p}
	}
	t := &Task{Model: m, Train: part(split.Train), Val: part(split.Val), Batch: r.Batch, Seed: seed}
	if t.Batch == 0 {
		t.Batch = 32
	}
	if f := r.Data.Fraction; f > 0 && f < 1 {
		n := int(float64(t.Train.Len()) * f)
		t.Train.Part.From = t.Train.Part.To - t.Train.Context - t.Train.Horizon - n + 1
	}
	if t.Train.Len() < t.Batch || t.Val.Len() < 1 {
		return nil, errors.New("forecast: recipe: the data is too short: not one batch of windows")
	}
	return t, nil
}

func (r Recipe) protocol() string {
	if r.Data.Protocol == "" {
		return "ltsf"
	}
	return r.Data.Protocol
}

func (r Recipe) test(ctx context.Context, m model.Trainable, data *Matrix, res *RunResult) error {
	spec := m.Spec()
	split, err := series.LTSFSplit(r.protocol(), data.T, spec.Context)
	if err != nil {
		return err
	}
	x := data.Standardise(split.Train)
	w := &Windows{X: x, C: data.C, Context: spec.Context, Horizon: spec.Horizon, Part: split.Test}
	if w.Len() < 1 || pretraining(m) {
		return nil
	}
	all, err := Errors(ctx, m, w, w.Len())
	if err != nil {
		return err
	}
	res.Test = &all
	if n := series.DropLast(w.Len(), 128); n > 0 {
		drop, err := Errors(ctx, m, w, n)
		res.Drop = &drop
		return err
	}
	return nil
}
