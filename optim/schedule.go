package optim

import (
	"fmt"
	"math"
	"slices"
)

// Schedule options: how the learning rate changes over the steps. The same struct is the recipe's `schedule:`.
// Names are those of transformers.get_scheduler (warm-up, then decay) and of torch.optim.lr_scheduler.
type Schedule struct {
	Name        string  `yaml:"name" json:"name"`                                   // constant [default], linear, cosine, onecycle, …: see At
	WarmupSteps int     `yaml:"warmup_steps" json:"warmup_steps,omitempty"`         // linear from 0
	WarmupRatio float64 `yaml:"warmup_ratio" json:"warmup_ratio,omitempty"`         // of the total, rounded up, where WarmupSteps is 0
	MinLRRate   float64 `yaml:"min_lr_rate" json:"min_lr_rate,omitempty"`           // cosine_with_min_lr, warmup_stable_decay: floor as a part of lr
	NumCycles   float64 `yaml:"num_cycles" json:"num_cycles,omitempty"`             // cosine [0.5], cosine_with_restarts [1]
	Power       float64 `yaml:"power" json:"power,omitempty"`                       // polynomial [1]
	EndLR       float64 `yaml:"end_lr" json:"end_lr,omitempty"`                     // polynomial [1e-7], cosine_annealing's eta_min [0]
	StableSteps int     `yaml:"stable_steps" json:"stable_steps,omitempty"`         // warmup_stable_decay
	DecaySteps  int     `yaml:"decay_steps" json:"decay_steps,omitempty"`           // warmup_stable_decay
	PctStart    float64 `yaml:"pct_start" json:"pct_start,omitempty"`               // onecycle [0.3]
	DivFactor   float64 `yaml:"div_factor" json:"div_factor,omitempty"`             // onecycle: starts at lr/div_factor [25]
	FinalDiv    float64 `yaml:"final_div_factor" json:"final_div_factor,omitempty"` // onecycle: ends at start/final_div_factor [1e4]
	LinearOne   bool    `yaml:"linear_anneal" json:"linear_anneal,omitempty"`       // onecycle: straight lines in place of cosines
	ThreePhase  bool    `yaml:"three_phase" json:"three_phase,omitempty"`           // onecycle
	FixedBeta   bool    `yaml:"fixed_momentum" json:"fixed_momentum,omitempty"`     // onecycle: leave β₁ alone, else it moves 0.95 → 0.85 → 0.95
	StepSize    int     `yaml:"step_size" json:"step_size,omitempty"`               // step; cosine_warm_restarts' T_0; cyclic's half cycle
	Gamma       float64 `yaml:"gamma" json:"gamma,omitempty"`                       // step, multistep [0.1], exponential, type3 [0.9]
	Milestones  []int   `yaml:"milestones" json:"milestones,omitempty"`             // multistep
	StartFactor float64 `yaml:"start_factor" json:"start_factor,omitempty"`         // linear_factor [1/3]
	EndFactor   float64 `yaml:"end_factor" json:"end_factor,omitempty"`             // linear_factor [1]
	TMult       int     `yaml:"t_mult" json:"t_mult,omitempty"`                     // cosine_warm_restarts [1]
	BaseLR      float64 `yaml:"base_lr" json:"base_lr,omitempty"`                   // cyclic: the lower end
}

// Validate reports an unknown name.
func (s Schedule) Validate() error {
	if _, ok := schedules[s.name()]; !ok {
		names := make([]string, 0, len(schedules))
		for n := range schedules {
			names = append(names, n)
		}
		slices.Sort(names)
		return fmt.Errorf("optim: no schedule %q; there are %v", s.Name, names)
	}
	return nil
}

func (s Schedule) name() string {
	if s.Name == "" {
		return "constant"
	}
	return s.Name
}

// place is a step within a run.
type place struct {
	lr                 float64 // base rate (onecycle: the maximum)
	k, total, perEpoch int     // step 0, 1, …; steps in all; steps an epoch
	warmup             int
}

