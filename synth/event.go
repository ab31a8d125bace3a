package synth

import "math"

// events changes y in place, in units of d, the deviation of its differences:
//
//	level shift  in an eighth of the draws: from some step on y += z·d, |z| ∈ [1, 6]
//	outliers     in a seventh: each step with probability 0.01 … 0.05 gets y += z·d, |z| ∈ [3, 10]
//	dropouts     in a fiftieth: a run of up to 6 steps repeats one value, as a stuck meter does
func events(r *source, y []float64) {
	n := len(y)
	if n < 3 {
		return
	}
	d := 0.0
	for t := 1; t < n; t++ {
		d += (y[t] - y[t-1]) * (y[t] - y[t-1]) / float64(n-1)
	}
	d = math.Sqrt(d)
	sign := func() float64 { return float64(2*r.IntN(2) - 1) }
	if r.chance(0.125) {
		z := sign() * r.uniform(1, 6) * d
		for t := r.IntN(n); t < n; t++ {
			y[t] += z
		}
	}
	if r.chance(1.0 / 7) {
		p := r.uniform(0.01, 0.05)
		for t := range y {
			if r.chance(p) {
				y[t] += sign() * r.uniform(3, 10) * d
			}
		}
	}
	if r.chance(0.02) {
		at := r.IntN(n)
		for t := at; t < min(n, at+2+r.IntN(5)); t++ {
			y[t] = y[at]
		}
	}
}
