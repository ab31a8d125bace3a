package synth

import "math"

// trend draws a slow path of n values with deviation about 1 (a flat one: 0). With u = t/(n−1):
//
//	flat         0
//	linear       ±√12·u
//	damped       ±(1 − φ^t)/(1 − φ^n), φ ∈ [0.9, 0.995]        (Gardner & McKenzie 1985)
//	piecewise    linear with one to four changes of slope, a third of them to a standstill (Prophet, Taylor & Letham 2018)
//	random walk  Σ(μ + ε), μ ~ N(0, 0.3²), ε ~ N(0, 1)
//	exponential  ±exp(a·u), a ∈ [0.5, 3]
//	logistic     ±1/(1 + exp(−k(u − c))), k ∈ [4, 15], c ∈ [0.1, 1.1]
//	smooth walk  a random walk of the slope
func trend(r *source, n int) []float64 {
	y := make([]float64, n)
	draw := pick(r, trends)
	if draw == nil || n < 2 {
		return y
	}
	draw(r, y)
	standardise(y)
	if r.chance(0.5) {
		for t := range y {
			y[t] = -y[t]
		}
	}
	return y
}

var trends = []weighted[func(*source, []float64)]{{nil, 24}, {linear, 16}, {damped, 12}, {piecewise, 10}, {randomWalk, 22}, {exponential, 6}, {logistic, 5}, {smoothWalk, 5}}

func linear(r *source, y []float64) {
	for t := range y {
		y[t] = float64(t)
	}
}

func damped(r *source, y []float64) {
	phi := r.uniform(0.9, 0.995)
	for t := range y {
		y[t] = 1 - math.Pow(phi, float64(t))
	}
}

func piecewise(r *source, y []float64) {
	changes := map[int]float64{}
	for range 1 + r.IntN(4) {
		at := r.IntN(len(y))
		changes[at] = r.NormFloat64()
		if r.chance(0.35) {
			changes[at] = 0
		}
	}
	slope, level := r.NormFloat64(), 0.0
	for t := range y {
		if s, ok := changes[t]; ok {
			slope = s
		}
		level += slope
		y[t] = level
	}
}

func randomWalk(r *source, y []float64) {
	drift, level := 0.3*r.NormFloat64()*r.Float64(), 0.0
	for t := range y {
		level += drift + r.NormFloat64()
		y[t] = level
	}
}

func exponential(r *source, y []float64) {
	a := r.uniform(0.5, 3) / float64(len(y))
	for t := range y {
		y[t] = math.Exp(a * float64(t))
	}
}

func logistic(r *source, y []float64) {
	k, c := r.uniform(4, 15), r.uniform(0.1, 1.1)
	for t := range y {
		y[t] = 1 / (1 + math.Exp(-k*(float64(t)/float64(len(y))-c)))
	}
}

func smoothWalk(r *source, y []float64) {
	slope, level := 0.0, 0.0
	for t := range y {
		slope = 0.97*slope + r.NormFloat64()
		level += slope
		y[t] = level
	}
}
