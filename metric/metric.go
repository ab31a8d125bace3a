// Package metric scores forecasts: pure functions from slices of numbers to a number.
//
// Nothing here knows about models, files or time; nothing writes to its arguments. Letters are the same everywhere:
// y is what happened, f the forecast, train the history before the forecast origin, m the steps of a season.
// A step whose y is NaN was not observed and is left out; a NaN in f makes the result NaN, since a forecaster that gave
// no number must not look good. No observed step at all gives NaN. Libraries disagree about zeros and short histories:
// each function states its rule and whose it is.
//
//	mase := metric.MASE(y, f, train, 12)
//
// Slices that belong together must have one length; a call that breaks this panics with a [ShapeError].
package metric

import (
	"fmt"
	"math"
)

// ShapeError is the panic of a call whose slices do not fit together: a mistake of the caller, never of the data.
type ShapeError struct {
	Func      string // function called
	What      string // the slice that does not fit
	Got, Want int    // lengths
}

// Error names the function, the slice and both lengths.
func (e ShapeError) Error() string {
	return fmt.Sprintf("metric: %s: %s has length %d, want %d", e.Func, e.What, e.Got, e.Want)
}

func sameLength(fn, what string, got, want int) {
	if got != want {
		panic(ShapeError{fn, what, got, want})
	}
}

// MSE is the mean squared error Σ(y−f)²/n over the observed steps.
func MSE(y, f []float64) float64 {
	sameLength("MSE", "f", len(f), len(y))
	return meanOf(y, func(i int) float64 { d := y[i] - f[i]; return d * d })
}

// RMSE is √MSE, in the units of y.
func RMSE(y, f []float64) float64 {
	sameLength("RMSE", "f", len(f), len(y))
	return math.Sqrt(MSE(y, f))
}

// MAE is the mean absolute error Σ|y−f|/n over the observed steps, in the units of y.
func MAE(y, f []float64) float64 {
	sameLength("MAE", "f", len(f), len(y))
	return meanOf(y, func(i int) float64 { return math.Abs(y[i] - f[i]) })
}

// Bias is the mean error Σ(f−y)/n over the observed steps: positive when the forecast is too high.
func Bias(y, f []float64) float64 {
	sameLength("Bias", "f", len(f), len(y))
	return meanOf(y, func(i int) float64 { return f[i] - y[i] })
}

// ND is the normalised deviation Σ|y−f| / Σ|y| (gluonts; WAPE elsewhere). All-zero y gives +Inf, or NaN when the
// forecast is zero as well. To pool several series, concatenate them.
func ND(y, f []float64) float64 {
	sameLength("ND", "f", len(f), len(y))
	return sumOf(y, func(i int) float64 { return math.Abs(y[i] - f[i]) }) / absSum(y)
}

// NRMSE is RMSE divided by the mean of |y| (gluonts). Zeros as [ND].
func NRMSE(y, f []float64) float64 {
	sameLength("NRMSE", "f", len(f), len(y))
	return RMSE(y, f) / meanOf(y, func(i int) float64 { return math.Abs(y[i]) })
}

// TweedieDeviance is the mean unit deviance of the Tweedie family with variance power p, 1 < p < 2 (compound
// Poisson-gamma; Jørgensen 1997):
//
//	2·( y^(2−p)/((1−p)(2−p)) − y·μ^(1−p)/(1−p) + μ^(2−p)/(2−p) )
//
// y ≥ 0 and the forecast μ > 0; a step outside these bounds, or p outside (1, 2), gives NaN.
func TweedieDeviance(y, mu []float64, p float64) float64 {
	sameLength("TweedieDeviance", "mu", len(mu), len(y))
	if !(p > 1 && p < 2) {
		return math.NaN()
	}
	return meanOf(y, func(i int) float64 {
		if y[i] < 0 || !(mu[i] > 0) {
			return math.NaN()
		}
		return 2 * (math.Pow(y[i], 2-p)/((1-p)*(2-p)) - y[i]*math.Pow(mu[i], 1-p)/(1-p) + math.Pow(mu[i], 2-p)/(2-p))
	})
}

// MeanDefined is the mean of the entries that are not NaN: how gluonts and the Monash archive average scores over series.
// Infinite scores stay and make the mean infinite. No defined entry gives NaN.
func MeanDefined(scores []float64) float64 {
	return meanOf(scores, func(i int) float64 { return scores[i] })
}

// meanOf averages term over the steps where y is observed.
func meanOf(y []float64, term func(i int) float64) float64 {
	n := 0
	for _, v := range y {
		if !math.IsNaN(v) {
			n++
		}
	}
	return sumOf(y, term) / float64(n) // 0/0 = NaN: nothing observed
}

// sumOf adds term over the steps where y is observed.
func sumOf(y []float64, term func(i int) float64) float64 {
	s := 0.0
	for i, v := range y {
		if !math.IsNaN(v) {
			s += term(i)
		}
	}
	return s
}

func absSum(y []float64) float64 {
	return sumOf(y, func(i int) float64 { return math.Abs(y[i]) })
}
