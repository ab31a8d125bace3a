package synth

import "math"

// stateSpace runs an innovations state-space model of exponential smoothing (Hyndman et al. 2008, ch. 2), the law behind
// most of the methods that forecast business series well. With level l, slope b, season s and ε_t ~ N(0, σ²):
//
//	y_t = l + φb + s_{t−m} + ε_t
//	l ← l + φb + αε,  b ← φb + βε,  s_t = s_{t−m} + γε
//
// α ∈ [0, 1.2] (mostly below a half), β ≤ α, γ ≤ 0.3·(1 − α), φ ∈ {0} ∪ [0.85, 1]. In four of ten draws y is the
// logarithm: exp(s·y), all components multiplicative. The noise may be heavy-tailed or grow with the level.
func stateSpace(r *source, n, m int) []float64 {
	alpha := r.Float64() * r.Float64()
	if r.chance(0.15) {
		alpha = 0
	} else if r.chance(0.15) {
		alpha = r.uniform(0.5, 1.2)
	}
	beta, gamma, phi, slope := 0.0, 0.0, 0.0, 0.0
	if r.chance(0.5) {
		phi = r.uniform(0.85, 1)
		if r.chance(0.5) {
			beta = alpha * r.Float64() * r.Float64()
		}
		slope = r.NormFloat64() * r.logUniform(0.01, 1)
	}
	s := make([]float64, max(m, 1))
	if m > 1 && !r.chance(0.3) {
		amplitude := 1.3 * math.Exp(1.1*r.NormFloat64())
		s = profile(r, m)
		for j := range s {
			s[j] *= amplitude
		}
		if r.chance(0.5) {
			gamma = 0.3 * math.Max(0, 1-alpha) * r.Float64()
		}
	}
	e := make([]float64, n)
	if r.chance(0.15) {
		heavy(r, e)
	} else {
		white(r, e)
	}
	y, level, at := make([]float64, n), 0.0, r.IntN(len(s))
	for t := range y {
		j := (at + t) % len(s)
		y[t] = level + phi*slope + s[j] + e[t]
		level += phi*slope + alpha*e[t]
		slope = phi*slope + beta*e[t]
		s[j] += gamma * e[t]
	}
	if n > 0 && r.chance(0.4) {
		low, high := y[0], y[0]
		for _, v := range y {
			low, high = math.Min(low, v), math.Max(high, v)
		}
		scale := r.logUniform(0.1, 4) / math.Max(high-low, 1e-9) // the largest is e^0.1 … e^4 times the smallest
		for t := range y {
			y[t] = math.Exp(scale * (y[t] - low))
		}
	}
	return y
}
