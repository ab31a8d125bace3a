package series

import (
	"fmt"
	"math"
	"slices"
)

// Conformal gives any [Method] prediction intervals that rest on its own past errors instead of a model: the method is
// fitted again at earlier origins, and the interval of step k is the forecast ± the quantile of the absolute errors it
// made k steps ahead (split conformal prediction: Lei et al., JASA 113, 2018; per step, so no error model links the steps).
//
// With w errors of a step the interval of level p takes the ⌈(w+1)p⌉-th smallest, which covers at least p if errors are
// exchangeable; where that exceeds w the largest stands in, and coverage is at most w/(w+1).
type Conformal struct {
	Method Method // required
	// Windows is the number of earlier origins, one step apart; default 20, fewer where the series is short.
	Windows int
	// Horizon is the number of steps calibrated; default 12. Later steps widen the last calibrated one by √(k/Horizon).
	Horizon int
	// Least is the fewest points the method is fitted on; default 2 seasons, and at most half the series.
	Least int
}

var _ Method = Conformal{}

// Name implements [Method].
func (c Conformal) Name() string { return "Conformal(" + c.Method.Name() + ")" }

// Fit implements [Method]. A series too short for one earlier origin keeps the intervals of the method itself.
func (c Conformal) Fit(y []float64, m int) (Fitted, error) {
	if c.Method == nil {
		return nil, fmt.Errorf("series: Conformal: no method given")
	}
	inner, err := c.Method.Fit(y, m)
	if err != nil {
		return nil, err
	}
	out := &conformalFit{Fitted: inner, bands: make([][]float64, defaulted(c.Horizon, 12))}
	n, least := len(y), defaulted(c.Least, 2*max(m, 1))
	least = max(min(least, n/2), 1)
	for origin := n - 1; origin >= max(least, n-defaulted(c.Windows, 20)); origin-- {
		f, err := c.Method.Fit(y[:origin], m)
		if err != nil {
			return nil, fmt.Errorf("series: Conformal: first %d points: %w", origin, err)
		}
		for k, v := range f.Forecast(min(len(out.bands), n-origin)).Mean {
			out.bands[k] = append(out.bands[k], math.Abs(y[origin+k]-v))
		}
	}
	for k, b := range out.bands {
		slices.Sort(b)
		if len(b) == 0 { // no origin lies that far back: widen the last step that has errors
			out.bands = out.bands[:k]
			break
		}
	}
	return out, nil
}

func defaulted(v, otherwise int) int {
	if v > 0 {
		return v
	}
	return otherwise
}

type conformalFit struct {
	Fitted
	bands [][]float64
}

func (c *conformalFit) Forecast(h int) Forecast {
	out := c.Fitted.Forecast(h)
	if len(c.bands) == 0 {
		return out
	}
	out.draws, out.bands = nil, make([][]float64, len(out.Mean))
	for k := range out.Mean {
		last := min(k, len(c.bands)-1)
		grow := math.Sqrt(float64(k+1) / float64(last+1))
		b, s := make([]float64, len(c.bands[last])), 0.0
		for i, v := range c.bands[last] {
			b[i] = v * grow
			s += b[i] * b[i]
		}
		out.bands[k], out.Sigma[k] = b, math.Sqrt(s/float64(len(b)))
	}
	return out
}

// conformalRadius is the half-width of the interval that should cover a share p of values, from errors in ascending order.
func conformalRadius(errs []float64, p float64) float64 {
	if len(errs) == 0 {
		return math.NaN()
	}
	rank := int(math.Ceil(float64(len(errs)+1)*p - 1e-9)) // 1e-9: 0.8·(9+1) is 8.000000000000002 in binary
	if rank <= 0 {
		return 0
	}
	return errs[min(rank, len(errs))-1]
}
