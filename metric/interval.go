package metric

import "math"

// Below is the share of observed steps with y ≤ f: for a q-quantile forecast it should be near q (gluonts' Coverage[q]).
func Below(y, f []float64) float64 {
	sameLength("Below", "f", len(f), len(y))
	return meanOf(y, func(i int) float64 {
		switch {
		case math.IsNaN(f[i]):
			return math.NaN()
		case y[i] <= f[i]:
			return 1
		}
		return 0
	})
}

// Coverage is the share of observed steps with lower ≤ y ≤ upper: for an 80 % interval it should be near 0.8.
func Coverage(y, lower, upper []float64) float64 {
	sameLength("Coverage", "lower", len(lower), len(y))
	sameLength("Coverage", "upper", len(upper), len(y))
	return meanOf(y, func(i int) float64 {
		switch {
		case math.IsNaN(lower[i]) || math.IsNaN(upper[i]):
			return math.NaN()
		case lower[i] <= y[i] && y[i] <= upper[i]:
			return 1
		}
		return 0
	})
}

// Width is the mean of upper − lower over all steps, observed or not, in the units of y.
func Width(lower, upper []float64) float64 {
	sameLength("Width", "upper", len(upper), len(lower))
	s := 0.0
	for i := range lower {
		s += upper[i] - lower[i]
	}
	return s / float64(len(lower))
}

// Winkler is the mean interval score of a central (1−alpha) interval (Winkler 1972; Gneiting & Raftery 2007, eq. 43):
//
//	(u−l) + 2/α·(l−y)⁺ + 2/α·(y−u)⁺
//
// in the units of y; smaller is better. alpha outside (0, 1) gives NaN.
func Winkler(y, lower, upper []float64, alpha float64) float64 {
	sameLength("Winkler", "lower", len(lower), len(y))
	sameLength("Winkler", "upper", len(upper), len(y))
	if !(alpha > 0 && alpha < 1) {
		return math.NaN()
	}
	return meanOf(y, func(i int) float64 {
		l, u := lower[i], upper[i]
		return u - l + 2/alpha*math.Max(l-y[i], 0) + 2/alpha*math.Max(y[i]-u, 0)
	})
}

// MSIS is the mean scaled interval score of the M4 competition (alpha = 0.05 there): [Winkler] / NaiveMAE(train, m).
// Constant and short histories as [MASE].
func MSIS(y, lower, upper, train []float64, m int, alpha float64) float64 {
	return Winkler(y, lower, upper, alpha) / NaiveMAE(train, m)
}
