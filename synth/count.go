package synth

import "math"

// count draws whole numbers, as patients or orders are: y_t ~ Poisson(λ_t) or, in half of the draws, negative binomial of
// the same mean (Poisson with a Gamma(k)/k factor, variance λ + λ²/k, k ∈ [3, 100]), with
//
//	log λ_t = log λ₀ + x_t + b·season_t + d·trend_t,  λ₀ log-uniform in [0.5, 2000]
//
// x a random walk (step up to 0.06) or an AR(1), b mostly small: up to 0.4, d up to 0.5.
func count(r *source, n, m int) []float64 {
	base := math.Log(r.logUniform(0.5, 2000))
	b, d := 0.0, 0.0
	if r.chance(0.65) {
		b = r.logUniform(0.02, 0.4)
	}
	if r.chance(0.4) {
		d = r.logUniform(0.02, 0.5)
	}
	phi, step := 1.0, r.logUniform(0.002, 0.06)
	if r.chance(0.3) {
		phi, step = r.uniform(0.3, 0.97), r.logUniform(0.01, 0.2)
	}
	k := 0.0
	if r.chance(0.5) {
		k = r.logUniform(3, 100)
	}
	se, tr := season(r, n, m), trend(r, n)
	y, x := make([]float64, n), 0.0
	for t := range y {
		x = phi*x + step*r.NormFloat64()
		lambda := math.Exp(math.Min(base+x+b*se[t]+d*tr[t], 12))
		if k > 0 {
			lambda *= r.gamma(k) / k
		}
		y[t] = r.poisson(lambda)
	}
	return y
}

// intermittent draws demand as Croston (1972) sees it: a step has demand with probability p ∈ [0.08, 0.7], its size is
// 1 + a negative binomial of mean up to 20. Sizes and p may follow the season.
func intermittent(r *source, n, m int) []float64 {
	p, size, k := r.uniform(0.08, 0.7), r.logUniform(0.3, 20), r.logUniform(0.7, 20)
	b := 0.0
	if r.chance(0.4) {
		b = r.uniform(0.1, 0.6)
	}
	se, y := season(r, n, m), make([]float64, n)
	for t := range y {
		lift := math.Exp(math.Min(b*se[t], 3))
		if r.chance(math.Min(0.95, p*lift)) {
			y[t] = 1 + r.poisson(math.Min(size*lift*r.gamma(k)/k, 1e4))
		}
	}
	return y
}
