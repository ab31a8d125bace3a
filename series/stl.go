package series

import "math"

// stl splits y into season, trend and rest by local regression (Cleveland, Cleveland, McRae and Terpenning, STL, J. Off.
// Stat. 6, 1990) with one season of m steps: five inner passes, no robustness weights, seasonal window 11 of degree 0, the
// settings of R's mstl. len(y) ≥ 2m, m ≥ 2.
func stl(y []float64, m int) (season, trend []float64) {
	const window = 11
	n := len(y)
	odd := func(k int) int { return k | 1 }
	trendWindow := odd(int(math.Ceil(1.5 * float64(m) / (1 - 1.5/window))))
	season, trend = make([]float64, n), make([]float64, n)
	cycle, low := make([]float64, n+2*m), make([]float64, n)
	rest := make([]float64, n)
	weights := make([]float64, n+2)
	for range 5 {
		for i := range rest {
			rest[i] = y[i] - trend[i]
		}
		for j := range m { // smooth each season's values, one past either end
			k := (n-j-1)/m + 1
			sub := make([]float64, k)
			for i := range sub {
				sub[i] = rest[i*m+j]
			}
			out := make([]float64, k+2)
			loess(out[1:k+1], sub, window, 0, weights)
			out[0] = loessAt(sub, window, 0, -1, 0, min(window, k), weights)
			out[k+1] = loessAt(sub, window, 0, k, max(0, k-window), k, weights)
			for i, v := range out {
				cycle[i*m+j] = v
			}
		}
		pass := movingAverage(movingAverage(movingAverage(cycle, m), m), 3)
		loess(low, pass, odd(m+1), 1, weights)
		for i := range season {
			season[i] = cycle[m+i] - low[i]
			rest[i] = y[i] - season[i]
		}
		loess(trend, rest, trendWindow, 1, weights)
	}
	return season, trend
}

func movingAverage(x []float64, k int) []float64 {
	out := make([]float64, len(x)-k+1)
	for i := range out {
		out[i] = mean(x[i : i+k])
	}
	return out
}

// loess smooths y at its own positions with windows of q points that stop at the ends.
func loess(dst, y []float64, q, degree int, weights []float64) {
	n := len(y)
	left, right := 0, min(q, n)
	for i := range dst {
		if i+1 > (q+2)/2 && right < n {
			left++
			right++
		}
		dst[i] = loessAt(y, q, degree, i, left, right, weights)
	}
}

// loessAt is the tricube-weighted local mean (degree 0) or line (degree 1) of y[left:right] at position x, which may lie
// outside. A window longer than the series reaches further by half of what is missing.
func loessAt(y []float64, q, degree, x, left, right int, weights []float64) float64 {
	n := len(y)
	h := float64(max(x-left, right-1-x))
	if q > n {
		h += float64((q - n) / 2)
	}
	sum := 0.0
	w := weights[:right-left]
	for j := range w {
		r := math.Abs(float64(left + j - x))
		w[j] = 0
		if r <= .999*h {
			w[j] = 1
			if r > .001*h {
				u := r / h
				u = 1 - u*u*u
				w[j] = u * u * u
			}
			sum += w[j]
		}
	}
	if sum <= 0 {
		return y[min(max(x, 0), n-1)]
	}
	centre := 0.0
	for j := range w {
		w[j] /= sum
		centre += w[j] * float64(left+j)
	}
	if h > 0 && degree > 0 {
		c := 0.0
		for j := range w {
			d := float64(left+j) - centre
			c += w[j] * d * d
		}
		if math.Sqrt(c) > .001*float64(n-1) {
			b := (float64(x) - centre) / c
			for j := range w {
				w[j] *= b*(float64(left+j)-centre) + 1
			}
		}
	}
	v := 0.0
	for j := range w {
		v += w[j] * y[left+j]
	}
	return v
}

// seasonalStrength is 1 − var(rest)/var(rest + season) of the STL decomposition, in [0, 1] (Wang, Smith and Hyndman,
// Data Min. Knowl. Discov. 13, 2006).
func seasonalStrength(y []float64, m int) float64 {
	season, trend := stl(y, m)
	rest, both := make([]float64, len(y)), make([]float64, len(y))
	for i, v := range y {
		rest[i] = v - season[i] - trend[i]
		both[i] = rest[i] + season[i]
	}
	s := sampleDeviation(rest) / sampleDeviation(both)
	return min(max(1-s*s, 0), 1)
}
