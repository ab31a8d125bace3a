package nn

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/hanji-ml/hanji/tensor"
)

// LoRA is a low-rank addition to a Linear (arXiv 2106.09685): y += scale·B(A(dropout(x))). A and B are what is trained; B
// begins at zero, so that the model begins as it was.
type LoRA struct {
	A       *tensor.Tensor `w:"lora_A.weight"` // [R, in]
	B       *tensor.Tensor `w:"lora_B.weight"` // [out, R]
	Scale   float64        `w:"-"`             // α/R
	Dropout *Dropout       `w:"lora_dropout"`
}

// LoRAOptions say which layers get adapters, under peft's names. Zero fields take the default in brackets.
type LoRAOptions struct {
	Rank    int      `yaml:"r" json:"r"`                           // [8]
	Alpha   float64  `yaml:"lora_alpha" json:"lora_alpha"`         // [16]
	Dropout float64  `yaml:"lora_dropout" json:"lora_dropout"`     // of x, in training
	Targets []string `yaml:"target_modules" json:"target_modules"` // names of Linears, or the ends of names at a dot; all-linear: all but the output layer [q_proj, v_proj]
	RSLoRA  bool     `yaml:"use_rslora" json:"use_rslora"`         // scale by α/√R (arXiv 2312.03732) in place of α/R
	Seed    uint64   `yaml:"-" json:"-"`                           // of A
}

// allLinear is peft's word for every Linear but the output layer.
const allLinear = "all-linear"

// WithDefaults fills in what is zero.
func (o LoRAOptions) WithDefaults() LoRAOptions {
	if o.Rank == 0 {
		o.Rank = 8
	}
	if o.Alpha == 0 {
		o.Alpha = 16
	}
	if len(o.Targets) == 0 {
		o.Targets = []string{"q_proj", "v_proj"}
	}
	return o
}

// Validate reports every problem of the options, defaults filled in.
func (o LoRAOptions) Validate() error {
	o = o.WithDefaults()
	var problems []error
	if o.Rank < 1 || o.Rank > maxRank {
		problems = append(problems, fmt.Errorf("nn: r is %d, want 1 to %d", o.Rank, maxRank))
	}
	if !(o.Alpha > 0) || math.IsInf(o.Alpha, 0) {
		problems = append(problems, fmt.Errorf("nn: lora_alpha is %v, want a number above 0", o.Alpha))
	}
	if !(o.Dropout >= 0 && o.Dropout < 1) {
		problems = append(problems, fmt.Errorf("nn: lora_dropout is %v, want 0 to below 1", o.Dropout))
	}
	return errors.Join(problems...)
}

// maxRank is more than any layer's width.
const maxRank = 1 << 16

// Scale is what B(A(x)) is multiplied by.
func (o LoRAOptions) Scale() float64 {
	o = o.WithDefaults()
	if o.RSLoRA {
		return o.Alpha / math.Sqrt(float64(o.Rank))
	}
	return o.Alpha / float64(o.Rank)
}

// AddLoRA gives adapters to the Linears that the options name and freezes all else, and returns how many it has given. They
// are drawn as peft does: A from ±1/√in, B zero. Weights may be in a format of their own (QLoRA, arXiv 2305.14314).
func AddLoRA(model any, o LoRAOptions) (n int, err error) {
	o = o.WithDefaults()
	if err := o.Validate(); err != nil {
		return 0, err
	}
	var names []string
	for _, l := range linears(model) {
		if !o.targets(l.name) {
			names = append(names, l.name)
			continue
		}
		if l.LoRA != nil {
			return n, fmt.Errorf("nn: layer %q has an adapter already; merge it first", l.name)
		}
		l.LoRA = NewLoRA(l.name, l.Linear, o.Rank, o.Scale(), o.Dropout)
		l.LoRA.init(Hash(fmt.Sprintf("%d/%s", o.Seed, l.name)))
		n++
	}
	if n == 0 {
		return 0, fmt.Errorf("nn: target_modules %v name no layer of the model; it has, among others, %q", o.Targets, names[:min(len(names), 7)])
	}
	TrainAdapters(model)
	return n, nil
}

