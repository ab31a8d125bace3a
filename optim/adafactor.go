package optim

import (
	"math"

	"github.com/hanji-ml/hanji/tensor"
)

// Adafactor's own options (arXiv 1804.04235). Torch follows torch.optim.Adafactor, else transformers' class.
type Adafactor struct {
	Torch          bool    `yaml:"torch" json:"torch,omitempty"`
	Beta1          float64 `yaml:"beta1" json:"beta1,omitempty"`                     // 0: no first moment
	ScaleParameter bool    `yaml:"scale_parameter" json:"scale_parameter,omitempty"` // lr times the parameter's root mean square
	RelativeStep   bool    `yaml:"relative_step" json:"relative_step,omitempty"`     // lr = min(1e-2, 1/√t)
	WarmupInit     bool    `yaml:"warmup_init" json:"warmup_init,omitempty"`         // lr = min(1e-6·t, 1/√t)
}

type adafactor struct {
	o     Options
	clip  float64 // root mean square that an update may have
	decay float64 // exponent of t in β₂ = 1 − t^decay
}

func newAdafactor(o Options) adafactor { return adafactor{o, 1, -0.8} }

func (a adafactor) slots(shape []int) []slot {
	var s []slot
	if n := len(shape); n >= 2 { // the second moment's row and column means stand for it
		row := append([]int(nil), shape...)
		row[n-1] = 1
		col := append([]int(nil), shape...)
		col[n-2] = 1
		names := [2]string{"exp_avg_sq_row", "exp_avg_sq_col"}
		if a.o.Adafactor.Torch {
			names = [2]string{"row_var", "col_var"}
		}
		s = append(s, slot{names[0], row, 0}, slot{names[1], col, 0})
	} else if a.o.Adafactor.Torch {
		s = append(s, slot{"variance", shape, 0})
	} else {
		s = append(s, slot{"exp_avg_sq", shape, 0})
	}
	if a.o.Adafactor.Beta1 > 0 {
		s = append(s, slot{"exp_avg", shape, 0})
	}
	return s
}

func rms(t *tensor.Tensor) float64 { return math.Sqrt(t.SumSquares() / float64(max(t.Len(), 1))) }

func (a adafactor) update(u update) {
	if a.o.Adafactor.Torch {
		a.updateTorch(u)
		return
	}
	f := a.o.Adafactor
	p, g := u.ctx.Use(u.p), u.ctx.Use(u.g)
	lr := u.lr
	if f.RelativeStep {
		lr = 1e-2
		if f.WarmupInit {
			lr = 1e-6 * float64(u.t)
		}
		lr = math.Min(lr, 1/math.Sqrt(float64(u.t)))
	}
	if f.ScaleParameter {
		lr *= math.Max(1e-3, rms(u.p)) // eps[1]
	}
	b2 := 1 - math.Pow(float64(u.t), a.decay)
	g2 := g.Square().AddS(1e-30) // eps[0]
	var step *tensor.Tensor
	if g.Rank() >= 2 {
		row, col := u.state[0], u.state[1]
		row.Set(u.ctx.Use(row).MulS(b2).Add(g2.Mean(-1).MulS(1 - b2)))
		col.Set(u.ctx.Use(col).MulS(b2).Add(g2.Mean(-2).MulS(1 - b2)))
		r := u.ctx.Use(row)
		step = r.Div(r.Mean(-2)).Rsqrt().Mul(u.ctx.Use(col).Rsqrt()).Mul(g)
	} else {
		v := u.state[0]
		v.Set(u.ctx.Use(v).MulS(b2).Add(g2.MulS(1 - b2)))
		step = u.ctx.Use(v).Rsqrt().Mul(g)
	}
	step = step.DivS(math.Max(1, rms(step)/a.clip)).MulS(lr)
	if f.Beta1 > 0 {
		m := u.state[len(u.state)-1]
		m.Set(u.ctx.Use(m).MulS(f.Beta1).Add(step.MulS(1 - f.Beta1)))
		step = u.ctx.Use(m)
	}
	if u.weightDecay != 0 {
		p = p.MulS(1 - u.weightDecay*lr)
	}
	u.p.Set(p.Sub(step))
}

// updateTorch is torch/optim/_adafactor.py: lr is an upper bound on the relative step, eps1 is float32's machine epsilon
// squared by default, the moving averages lerp by t^decay.
func (a adafactor) updateTorch(u update) {
	p, g := u.ctx.Use(u.p), u.ctx.Use(u.g)
	eps1 := 1.1920928955078125e-07
	if u.p.DType() == tensor.F64 {
		eps1 = 2.220446049250313e-16
	}
	const eps2 = 1e-3
	one := math.Pow(float64(u.t), a.decay) // 1 − β₂
	rho := math.Min(u.lr, 1/math.Sqrt(float64(u.t)))
	alpha := math.Max(eps2, rms(u.p)) * rho
	if u.weightDecay != 0 {
		p = p.MulS(1 - u.lr*u.weightDecay)
	}
	var v *tensor.Tensor
	if g.Rank() >= 2 {
		row, col := u.state[0], u.state[1]
		row.Set(u.ctx.Use(row).MulS(1 - one).Add(g.Square().Mean(-1).MulS(one)))
		col.Set(u.ctx.Use(col).MulS(1 - one).Add(g.Square().Mean(-2).MulS(one)))
		r := u.ctx.Use(row)
		v = r.Mul(col).Div(r.Mean(-2).ClampMin(eps1))
	} else {
		s := u.state[0]
		s.Set(u.ctx.Use(s).MulS(1 - one).Add(g.Square().MulS(one)))
		v = u.ctx.Use(s)
	}
	step := v.ClampMin(eps1 * eps1).Rsqrt().Mul(g)
	step = step.MulS(alpha / math.Max(1, rms(step)/a.clip))
	u.p.Set(p.Sub(step))
}
