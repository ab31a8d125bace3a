package synth

import "math"

// kernelMix draws a Gaussian process whose kernel is a random sum or product of one to five kernels, KernelSynth of
// Chronos (arXiv 2403.07815, §4.2, Algorithm 2). In place of a Cholesky factor of the kernel matrix (O(n³)) each kernel
// is drawn by its own feature map, and a product of kernels by the product of the paths, which has the same covariance
// but heavier tails:
//
//	linear        c·(t − t₀)
//	RBF           √(2/K)·Σ cos(ω_k t + φ_k), ω ~ N(0, 1/ℓ²), K = 12   (Rahimi & Recht 2007)
//	periodic      a season with decaying harmonics
//	white         ε
//	Matérn 1/2    an AR(1)
//	constant      c
func kernelMix(r *source, n, m int) []float64 {
	y := kernel(r, n, m)
	for range r.IntN(5) {
		x := kernel(r, n, m)
		product := r.chance(0.3)
		for t := range y {
			if product {
				y[t] *= x[t]
			} else {
				y[t] += x[t]
			}
		}
	}
	e := r.logUniform(0.01, 0.5)
	for t := range y {
		y[t] += e * r.NormFloat64()
	}
	return y
}

func kernel(r *source, n, m int) []float64 {
	y := make([]float64, n)
	switch r.IntN(6) {
	case 0:
		c, t0 := 3*r.NormFloat64()/float64(max(n, 1)), r.Float64()*float64(n)
		for t := range y {
			y[t] = c * (float64(t) - t0)
		}
	case 1:
		const K = 12
		length := r.logUniform(0.05, 1) * float64(n)
		for range K {
			w, p := r.NormFloat64()/length, r.uniform(0, 2*math.Pi)
			for t := range y {
				y[t] += math.Sqrt(2.0/K) * math.Cos(w*float64(t)+p)
			}
		}
	case 2, 3:
		copy(y, season(r, n, m))
	case 4:
		white(r, y)
	default:
		c := 1 + r.NormFloat64()
		rho, x := math.Exp(-1/r.logUniform(2, 50)), r.NormFloat64()
		for t := range y {
			x = rho*x + math.Sqrt(1-rho*rho)*r.NormFloat64()
			y[t] = c + x
		}
	}
	return y
}
