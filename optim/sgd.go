package optim

// sgd is gradient descent with momentum as torch.optim.SGD has it: the first step's buffer is the gradient itself.
type sgd struct{ o Options }

func (s sgd) slots(shape []int) []slot {
	if s.o.Momentum == 0 {
		return nil
	}
	return []slot{{"momentum_buffer", shape, 0}}
}

func (s sgd) update(u update) {
	p, g := u.ctx.Use(u.p), u.ctx.Use(u.g)
	if u.weightDecay != 0 {
		g = g.Add(p.MulS(u.weightDecay))
	}
	if len(u.state) > 0 {
		mu, b := s.o.Momentum, u.state[0]
		if u.beta1 > 0 {
			mu = u.beta1
		}
		if u.t == 1 {
			b.Set(g)
		} else {
			b.Set(u.ctx.Use(b).MulS(mu).Add(g.MulS(1 - s.o.Dampening)))
		}
		if s.o.Nesterov {
			g = g.Add(u.ctx.Use(b).MulS(mu))
		} else {
			g = u.ctx.Use(b)
		}
	}
	u.p.Set(p.Sub(g.MulS(u.lr)))
}
