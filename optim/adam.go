package optim

import (
	"math"

	"github.com/hanji-ml/hanji/tensor"
)

// adam is Adam (arXiv 1412.6980) with L2 decay in the gradient, or AdamW (arXiv 1711.05101) with decay of the weight.
type adam struct {
	o         Options
	decoupled bool
}

func (a adam) slots(shape []int) []slot {
	s := []slot{{"exp_avg", shape, 0}, {"exp_avg_sq", shape, 0}}
	if a.o.AMSGrad {
		s = append(s, slot{"max_exp_avg_sq", shape, 0})
	}
	return s
}

func (a adam) update(u update) {
	b1, b2 := a.o.Betas[0], a.o.Betas[1]
	if u.beta1 > 0 {
		b1 = u.beta1
	}
	if !a.o.AMSGrad {
		tensor.AdamInPlace(u.p, u.g, u.state[0], u.state[1], tensor.AdamOptions{LR: u.lr, Beta1: b1, Beta2: b2, Eps: a.o.Eps,
			WeightDecay: u.weightDecay, Decoupled: a.decoupled, Step: u.t})
		return
	}
	p, g, m, v, vmax := u.ctx.Use(u.p), u.ctx.Use(u.g), u.state[0], u.state[1], u.state[2]
	if a.decoupled {
		p = p.MulS(1 - u.lr*u.weightDecay)
	} else if u.weightDecay != 0 {
		g = g.Add(p.MulS(u.weightDecay))
	}
	m.Set(u.ctx.Use(m).MulS(b1).Add(g.MulS(1 - b1)))
	v.Set(u.ctx.Use(v).MulS(b2).Add(g.Square().MulS(1 - b2)))
	vmax.Set(u.ctx.Use(vmax).Max(v)) // the largest second moment so far (arXiv 1904.09237)
	c1, c2 := 1-math.Pow(b1, float64(u.t)), 1-math.Pow(b2, float64(u.t))
	denom := u.ctx.Use(vmax).Sqrt().DivS(math.Sqrt(c2)).AddS(a.o.Eps)
	u.p.Set(p.Sub(u.ctx.Use(m).Div(denom).MulS(u.lr / c1)))
}
