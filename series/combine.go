package series

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// CombineRule says how [Combination] joins the forecasts of its methods.
type CombineRule int

const (
	// CombineByBacktest weighs each method by 1/e², e its mean absolute error on the end of the training series after a
	// fit on what comes before (Bates and Granger, Oper. Res. Q. 20, 1969, with one earlier origin).
	CombineByBacktest CombineRule = iota
	CombineMean                   // equal weights
	CombineMedian                 // the median of each step
)

// Combination joins the forecasts of several methods: that a combination is more accurate than choosing one is the oldest
// finding of the forecasting competitions (M1 to M4).
type Combination struct {
	Methods []Method // default ETS, Theta, damped Holt-Winters and seasonal AR
	Rule    CombineRule
	// Horizon is the number of steps of the backtest; default one season (8 steps without one), at most a quarter of the
	// series. Under 8 points in all, or where a method failed on the shorter series, the weights are equal.
	Horizon int
}

var _ Method = Combination{}

// Name implements [Method].
func (c Combination) Name() string {
	var names []string
	for _, m := range c.methods() {
		names = append(names, m.Name())
	}
	return strings.Join(names, "+")
}

func (c Combination) methods() []Method {
	if len(c.Methods) > 0 {
		return c.Methods
	}
	return []Method{ETS{}, Theta{}, HoltWinters{Damped: true}, AR{Seasonal: true}}
}

// CombinationFit is a fitted [Combination].
type CombinationFit struct {
	Members []Fitted
	Weights []float64 // of the members, sum 1; also the weights of the intervals under CombineMedian, where all are equal
	Errors  []float64 // mean absolute error of each member in the backtest; nil where there was none

	rule  CombineRule
	resid []float64
}

// Fit implements [Method]; one point is enough. The result is a [*CombinationFit].
func (c Combination) Fit(y []float64, m int) (Fitted, error) {
	m, err := check("Combination", y, m, 1)
	if err != nil {
		return nil, err
	}
	if c.Rule < CombineByBacktest || c.Rule > CombineMedian {
		return nil, fmt.Errorf("series: Combination: rule %d: want CombineByBacktest, CombineMean or CombineMedian", c.Rule)
	}
	methods := c.methods()
	f := &CombinationFit{rule: c.Rule, Weights: make([]float64, len(methods))}
	for i, method := range methods {
		member, err := method.Fit(y, m)
		if err != nil {
			return nil, fmt.Errorf("series: Combination: %w", err)
		}
		f.Members = append(f.Members, member)
		f.Weights[i] = 1 / float64(len(methods))
	}
	if c.Rule == CombineByBacktest && len(y) >= 8 {
		h := defaulted(c.Horizon, 8)
		if c.Horizon <= 0 && m > 1 {
			h = m
		}
		f.weigh(methods, y, m, max(min(h, len(y)/4), 1))
	}
	f.resid = make([]float64, len(y))
	for i, member := range f.Members {
		for t, e := range member.Residuals() {
			f.resid[t] += f.Weights[i] * e
		}
	}
	return f, nil
}

// weigh sets weights by the errors of a forecast of the last h points.
func (f *CombinationFit) weigh(methods []Method, y []float64, m, h int) {
	origin := len(y) - h
	errs, largest := make([]float64, len(methods)), 0.0
	for i, method := range methods {
		past, err := method.Fit(y[:origin], m)
		if err != nil {
			return
		}
		for k, v := range past.Forecast(h).Mean {
			errs[i] += math.Abs(y[origin+k]-v) / float64(h)
		}
		if math.IsNaN(errs[i]) || math.IsInf(errs[i], 0) {
			return
		}
		largest = max(largest, errs[i])
	}
	f.Errors = errs
	if largest == 0 {
		return
	}
	sum := 0.0
	for i, e := range errs {
		f.Weights[i] = math.Pow(max(e/largest, 1e-6), -2) // a perfect backtest takes nearly all, and finitely much
		sum += f.Weights[i]
	}
	for i := range f.Weights {
		f.Weights[i] /= sum
	}
}

// Residuals implements [Fitted]: the weighted sum of the members' residuals.
func (f *CombinationFit) Residuals() []float64 { return f.resid }

// Forecast implements [Fitted]. Sigma is that of the mixture of the members' distributions, Σw·(σ² + (mean − joint mean)²):
// what each member doubts, and how far they disagree. The second part is what grows where a trend may last or flatten,
// which no member doubts by itself. For intervals from errors made, wrap it in [Conformal].
func (f *CombinationFit) Forecast(h int) Forecast {
	out := newForecast(h)
	column := make([]float64, len(f.Members))
	all := make([]Forecast, len(f.Members))
	for i, member := range f.Members {
		all[i] = member.Forecast(h)
	}
	for k := range out.Mean {
		for i, w := range f.Weights {
			column[i] = all[i].Mean[k]
			out.Mean[k] += w * column[i]
		}
		switch {
		case f.rule == CombineMedian:
			sorted := slices.Sorted(slices.Values(column))
			out.Mean[k] = sortedQuantile(sorted, 0.5)
		case slices.Min(column) == slices.Max(column):
			out.Mean[k] = column[0] // weights that sum to 1 but for rounding must not move what all agree on
		}
		variance := 0.0
		for i, w := range f.Weights {
			own, apart := all[i].Sigma[k], column[i]-out.Mean[k]
			variance += w * (own*own + apart*apart)
		}
		out.Sigma[k] = math.Sqrt(variance)
	}
	return out
}
