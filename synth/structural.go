package synth

import "math"

// structural draws trend, season and noise and puts them together (ForecastPFN §4, Prophet):
//
//	additive        a·trend + b·season + c·noise
//	multiplicative  exp(s·(a·trend + b·season + c·noise)), s ∈ [0.05, 0.7]
//	mixed           (1 + s·a·trend)·(1 + s·b·season) + s·c·noise
//
// Noise has c = 1, or in a third of the draws log-uniform in [0.01, 1]. b is 0 in three of ten draws, else log-normal about 1.3; a likewise about 2. What is small against the noise
// is there too: a forecaster has to learn when not to believe in a season.
func structural(r *source, n, m int) []float64 {
	a, b, c := weight(r, 2, 1.2), weight(r, 1.3, 0.9), 1.0
	if r.chance(0.35) {
		c = r.logUniform(0.01, 1)
	}
	tr, se, no := trend(r, n), season(r, n, m), noise(r, n)
	form, s := r.Float64(), r.logUniform(0.05, 0.7)
	s /= math.Max(1, 0.5*math.Sqrt(a*a+b*b+c*c)) // a strong signal in the exponent would explode
	for t := range tr {
		switch x, y, z := a*tr[t], b*se[t], c*no[t]; {
		case form < 0.5:
			tr[t] = x + y + z
		case form < 0.8:
			tr[t] = math.Exp(s * (x + y + z))
		default:
			tr[t] = (1+s*x)*(1+s*y) + s*z
		}
	}
	return tr
}

// weight is 0 in three of ten draws, else log-normal about median.
func weight(r *source, median, sigma float64) float64 {
	if r.chance(0.3) {
		return 0
	}
	return median * math.Exp(sigma*r.NormFloat64())
}
