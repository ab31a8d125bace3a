package series

import (
	"math"
	"slices"
)

// HoltWinters is Holt's linear trend, damped or not, with an additive or multiplicative season where the series has two
// (Holt 1957, Winters 1960; Hyndman and Athanasopoulos, FPP3 §8.2–8.3). First states are heuristic (Hyndman et al. 2008,
// §2.6: statsmodels' "heuristic"), weights minimise the squared one-step errors, φ lies in [0.8, 0.995].
// [ETS] also estimates the states and chooses the model; this is the plain method for comparison.
type HoltWinters struct {
	Damped         bool // damp the trend
	Multiplicative bool // season as factors; needs positive data, else it is additive
	NoSeason       bool // Holt's method even where there is a season
}

var _ Method = HoltWinters{}

// Name implements [Method].
func (w HoltWinters) Name() string {
	name := "HoltWinters"
	if w.NoSeason {
		name = "Holt"
	}
	if w.Damped {
		name = "Damped" + name
	}
	return name
}

// HoltWintersFit is a fitted [HoltWinters]; its forecasts and error variances are those of the ETS model with the same
// recursions (AAN, AAA, MAM and their damped forms).
type HoltWintersFit struct {
	ETSFit
	// TrendWeight is β/α, the weight in the form b[t] = w·(l[t] − l[t−1]) + (1−w)·φ·b[t−1] that textbooks call β.
	TrendWeight float64
	SSE         float64 // sum of squared one-step errors
}

// Fit implements [Method]; one point is enough, though below four it is [Drift]. The result is a [*HoltWintersFit] from
// four points on.
func (w HoltWinters) Fit(y []float64, m int) (Fitted, error) {
	m, err := check(w.Name(), y, m, 1)
	if err != nil {
		return nil, err
	}
	if constant(y) {
		return Naive{}.Fit(y, m)
	}
	n := len(y)
	if n < 4 {
		return Drift{}.Fit(y, m)
	}
	s := etsShape{err: 'A', trend: 'A', season: 'N', damped: w.Damped}
	if !w.NoSeason && m > 1 && n >= 2*m && n >= 10+2*(m/2) {
		s.season = 'A'
		if w.Multiplicative && slices.Min(y) > 0 {
			s.err, s.season = 'M', 'M'
		}
	} else {
		m = 1
	}
	level, trend, season := holtStates(y, m, s.season == 'M')
	e := &etsWork{y: y, shape: s, m: m, season: make([]float64, m)}
	p := holtProblem{etsWork: e, level: level, trend: trend, first: season}
	x := p.search()
	f := &HoltWintersFit{SSE: p.sse(x)}
	w4 := p.weights(x)
	e.x, e.states = append(w4[:], level, trend), 4
	e.iBeta, e.iGamma, e.iPh = 1, 2, 3
	for j := m - 1; j >= 1; j-- {
		e.x = append(e.x, season[j])
	}
	if s.season == 'N' {
		e.iGamma = -1
	}
	f.ETSFit = *e.result()
	f.AICc, f.LogLik = math.NaN(), math.NaN() // least squares with fixed states: not comparable with ETS
	f.TrendWeight = f.Beta / f.Alpha
	return f, nil
}

// holtStates are level, trend and seasons before the first value: a centred moving average over up to five seasons gives
// the season, a line through its first ten values level and trend.
func holtStates(y []float64, m int, multiplicative bool) (level, trend float64, season []float64) {
	x := y
	if m > 1 {
		cycles := max(min(5, len(y)/m), (10+2*(m/2)+m-1)/m)
		part := y[:min(cycles*m, len(y))]
		season = seasonalIndex(part, m, multiplicative)
		x = movingAverage(part, m)
		if m%2 == 0 {
			x = movingAverage(x, 2)
		}
	}
	level, trend = trendLine(x[:min(10, len(x))])
	return level, trend, season
}

// holtProblem maps the unit cube to weights: α, β/α, γ/(1−α) and where φ lies between its bounds.
type holtProblem struct {
	*etsWork
	level, trend float64
	first        []float64
}

func (p *holtProblem) weights(x []float64) [4]float64 {
	const edge = 1.4901161193847656e-8 // √ε: keeps α off 0, by which it divides
	alpha := edge + x[0]*(1-2*edge)
	phi := 1.0
	if p.shape.damped {
		phi = 0.8 + 0.195*x[3]
	}
	return [4]float64{alpha, alpha * x[1], (1 - alpha) * x[2], phi}
}

func (p *holtProblem) sse(x []float64) float64 {
	w := p.weights(x)
	copy(p.season, p.first)
	f := etsFilter{alpha: w[0], beta: w[1], gamma: w[2], phi: w[3], level: p.level, trend: p.trend, season: p.season}
	sse, _ := f.run(p.y, p.shape)
	return sse
}

// search starts from the best corners of a grid: the squared error has several minima.
func (p *holtProblem) search() []float64 {
	type point struct {
		x [4]float64
		v float64
	}
	grid := []float64{0, 0.05, 0.3, 0.8}
	var all []point
	for _, a := range grid {
		for _, b := range grid[:3] {
			for _, c := range grid {
				for _, d := range []float64{0.1, 0.5, 0.95} {
					if c != grid[0] && p.shape.season == 'N' || d != 0.5 && !p.shape.damped {
						continue
					}
					x := [4]float64{a, b, c, d}
					if v := p.sse(x[:]); !math.IsNaN(v) {
						all = append(all, point{x, v})
					}
				}
			}
		}
	}
	slices.SortStableFunc(all, func(a, b point) int {
		if a.v < b.v {
			return -1
		} else if a.v > b.v {
			return 1
		}
		return 0
	})
	nm := nelderMead{maxIter: 400, step: 0.2, tol: 0}
	lo, hi := make([]float64, 4), []float64{1, 1, 1, 1}
	best, least := []float64{0.5, 0.1, 0.1, 0.9}, math.Inf(1)
	for _, c := range all[:min(6, len(all))] {
		x := c.x[:]
		nm.tol = 1e-9 * c.v
		for range 2 { // once more from where it stopped: a simplex may have collapsed onto a face
			nm.minimise(p.sse, x, lo, hi)
		}
		if v := p.sse(x); v < least {
			best, least = x, v
		}
	}
	return best
}
