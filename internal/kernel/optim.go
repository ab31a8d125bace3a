package kernel

import "math"

// AdamArgs are the scalars of one Adam or AdamW step.
type AdamArgs struct {
	LR           float64 // step size of this step
	Beta1, Beta2 float64 // decay of the first and second moment
	Eps          float64 // added to √v̂
	WeightDecay  float64 // λ
	BC1, BC2     float64 // 1 - Beta1ᵗ and 1 - Beta2ᵗ of step t = 1, 2, …
	L2           bool    // Adam: λ·p is added to the gradient; else AdamW: p shrinks by 1 - LR·λ first
}

// AdamStep does one step of Adam (Kingma & Ba 2015) or AdamW (Loshchilov &
// Hutter 2019) in one pass, with the operations of torch.optim.AdamW:
//
//	p *= 1 - LR·λ  (AdamW)    or    g += λ·p  (L2; g itself is not written)
//	m += (1-β₁)·(g - m)
//	v = β₂·v + (1-β₂)·g²
//	p -= LR/BC1 · m / (√v/√BC2 + Eps)
func AdamStep[T Float](p, g, m, v []T, a AdamArgs) {
	g, m, v = g[:len(p)], m[:len(p)], v[:len(p)]
	s := adamScalars[T]{
		decay:    1,
		oneMinB1: T(1 - a.Beta1),
		b2:       T(a.Beta2),
		oneMinB2: T(1 - a.Beta2),
		step:     T(a.LR / a.BC1),
		invBC2:   T(1 / math.Sqrt(a.BC2)),
		eps:      T(a.Eps),
	}
	if a.L2 {
		s.l2 = T(a.WeightDecay)
	} else {
		s.decay = T(1 - a.LR*a.WeightDecay)
	}
	if isF32[T]() {
		s32 := [8]float32{float32(s.decay), float32(s.l2), float32(s.oneMinB1), float32(s.b2),
			float32(s.oneMinB2), float32(s.step), float32(s.invBC2), float32(s.eps)}
		if adamF32(f32(p), f32(g), f32(m), f32(v), &s32) {
			return
		}
	}
	for i, gi := range g {
		pi := p[i] * s.decay
		gi += s.l2 * pi
		mi := m[i] + s.oneMinB1*(gi-m[i])
		vi := v[i]*s.b2 + s.oneMinB2*gi*gi
		m[i], v[i] = mi, vi
		p[i] = pi - s.step*mi/(T(math.Sqrt(float64(vi)))*s.invBC2+s.eps)
	}
}

// adamScalars is AdamArgs worked out once per call. The assembly takes
// its fields in this order.
type adamScalars[T Float] struct {
	decay, l2, oneMinB1, b2, oneMinB2, step, invBC2, eps T
}

// SGDArgs are the scalars of one step of stochastic gradient descent.
type SGDArgs struct {
	LR          float64
	Momentum    float64 // 0: buf is not touched and may be nil
	Dampening   float64
	WeightDecay float64 // added to the gradient as λ·p
	Nesterov    bool
	First       bool // first step: buf starts as the gradient itself
}

// SGDStep does one step with the operations of torch.optim.SGD:
//
//	g += λ·p  (g itself is not written)
//	buf = g at the first step, then Momentum·buf + (1-Dampening)·g
//	d = g + Momentum·buf with Nesterov, buf with momentum, g without
//	p -= LR·d
func SGDStep[T Float](p, g, buf []T, a SGDArgs) {
	g = g[:len(p)]
	lr, wd, mu, damp := T(a.LR), T(a.WeightDecay), T(a.Momentum), T(1-a.Dampening)
	if a.Momentum == 0 {
		for i, gi := range g {
			p[i] -= lr * (gi + wd*p[i])
		}
		return
	}
	buf = buf[:len(p)]
	for i, gi := range g {
		gi += wd * p[i]
		b := gi
		if !a.First {
			b = mu*buf[i] + damp*gi
		}
		buf[i] = b
		if a.Nesterov {
			b = gi + mu*b
		}
		p[i] -= lr * b
	}
}
