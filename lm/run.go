package lm

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hanji-ml/hanji/chat"
	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/tensor"
	"github.com/hanji-ml/hanji/tokenizer"
	"github.com/hanji-ml/hanji/train"
)

// RunOptions of Recipe.Run.
type RunOptions struct {
	Out    string               // folder: the model at the end, a checkpoint meanwhile
	Resume bool                 // go on from Out's checkpoint
	DryRun func(train.Estimate) // not nil: only measure and estimate
	Log    func(Event)          // may be nil
}

// Event is one thing that happened.
type Event struct {
	train.Event
	Data    *DataSummary // kind data: before anything else
	HeldOut *HeldOut     // kinds before (training) and validation
	Tokens  int          // step: a step's
	Speed   float64      // step: tokens a second since this process began, without validations and checkpoints
}

// Result is what a recipe came to.
type Result struct {
	Data    DataSummary  `json:"data"`
	Train   train.Result `json:"train"`
	Before  *HeldOut     `json:"before,omitempty"` // of the model that the run began from; nil where nothing is held out
	HeldOut *HeldOut     `json:"held_out,omitempty"`
	Speed   float64      `json:"tokens_per_second"` // of training, in this process; 0: nothing was left to do
	Traffic *Traffic     `json:"expert_parallel,omitempty"`
}

// Traffic is what a step of expert parallelism would send over a network, on average: bytes from one worker to another.
type Traffic struct {
	Workers int `json:"workers"`
	tensor.Traffic
}

// work is a recipe being done.
type work struct {
	r          *Recipe
	b          Builder
	o          RunOptions
	train, val []string // documents, for text
	from       string   // model.from, expanded
	vocabulary string   // folder or file of the tokenizer; "": made
	trained    *tokenizer.Trained
	tokenizer  *tokenizer.Tokenizer
	template   *chat.Template // nil for text
	ends       []int32        // of answers, for conversations
	jinja      string         // source of a built-in template, written beside the model
	model      model.TrainableDecoder
	opaque     bool // some of its weights are in a format of their own
	context    int

	mark   time.Time // of the last event
	spent  time.Duration
	tokens int
}

// Run trains by the recipe. The model of the best validation ends in Out/model, adapters in Out/adapter and also merged into Out/model unless the
// weights below them are in a format of their own. A run that was interrupted goes on with Resume.
func (r Recipe) Run(ctx context.Context, b Builder, o RunOptions) (res Result, err error) {
	if err := r.Validate(); err != nil {
		return res, err
	}
	w := &work{r: &r, b: b, o: o}
	if err := w.open(); err != nil {
		return res, err
	}
	if c, ok := w.model.(io.Closer); ok {
		defer c.Close()
	}
	rows, val, sum, err := w.rows()
	if err != nil {
		return res, err
	}
	res.Data = sum
	w.log(Event{Event: train.Event{Kind: "data"}, Data: &sum})
	t := &Task{Model: w.model, Train: rows, Val: val, Batch: r.batch(), Accumulate: r.Train.Accumulate, Steps: r.Data.StepsPerEpoch, Seed: r.Train.Seed}
	if r.LoRA != nil { // the rest is as it was in model.from
		t.Only = nn.Adapters(w.model)
	}
	opts := w.options(t)
	var task train.Task = t
	if r.Workers > 1 {
		s, err := newSpread(t, r.Workers, w.build)
		if err != nil {
			return res, err
		}
		defer s.close()
		task = s
		defer func() { res.Traffic = s.traffic() }()
	}
	if o.DryRun != nil {
		e, err := train.DryRun(task, opts)
		if err == nil {
			o.DryRun(e)
		}
		return res, err
	}
	if val != nil {
		before, err := Measure(ctx, w.model, val, r.batch())
		if err != nil {
			return res, err
		}
		res.Before = &before
		w.log(Event{Event: train.Event{Kind: "before", Loss: before.Nats}, HeldOut: &before})
	}
	if err := w.note(); err != nil {
		return res, err
	}
	w.mark = time.Now()
	res.Train, err = train.Run(ctx, task, opts)
	if w.spent > 0 {
		res.Speed = float64(w.tokens) / w.spent.Seconds()
	}
	if err != nil {
		return res, err
	}
	if val != nil {
		after, err := Measure(ctx, w.model, val, r.batch())
		if err != nil {
			return res, err
		}
		res.HeldOut = &after
	}
	return res, w.save(o.Out)
}

// options are those of the training loop.
func (w *work) options(t *Task) train.Options {
	o := w.r.Train
	if o.Optimizer.NoDecay == nil { // gains, biases and embeddings are not pulled to zero
		o.Optimizer.NoDecay = []string{"norm", "bias", "embed"}
	}
	o.Out, o.Resume = filepath.Join(w.o.Out, "train"), w.o.Resume
	o.Log = func(e train.Event) {
		now := time.Now()
		full := Event{Event: e}
		switch e.Kind {
		case "step":
			w.spent += now.Sub(w.mark)
			full.Tokens = t.tokens - w.tokens
			w.tokens = t.tokens
			full.Speed = float64(w.tokens) / max(w.spent.Seconds(), 1e-9)
		case "validation":
			h := t.last
			full.HeldOut = &h
		}
		w.log(full)
		w.mark = time.Now()
	}
	return o
}

func (w *work) log(e Event) {
	if w.o.Log != nil {
		w.o.Log(e)
	}
}

