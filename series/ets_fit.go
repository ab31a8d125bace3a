package series

import "math"

// Bounds of the weights and of the damping: statsforecast's, and R's but for φ (R: 0.8 to 0.98 too).
const (
	etsLeast, etsMost       = 0.0001, 0.9999
	etsLeastPhi, etsMostPhi = 0.8, 0.98
)

// etsWork fits one shape after another to the same series and keeps their buffers.
type etsWork struct {
	y      []float64
	nm     nelderMead
	season []float64

	shape               etsShape
	m                   int
	x, lo, hi           []float64
	iBeta, iGamma, iPh  int // positions in x; −1 where there is no such weight
	region              ETSRegion
	mostBeta, mostGamma float64 // sides of statsforecast's box
	states              int     // position of the level in x
}

// fit returns nil where the series is too short for the shape.
func (w *etsWork) fit(s etsShape, m int) *ETSFit {
	if s.season == 'N' {
		m = 1
	}
	w.shape, w.m = s, m
	if !w.start() {
		return nil
	}
	n, k := len(w.y), len(w.x)+1 // the variance is a parameter too
	if k > n-2 {
		return nil
	}
	value := w.nm.minimise(w.objective, w.x, w.lo, w.hi)
	f := w.result()
	f.LogLik = -value / 2
	f.AICc = value + 2*float64(k) + 2*float64(k*(k+1))/float64(n-k-1)
	if math.IsInf(value, 0) || math.IsNaN(f.AICc) || math.IsInf(f.AICc, 0) || k == n-1 {
		return nil
	}
	return f
}

// start sets first values and bounds of the parameters: α, β, γ, φ, level, trend, m−1 seasons (newest first).
func (w *etsWork) start() bool {
	s, m := w.shape, float64(w.m)
	w.x, w.lo, w.hi = w.x[:0], w.lo[:0], w.hi[:0]
	add := func(x, lo, hi float64) int {
		w.x, w.lo, w.hi = append(w.x, x), append(w.lo, lo), append(w.hi, hi)
		return len(w.x) - 1
	}
	w.iBeta, w.iGamma, w.iPh = -1, -1, -1
	alpha := etsLeast + 0.2*(etsMost-etsLeast)/m
	add(alpha, etsLeast, etsMost)
	if s.trend != 'N' {
		first, most := etsLeast+0.1*(alpha-etsLeast), etsMost
		if w.region == ETSBox {
			// the sides only ever shrink from one shape to the next: its models share an array of bounds
			w.mostBeta = min(w.mostBeta, alpha)
			first, most = etsLeast+0.1*(w.mostBeta-etsLeast), w.mostBeta
		}
		w.iBeta = add(first, etsLeast, most)
	}
	if s.season != 'N' {
		w.mostGamma = min(w.mostGamma, 1-alpha)
		w.iGamma = add(etsLeast+0.05*(w.mostGamma-etsLeast), etsLeast, w.mostGamma)
	}
	if s.damped {
		w.iPh = add(etsLeastPhi+0.99*(etsMostPhi-etsLeastPhi), etsLeastPhi, etsMostPhi)
	}
	level, trend, season, ok := etsStates(w.y, w.m, s)
	if !ok {
		return false
	}
	w.states = add(level, math.Inf(-1), math.Inf(1))
	if s.trend != 'N' {
		add(trend, math.Inf(-1), math.Inf(1))
	}
	for j := len(season) - 1; j >= 1; j-- {
		add(season[j], math.Inf(-1), math.Inf(1))
	}
	if len(w.season) < w.m {
		w.season = make([]float64, w.m)
	}
	return true
}

// unpack reads the parameters and writes the initial seasons into w.season, that of y[0] at 0; seasons sum to m or to 0.
// It reports false where a multiplicative season is negative.
func (w *etsWork) unpack(x []float64) (alpha, beta, gamma, phi, level, trend float64, ok bool) {
	alpha, phi, level = x[0], 1, x[w.states]
	at := w.states + 1
	if w.iBeta >= 0 {
		beta, trend = x[w.iBeta], x[at]
		at++
	}
	if w.iPh >= 0 {
		phi = x[w.iPh]
	}
	if w.iGamma < 0 {
		return alpha, beta, gamma, phi, level, trend, true
	}
	gamma, ok = x[w.iGamma], true
	rest := 0.0
	for k, v := range x[at:] {
		w.season[w.m-1-k] = v
		rest -= v
		ok = ok && v >= 0
	}
	if w.shape.season == 'M' {
		rest += float64(w.m)
		ok = ok && rest >= 0
	} else {
		ok = true
	}
	w.season[0] = rest
	return alpha, beta, gamma, phi, level, trend, ok
}

// objective is −2·log likelihood up to a constant: n·log Σe², plus 2·Σlog|ŷ| where errors are relative. It allocates nothing.
func (w *etsWork) objective(x []float64) float64 {
	alpha, beta, gamma, phi, l, b, ok := w.unpack(x)
	if !ok || w.region == ETSUsual && (beta > alpha || gamma > 1-alpha) {
		return math.Inf(1)
	}
	f := etsFilter{alpha, beta, gamma, phi, l, b, w.season[:w.m], w.shape.err == 'M'}
	sse, logs := f.run(w.y, w.shape)
	if sse <= 0 {
		sse += 1e-8
	}
	out := float64(len(w.y)) * math.Log(sse)
	if f.relative {
		out += 2 * logs
	}
	return out
}

