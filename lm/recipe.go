package lm

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/hanji-ml/hanji/chat"
	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/tokenizer"
	"github.com/hanji-ml/hanji/train"
)

// Recipe is a training run of a language model written down. Zero fields take the default in brackets.
type Recipe struct {
	Task      string               `yaml:"task" json:"task"` // language
	Model     ModelRecipe          `yaml:"model" json:"model"`
	Tokenizer TokenizerRecipe      `yaml:"tokenizer" json:"tokenizer"`
	Data      DataRecipe           `yaml:"data" json:"data"`
	Batch     int                  `yaml:"batch" json:"batch"`                               // rows a batch [8]
	LoRA      *nn.LoRAOptions      `yaml:"lora" json:"lora,omitempty"`                       // not nil: only adapters are trained
	QAT       *nn.FakeQuantOptions `yaml:"qat" json:"qat,omitempty"`                         // not nil: weights are rounded in training
	MoE       *MoERecipe           `yaml:"moe" json:"moe,omitempty"`                         // not with model.from
	Workers   int                  `yaml:"expert_parallel" json:"expert_parallel,omitempty"` // workers in this process that a mixture's experts and a batch's rows are spread over [1]
	Train     train.Options        `yaml:"train" json:"train"`
	Store     string               `yaml:"store" json:"store,omitempty"` // type of the saved weights: f32, f16 or bf16 [f32]
}

// ModelRecipe says what is trained: a new model of a family, or a checkpoint to go on from.
type ModelRecipe struct {
	Family string         `yaml:"family" json:"family"` // llama, mixtral or gemma; not with From
	Config map[string]any `yaml:"config" json:"config"` // keys of config.json over the family's defaults; not with From
	From   string         `yaml:"from" json:"from"`     // checkpoint folder, or with lora also a GGUF file; $NAME is taken from the environment
	Freeze []string       `yaml:"freeze" json:"freeze"` // parameters whose name contains one of these stay as they are
}

// TokenizerRecipe says by what vocabulary text becomes tokens [that of model.from].
type TokenizerRecipe struct {
	Path  string                  `yaml:"path" json:"path"`             // a model's folder, or a GGUF file
	Train *tokenizer.TrainOptions `yaml:"train" json:"train,omitempty"` // made from the training text
}

// DataRecipe says what is learned: text, or the assistant's part of conversations.
type DataRecipe struct {
	Text      []string `yaml:"text" json:"text,omitempty"`           // files: plain text, or tables with a text a row; $NAME is taken from the environment
	Column    string   `yaml:"column" json:"column,omitempty"`       // of tables [text, for JSON lines, compressed files and Parquet]
	Separator string   `yaml:"separator" json:"separator,omitempty"` // between the documents of a plain text [none: a file is one document]

	Conversations []string `yaml:"conversations" json:"conversations,omitempty"` // files of JSON: ShareGPT's or OpenAI's layout
	Pair          []string `yaml:"pair" json:"pair,omitempty"`                   // keys of question and answer, where records have those instead
	Template      string   `yaml:"template" json:"template,omitempty"`           // a built-in chat template [the checkpoint's own]

	Val         []string `yaml:"val" json:"val,omitempty"`                   // files that are held out
	ValFraction *float64 `yaml:"val_fraction" json:"val_fraction,omitempty"` // else this part of documents or conversations, or the end of a single text [0.05]; 0: none

	Context       int   `yaml:"context" json:"context"`                 // tokens a row [the model's, at most 2048]
	Pack          *bool `yaml:"pack" json:"pack,omitempty"`             // rows follow through documents [true for text, false for conversations]
	StepsPerEpoch int   `yaml:"steps_per_epoch" json:"steps_per_epoch"` // [a pass through the data]
}

// MoERecipe is how a mixture of experts is trained: keys of the family's config.json by their usual names.
type MoERecipe struct {
	Balance    *float64 `yaml:"balance_coef" json:"balance_coef,omitempty"`         // router_balance_loss_coef: of each layer's load-balancing loss; router_aux_loss_coef is then 0 unless model.config has it
	ZLoss      *float64 `yaml:"z_coef" json:"z_coef,omitempty"`                     // router_z_loss_coef
	Capacity   *float64 `yaml:"capacity_factor" json:"capacity_factor,omitempty"`   // expert_capacity_factor: room of an expert in fair shares; 0: all
	ByChance   *bool    `yaml:"second_by_chance" json:"second_by_chance,omitempty"` // second_expert_by_chance
	Noisy      *bool    `yaml:"noisy_top_k" json:"noisy_top_k,omitempty"`           // noise of a learned size on the router's logits
	Importance *float64 `yaml:"importance_coef" json:"importance_coef,omitempty"`   // importance_loss_coef, with noisy_top_k
	Load       *float64 `yaml:"load_coef" json:"load_coef,omitempty"`               // load_loss_coef, with noisy_top_k
}

