package metric

import (
	"math"
)

// Pinball is the mean quantile loss of forecasts f of the q-quantile, mean of max(q·(y−f), (q−1)·(y−f)), in the units
// of y (Koenker & Bassett 1978; utilsforecast's quantile_loss). At q = ½ it is half the MAE. q outside [0, 1] gives NaN.
func Pinball(y, f []float64, q float64) float64 {
	sameLength("Pinball", "f", len(f), len(y))
	return meanOf(y, func(i int) float64 { return pinball(y[i], f[i], q) })
}

func pinball(y, f, q float64) float64 {
	if !(q >= 0 && q <= 1) {
		return math.NaN()
	}
	d := y - f
	if d >= 0 {
		return q * d
	}
	return (q - 1) * d // a NaN in f ends here and stays NaN
}

// QuantileLoss is 2·Σ max(q·(y−f), (q−1)·(y−f)): gluonts' sum over the steps, twice the pinball loss so that at q = ½ it
// is the sum of absolute errors.
func QuantileLoss(y, f []float64, q float64) float64 {
	sameLength("QuantileLoss", "f", len(f), len(y))
	return 2 * sumOf(y, func(i int) float64 { return pinball(y[i], f[i], q) })
}

// WQL is the weighted quantile loss QuantileLoss(y, f, q) / Σ|y| of gluonts ("wQuantileLoss") and of the foundation-model
// leaderboards. To pool series, concatenate them. All-zero y gives +Inf, or NaN when the loss is zero as well.
func WQL(y, f []float64, q float64) float64 {
	sameLength("WQL", "f", len(f), len(y))
	return QuantileLoss(y, f, q) / absSum(y)
}

// MeanWQL is the mean of [WQL] over the levels qs; f[k] holds the forecasts of the quantile qs[k]. No level gives NaN.
func MeanWQL(y []float64, f [][]float64, qs []float64) float64 {
	sameLength("MeanWQL", "f", len(f), len(qs))
	return overLevels(qs, func(k int) float64 { return WQL(y, f[k], qs[k]) })
}

// MeanPinball is the mean of [Pinball] over the levels qs; f[k] holds the forecasts of the quantile qs[k]
// (utilsforecast's mqloss).
func MeanPinball(y []float64, f [][]float64, qs []float64) float64 {
	sameLength("MeanPinball", "f", len(f), len(qs))
	return overLevels(qs, func(k int) float64 { return Pinball(y, f[k], qs[k]) })
}

func overLevels(qs []float64, term func(k int) float64) float64 {
	s := 0.0
	for k := range qs {
		s += term(k)
	}
	return s / float64(len(qs))
}

// SampleQuantile is the entry of rank round((n−1)·q) of ascending samples, halves to even: gluonts' rule for the quantile
// of a sample forecast. q is held within [0, 1]; no sample, or q NaN, gives NaN.
func SampleQuantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 || math.IsNaN(q) {
		return math.NaN()
	}
	q = math.Min(math.Max(q, 0), 1)
	return sorted[int(math.RoundToEven(float64(len(sorted)-1)*q))]
}
