package optim

// rmsprop is torch.optim.RMSprop: g divided by the root of a running mean of g² (less that of g, squared, if centred).
type rmsprop struct{ o Options }

func (r rmsprop) slots(shape []int) []slot {
	s := []slot{{"square_avg", shape, 0}}
	if r.o.Momentum > 0 {
		s = append(s, slot{"momentum_buffer", shape, 0})
	}
	if r.o.Centered {
		s = append(s, slot{"grad_avg", shape, 0})
	}
	return s
}

func (r rmsprop) update(u update) {
	p, g, v := u.ctx.Use(u.p), u.ctx.Use(u.g), u.state[0]
	if u.weightDecay != 0 {
		g = g.Add(p.MulS(u.weightDecay))
	}
	v.Set(u.ctx.Use(v).MulS(r.o.Alpha).Add(g.Square().MulS(1 - r.o.Alpha)))
	mean := u.ctx.Use(v)
	if r.o.Centered {
		a := u.state[len(u.state)-1]
		a.Set(u.ctx.Use(a).MulS(r.o.Alpha).Add(g.MulS(1 - r.o.Alpha)))
		mean = mean.Sub(u.ctx.Use(a).Square())
	}
	step := g.Div(mean.Sqrt().AddS(r.o.Eps))
	if r.o.Momentum > 0 {
		b := u.state[1]
		b.Set(u.ctx.Use(b).MulS(r.o.Momentum).Add(step))
		step = u.ctx.Use(b)
	}
	u.p.Set(p.Sub(step.MulS(u.lr)))
}

// adagrad is torch.optim.Adagrad: g divided by the root of the sum of all g² so far.
type adagrad struct{ o Options }

func (a adagrad) slots(shape []int) []slot { return []slot{{"sum", shape, 0}} }

func (a adagrad) update(u update) {
	p, g, s := u.ctx.Use(u.p), u.ctx.Use(u.g), u.state[0]
	if u.weightDecay != 0 {
		g = g.Add(p.MulS(u.weightDecay))
	}
	s.Set(u.ctx.Use(s).Add(g.Square()))
	u.p.Set(p.Sub(g.Div(u.ctx.Use(s).Sqrt().AddS(a.o.Eps)).MulS(u.lr)))
}
