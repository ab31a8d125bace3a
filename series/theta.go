package series

import "math"

// ThetaVariant names a member of the Theta family.
type ThetaVariant int

// The members of the family that [Theta] fits. The first four are the state-space forms of Fiorucci et al. (Models for
// optimising the theta method and their relationship to state space models, Int. J. Forecasting 32, 2016).
const (
	ThetaStandard         ThetaVariant = iota // STM: θ = 2, trend line of the whole series
	ThetaOptimised                            // OTM: θ ≥ 1 estimated
	ThetaDynamic                              // DSTM: θ = 2, trend line of the values so far
	ThetaDynamicOptimised                     // DOTM: both
	ThetaTwoStep                              // SES from the first value plus half the slope of a line (Hyndman and Billah, IJF 19, 2003), as statsmodels
)

// Theta is the theta method (Assimakopoulos and Nikolopoulos, IJF 16, 2000): the mean of a straight line and of
// exponential smoothing of what bends away from it. Seasonal series, by a 90 % test of the autocorrelation at lag m ≥ 4
// over at least two seasons, are adjusted by classical decomposition first: multiplicative for positive series.
//
// α in [0.1, 0.99], the level before the first value and θ minimise the squared one-step errors from the fourth on. For
// given α those errors are linear in the other two, so the estimate is one search over α and always the least there is;
// statsforecast's Theta uses the same criterion but stops its search at an absolute tolerance.
type Theta struct {
	Variant  ThetaVariant // default ThetaStandard
	Additive bool         // force an additive season
}

var _ Method = Theta{}

// Name implements [Method].
func (t Theta) Name() string {
	names := []string{"Theta", "OptimisedTheta", "DynamicTheta", "DynamicOptimisedTheta", "TwoStepTheta"}
	if t.Variant < 0 || int(t.Variant) >= len(names) {
		return "Theta?"
	}
	return names[t.Variant]
}

// ThetaFit is a fitted [Theta].
type ThetaFit struct {
	fit
	Alpha   float64 // smoothing weight
	Theta   float64 // θ
	Initial float64 // level before the first value, of the seasonally adjusted series
	Slope   float64 // of the trend line at the end of the series, adjusted units per step
	// MSE is statsforecast's criterion: the sum of squared errors from the fourth on over the mean absolute value, adjusted
	// series. NaN for ThetaTwoStep.
	MSE    float64
	Season []float64 // seasonal indices, that of the first value first; nil where the test found no season

	season seasonal
	n      int
	state  thetaState
	sd     float64
	whole  bool // the trend line is that of the whole series
}

// Fit implements [Method]; one point is enough, but below four it is [Naive]. The result is a [*ThetaFit] from four points on.
func (t Theta) Fit(y []float64, m int) (Fitted, error) {
	m, err := check(t.Name(), y, m, 1)
	if err != nil {
		return nil, err
	}
	if len(y) < 4 || constant(y) {
		return Naive{}.Fit(y, m)
	}
	f := &ThetaFit{Theta: 2, n: len(y)}
	if t.Variant == ThetaTwoStep {
		f.twoStep(y, m, !t.Additive)
		return f, nil
	}
	if thetaSeasonal(y, m) {
		f.season = decomposed(y, m, !t.Additive, 0.01)
		f.Season = f.season.index
	}
	f.estimate(f.season.adjust(y), t.Variant)
	for i := range f.resid {
		f.resid[i] *= f.season.scale(i)
	}
	return f, nil
}

// thetaSeasonal is the M4 competition's test: r[m] beyond the 90 % band of a series without correlation from lag m on.
func thetaSeasonal(y []float64, m int) bool {
	if m < 4 || len(y) < 2*m {
		return false
	}
	r, s := autocorrelation(y, m), 0.0
	for _, v := range r[1:m] {
		s += v * v
	}
	const z95 = 1.6448536269514722
	return math.Abs(r[m])/math.Sqrt((1+2*s)/float64(len(y))) > z95
}

// thetaState is what the recursion carries: exponential level, running mean and line A + B·t of the values so far.
type thetaState struct{ level, mean, a, b float64 }

