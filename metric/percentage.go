package metric

import "math"

// SMAPEScale says which of three published symmetric errors is meant. They differ by a factor and by what a step with
// y = f = 0 counts.
type SMAPEScale int

const (
	// SMAPEPercent is the M4 competition's: 200·|y−f|/(|y|+|f|), 0 to 200; a 0/0 step is left out, as the Monash
	// archive does (M4 itself has no zeros).
	SMAPEPercent SMAPEScale = iota
	// SMAPETwo is gluonts': 2·|y−f|/(|y|+|f|), 0 to 2; a 0/0 step is left out.
	SMAPETwo
	// SMAPEUnit is utilsforecast's: |y−f|/(|y|+|f|), 0 to 1; a 0/0 step counts as 0.
	SMAPEUnit
)

// SMAPE is the symmetric mean absolute percentage error on the given scale. If every observed step is 0/0 and left out
// the result is NaN.
func SMAPE(y, f []float64, scale SMAPEScale) float64 {
	sameLength("SMAPE", "f", len(f), len(y))
	factor := 200.0
	switch scale {
	case SMAPETwo:
		factor = 2
	case SMAPEUnit:
		factor = 1
	}
	sum, n := 0.0, 0
	for i, v := range y {
		if math.IsNaN(v) {
			continue
		}
		d := math.Abs(v) + math.Abs(f[i])
		if d == 0 && scale != SMAPEUnit {
			continue
		}
		n++
		if d != 0 {
			sum += math.Abs(v-f[i]) / d
		}
	}
	return factor * sum / float64(n)
}

// MAPE is the mean of |y−f|/|y|, as a fraction (0.1 is ten percent). Steps with y = 0 are left out, as gluonts and
// utilsforecast do; all of them zero gives NaN.
func MAPE(y, f []float64) float64 {
	sameLength("MAPE", "f", len(f), len(y))
	sum, n := 0.0, 0
	for i, v := range y {
		if math.IsNaN(v) || v == 0 {
			continue
		}
		sum += math.Abs(v-f[i]) / math.Abs(v)
		n++
	}
	return sum / float64(n)
}

const msmapeEpsilon = 0.1 // TSForecasting: calculate_smape, variant of Suilin (2017)

// MSMAPE is the modified symmetric error of the Monash archive, mean of 2·|f−y| / max(0.5+ε, |f|+|y|+ε) with ε = 0.1:
// defined at zero and calm near it. It lies between 0 and 2.
func MSMAPE(y, f []float64) float64 {
	sameLength("MSMAPE", "f", len(f), len(y))
	return meanOf(y, func(i int) float64 {
		d := math.Max(0.5+msmapeEpsilon, math.Abs(f[i])+math.Abs(y[i])+msmapeEpsilon)
		return 2 * math.Abs(f[i]-y[i]) / d
	})
}
