// Package optim has the optimisers, learning-rate schedules and gradient clipping of training, one file each. They
// follow torch 2.15's and transformers' rules to the last constant.
//
//	opt, err := optim.New(optim.Options{Name: "adamw", LR: 1e-3}, nn.Trainable(model))
//	...
//	loss.Backward()
//	optim.ClipNorm(opt.Params(), 1)
//	opt.Step(optim.Rate{LR: schedule.At(step).LR})
//	opt.ZeroGrad()
package optim

import (
	"fmt"
	"strings"

	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/tensor"
)

// Options of an optimiser; the same struct is the recipe's `optimizer:`. Zero fields take the default in brackets.
type Options struct {
	Name        string     `yaml:"name" json:"name"`                           // sgd, adam, adamw, rmsprop, adagrad, adafactor [adamw]
	LR          float64    `yaml:"lr" json:"lr"`                               // base learning rate; must be given
	Betas       [2]float64 `yaml:"betas" json:"betas,omitempty"`               // adam, adamw [0.9, 0.999]
	Eps         float64    `yaml:"eps" json:"eps,omitempty"`                   // [1e-8; adagrad 1e-10]
	WeightDecay *float64   `yaml:"weight_decay" json:"weight_decay,omitempty"` // [0; adamw 0.01]
	NoDecay     []string   `yaml:"no_decay" json:"no_decay,omitempty"`         // parameters whose name contains one of these are not decayed
	Momentum    float64    `yaml:"momentum" json:"momentum,omitempty"`         // sgd, rmsprop [0]
	Dampening   float64    `yaml:"dampening" json:"dampening,omitempty"`       // sgd [0]
	Nesterov    bool       `yaml:"nesterov" json:"nesterov,omitempty"`         // sgd
	AMSGrad     bool       `yaml:"amsgrad" json:"amsgrad,omitempty"`           // adam, adamw
	Alpha       float64    `yaml:"alpha" json:"alpha,omitempty"`               // rmsprop [0.99]
	Centered    bool       `yaml:"centered" json:"centered,omitempty"`         // rmsprop
	Adafactor   Adafactor  `yaml:"adafactor" json:"adafactor,omitzero"`        // adafactor
}

// Rate is what a schedule sets for one step. Beta1 > 0 replaces the optimiser's β₁ (or momentum), as one-cycle does.
type Rate struct{ LR, Beta1 float64 }

// Optimizer moves parameters by their gradients. Its state, with the step count, is all that a checkpoint needs.
type Optimizer struct {
	o      Options
	rule   rule
	params []nn.Param
	state  [][]*tensor.Tensor // of each parameter, in the rule's order of slots
	step   int
	ctx    *tensor.Ctx
}

// rule is one optimiser's way: the tensors it keeps for a parameter, and its step.
type rule interface {
	slots(shape []int) []slot
	update(u update)
}

// slot is one tensor of state: its name in checkpoints (torch's), its shape and first value.
type slot struct {
	name  string
	shape []int
	value float64
}

// update is one parameter's step: t counts from 1.
type update struct {
	ctx         *tensor.Ctx
	p, g        *tensor.Tensor
	state       []*tensor.Tensor
	t           int
	lr, beta1   float64 // beta1 0: the rule's own
	weightDecay float64
}

// New makes an optimiser over the given parameters.
func New(o Options, params []nn.Param) (*Optimizer, error) {
	if o.Name == "" {
		o.Name = "adamw"
	}
	if o.Betas == ([2]float64{}) {
		o.Betas = [2]float64{0.9, 0.999}
	}
	if o.Eps == 0 {
		o.Eps = 1e-8
		if o.Name == "adagrad" {
			o.Eps = 1e-10
		}
	}
	if o.LR <= 0 && !(o.Name == "adafactor" && o.Adafactor.RelativeStep) {
		return nil, fmt.Errorf("optim: lr is %v; give a positive learning rate", o.LR)
	}
	if o.WeightDecay == nil {
		wd := 0.0
		if o.Name == "adamw" {
			wd = 0.01
		}
		o.WeightDecay = &wd
	}
	opt := &Optimizer{o: o, params: params, ctx: tensor.New(tensor.Options{})}
	switch o.Name {
	case "sgd":
		opt.rule = sgd{o}
	case "adam", "adamw":
		opt.rule = adam{o, o.Name == "adamw"}
	case "rmsprop":
		if o.Alpha == 0 {
			o.Alpha = 0.99
		}
		opt.rule = rmsprop{o}
	case "adagrad":
		opt.rule = adagrad{o}
	case "adafactor":
		opt.rule = newAdafactor(o)
	default:
		return nil, fmt.Errorf("optim: no optimizer %q; there are sgd, adam, adamw, rmsprop, adagrad, adafactor", o.Name)
	}
	for _, p := range params {
		var state []*tensor.Tensor
		for _, s := range opt.rule.slots(p.Tensor.Shape()) {
			b := tensor.NewBuffer(s.name, p.Tensor.DType(), s.shape...)
			b.Fill(s.value)
			state = append(state, b)
		}
		opt.state = append(opt.state, state)
	}
	return opt, nil
}

// Params are the parameters that the optimiser moves.
func (o *Optimizer) Params() []nn.Param { return o.params }

// Steps is how many steps have been taken.
func (o *Optimizer) Steps() int { return o.step }

// SetSteps sets the count when a checkpoint is resumed.
func (o *Optimizer) SetSteps(n int) { o.step = n }

// State lists the optimiser's tensors, named "parameter.slot".
func (o *Optimizer) State() []nn.Param {
	var list []nn.Param
	for i, p := range o.params {
		for _, s := range o.state[i] {
			list = append(list, nn.Param{Name: p.Name + "." + s.Name(), Tensor: s})
		}
	}
	return list
}

// Step moves every parameter that has a gradient.
func (o *Optimizer) Step(r Rate) {
	o.step++
	for i, p := range o.params {
		g := p.Tensor.Grad()
		if g == nil {
			continue
		}
		wd := *o.o.WeightDecay
		for _, part := range o.o.NoDecay {
			if strings.Contains(p.Name, part) {
				wd = 0
			}
		}
		o.rule.update(update{o.ctx, p.Tensor, g, o.state[i], o.step, r.LR, r.Beta1, wd})
		o.ctx.Next(0)
	}
}

// ZeroGrad forgets all gradients.
func (o *Optimizer) ZeroGrad() {
	for _, p := range o.params {
		p.Tensor.ZeroGrad()
	}
}

// Close gives the optimiser's scratch memory back.
func (o *Optimizer) Close() { o.ctx.Close() }
