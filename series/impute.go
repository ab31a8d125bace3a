package series

import (
	"errors"
	"fmt"
	"math"
)

// Fill is a way to replace missing values.
type Fill uint8

const (
	// FillLinear draws a straight line between the neighbours; before the first and after the last value it holds them.
	FillLinear Fill = iota
	// FillForward repeats the last value; before the first value it repeats that one.
	FillForward
	// FillSeasonal takes the nearest values of the same position in the season, before and after, and their mean where
	// both exist; a position never observed is filled as FillLinear. Without a season (m ≤ 1) it is FillLinear.
	FillSeasonal
	// FillZero puts zeros: for counts where no record means none.
	FillZero
	// FillMean puts the mean of the values present.
	FillMean
	// FillNone leaves them missing.
	FillNone
)

var fillNames = [...]string{"linear", "forward", "seasonal", "zero", "mean", "none"}

// String is the lower-case name of f.
func (f Fill) String() string {
	if int(f) < len(fillNames) {
		return fillNames[f]
	}
	return fmt.Sprintf("fill(%d)", uint8(f))
}

// MarshalText gives the name of f.
func (f Fill) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText reads linear, forward, seasonal, zero, mean or none.
func (f *Fill) UnmarshalText(b []byte) error {
	for i, name := range fillNames {
		if name == string(b) {
			*f = Fill(i)
			return nil
		}
	}
	return fmt.Errorf("series: no way to fill called %q; give linear, forward, seasonal, zero, mean or none", clipText(string(b)))
}

// ErrNoValues is wrapped by the error about a series in which every value is missing.
var ErrNoValues = errors.New("every value is missing")

// Impute returns y with its NaN replaced, and how many were; m is the season in steps and matters to FillSeasonal only.
// y is not written to; without a NaN it is returned itself. All missing is an error wrapping [ErrNoValues], except for
// FillZero and FillNone.
func Impute(y []float64, how Fill, m int) (filled []float64, n int, err error) {
	for _, v := range y {
		if math.IsNaN(v) {
			n++
		}
	}
	if n == 0 || how == FillNone {
		return y, 0, nil
	}
	out := append([]float64(nil), y...)
	if how == FillZero {
		each(out, func(int) float64 { return 0 })
		return out, n, nil
	}
	if n == len(y) {
		return nil, 0, fmt.Errorf("series: nothing to fill from: %w", ErrNoValues)
	}
	switch how {
	case FillForward:
		fillEnds(out)
		each(out, func(i int) float64 { return out[i-1] })
	case FillMean:
		loc, _, _ := moments(y, nil)
		each(out, func(int) float64 { return loc })
	case FillSeasonal:
		if m > 1 {
			each(out, func(i int) float64 { return seasonalNeighbours(y, i, m) })
		}
		fillLinear(out)
	default:
		fillLinear(out)
	}
	return out, n, nil
}

// each replaces the NaN of y from left to right.
func each(y []float64, by func(i int) float64) {
	for i, v := range y {
		if math.IsNaN(v) {
			y[i] = by(i)
		}
	}
}

// fillEnds repeats the first and last value outward.
func fillEnds(y []float64) {
	lo, hi := 0, len(y)-1
	for lo <= hi && math.IsNaN(y[lo]) {
		lo++
	}
	for hi >= lo && math.IsNaN(y[hi]) {
		hi--
	}
	if lo > hi {
		return
	}
	for i := range y[:lo] {
		y[i] = y[lo]
	}
	for i := hi + 1; i < len(y); i++ {
		y[i] = y[hi]
	}
}

func fillLinear(y []float64) {
	fillEnds(y)
	for i := 1; i < len(y); i++ {
		if !math.IsNaN(y[i]) {
			continue
		}
		to := i
		for math.IsNaN(y[to]) {
			to++
		}
		from, step := y[i-1], float64(to-i+1)
		for k := i; k < to; k++ {
			y[k] = from + (y[to]-from)*float64(k-i+1)/step
		}
		i = to
	}
}

func seasonalNeighbours(y []float64, i, m int) float64 {
	before, after := math.NaN(), math.NaN()
	for k := i - m; k >= 0 && math.IsNaN(before); k -= m {
		before = y[k]
	}
	for k := i + m; k < len(y) && math.IsNaN(after); k += m {
		after = y[k]
	}
	switch {
	case math.IsNaN(before):
		return after
	case math.IsNaN(after):
		return before
	}
	return (before + after) / 2
}