// result runs the filter once more at the estimate and keeps its states and errors.
func (w *etsWork) result() *ETSFit {
	f := &ETSFit{Model: w.shape.String(), shape: w.shape, m: w.m, n: len(w.y), resid: make([]float64, len(w.y))}
	f.Alpha, f.Beta, f.Gamma, f.Phi, f.Level, f.Trend, _ = w.unpack(w.x)
	if w.iGamma >= 0 {
		f.Season = append([]float64(nil), w.season[:w.m]...)
		f.season = append([]float64(nil), w.season[:w.m]...)
	}
	l, b, sse := f.Level, f.Trend, 0.0
	for i, v := range w.y {
		q, step := l, 0.0
		switch f.shape.trend {
		case 'A':
			step = f.Phi * b
			q = l + step
		case 'M':
			step = math.Pow(b, f.Phi)
			q = l * step
		}
		s, mean, j := 0.0, q, i%f.m
		switch f.shape.season {
		case 'A':
			s = f.season[j]
			mean += s
		case 'M':
			s = f.season[j]
			mean *= s
		}
		f.resid[i] = v - mean
		e := f.resid[i]
		if f.shape.err == 'M' {
			e = e / mean
		}
		sse += e * e
		l, b, s = f.shape.update(v, q, l, step, s, f.Alpha, f.Beta, f.Gamma)
		if f.season != nil {
			f.season[j] = s
		}
	}
	f.level, f.trend = l, b
	f.Sigma2 = sse / float64(max(len(w.y)-len(w.x), 1))
	return f
}

// etsStates are the heuristic first states (Hyndman et al. 2008, §2.6.1, as in R's initstate): the season of a classical
// decomposition, or of a harmonic where there are not three seasons, then a line through the first values adjusted for it.
func etsStates(y []float64, m int, s etsShape) (level, trend float64, season []float64, ok bool) {
	n, x := len(y), y
	if s.season != 'N' {
		if n < 4 {
			return 0, 0, nil, false
		}
		season = firstSeason(y, m, s.season == 'M')
		if season == nil {
			return 0, 0, nil, false
		}
		x = make([]float64, n)
		for t, v := range y {
			// a short series has a value of its own for each step, not one for each season
			if c := season[t%len(season)]; s.season == 'A' {
				x[t] = v - c
			} else {
				x[t] = v / max(c, 1e-2)
			}
		}
		season = append([]float64(nil), season[:m]...)
		if s.season == 'M' {
			sum := 0.0
			for j := 1; j < m; j++ {
				season[j] = max(season[j], 1e-2)
				sum += season[j]
			}
			if sum > float64(m) {
				for j := 1; j < m; j++ {
					season[j] /= sum + float64(m-1)*1e-2
				}
			}
		}
	}
	first := x[:min(max(10, 2*m), n)]
	if s.trend == 'N' {
		return mean(first), 0, season, true
	}
	if len(first) < 2 {
		return 0, 0, nil, false
	}
	a, b := trendLine(first)
	if s.trend == 'A' {
		if math.Abs(a+b) < 1e-8 { // a relative error must not start at a forecast of 0
			a *= 1 + 1e-3
			b *= 1 - 1e-3
		}
		return a, b, season, true
	}
	level = a + b
	if math.Abs(level) < 1e-8 {
		level = 1e-7
	}
	trend = (a + 2*b) / level
	div := trend
	if math.Abs(div) < 1e-8 {
		div = 1e-8
	}
	level /= div
	trend = min(max(trend, -1e10), 1e10)
	if level < 1e-8 || trend < 1e-8 {
		level = max(x[0], 1e-3)
		div = x[0]
		if math.Abs(div) < 1e-8 {
			div = 1e-8
		}
		trend = max(x[1]/div, 1e-3)
	}
	return level, trend, season, true
}

// firstSeason returns one value a season from three seasons on (classical decomposition); before that one value a step:
// what a line and one harmonic leave, or relative to the line. nil where the harmonic fit is singular.
func firstSeason(y []float64, m int, multiplicative bool) []float64 {
	n := len(y)
	if n >= 3*m {
		return seasonalIndex(y, m, multiplicative)
	}
	cols := [][]float64{make([]float64, n), make([]float64, n), make([]float64, n)}
	if m > 2 {
		cols = append(cols, make([]float64, n))
	}
	for t := range n {
		angle := 2 * math.Pi * float64(t+1) / float64(m)
		cols[0][t], cols[1][t], cols[2][t] = 1, float64(t+1), math.Cos(angle)
		if m > 2 {
			cols[3][t] = math.Sin(angle)
		}
	}
	c, _, ok := leastSquares(cols, y)
	if !ok {
		return nil
	}
	out := make([]float64, n)
	for t, v := range y {
		if line := c[0] + c[1]*float64(t+1); multiplicative {
			out[t] = v / line
		} else {
			out[t] = v - line
		}
	}
	return out
}