// At is the rate of step k (0 is the first) of a run of total steps, perEpoch of them an epoch, at base rate lr.
func (s Schedule) At(lr float64, k, total, perEpoch int) Rate {
	p := place{lr: lr, k: k, total: total, perEpoch: max(perEpoch, 1), warmup: s.WarmupSteps}
	if p.warmup == 0 {
		p.warmup = int(math.Ceil(s.WarmupRatio * float64(total))) // Hugging Face Trainer's rule
	}
	if s.name() == "onecycle" {
		return s.oneCycle(p)
	}
	r := Rate{LR: schedules[s.name()](s, p)}
	if s.name() == "patchtst_type3" {
		r.Beta1 = 0.95 // left behind by the OneCycleLR that is built and never stepped
	}
	return r
}

// schedules holds one line a schedule: transformers' optimization.py first, then torch's lr_scheduler.py in closed form.
var schedules = map[string]func(s Schedule, p place) float64{
	"constant":             constant,
	"constant_with_warmup": constant, // transformers' name for the same thing
	"linear": func(s Schedule, p place) float64 {
		return p.lr * p.ramp(math.Max(0, float64(p.total-p.k)/float64(max(1, p.total-p.warmup))))
	},
	"cosine": func(s Schedule, p place) float64 {
		return p.lr * p.ramp(math.Max(0, 0.5*(1+math.Cos(2*math.Pi*or(s.NumCycles, 0.5)*p.done()))))
	},
	"cosine_with_restarts": func(s Schedule, p place) float64 {
		d := p.done()
		if d >= 1 {
			return 0
		}
		return p.lr * p.ramp(math.Max(0, 0.5*(1+math.Cos(math.Pi*math.Mod(or(s.NumCycles, 1)*d, 1)))))
	},
	"cosine_with_min_lr": func(s Schedule, p place) float64 {
		f := 0.5 * (1 + math.Cos(2*math.Pi*or(s.NumCycles, 0.5)*p.done()))
		return p.lr * p.ramp(math.Max(0, f*(1-s.MinLRRate)+s.MinLRRate))
	},
	"polynomial": func(s Schedule, p place) float64 {
		end := or(s.EndLR, 1e-7)
		if p.k > p.total {
			return end
		}
		left := 1 - float64(p.k-p.warmup)/float64(p.total-p.warmup)
		return p.lr * p.ramp(((p.lr-end)*math.Pow(left, or(s.Power, 1))+end)/p.lr)
	},
	"inverse_sqrt": func(s Schedule, p place) float64 {
		scale := p.warmup
		if scale == 0 {
			scale = 10_000
		}
		return p.lr * p.ramp(1/math.Sqrt(float64(p.k+scale-p.warmup)/float64(scale)))
	},
	"warmup_stable_decay": func(s Schedule, p place) float64 {
		decay := s.DecaySteps
		stable := s.StableSteps
		if stable == 0 {
			stable = p.total - p.warmup - decay
		}
		at := p.k - p.warmup - stable
		f := 1.0
		if at >= decay {
			f = s.MinLRRate
		} else if at >= 0 {
			f = math.Max(0, 0.5*(1+math.Cos(math.Pi*float64(at)/float64(max(1, decay)))))
			f = f*(1-s.MinLRRate) + s.MinLRRate
		}
		return p.lr * p.ramp(f)
	},
	"onecycle": nil, // two numbers a step: Schedule.oneCycle
	"cosine_annealing": func(s Schedule, p place) float64 {
		t := float64(max(1, p.total))
		return s.EndLR + (p.lr-s.EndLR)*(1+math.Cos(math.Pi*float64(p.k)/t))/2
	},
	"cosine_warm_restarts": func(s Schedule, p place) float64 {
		at, t := p.k, max(1, s.StepSize)
		for at >= t {
			at -= t
			t *= max(1, s.TMult)
		}
		return s.EndLR + (p.lr-s.EndLR)*(1+math.Cos(math.Pi*float64(at)/float64(t)))/2
	},
	"step": func(s Schedule, p place) float64 {
		return p.lr * math.Pow(or(s.Gamma, 0.1), float64(p.k/max(1, s.StepSize)))
	},
	"multistep": func(s Schedule, p place) float64 {
		lr := p.lr
		for _, m := range s.Milestones {
			if p.k >= m {
				lr *= or(s.Gamma, 0.1)
			}
		}
		return lr
	},
	"exponential": func(s Schedule, p place) float64 { return p.lr * math.Pow(or(s.Gamma, 0.1), float64(p.k)) },
	"linear_factor": func(s Schedule, p place) float64 {
		a, b := or(s.StartFactor, 1.0/3), or(s.EndFactor, 1)
		return p.lr * (a + (b-a)*math.Min(1, float64(p.k)/float64(max(1, p.total))))
	},
	"polynomial_factor": func(s Schedule, p place) float64 {
		return p.lr * math.Pow(1-math.Min(1, float64(p.k)/float64(max(1, p.total))), or(s.Power, 1))
	},
	"cyclic": func(s Schedule, p place) float64 {
		up := float64(max(1, s.StepSize))
		cycle := math.Floor(1 + float64(p.k)/(2*up))
		x := math.Abs(float64(p.k)/up - 2*cycle + 1)
		return s.BaseLR + (p.lr-s.BaseLR)*math.Max(0, 1-x)
	},
	// PatchTST_supervised/utils/tools.py, adjust_learning_rate type3, as it really runs: a OneCycleLR built and never
	// stepped leaves lr/25 for the first epoch; epochs 2–4 run at lr, later ones at lr·0.9^(epoch−4).
	"patchtst_type3": func(s Schedule, p place) float64 {
		switch e := p.k/p.perEpoch + 1; {
		case e == 1:
			return p.lr / 25
		case e <= 4:
			return p.lr
		default:
			return p.lr * math.Pow(or(s.Gamma, 0.9), float64(e-4))
		}
	},
}

