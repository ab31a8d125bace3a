package series

import "math"

// SES is simple exponential smoothing, l[t] = α·y[t] + (1−α)·l[t−1], whose forecast is the last level for every step.
//
// With the zero value α is the one in [0.01, 0.99] of the least squared one-step errors and the first level is the first
// value (statsforecast's SimpleExponentialSmoothingOptimized). The error after k steps has variance σ²(1 + (k−1)α²).
type SES struct {
	// Alpha fixes the smoothing weight, 0 < Alpha ≤ 1; default 0: estimated.
	Alpha float64
	// EstimateLevel estimates the level before the first value too, α in [0, 1] (statsmodels' "estimated").
	EstimateLevel bool
}

var _ Method = SES{}

// Name implements [Method].
func (SES) Name() string { return "SES" }

// SESFit is a fitted [SES].
type SESFit struct {
	fit
	Alpha float64 // smoothing weight
	Level float64 // level before the first value
	SSE   float64 // sum of squared one-step errors
}

// Fit implements [Method]; one point is enough. The result is a [*SESFit].
func (s SES) Fit(y []float64, m int) (Fitted, error) {
	if _, err := check(s.Name(), y, m, 1); err != nil {
		return nil, err
	}
	f := &SESFit{Alpha: s.Alpha, Level: y[0]}
	level := func(alpha float64) float64 { return y[0] }
	lo, hi := 0.01, 0.99
	if s.EstimateLevel {
		level = func(alpha float64) float64 { return bestLevel(y, alpha) }
		lo, hi = 0, 1
	}
	if !(f.Alpha > 0 && f.Alpha <= 1) {
		sse := func(alpha float64) float64 { return smoothSSE(y, alpha, level(alpha)) }
		if s.EstimateLevel {
			f.Alpha = minimum(sse, lo, hi)
		} else {
			f.Alpha = goldenSection(sse, lo, hi)
		}
	}
	f.Level = level(f.Alpha)
	f.resid = make([]float64, len(y))
	l := f.Level
	for t, v := range y {
		f.resid[t] = v - l
		f.SSE += f.resid[t] * f.resid[t]
		l += f.Alpha * f.resid[t]
	}
	p := 2
	if !s.EstimateLevel {
		f.resid[0], p = math.NaN(), 1 // y[0] predicts itself: not a forecast
	}
	a2, sd := f.Alpha*f.Alpha, spread(f.resid, p)
	f.mean = func(int) float64 { return l }
	f.sigma = func(k int) float64 { return sd * math.Sqrt(1+float64(k-1)*a2) }
	return f, nil
}

// smoothSSE is the sum of squared one-step errors of exponential smoothing from a level before the first value.
func smoothSSE(y []float64, alpha, level float64) float64 {
	sse := 0.0
	for _, v := range y {
		e := v - level
		sse += e * e
		level += alpha * e
	}
	return sse
}

// bestLevel is the starting level of least squares for a given α: the errors are linear in it, e[t] = a[t] − (1−α)ᵗ·l.
func bestLevel(y []float64, alpha float64) float64 {
	num, den, w, l := 0.0, 0.0, 1.0, 0.0
	for _, v := range y {
		a := v - l
		num += w * a
		den += w * w
		l += alpha * a
		w *= 1 - alpha
	}
	return num / den
}

// minimum returns where f is least between lo and hi: a golden-section search around the best of 41 points, because the
// squared error as a function of α may have several minima and a search over all of [lo, hi] may end in the wrong one.
func minimum(f func(float64) float64, lo, hi float64) float64 {
	const n = 40
	best, at := math.Inf(1), 0
	for i := range n + 1 {
		if v := f(lo + (hi-lo)*float64(i)/n); v < best {
			best, at = v, i
		}
	}
	x := goldenSection(f, lo+(hi-lo)*float64(max(at-1, 0))/n, lo+(hi-lo)*float64(min(at+1, n))/n)
	if grid := lo + (hi-lo)*float64(at)/n; f(grid) <= f(x) { // a minimum on the edge
		return grid
	}
	return x
}

// goldenSection returns where f is least between lo and hi, to 1e-12; f should have one minimum there.
// Where two inner points tie it stops in the middle, as statsforecast does: that is what makes flat functions agree.
func goldenSection(f func(float64) float64, lo, hi float64) float64 {
	c, d := hi-(hi-lo)/math.Phi, lo+(hi-lo)/math.Phi
	fc, fd := f(c), f(d)
	for math.Abs(hi-lo) >= 1e-12 {
		if fc < fd {
			hi, d, fd = d, c, fc
			c = hi - (hi-lo)/math.Phi
			fc = f(c)
		} else if fd < fc {
			lo, c, fc = c, d, fd
			d = lo + (hi-lo)/math.Phi
			fd = f(d)
		} else {
			break
		}
	}
	return (lo + hi) / 2
}
