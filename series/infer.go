package series

import (
	"errors"
	"slices"
	"time"
)

// ErrIrregular is wrapped by the error about stamps that no frequency explains.
var ErrIrregular = errors.New("no frequency fits the time stamps")

// InferFreq finds the frequency of ascending stamps: the longest calendar step of which every distance between
// neighbours is a whole number, so that gaps may occur but no stamp lies between two steps. Two stamps are enough, but
// with few of them short months pass for days. A step shorter than a fifth of the middle distance is not believed. Fewer than two stamps, stamps that do not rise and stamps that share no
// step of at least a millisecond are an error; the last wraps [ErrIrregular].
//
// Months beat days, and a series on the first or the last day of the month says so (MS, ME; likewise quarters and
// years). Five stamps a week without a weekend are business days, given eight stamps or more.
func InferFreq(stamps []time.Time) (Freq, error) {
	if len(stamps) < 2 {
		return Freq{}, errors.New("series: the frequency of fewer than two time stamps is unknown; give --freq")
	}
	for i := 1; i < len(stamps); i++ {
		if !stamps[i].After(stamps[i-1]) {
			return Freq{}, errors.New("series: time stamps do not rise; sort them and remove what appears twice")
		}
	}
	if f, ok := inferMonths(stamps); ok {
		return f, nil
	}
	if f, ok := inferDays(stamps); ok {
		return f, nil
	}
	if f, ok := inferFixed(stamps); ok {
		return f, nil
	}
	return Freq{}, ErrIrregular
}

// inferMonths accepts stamps at one time of day, on the first, the last or one same day of the month.
func inferMonths(stamps []time.Time) (Freq, bool) {
	if !sameClock(stamps) {
		return Freq{}, false
	}
	first, last, same := true, true, true
	top := 0 // the day of the month, as far as short months let it show
	for _, t := range stamps {
		top = max(top, t.Day())
	}
	step := 0
	gaps := make([]int, 0, len(stamps)-1)
	for i, t := range stamps {
		y, m, d := t.Date()
		first = first && d == 1
		last = last && d == daysIn(y, m)
		same = same && d == min(top, daysIn(y, m))
		if i > 0 {
			py, pm, _ := stamps[i-1].Date()
			gaps = append(gaps, (y-py)*12+int(m-pm))
			step = gcd(step, gaps[i-1])
		}
	}
	if !first && !last && !same || step == 0 || !usual(step, gaps) {
		return Freq{}, false
	}
	f := Freq{Unit: Month, N: step}
	switch {
	case step%12 == 0:
		f.Unit, f.N = Year, step/12
	case step%3 == 0:
		f.Unit, f.N = Quarter, step/3
	}
	if last {
		f.Side = End
	}
	return f.standing(stamps[0]), true
}

// inferDays accepts stamps at one time of day: business days, weeks, days.
func inferDays(stamps []time.Time) (Freq, bool) {
	if !sameClock(stamps) {
		return Freq{}, false
	}
	step, weekend, ones := 0, false, 0
	gaps := make([]int, 0, len(stamps)-1)
	for i, t := range stamps {
		weekend = weekend || t.Weekday() == time.Saturday || t.Weekday() == time.Sunday
		if i > 0 {
			d := days(stamps[i-1], t)
			gaps = append(gaps, d)
			step = gcd(step, d)
			if d == 1 {
				ones++
			}
		}
	}
	switch {
	case !usual(step, gaps):
		return Freq{}, false
	case step == 1 && !weekend && len(stamps) >= 8 && 2*ones > len(stamps):
		return Freq{Unit: BusinessDay, N: 1}, true
	case step%7 == 0:
		return Freq{Unit: Week, N: step / 7, Anchor: int(stamps[0].Weekday())}, true
	}
	return Freq{Unit: Day, N: step}, step <= maxMultiple
}

// usual reports whether a step is plausible beside the distances found, which it sorts: it may not be shorter than a
// fifth of the middle one. Seconds of jitter do not make a series of seconds, nor one late day a weekly series daily.
func usual[T int | time.Duration](step T, gaps []T) bool {
	slices.Sort(gaps)
	middle := gaps[len(gaps)/2]
	return float64(step) >= float64(middle)/5
}

// inferFixed accepts stamps a whole number of steps of physical time apart.
func inferFixed(stamps []time.Time) (Freq, bool) {
	var step time.Duration
	gaps := make([]time.Duration, len(stamps)-1)
	for i := range gaps {
		gaps[i] = stamps[i+1].Sub(stamps[i]) // saturates at 292 years: then no unit divides it
		step = gcd(step, gaps[i])
	}
	if !usual(step, gaps) {
		return Freq{}, false
	}
	for _, unit := range []Unit{Hour, Minute, Second, Millisecond} {
		f := Freq{Unit: unit, N: 1}
		if d := f.fixed(); step%d == 0 && step/d <= maxMultiple {
			f.N = int(step / d)
			return f, true
		}
	}
	return Freq{}, false
}

// sameClock reports whether every stamp shows the same time of day in its location.
func sameClock(stamps []time.Time) bool {
	h, m, s := stamps[0].Clock()
	for _, t := range stamps {
		if a, b, c := t.Clock(); a != h || b != m || c != s || t.Nanosecond() != stamps[0].Nanosecond() {
			return false
		}
	}
	return true
}

func gcd[T int | time.Duration](a, b T) T {
	for b != 0 {
		a, b = b, a%b
	}
	if a < 0 {
		return -a
	}
	return a
}