// line is D[t], the value that multiplies 1 − 1/θ in the one-step forecast of step t, is level-free and depends on
// the data and α only: D[t] = A·(1−α)ᵗ + B·(1 − (1−α)ᵗ⁺¹)/α (Fiorucci et al., equation 8).
func line(alpha, wt, a, b float64) float64 { return a*wt + b*(1-wt*(1-alpha))/alpha }

// estimate fits the adjusted series.
func (f *ThetaFit) estimate(y []float64, v ThetaVariant) {
	f.whole = v == ThetaStandard || v == ThetaOptimised
	free := v == ThetaOptimised || v == ThetaDynamicOptimised
	a, b := trendLine(y)
	f.Slope = b
	p := thetaProblem{y: y, a: make([]float64, len(y)), b: make([]float64, len(y)), free: free}
	s := thetaState{mean: y[0], a: y[0]}
	for i := range y {
		if i > 0 {
			s.step(i, y[i])
		}
		if p.a[i], p.b[i] = s.a, s.b; f.whole {
			p.a[i], p.b[i] = a, b
		}
	}
	cost := func(alpha float64) float64 { c, _, _ := p.solve(alpha); return c }
	f.Alpha = minimum(cost, 0.1, 0.99)
	sse, level, omega := p.solve(f.Alpha)
	f.Initial, f.Theta = level, 1/(1-omega)
	scale := 0.0
	for _, x := range y {
		scale += math.Abs(x)
	}
	f.MSE = sse / max(scale/float64(len(y)), 1e-10)

	f.resid = make([]float64, len(y))
	l, wt := level, 1.0
	for i, x := range y {
		at := max(i-1, 0) // the line known before step i; step 0 uses that of the whole series or y[0] itself
		f.resid[i] = x - l - omega*line(f.Alpha, wt, p.a[at], p.b[at])
		l += f.Alpha * (x - l)
		wt *= 1 - f.Alpha
	}
	n := len(y)
	f.state = thetaState{level: l, mean: mean(y), a: p.a[n-1], b: p.b[n-1]}
	f.sd = sampleDeviation(f.resid[3:])
}

// step takes value i (counted from 0) of the series into the running mean and line.
func (s *thetaState) step(i int, y float64) {
	t := float64(i)
	s.b = ((t-1)*s.b + 6*(y-s.mean)/(t+1)) / (t + 2)
	s.mean += (y - s.mean) / (t + 1)
	s.a = s.mean - s.b*(t+2)/2
}

// thetaProblem is the least-squares problem for a given α.
type thetaProblem struct {
	y, a, b []float64
	free    bool // θ is estimated
}

// solve returns the least squared error from the fourth value on, the level before the first value and 1 − 1/θ.
// e[t] = r[t] − wᵗ·level − ω·D[t], with r[t] the error of smoothing from level 0 and w = 1 − α.
func (p thetaProblem) solve(alpha float64) (sse, level, omega float64) {
	var rr, rw, rd, ww, wd, dd float64
	l, w, wt := 0.0, 1-alpha, 1.0
	for t, x := range p.y {
		if t >= 3 {
			r, d := x-l, line(alpha, wt, p.a[t-1], p.b[t-1])
			rr, rw, rd = rr+r*r, rw+r*wt, rd+r*d
			ww, wd, dd = ww+wt*wt, wd+wt*d, dd+d*d
		}
		l += alpha * (x - l)
		wt *= w
	}
	omega = 0.5
	if det := ww*dd - wd*wd; p.free && det > 1e-12*ww*dd {
		omega = min(max((rd*ww-rw*wd)/det, 0), 1-1e-10)
	}
	level = (rw - omega*wd) / ww
	sse = rr - 2*level*rw - 2*omega*rd + level*level*ww + 2*level*omega*wd + omega*omega*dd
	return max(sse, 0), level, omega
}

