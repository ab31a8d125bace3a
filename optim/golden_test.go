package optim_test

import (
	"encoding/json"
	"math"
	"slices"
	"testing"

	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/optim"
	"github.com/hanji-ml/hanji/tensor"
)

// twins runs f in float32 and float64 on every path; tag is that of the fixtures' names.
func twins(t *testing.T, f func(t *testing.T, dt tensor.DType, tag string)) {
	golden.Paths(t, func(t *testing.T) {
		t.Run("f32", func(t *testing.T) { f(t, tensor.F32, "") })
		t.Run("f64", func(t *testing.T) { f(t, tensor.F64, ".f64") })
	})
}

// optimiser is one line of the case optim.
type optimiser struct {
	Name, Class string
	Options     struct {
		LR             *float64
		Momentum       float64
		Dampening      float64
		Nesterov       bool
		WeightDecay    *float64 `json:"weight_decay"`
		Betas          [2]float64
		Eps            any
		AMSGrad        bool
		Centered       bool
		Alpha          float64
		ScaleParameter bool `json:"scale_parameter"`
		RelativeStep   bool `json:"relative_step"`
		WarmupInit     bool `json:"warmup_init"`
		Beta1          float64
	}
}

func (v optimiser) options(t *testing.T) optim.Options {
	names := map[string]string{"torch.SGD": "sgd", "torch.Adam": "adam", "torch.AdamW": "adamw", "torch.RMSprop": "rmsprop",
		"torch.Adagrad": "adagrad", "torch.Adafactor": "adafactor", "transformers.Adafactor": "adafactor"}
	name, ok := names[v.Class]
	if !ok {
		t.Fatalf("no optimiser for %s", v.Class)
	}
	o := optim.Options{Name: name, Betas: v.Options.Betas, WeightDecay: v.Options.WeightDecay, Momentum: v.Options.Momentum,
		Dampening: v.Options.Dampening, Nesterov: v.Options.Nesterov, AMSGrad: v.Options.AMSGrad, Alpha: v.Options.Alpha, Centered: v.Options.Centered,
		Adafactor: optim.Adafactor{Torch: v.Class == "torch.Adafactor", Beta1: v.Options.Beta1, ScaleParameter: v.Options.ScaleParameter,
			RelativeStep: v.Options.RelativeStep, WarmupInit: v.Options.WarmupInit}}
	if v.Options.LR != nil {
		o.LR = *v.Options.LR
	}
	if e, ok := v.Options.Eps.(float64); ok {
		o.Eps = e
	}
	return o
}

// Parameters after each of the steps with given gradients, and w's state after the last.
func TestGoldenOptim(t *testing.T) {
	twins(t, func(t *testing.T, dt tensor.DType, tag string) {
		c := golden.Open(t, "training", "optim")
		var index []optimiser
		if err := json.Unmarshal(c.Index, &index); err != nil || len(index) == 0 {
			t.Fatal(err)
		}
		for _, v := range index {
			t.Run(v.Name, func(t *testing.T) {
				checkOptimiser(t, c.With(t), v, dt, tag)
			})
		}
	})
}

func checkOptimiser(t *testing.T, c *golden.Case, v optimiser, dt tensor.DType, tag string) {
	var params []nn.Param
	for _, name := range []string{"w", "b", "s"} {
		x := c.Tensor(t, "param0."+name)
		p := tensor.NewParam(name, dt, x.Shape...)
		p.SetF64(x.F64)
		params = append(params, nn.Param{Name: name, Tensor: p})
	}
	o := v.options(t)
	opt, err := optim.New(o, params)
	if err != nil {
		t.Fatal(err)
	}
	defer opt.Close()
	ctx := tensor.New(tensor.Options{Grad: true})
	defer ctx.Close()
	got := map[string][]float64{}
	for step := range c.Shape("grad.w")[0] {
		opt.ZeroGrad()
		ctx.Next(0)
		for _, p := range params {
			n := p.Tensor.Len()
			g := ctx.F64s(c.F64("grad." + p.Name)[step*n:(step+1)*n], p.Tensor.Shape()...).To(dt)
			ctx.Use(p.Tensor).BackwardFrom(g)
		}
		opt.Step(optim.Rate{LR: o.LR})
		for _, p := range params {
			got[p.Name] = append(got[p.Name], p.Tensor.ReadF64()...)
		}
	}
	for _, p := range params {
		c.Check(t, v.Name+"."+p.Name+tag, got[p.Name])
	}
	if dt != tensor.F32 { // the state has no twin
		return
	}
	found := map[string]bool{}
	for _, s := range opt.State() {
		if name := v.Name + ".state_" + s.Name; c.Has(name) {
			c.Check(t, name, s.Tensor.ReadF64())
			found[name] = true
		}
	}
	for _, name := range c.TensorNames() {
		if len(name) > len(v.Name)+8 && name[:len(v.Name)+9] == v.Name+".state_w." && !found[name] {
			t.Errorf("no state %s", name)
		}
	}
}

