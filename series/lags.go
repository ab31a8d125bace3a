package series

import (
	"math"
	"slices"
)

const (
	lagBound    = 1200 // gluonts: lag_ub
	defaultLags = 7    // gluonts: num_default_lags
)

// Lags are the steps back that DeepAR looks at (gluonts.time_feature.get_lags_for_frequency, lag_ub 1200): 1 to 7, and
// above 7 the neighbourhood of whole hours, days, weeks, months and years, ascending. Numbered steps, milliseconds and
// years have 1 to 7 only.
func (f Freq) Lags() []int {
	n := float64(f.n())
	var seasonal []float64
	around := func(centre float64, reach int) {
		for d := -reach; d <= reach; d++ {
			seasonal = append(seasonal, centre+float64(d))
		}
	}
	// cycles adds k·length steps back for k = 1 … count, each with its neighbours; a step is `step` of length's unit.
	cycles := func(count int, length, step float64, reach int) {
		for k := 1; k <= count; k++ {
			around(floorQuotient(float64(k)*length, step), reach)
		}
	}
	hours := func(step float64) { cycles(7, 24, step, 1) }
	days := func(step, week, month float64) {
		cycles(4, week, step, 1)
		around(floorQuotient(month, step), 1)
	}
	weeks := func(step float64) {
		cycles(3, 52, step, 1)
		for _, w := range []float64{4, 8, 12} {
			seasonal = append(seasonal, floorQuotient(w, step))
		}
	}
	sixties := func(step float64) { cycles(3, 60, step, 2) }
	switch f.Unit {
	case Second:
		sixties(n)
		sixties(n / 60)
		hours(n / 3600)
	case Minute:
		sixties(n)
		hours(n / 60)
		days(n/(60*24), 7, 30)
		weeks(n / (60 * 24 * 7))
	case Hour:
		hours(n)
		days(n/24, 7, 30)
		weeks(n / (24 * 7))
	case Day:
		days(n, 7, 30)
		weeks(n / 7)
	case BusinessDay:
		days(n, 5, 22)
		weeks(n / 5)
	case Week:
		weeks(n)
	case Month:
		cycles(3, 12, n, 1)
	case Quarter:
		cycles(3, 12, 3*n, 1)
	}
	var lags []int
	for k := 1; k <= defaultLags; k++ {
		lags = append(lags, k)
	}
	for _, v := range seasonal {
		if v > defaultLags && v <= lagBound {
			lags = append(lags, int(v))
		}
	}
	slices.Sort(lags)
	return slices.Compact(lags)
}

// floorQuotient is Python's a // b of positive floats. It is not Floor(a/b): 52 // (1/5) is 259 there, because the float
// 1/5 is a little more than a fifth, and the published lists depend on it.
func floorQuotient(a, b float64) float64 {
	return math.Round((a - math.Mod(a, b)) / b)
}