// targets compares as peft does (tuners_utils.py, check_target_module_exists).
func (o *LoRAOptions) targets(name string) bool {
	return slices.ContainsFunc(o.Targets, func(t string) bool {
		return name == t || strings.HasSuffix(name, "."+t) || t == allLinear && name != "lm_head"
	})
}

// NewLoRA makes the adapter of a layer, whose path in the model is name: A and B zero.
func NewLoRA(name string, l *Linear, rank int, scale, dropout float64) *LoRA {
	dt := l.Weight.DType()
	a := &LoRA{A: tensor.NewParam(name+".lora_A.weight", dt, rank, l.Weight.Dim(1)), B: tensor.NewParam(name+".lora_B.weight", dt, l.Weight.Dim(0), rank),
		Scale: scale, Dropout: NewDropout(dropout)}
	a.Dropout.place(Hash(name + ".lora_dropout"))
	return a
}

func (a *LoRA) init(key uint64) {
	bound := 1 / math.Sqrt(float64(max(a.A.Dim(1), 1)))
	a.A.FillUniform(key, -bound, bound)
	a.B.Fill(0)
}

// add is y + scale·B(A(dropout(x))) along an axis of both.
func (a *LoRA) add(axis int, y, x *tensor.Tensor) *tensor.Tensor {
	x = a.Dropout.Forward(x)
	return y.Add(x.LinearOver(axis, a.A, nil).MulS(a.Scale).LinearOver(axis, a.B, nil))
}

// MergeLoRA adds every adapter to its weight, W += scale·B·A, and takes it away; the frozen parameters stay frozen. Weights in a
// format of their own become float32, as the sum would fit none.
func MergeLoRA(model any) {
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	for _, l := range linears(model) {
		if l.LoRA == nil {
			continue
		}
		l.widen()
		l.Weight.AddInPlace(l.LoRA.Delta(ctx))
		l.LoRA = nil
		ctx.Next(0)
	}
}

// Delta is scale·B·A, [out, in].
func (a *LoRA) Delta(ctx *tensor.Ctx) *tensor.Tensor { return ctx.Use(a.B).MatMul(a.A).MulS(a.Scale) }

// widen turns a weight in a format of its own into a parameter.
func (l *Linear) widen() {
	if l.Matrix == nil {
		return
	}
	out, in := l.Matrix.Shape()
	w := make([]float32, out*in)
	for r := range out {
		l.Matrix.Row(w[r*in:][:in], r)
	}
	l.Weight.SetF32(w)
	l.Matrix = nil
}

// Adapters are the parameters of a model's adapters.
func Adapters(model any) []Param {
	var list []Param
	for _, l := range linears(model) {
		if l.LoRA != nil {
			list = append(list, Param{l.name + ".lora_A.weight", l.LoRA.A}, Param{l.name + ".lora_B.weight", l.LoRA.B})
		}
	}
	return list
}

// TrainAdapters freezes all of a model but its adapters.
func TrainAdapters(model any) {
	for _, p := range Walk(model) {
		if p.Tensor.IsParam() {
			p.Tensor.Trainable(false)
		}
	}
	for _, p := range Adapters(model) {
		p.Tensor.Trainable(true)
	}
}

// namedLinear is a layer and its path.
type namedLinear struct {
	*Linear
	name string
}

// linears lists a model's Linears, each once.
func linears(model any) (list []namedLinear) {
	seen := map[*Linear]bool{}
	walk(reflect.ValueOf(model), "", func(path string, v reflect.Value) {
		if l, ok := v.Interface().(*Linear); ok && !seen[l] {
			seen[l] = true
			list = append(list, namedLinear{l, path})
		}
	})
	return list
}

// Linears lists a model's Linears with their paths.
func Linears(model any) map[string]*Linear {
	m := map[string]*Linear{}
	for _, l := range linears(model) {
		m[l.name] = l.Linear
	}
	return m
}