// Clipping by each kind of norm: the norm from before and the gradients after.
func TestGoldenClip(t *testing.T) {
	twins(t, func(t *testing.T, dt tensor.DType, tag string) {
		c := golden.Open(t, "training", "gradclip")
		var index []struct {
			Name     string
			MaxNorm  float64      `json:"max_norm"`
			NormType golden.Float `json:"norm_type"`
		}
		if err := json.Unmarshal(c.Index, &index); err != nil || len(index) == 0 {
			t.Fatal(err)
		}
		ctx := tensor.New(tensor.Options{Grad: true})
		defer ctx.Close()
		for _, v := range index {
			var params []nn.Param
			for _, name := range []string{"0", "1", "2"} {
				x := c.Tensor(t, v.Name+".grad"+name)
				p := tensor.NewParam(name, dt, x.Shape...)
				ctx.Use(p).BackwardFrom(ctx.F64s(x.F64, x.Shape...).To(dt))
				params = append(params, nn.Param{Name: name, Tensor: p})
			}
			norm := optim.ClipNormOf(params, v.MaxNorm, float64(v.NormType))
			c.Check(t, v.Name+".norm"+tag, norm)
			for _, p := range params {
				c.Check(t, v.Name+".clipped"+p.Name+tag, p.Tensor.Grad().ReadF64())
			}
		}
	})
}

// schedule is one line of the case schedules.
type schedule struct {
	Kind, Name   string
	WarmupSteps  int `json:"warmup_steps"`
	TotalSteps   int `json:"total_steps"`
	Options      map[string]any
	LR, Momentum []float64
	Metrics      []float64
	LRAfter      []float64 `json:"lr_after_metric"`
}

func (v schedule) num(name string, other float64) float64 {
	if f, ok := v.Options[name].(float64); ok {
		return f
	}
	return other
}

func (v schedule) int(name string) int { return int(v.num(name, 0)) }

// torchSchedules says how each class of torch.optim.lr_scheduler is written here: the schedule, its base rate and total.
var torchSchedules = map[string]func(v schedule) (s optim.Schedule, lr float64, total int){
	"OneCycleLR": func(v schedule) (optim.Schedule, float64, int) {
		s := optim.Schedule{Name: "onecycle", PctStart: v.num("pct_start", 0), DivFactor: v.num("div_factor", 0), FinalDiv: v.num("final_div_factor", 0),
			LinearOne: v.Options["anneal_strategy"] == "linear", ThreePhase: v.Options["three_phase"] == true, FixedBeta: v.Options["cycle_momentum"] == false}
		return s, v.num("max_lr", 0), v.int("total_steps") + v.int("epochs")*v.int("steps_per_epoch")
	},
	"CosineAnnealingLR": func(v schedule) (optim.Schedule, float64, int) {
		return optim.Schedule{Name: "cosine_annealing", EndLR: v.num("eta_min", 0)}, 1e-2, v.int("T_max")
	},
	"CosineAnnealingWarmRestarts": func(v schedule) (optim.Schedule, float64, int) {
		return optim.Schedule{Name: "cosine_warm_restarts", StepSize: v.int("T_0"), TMult: v.int("T_mult")}, 1e-2, 0
	},
	"StepLR": func(v schedule) (optim.Schedule, float64, int) {
		return optim.Schedule{Name: "step", StepSize: v.int("step_size"), Gamma: v.num("gamma", 0)}, 1e-2, 0
	},
	"MultiStepLR": func(v schedule) (optim.Schedule, float64, int) {
		var at []int
		for _, m := range v.Options["milestones"].([]any) {
			at = append(at, int(m.(float64)))
		}
		return optim.Schedule{Name: "multistep", Milestones: at, Gamma: v.num("gamma", 0)}, 1e-2, 0
	},
	"ExponentialLR": func(v schedule) (optim.Schedule, float64, int) {
		return optim.Schedule{Name: "exponential", Gamma: v.num("gamma", 0)}, 1e-2, 0
	},
	"LinearLR": func(v schedule) (optim.Schedule, float64, int) {
		return optim.Schedule{Name: "linear_factor", StartFactor: v.num("start_factor", 0), EndFactor: v.num("end_factor", 0)}, 1e-2, v.int("total_iters")
	},
	"PolynomialLR": func(v schedule) (optim.Schedule, float64, int) {
		return optim.Schedule{Name: "polynomial_factor", Power: v.num("power", 0)}, 1e-2, v.int("total_iters")
	},
	"CyclicLR": func(v schedule) (optim.Schedule, float64, int) {
		return optim.Schedule{Name: "cyclic", BaseLR: v.num("base_lr", 0), StepSize: v.int("step_size_up")}, v.num("max_lr", 0), 0
	},
}