// twoStep is statsmodels' ThetaModel(use_test=True, method="auto").fit(use_mle=False).
func (f *ThetaFit) twoStep(y []float64, m int, multiplicative bool) {
	f.whole, f.MSE = true, math.NaN()
	if m > 1 && len(y) >= 2*m {
		r, s := autocorrelation(y, m), 0.0
		for _, v := range r[:m] { // lag 0 too: their statistic
			s += v * v
		}
		if float64(len(y))*r[m]*r[m]/s > 1.6448536269514722*1.6448536269514722 {
			f.season = decomposed(y, m, multiplicative, math.SmallestNonzeroFloat64)
			f.Season = f.season.index
		}
	}
	x := f.season.adjust(y)
	_, f.Slope = trendLine(x)
	sse := func(alpha float64) float64 { return smoothSSE(x, alpha, x[0]) }
	const least = 1.4901161193847656e-8 // √ε, statsmodels' own bound: at α = 0 exactly the drift below would be 0/0
	f.Alpha = max(minimum(sse, 0, 1), least)
	f.Initial = x[0]
	f.resid = make([]float64, len(x))
	l, wt := x[0], 1.0
	for t, v := range x {
		f.resid[t] = (v - l - 0.5*f.drift(wt, 0)) * f.season.scale(t)
		l += f.Alpha * (v - l)
		wt *= 1 - f.Alpha
	}
	f.state = thetaState{level: l}
	f.sd = sampleDeviation(f.resid[3:])
}

// drift is the trend part of the two-step forecast k+1 steps after step t, wt = (1−α)ᵗ.
func (f *ThetaFit) drift(wt float64, k int) float64 {
	return f.Slope * (float64(k) + (1-wt)/f.Alpha)
}

// Forecast implements [Fitted]. The error variance after k steps is σ²(1 + (k−1)α²), as of exponential smoothing, times
// the square of a multiplicative seasonal index; dynamic variants, whose line moves too, are simulated.
func (f *ThetaFit) Forecast(h int) Forecast {
	out := newForecast(h)
	f.path(out.Mean, nil)
	for k := range out.Mean {
		s := f.sd
		if !math.IsNaN(f.MSE) {
			s *= f.season.scale(f.n + k)
		}
		out.Sigma[k] = s * math.Sqrt(1+float64(k)*f.Alpha*f.Alpha)
	}
	if f.whole || h <= 0 {
		return out
	}
	draws := make([][]float64, paths)
	for i := range draws {
		draws[i] = make([]float64, h)
		f.path(draws[i], func(k int) float64 { return f.sd * gaussian(uint64(f.n), uint64(i), uint64(k)) })
	}
	return fromPaths(out.Mean, draws)
}

// path continues the series; noise, where given, is added to each step of the adjusted series.
func (f *ThetaFit) path(dst []float64, noise func(k int) float64) {
	s, wt := f.state, math.Pow(1-f.Alpha, float64(f.n))
	for k := range dst {
		t := f.n + k
		var x float64
		if math.IsNaN(f.MSE) {
			x = s.level + 0.5*f.drift(wt, k)
		} else {
			x = s.level + (1-1/f.Theta)*line(f.Alpha, wt, s.a, s.b)
			if noise != nil {
				x += noise(k)
			}
			s.level += f.Alpha * (x - s.level)
			if !f.whole {
				s.step(t, x)
			}
			wt *= 1 - f.Alpha
		}
		dst[k] = f.season.restore(x, t)
	}
}

// trendLine is the least-squares line a + b·t through y, t = 1, 2, …
func trendLine(y []float64) (a, b float64) {
	n, c, s := float64(len(y)), mean(y), 0.0
	for t, v := range y {
		s += (float64(t+1) - (n+1)/2) * (v - c)
	}
	b = 12 * s / (n * (n*n - 1))
	return c - b*(n+1)/2, b
}

// sampleDeviation is the standard deviation about the mean; with fewer than two values their absolute mean.
func sampleDeviation(v []float64) float64 {
	if len(v) < 2 {
		return math.Abs(mean(v))
	}
	return deviation(v) * math.Sqrt(float64(len(v))/float64(len(v)-1))
}