// open finds or makes tokenizer, template and model.
func (w *work) open() (err error) {
	r := w.r
	if w.from, err = expand("model.from", r.Model.From); err != nil {
		return err
	}
	if r.pretraining() {
		if w.train, w.val, err = r.texts(); err != nil {
			return err
		}
	}
	if err := w.openTokenizer(); err != nil {
		return err
	}
	if err := w.openTemplate(); err != nil {
		return err
	}
	if w.model, err = w.build(); err != nil {
		return err
	}
	spec := w.model.Spec()
	switch {
	case w.tokenizer.Len() > spec.Vocab:
		return fmt.Errorf("lm: recipe: the tokenizer has %d tokens, the model's vocab_size is %d", w.tokenizer.Len(), spec.Vocab)
	case r.Data.Context > spec.Context:
		return fmt.Errorf("lm: recipe: data.context is %d, the model was made for %d tokens (max_position_embeddings)", r.Data.Context, spec.Context)
	}
	if w.context = r.Data.Context; w.context == 0 {
		w.context = min(spec.Context, 2048)
	}
	return nil
}

// build makes the model, with what the recipe trains it with.
func (w *work) build() (m model.TrainableDecoder, err error) {
	if w.from != "" {
		m, err = w.openModel()
	} else {
		m, err = w.newModel()
	}
	if err == nil {
		err = w.adapt(m)
	}
	return m, err
}

func (w *work) openTokenizer() (err error) {
	if o := w.r.Tokenizer.Train; o != nil {
		if w.trained, err = tokenizer.TrainBPE(slices.Values(w.train), *o); err != nil {
			return err
		}
		w.tokenizer, err = w.trained.Open()
		return err
	}
	if w.vocabulary, err = expand("tokenizer.path", w.r.Tokenizer.Path); err != nil {
		return err
	}
	w.vocabulary = cmp.Or(w.vocabulary, w.from)
	w.tokenizer, w.template, err = w.b.Vocabulary(w.vocabulary)
	return err
}

// openTemplate gives a built-in template the begin token where the tokenizer puts one before a text, as FastChat's prompts get it.
func (w *work) openTemplate() (err error) {
	name := w.r.Data.Template
	switch {
	case w.r.pretraining():
		return nil
	case name == "" && w.template == nil:
		return fmt.Errorf("lm: recipe: %s has no chat template; name one of %v in data.template", w.vocabulary, chat.Builtins())
	case name == "":
		return nil
	}
	t, err := chat.Builtin(name)
	if err != nil {
		return err
	}
	w.jinja = t.Whole()
	bos, head := w.tokenizer.Roles().BOS, w.tokenizer.Encode("", tokenizer.EncodeOptions{})
	if !strings.Contains(w.jinja, "bos_token") && bos >= 0 && len(head) > 0 && head[0] == bos {
		w.jinja = "{{- bos_token }}" + w.jinja
	}
	w.template, err = chat.Parse(w.jinja)
	return err
}

func (w *work) openModel() (model.TrainableDecoder, error) {
	m, err := w.b.Open(w.from)
	if err != nil {
		return nil, err
	}
	t, ok := m.(model.TrainableDecoder)
	if !ok {
		return nil, fmt.Errorf("lm: recipe: the model of %s cannot be trained", w.from)
	}
	for _, matrix := range nn.Opaque(t) {
		w.opaque = w.opaque || *matrix != nil
	}
	if w.opaque && w.r.LoRA == nil {
		return nil, fmt.Errorf("lm: recipe: the weights of %s are in a format of their own (GGUF): only adapters can be trained on them, with lora; give a folder of safetensors to train all", w.from)
	}
	return t, nil
}

// adapt gives the model what the recipe trains with: frozen parts, adapters, rounding.
func (w *work) adapt(m model.TrainableDecoder) error {
	for _, p := range nn.Walk(m) {
		if p.Tensor.IsParam() && slices.ContainsFunc(w.r.Model.Freeze, func(s string) bool { return strings.Contains(p.Name, s) }) {
			p.Tensor.Trainable(false)
		}
	}
	if w.r.LoRA != nil {
		o := *w.r.LoRA
		o.Seed = w.r.Train.Seed
		if _, err := nn.AddLoRA(m, o); err != nil {
			return err
		}
	}
	if w.r.QAT != nil {
		if _, err := model.SetFakeQuant(m, *w.r.QAT); err != nil {
			return err
		}
	}
	return nil
}

// newModel fills in what follows from tokenizer and data, unless model.config says otherwise.
func (w *work) newModel() (model.TrainableDecoder, error) {
	config := maps.Clone(w.r.Model.Config)
	if config == nil {
		config = map[string]any{}
	}
	set := func(key string, v any) {
		if _, ok := config[key]; !ok {
			config[key] = v
		}
	}
	roles := w.tokenizer.Roles()
	set("vocab_size", w.tokenizer.Len())
	if roles.BOS >= 0 {
		set("bos_token_id", roles.BOS)
	}
	if roles.EOS >= 0 {
		set("eos_token_id", roles.EOS)
	}
	if w.r.Data.Context > 0 {
		set("max_position_embeddings", w.r.Data.Context)
	}
	w.r.MoE.into(config)
	j, err := json.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("lm: recipe: model.config: %w", err)
	}
	return w.b.New(w.r.Model.Family, j, w.r.Train.Seed)
}