func TestGoldenSchedules(t *testing.T) {
	c := golden.Open(t, "training", "schedules")
	var index []schedule
	if err := json.Unmarshal(c.Index, &index); err != nil || len(index) == 0 {
		t.Fatal(err)
	}
	for _, v := range index {
		t.Run(v.Name, func(t *testing.T) {
			if v.Name == "ReduceLROnPlateau" {
				checkPlateau(t, c, v)
				return
			}
			s := optim.Schedule{Name: v.Name, WarmupSteps: v.WarmupSteps, MinLRRate: v.num("min_lr_rate", 0), NumCycles: v.num("num_cycles", 0),
				Power: v.num("power", 0), EndLR: v.num("lr_end", 0), StableSteps: v.int("num_stable_steps"), DecaySteps: v.int("num_decay_steps")}
			lr, total := 1e-2, v.TotalSteps
			if v.Kind != "transformers.get_scheduler" {
				make, ok := torchSchedules[v.Name]
				if !ok {
					t.Fatalf("no schedule %s", v.Name)
				}
				s, lr, total = make(v)
			}
			if err := s.Validate(); err != nil {
				t.Fatal(err)
			}
			var lrs, betas []float64
			for k := range v.LR {
				r := s.At(lr, k, total, 1)
				lrs, betas = append(lrs, r.LR), append(betas, r.Beta1)
			}
			c.CheckValue(t, "index.lr", lrs, v.LR)
			if s.FixedBeta { // what the optimiser has stays
				if slices.Max(betas) != 0 {
					t.Errorf("β₁ is set to %v", betas)
				}
			} else if len(v.Momentum) > 0 {
				c.CheckValue(t, "index.momentum", betas, v.Momentum)
			}
		})
	}
}

func checkPlateau(t *testing.T, c *golden.Case, v schedule) {
	p := optim.Plateau{Factor: v.num("factor", 0), Patience: v.int("patience"), Threshold: v.num("threshold", 0), Cooldown: v.int("cooldown"), MinLR: v.num("min_lr", 0)}
	lr := v.num("base_lr", 0)
	var got []float64
	for _, m := range v.Metrics {
		lr = p.Step(m, lr)
		got = append(got, lr)
	}
	c.CheckValue(t, "index.lr_after_metric", got, v.LRAfter)
}

func TestPlateauModes(t *testing.T) {
	higher := optim.Plateau{Higher: true, Patience: 1, Factor: 0.5}
	lr := 1.0
	for i, m := range []float64{0.5, 0.6, 0.6, 0.6, math.NaN(), math.NaN(), 0.9} {
		lr = higher.Step(m, lr)
		if want := []float64{1, 1, 1, 0.5, 0.5, 0.25, 0.25}[i]; lr != want {
			t.Errorf("higher: metric %d: rate %v, want %v", i, lr, want)
		}
	}
	absolute := optim.Plateau{Absolute: true, Threshold: 0.5, Patience: 1, Factor: 0.5}
	lr = 1.0
	for i, m := range []float64{3, 2.6, 2.4, 2.3, 2.2} { // 2.6 is no gain of more than 0.5, 2.4 is
		lr = absolute.Step(m, lr)
		if want := []float64{1, 1, 1, 1, 0.5}[i]; lr != want {
			t.Errorf("absolute: metric %d: rate %v, want %v", i, lr, want)
		}
	}
}
