package metric

import "math"

// NaiveMAE is the mean of |train[t] − train[t−m]|: the error of the seasonal naive forecast inside the history, the
// denominator of [MASE] and [MSIS] (Hyndman & Koehler 2006; "seasonal_error" in gluonts).
// m < 1 means 1. A history of at most m steps uses lag 1, as gluonts and Monash do; pairs with a NaN are left out.
// No pair gives NaN; a constant history gives 0.
func NaiveMAE(train []float64, m int) float64 {
	return naiveError(train, m, math.Abs)
}

// NaiveMSE is the mean of (train[t] − train[t−m])², the denominator of [RMSSE]; lags as [NaiveMAE].
func NaiveMSE(train []float64, m int) float64 {
	return naiveError(train, m, func(d float64) float64 { return d * d })
}

func naiveError(train []float64, m int, of func(float64) float64) float64 {
	if m < 1 || len(train) <= m {
		m = 1
	}
	sum, n := 0.0, 0
	for t := m; t < len(train); t++ {
		if d := of(train[t] - train[t-m]); !math.IsNaN(d) {
			sum += d
			n++
		}
	}
	return sum / float64(n)
}

// MASE is the mean absolute scaled error MAE(y, f) / NaiveMAE(train, m) (Hyndman & Koehler 2006): below 1 is better than
// the seasonal naive forecast was inside the history. A constant history gives +Inf, or NaN when the forecast is
// perfect too; short histories as [NaiveMAE].
func MASE(y, f, train []float64, m int) float64 {
	sameLength("MASE", "f", len(f), len(y))
	return MAE(y, f) / NaiveMAE(train, m)
}

// RMSSE is √(MSE(y, f) / NaiveMSE(train, m)) (M5 guide, with m = 1). Zeros as [MASE]. M5 counts the history from the
// first sale on: pass [TrimLeadingZeros](train).
func RMSSE(y, f, train []float64, m int) float64 {
	sameLength("RMSSE", "f", len(f), len(y))
	return math.Sqrt(MSE(y, f) / NaiveMSE(train, m))
}

// TrimLeadingZeros returns train from its first value that is neither 0 nor NaN on (a view, not a copy); all zeros give
// an empty slice.
func TrimLeadingZeros(train []float64) []float64 {
	for i, v := range train {
		if v != 0 && !math.IsNaN(v) {
			return train[i:]
		}
	}
	return train[len(train):]
}

// OWA is the overall weighted average of the M4 competition, ½·(sMAPE/sMAPE₂ + MASE/MASE₂): the averages of a method over
// all series against those of [Naive2]. Below 1 is better than Naive2.
func OWA(smape, mase, smapeNaive2, maseNaive2 float64) float64 {
	return (smape/smapeNaive2 + mase/maseNaive2) / 2
}
