package synth

import "math"

// profile draws one season of m values with mean 0 and deviation 1:
//
//	smooth   Σ_k k^−p·(a_k cos 2πkj/m + b_k sin 2πkj/m), a, b ~ N(0, 1), one to six harmonics, p ∈ [0.5, 2]
//	free     every phase its own N(0, 1), as months are
//	blocks   two levels: weekends and weekdays, day and night
//	spike    one to three phases stand out: Christmas
func profile(r *source, m int) []float64 {
	p := make([]float64, m)
	pick(r, profiles)(r, p)
	standardise(p)
	return p
}

var profiles = []weighted[func(*source, []float64)]{{smooth, 50}, {free, 30}, {blocks, 8}, {spike, 12}}

func smooth(r *source, p []float64) {
	m, decay := len(p), r.uniform(0.5, 2)
	for k := 1; k <= min(1+r.IntN(6), max(1, m/2)); k++ {
		scale := math.Pow(float64(k), -decay)
		a, b := scale*r.NormFloat64(), scale*r.NormFloat64()
		for j := range p {
			sin, cos := math.Sincos(2 * math.Pi * float64(k*j) / float64(m))
			p[j] += a*cos + b*sin
		}
	}
}

func free(r *source, p []float64) {
	for j := range p {
		p[j] = r.NormFloat64()
	}
}

func blocks(r *source, p []float64) {
	at, width := r.IntN(len(p)), 1+r.IntN(max(1, len(p)/2))
	for j := range width {
		p[(at+j)%len(p)] = 1 + 0.2*r.NormFloat64()
	}
	for j := range p {
		p[j] += 0.1 * r.NormFloat64()
	}
}

func spike(r *source, p []float64) {
	for j := range p {
		p[j] = 0.15 * r.NormFloat64()
	}
	for range 1 + r.IntN(3) {
		p[r.IntN(len(p))] += r.uniform(-1, 3)
	}
}

// season repeats a profile of m values over n steps. In a quarter of the draws its strength drifts, by up to about half
// over the whole; a period of 1 has none.
func season(r *source, n, m int) []float64 {
	y := make([]float64, n)
	if m < 2 {
		return y
	}
	p, at := profile(r, m), r.IntN(m)
	if r.chance(0.15) { // a second, shorter or longer rhythm under the first
		q := 2 + r.IntN(2*m)
		second, share := profile(r, q), r.uniform(0.2, 0.8)
		for t := range y {
			y[t] = share * second[t%q]
		}
	}
	growth := 0.0
	if r.chance(0.25) {
		growth = 0.4 * r.NormFloat64() / float64(n)
	}
	for t := range y {
		y[t] += p[(at+t)%m] * math.Exp(growth*float64(t))
	}
	return y
}
