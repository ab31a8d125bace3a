package synth

import "math"

// noise draws n values with deviation about 1:
//
//	white        ε ~ N(0, 1)
//	heavy        Student's t with 3 to 6 degrees of freedom, scaled to deviation 1
//	ARMA(1, 1)   x_t = φ·x_{t−1} + ε_t + θ·ε_{t−1}, φ ∈ [−0.5, 0.95], θ ∈ [−0.7, 0.7], scaled by its own deviation
//	AR(2)        complex roots of modulus 0.7…0.97: cycles without a fixed period (business cycles)
//
// and, in a sixth of the draws, a deviation that itself wanders: × exp(½h), h an AR(1) (stochastic volatility).
func noise(r *source, n int) []float64 {
	y := make([]float64, n)
	pick(r, noises)(r, y)
	if r.chance(1.0 / 6) {
		h, size := 0.0, r.uniform(0.1, 0.3)
		for t := range y {
			h = 0.95*h + size*r.NormFloat64()
			y[t] *= math.Exp(0.5 * h)
		}
	}
	return y
}

var noises = []weighted[func(*source, []float64)]{{white, 50}, {heavy, 12}, {arma, 28}, {cycle, 10}}

func white(r *source, y []float64) {
	for t := range y {
		y[t] = r.NormFloat64()
	}
}

func heavy(r *source, y []float64) {
	nu := r.uniform(3, 6)
	scale := math.Sqrt((nu - 2) / nu)
	for t := range y {
		y[t] = scale * r.NormFloat64() / math.Sqrt(2*r.gamma(nu/2)/nu)
	}
}

// warmUp steps are drawn before the first that counts, so that a process starts in its stationary law.
const warmUp = 30

func arma(r *source, y []float64) {
	phi, theta := r.uniform(-0.5, 0.95), r.uniform(-0.7, 0.7)
	scale := 1 / math.Sqrt(1+(phi+theta)*(phi+theta)/(1-phi*phi)) // the stationary deviation of an ARMA(1, 1)
	x, before := 0.0, 0.0
	for t := -warmUp; t < len(y); t++ {
		e := r.NormFloat64()
		x = phi*x + e + theta*before
		before = e
		if t >= 0 {
			y[t] = scale * x
		}
	}
}

func cycle(r *source, y []float64) {
	rho, omega := r.uniform(0.7, 0.97), 2*math.Pi/r.logUniform(5, 60)
	a1, a2 := 2*rho*math.Cos(omega), -rho*rho
	// Variance of an AR(2): (1 − a2) / ((1 + a2)·((1 − a2)² − a1²)).
	scale := 1 / math.Sqrt((1-a2)/((1+a2)*((1-a2)*(1-a2)-a1*a1)))
	x1, x2 := 0.0, 0.0
	for t := -2 * warmUp; t < len(y); t++ {
		x := a1*x1 + a2*x2 + r.NormFloat64()
		x1, x2 = x, x1
		if t >= 0 {
			y[t] = scale * x
		}
	}
}
