package series

import (
	"fmt"
	"math"
	"slices"
)

// Regression is the effect of variables known ahead on a series: prices, promotions, holidays, weather forecasts. What it
// leaves goes to a [Method]; with [ARIMA] that is regression with ARIMA errors (Hyndman and Athanasopoulos, FPP3 §10).
//
//	r, err := series.Regress(y, past, 12)
//	fitted, err := series.ARIMA{}.Fit(r.Rest(y, past), 12)
//	next := fitted.Forecast(h) // next.Mean[k] + r.Effect(ahead)[k]
type Regression struct {
	// Coefficients are units of y for a unit of each variable; 0 for one that changes too little, or only together with
	// others, to tell its effect.
	Coefficients []float64
	// Differences and SeasonalDifferences were taken from y and the variables before the regression.
	Differences, SeasonalDifferences int
}

// Regress estimates the effects by least squares; x holds one variable a row [K][len(y)]. As in R's auto.arima what the
// regression leaves is tested for its differences, and the regression done again on differenced values: two series with
// trends have a high correlation whatever they are. Where a season of at most 24 steps is not differenced away it has a
// level of its own for each step, so that a variable is not credited with what happens every December. That errors are
// correlated makes the estimates less exact, not biased.
//
// It is an error where y or x is not finite, lengths differ, or fewer than two points are left for each coefficient.
func Regress(y []float64, x [][]float64, m int) (*Regression, error) {
	m, err := check("regression", y, m, 1)
	if err != nil {
		return nil, err
	}
	for j, v := range x {
		if len(v) != len(y) {
			return nil, fmt.Errorf("series: regression: variable %d has %d values, want %d", j+1, len(v), len(y))
		}
		for t, e := range v {
			if math.IsNaN(e) || math.IsInf(e, 0) {
				return nil, fmt.Errorf("series: regression: variable %d, point %d is %v: %w", j+1, t+1, e, ErrMissing)
			}
		}
	}
	r := &Regression{Coefficients: make([]float64, len(x))}
	if err := r.estimate(y, x, m); err != nil {
		return nil, err
	}
	d, sd, _ := differences(r.Rest(y, x), m)
	if r.Differences, r.SeasonalDifferences = d, sd; d+sd > 0 {
		return r, r.estimate(y, x, m)
	}
	return r, nil
}

// estimate writes the coefficients of the regression on differenced values.
func (r *Regression) estimate(y []float64, x [][]float64, m int) error {
	apart := func(v []float64) []float64 {
		if r.SeasonalDifferences > 0 {
			v = difference(v, m)
		}
		for range r.Differences {
			v = difference(v, 1)
		}
		return v
	}
	w := apart(y)
	ones := make([]float64, len(w))
	for t := range ones {
		ones[t] = 1
	}
	cols := [][]float64{ones}
	if m > 1 && m <= maxETSSeason && r.SeasonalDifferences == 0 && len(w) >= 2*m+2*len(x) {
		for j := 1; j < m; j++ {
			season := make([]float64, len(y))
			for t := j; t < len(y); t += m {
				season[t] = 1
			}
			cols = append(cols, apart(season))
		}
	}
	if least := 2 * (len(cols) + len(x)); len(w) < least {
		return fmt.Errorf("series: regression on %d variable(s): %d points are left, want at least %d", len(x), len(w), least)
	}
	clear(r.Coefficients)
	always, used := len(cols), make([]int, len(x))
	for j, v := range x {
		cols, used[j] = append(cols, apart(v)), j
	}
	for {
		b, _, ok := leastSquares(cols, w)
		if ok {
			for i, j := range used {
				r.Coefficients[j] = b[always+i]
			}
			return nil
		}
		// The first column that those before it explain is left out.
		at := len(reflect(cols, w).left) - 1
		if at < always {
			return nil // no effect can be told
		}
		cols, used = slices.Delete(cols, at, at+1), slices.Delete(used, at-always, at-always+1)
	}
}

// Effect is Σ coefficient·variable at each step; x holds one variable a row [K][steps].
func (r *Regression) Effect(x [][]float64) []float64 {
	if len(x) == 0 {
		return nil
	}
	out := make([]float64, len(x[0]))
	for j, v := range x {
		for t, e := range v {
			out[t] += r.Coefficients[j] * e
		}
	}
	return out
}

// Rest is y less the effect of x.
func (r *Regression) Rest(y []float64, x [][]float64) []float64 {
	out := append([]float64(nil), y...)
	for t, e := range r.Effect(x) {
		out[t] -= e
	}
	return out
}