// into puts the keys that are given into config.json's; nil: there are none.
func (m *MoERecipe) into(config map[string]any) {
	if m == nil {
		return
	}
	if _, ok := config["router_aux_loss_coef"]; !ok && m.Balance != nil {
		config["router_aux_loss_coef"] = 0
	}
	put(config, "router_balance_loss_coef", m.Balance)
	put(config, "router_z_loss_coef", m.ZLoss)
	put(config, "expert_capacity_factor", m.Capacity)
	put(config, "second_expert_by_chance", m.ByChance)
	put(config, "noisy_top_k", m.Noisy)
	put(config, "importance_loss_coef", m.Importance)
	put(config, "load_loss_coef", m.Load)
}

func put[T any](config map[string]any, key string, v *T) {
	if v != nil {
		config[key] = *v
	}
}

// Builder makes models; package model/all has the families.
type Builder interface {
	New(family string, config []byte, seed uint64) (model.TrainableDecoder, error)
	Open(path string) (model.Decoder, error)
	// Vocabulary is the tokenizer of a checkpoint and its chat template, nil where it has none.
	Vocabulary(path string) (*tokenizer.Tokenizer, *chat.Template, error)
}

// pretraining reports whether the recipe learns text as it is.
func (r *Recipe) pretraining() bool { return len(r.Data.Text) > 0 }

func (r *Recipe) batch() int { return cmp.Or(r.Batch, 8) }

func (r *Recipe) valFraction() float64 {
	if r.Data.ValFraction == nil {
		return 0.05
	}
	return *r.Data.ValFraction
}

func (r *Recipe) pack() bool {
	if r.Data.Pack == nil {
		return r.pretraining()
	}
	return *r.Data.Pack
}

// Validate reports every problem that can be seen without the files.
func (r *Recipe) Validate() error {
	var problems []error
	bad := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("lm: recipe: "+format, args...))
	}
	d := &r.Data
	if r.Task != "language" {
		bad("task is %q, want language", r.Task)
	}
	if (r.Model.Family == "") == (r.Model.From == "") {
		bad("give model.family for a new model or model.from for a checkpoint, one of the two")
	}
	if r.Model.From != "" && (len(r.Model.Config) > 0 || r.MoE != nil) {
		bad("model.config and moe are for a new model; those of model.from are in its config.json")
	}
	if r.LoRA != nil && r.QAT != nil {
		bad("lora and qat do not go together: what is rounded is not trained")
	}
	if (len(d.Text) > 0) == (len(d.Conversations) > 0) {
		bad("give data.text or data.conversations, one of the two")
	}
	switch t := r.Tokenizer; {
	case t.Path != "" && t.Train != nil:
		bad("tokenizer has path and train; give one of the two")
	case t.Path == "" && t.Train == nil && r.Model.From == "":
		bad("a new model needs tokenizer.path or tokenizer.train")
	case t.Train != nil && (!r.pretraining() || r.Model.From != ""):
		bad("tokenizer.train makes a vocabulary from data.text, for a new model")
	}
	if n := len(d.Pair); n != 0 && n != 2 {
		bad("data.pair names %d keys, want those of question and answer", n)
	}
	if d.Template != "" && !slices.Contains(chat.Builtins(), d.Template) {
		bad("data.template is %q, want one of %v", d.Template, chat.Builtins())
	}
	if f := r.valFraction(); !(f >= 0 && f < 1) {
		bad("data.val_fraction is %v, want 0 to below 1", f)
	}
	if r.Batch < 0 || d.Context < 0 || d.Context == 1 || d.StepsPerEpoch < 0 {
		bad("batch, data.context (2 at least) and data.steps_per_epoch are numbers above 0")
	}
	if n := max(r.Workers, 1); r.Workers < 0 || r.batch()%n != 0 {
		bad("expert_parallel is %d, want a number that divides batch, %d", r.Workers, r.batch())
	}
	if _, ok := storage[r.Store]; !ok {
		bad("store is %q, want f32, f16 or bf16", r.Store)
	}
	if r.LoRA != nil {
		problems = append(problems, r.LoRA.Validate())
	}
	return errors.Join(problems...)
}

// expand is train.Expand.
func expand(key, path string) (string, error) {
	out, err := train.Expand(key, path)
	if err != nil {
		err = fmt.Errorf("lm: %w", err)
	}
	return out, err
}