func constant(_ Schedule, p place) float64 { return p.lr * p.ramp(1) }

func or(v, otherwise float64) float64 {
	if v == 0 {
		return otherwise
	}
	return v
}

// ramp is f after the warm-up and a straight line from 0 before.
func (p place) ramp(f float64) float64 {
	if p.k < p.warmup {
		return float64(p.k) / float64(max(1, p.warmup))
	}
	return f
}

// done is the part of the steps after warm-up that is over.
func (p place) done() float64 { return float64(p.k-p.warmup) / float64(max(1, p.total-p.warmup)) }

// oneCycle is torch's OneCycleLR (arXiv 1708.07120): up to lr, then far down; β₁ the other way round.
func (s Schedule) oneCycle(p place) Rate {
	initial := p.lr / or(s.DivFactor, 25)
	low := initial / or(s.FinalDiv, 1e4)
	pct := or(s.PctStart, 0.3)
	const high, base = 0.95, 0.85
	type phase struct{ end, lr0, lr1, m0, m1 float64 }
	up := pct*float64(p.total) - 1
	phases := []phase{{up, initial, p.lr, high, base}, {float64(p.total) - 1, p.lr, low, base, high}}
	if s.ThreePhase {
		phases = []phase{{up, initial, p.lr, high, base}, {2*pct*float64(p.total) - 2, p.lr, initial, base, high}, {float64(p.total) - 1, initial, low, high, high}}
	}
	start := 0.0
	for i, f := range phases {
		if k := float64(p.k); k <= f.end || i == len(phases)-1 {
			part := (k - start) / (f.end - start)
			r := Rate{LR: s.anneal(f.lr0, f.lr1, part), Beta1: s.anneal(f.m0, f.m1, part)}
			if s.FixedBeta {
				r.Beta1 = 0
			}
			return r
		}
		start = f.end
	}
	return Rate{LR: low}
}

func (s Schedule) anneal(from, to, part float64) float64 {
	if s.LinearOne {
		return from + (to-from)*part
	}
	return to + (from-to)/2*(1+math.Cos(math.Pi*part))
}
