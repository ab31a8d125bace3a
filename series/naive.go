package series

import "math"

// Naive repeats the last value. Its error after k steps has standard deviation σ√k, σ² the mean squared first difference
// (Hyndman and Athanasopoulos, Forecasting: Principles and Practice, 3rd ed., §5.5; the formulas of this file are theirs).
type Naive struct{}

// SeasonalNaive repeats the last season; a series no longer than one season is continued by [Naive].
type SeasonalNaive struct{}

// Drift extends the line from the first to the last value. One point alone is repeated.
type Drift struct{}

// HistoricMean predicts the mean of the whole series.
type HistoricMean struct{}

// WindowAverage predicts the mean of the last Window values.
type WindowAverage struct {
	// Window is the number of values averaged; default the season, and the whole series where that is shorter.
	Window int
}

var (
	_ Method = Naive{}
	_ Method = SeasonalNaive{}
	_ Method = Drift{}
	_ Method = HistoricMean{}
	_ Method = WindowAverage{}
)

// Name implements [Method].
func (Naive) Name() string { return "Naive" }

// Name implements [Method].
func (SeasonalNaive) Name() string { return "SeasonalNaive" }

// Name implements [Method].
func (Drift) Name() string { return "Drift" }

// Name implements [Method].
func (HistoricMean) Name() string { return "HistoricMean" }

// Name implements [Method].
func (WindowAverage) Name() string { return "WindowAverage" }

// Fit implements [Method]; one point is enough.
func (n Naive) Fit(y []float64, m int) (Fitted, error) {
	if _, err := check(n.Name(), y, m, 1); err != nil {
		return nil, err
	}
	return lagged(y, 1), nil
}

// Fit implements [Method]; one point is enough.
func (n SeasonalNaive) Fit(y []float64, m int) (Fitted, error) {
	m, err := check(n.Name(), y, m, 1)
	if err != nil {
		return nil, err
	}
	if len(y) <= m {
		m = 1
	}
	return lagged(y, m), nil
}

// lagged repeats the last m values of y; len(y) ≥ m.
func lagged(y []float64, m int) *fit {
	last := append([]float64(nil), y[len(y)-m:]...)
	e := make([]float64, len(y))
	for t := range e {
		if t < m {
			e[t] = math.NaN()
		} else {
			e[t] = y[t] - y[t-m]
		}
	}
	s := spread(e, 0)
	return &fit{
		resid: e,
		mean:  func(k int) float64 { return last[(k-1)%m] },
		sigma: func(k int) float64 { return s * math.Sqrt(float64((k-1)/m+1)) },
	}
}

// Fit implements [Method]; one point is enough.
func (d Drift) Fit(y []float64, m int) (Fitted, error) {
	if _, err := check(d.Name(), y, m, 1); err != nil {
		return nil, err
	}
	n := len(y)
	slope := 0.0
	if n > 1 {
		slope = (y[n-1] - y[0]) / float64(n-1)
	}
	e := make([]float64, n)
	e[0] = math.NaN()
	for t := 1; t < n; t++ {
		e[t] = y[t] - y[t-1] - slope
	}
	s, last := spread(e, 1), y[n-1]
	return &fit{
		resid: e,
		mean:  func(k int) float64 { return last + slope*float64(k) },
		sigma: func(k int) float64 { // FPP3 table 5.2; one step more than n−1 in the denominator would divide by 0 at n = 1
			return s * math.Sqrt(float64(k)*(1+float64(k)/float64(max(n-1, 1))))
		},
	}, nil
}

// Fit implements [Method]; one point is enough.
func (a HistoricMean) Fit(y []float64, m int) (Fitted, error) {
	if _, err := check(a.Name(), y, m, 1); err != nil {
		return nil, err
	}
	return averaged(y, len(y)), nil
}

// Fit implements [Method]; one point is enough.
func (a WindowAverage) Fit(y []float64, m int) (Fitted, error) {
	m, err := check(a.Name(), y, m, 1)
	if err != nil {
		return nil, err
	}
	w := a.Window
	if w <= 0 {
		w = m
	}
	return averaged(y, min(w, len(y))), nil
}

// averaged predicts the mean of the last w values. Over the whole series that is a model with a constant mean and its
// residuals are about that mean; a shorter window has true one-step errors.
func averaged(y []float64, w int) *fit {
	n := len(y)
	level := mean(y[n-w:])
	e := make([]float64, n)
	for t := range e {
		switch {
		case w == n:
			e[t] = y[t] - level
		case t < w:
			e[t] = math.NaN()
		default:
			e[t] = y[t] - mean(y[t-w:t])
		}
	}
	s := spread(e, 1)
	if w == n {
		s *= math.Sqrt(1 + 1/float64(n))
	}
	return &fit{resid: e, mean: func(int) float64 { return level }, sigma: func(int) float64 { return s }}
}
