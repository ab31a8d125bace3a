// Package series holds what comes before and beside forecasting models: series with their times and frequencies, windows
// and scalers, the .tsf format, and the classical methods every model must be compared with. It knows neither tensors nor
// networks; package forecast chooses among methods.
//
//	fitted, err := series.ETS{}.Fit(y, 12) // monthly values
//	next := fitted.Forecast(12)            // next.Mean, next.Sigma, next.Quantile(0.9)
package series

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// A Method is a forecasting method that learns from one series alone: no other series, no covariates.
// Every option struct of this package that ends in a Method (Naive, SES, Theta, ETS, ARIMA, …) works as its zero value
// and is safe for concurrent use.
type Method interface {
	// Name is a short stable name for tables, such as "ETS".
	Name() string
	// Fit estimates the method on y, observed at equal steps; m is the number of steps in a season (12 for monthly data;
	// 0 and 1 mean none). y is not kept and not written to. A value that is not finite is an error: impute first.
	Fit(y []float64, m int) (Fitted, error)
}

// Fitted is a method after estimation. It is safe for concurrent use.
type Fitted interface {
	// Forecast predicts the h steps after the series; h ≤ 0 gives an empty forecast.
	Forecast(h int) Forecast
	// Residuals are the one-step errors y[t] − ŷ[t|t−1] in the units of y, as long as the training series.
	// Steps that have no one-step forecast (the first of a naive method) are NaN. The slice must not be changed.
	Residuals() []float64
}

// Forecast holds predictions of h steps.
type Forecast struct {
	// Mean is the point forecast of each step [h].
	Mean []float64
	// Sigma is the standard deviation of the forecast error of each step [h].
	Sigma []float64
	// draws, when set, are draws of each step's value in ascending order [h][draws]: the forecast distribution
	// where no normal one is known.
	draws [][]float64
	// bands, when set, are absolute errors of each step in ascending order [h][errors]: split-conformal intervals.
	bands [][]float64
}

// Quantile returns the q-quantile of each step, 0 < q < 1; outside that range the entries are NaN.
// It is the normal quantile mean + z(q)·sigma, unless the method simulated its distribution (then the quantile of the
// draws) or is wrapped in [Conformal] (then mean ± the quantile of past absolute errors).
// For fixed step the result never falls as q grows.
func (f Forecast) Quantile(q float64) []float64 {
	out := make([]float64, len(f.Mean))
	z := math.Sqrt2 * math.Erfinv(2*q-1)
	for i := range out {
		switch {
		case !(q > 0 && q < 1):
			out[i] = math.NaN()
		case f.draws != nil:
			out[i] = sortedQuantile(f.draws[i], q)
		case f.bands != nil:
			out[i] = f.Mean[i] + math.Copysign(conformalRadius(f.bands[i], math.Abs(2*q-1)), 2*q-1)
		default:
			out[i] = f.Mean[i] + z*f.Sigma[i]
		}
	}
	return out
}

// sortedQuantile interpolates linearly between order statistics (Hyndman and Fan's definition 7, numpy's default).
func sortedQuantile(v []float64, q float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	at := q * float64(len(v)-1)
	i := min(int(at), len(v)-1)
	if i+1 >= len(v) {
		return v[i]
	}
	return v[i] + (at-float64(i))*(v[i+1]-v[i])
}

// ErrMissing is wrapped by the error of Fit when the series holds a value that is not finite.
var ErrMissing = errors.New("missing values must be imputed before a classical method is fitted")

// maxSeason bounds the season: m is a count of steps and states are allocated by it.
const maxSeason = 1 << 20

// check refuses what no method of this package can learn from, and returns the season as at least 1.
func check(name string, y []float64, m, least int) (int, error) {
	if m < 0 || m > maxSeason {
		return 0, fmt.Errorf("series: %s: season %d: want 0 or 1 (none) or the steps in a season, at most %d", name, m, maxSeason)
	}
	if len(y) < least {
		return 0, fmt.Errorf("series: %s: %d points: want at least %d", name, len(y), least)
	}
	for i, v := range y {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return 0, fmt.Errorf("series: %s: point %d of %d is %v: %w", name, i+1, len(y), v, ErrMissing)
		}
	}
	return max(m, 1), nil
}

// constant reports whether all values are the same.
func constant(y []float64) bool {
	for _, v := range y {
		if v != y[0] {
			return false
		}
	}
	return true
}

func mean(y []float64) float64 {
	s := 0.0
	for _, v := range y {
		s += v
	}
	return s / float64(len(y))
}

// spread is the standard deviation of the defined residuals about zero, with p estimated parameters.
func spread(e []float64, p int) float64 {
	s, n := 0.0, 0
	for _, v := range e {
		if !math.IsNaN(v) {
			s += v * v
			n++
		}
	}
	if n == 0 {
		return 0
	}
	return math.Sqrt(s / float64(max(n-p, 1)))
}

// fit is the Fitted of methods whose forecast is a pair of functions of the step.
type fit struct {
	resid []float64
	mean  func(k int) float64 // forecast of step k ≥ 1
	sigma func(k int) float64 // its standard deviation
}

func (f *fit) Residuals() []float64 { return f.resid }

func (f *fit) Forecast(h int) Forecast {
	out := newForecast(h)
	for i := range out.Mean {
		out.Mean[i], out.Sigma[i] = f.mean(i+1), f.sigma(i+1)
	}
	return out
}

func newForecast(h int) Forecast {
	h = max(h, 0)
	return Forecast{Mean: make([]float64, h), Sigma: make([]float64, h)}
}

// fromPaths makes a forecast of simulated paths [paths][h]: sigma and quantiles come from the draws, the mean is given.
func fromPaths(mean []float64, paths [][]float64) Forecast {
	out := newForecast(len(mean))
	copy(out.Mean, mean)
	out.draws = make([][]float64, len(mean))
	for i := range mean {
		d := make([]float64, 0, len(paths))
		for _, p := range paths {
			if !math.IsNaN(p[i]) && !math.IsInf(p[i], 0) {
				d = append(d, p[i])
			}
		}
		slices.Sort(d)
		out.draws[i] = d
		s, c := 0.0, meanOr(d, mean[i])
		for _, v := range d {
			s += (v - c) * (v - c)
		}
		out.Sigma[i] = math.Sqrt(s / float64(max(len(d)-1, 1)))
	}
	return out
}

func meanOr(y []float64, otherwise float64) float64 {
	if len(y) == 0 {
		return otherwise
	}
	return mean(y)
}

// gaussian returns standard normal number k of path p: a pure function of its arguments, so that the same forecast
// comes out whatever ran before or beside it.
func gaussian(seed, p, k uint64) float64 {
	x := seed ^ p*0x9e3779b97f4a7c15 ^ k*0xd1b54a32d192ed03
	for range 2 { // the finaliser of splitmix64, twice because seed, p and k were only mixed linearly
		x += 0x9e3779b97f4a7c15
		x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
		x = (x ^ x>>27) * 0x94d049bb133111eb
		x ^= x >> 31
	}
	u := (float64(x>>11) + 0.5) / (1 << 53) // in (0, 1)
	return math.Sqrt2 * math.Erfinv(2*u-1)
}

// simulated paths per forecast: the 5 % quantile of 2,000 normal draws has a standard error of 0.047 sigma, 4 % of its width.
const paths = 2000
