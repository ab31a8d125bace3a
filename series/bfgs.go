package series

import "math"

// quasiNewton minimises f from x by BFGS with central differences (Nocedal and Wright, Numerical Optimization, 2nd ed.,
// algorithm 6.1) and writes the best point over x. f may return +Inf or NaN outside its domain.
func quasiNewton(f func([]float64) float64, x []float64, maxIter int) float64 {
	n := len(x)
	fx := f(x)
	if n == 0 || math.IsNaN(fx) || math.IsInf(fx, 0) {
		return fx
	}
	flat := make([]float64, n*n+6*n)
	cut := func(k int) []float64 { s := flat[:k:k]; flat = flat[k:]; return s }
	inv, g, g2, dir, next, step, dg := cut(n*n), cut(n), cut(n), cut(n), cut(n), cut(n), cut(n)
	reset := func() {
		clear(inv)
		for i := range n {
			inv[i*n+i] = 1
		}
	}
	reset()
	gradient(f, x, g)
	fresh := true
	for range maxIter {
		slope := descent(inv, g, dir)
		if !(slope < 0) {
			if fresh {
				return fx
			}
			reset()
			fresh = true
			continue
		}
		size := 1.0
		if fresh { // the first step is as long as the gradient says nothing about scale: at most 1
			size = min(1, 1/math.Sqrt(-slope))
		}
		fn := backtrack(f, x, dir, next, fx, slope, size)
		if !(fn < fx) {
			if fresh {
				return fx
			}
			reset()
			fresh = true
			continue
		}
		gradient(f, next, g2)
		sy, gmax := 0.0, 0.0
		for i := range n {
			step[i], dg[i] = next[i]-x[i], g2[i]-g[i]
			sy += step[i] * dg[i]
			gmax = max(gmax, math.Abs(g2[i]))
		}
		drop := fx - fn
		copy(x, next)
		copy(g, g2)
		fx = fn
		if gmax < 1e-7 || drop < 1e-12*(1+math.Abs(fx)) {
			return fx
		}
		if sy > 1e-14 {
			updateInverse(inv, step, dg, sy, dir, fresh)
			fresh = false
		}
	}
	return fx
}

// descent writes the direction −H⁻¹·g and returns the slope of f along it.
func descent(inv, g, dir []float64) (slope float64) {
	n := len(g)
	for i := range n {
		dir[i] = 0
		for j := range n {
			dir[i] -= inv[i*n+j] * g[j]
		}
		slope += dir[i] * g[i]
	}
	return slope
}

// backtrack writes x + size·dir to next, halving size until f falls enough (Armijo), and returns f there.
func backtrack(f func([]float64) float64, x, dir, next []float64, fx, slope, size float64) float64 {
	fn := math.Inf(1)
	for range 40 {
		for i := range x {
			next[i] = x[i] + size*dir[i]
		}
		if fn = f(next); fn <= fx+1e-4*size*slope {
			break
		}
		size /= 2
	}
	return fn
}

// updateInverse is the BFGS update of the inverse Hessian; work has room for one vector. A first update scales the
// identity by the curvature just seen.
func updateInverse(inv, s, y []float64, sy float64, work []float64, first bool) {
	n := len(s)
	if first {
		yy := 0.0
		for _, v := range y {
			yy += v * v
		}
		for i := range n {
			inv[i*n+i] = sy / yy
		}
	}
	yhy := 0.0
	for i := range n {
		work[i] = 0
		for j := range n {
			work[i] += inv[i*n+j] * y[j]
		}
		yhy += work[i] * y[i]
	}
	for i := range n {
		for j := range n {
			inv[i*n+j] += (1+yhy/sy)*s[i]*s[j]/sy - (work[i]*s[j]+s[i]*work[j])/sy
		}
	}
}

// gradient writes central differences; 6e-6 is the cube root of float64's ε, where truncation and rounding balance.
func gradient(f func([]float64) float64, x, g []float64) {
	for i, v := range x {
		h := 6e-6 * max(1, math.Abs(v))
		x[i] = v + h
		up := f(x)
		x[i] = v - h
		down := f(x)
		x[i] = v
		g[i] = (up - down) / (2 * h)
		if math.IsNaN(g[i]) || math.IsInf(g[i], 0) {
			g[i] = 0 // an edge of the domain: this direction is left alone for one step
		}
	}
}
