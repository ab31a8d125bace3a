package plot

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// scale maps values to pixels.
type scale struct {
	lo, hi   float64
	from, to float64
	log      bool
}

func (s scale) at(v float64) int {
	lo, hi := s.lo, s.hi
	if s.log {
		lo, hi, v = math.Log10(lo), math.Log10(hi), math.Log10(v)
	}
	// Values far outside stay within what a 32-bit path can hold.
	share := min(max((v-lo)/(hi-lo), -1), 2)
	return int(math.Round(s.from + share*(s.to-s.from)))
}

// tick is a labelled place on an axis; second is a label below the label, where a new
// day or year begins.
type tick struct {
	at            float64
	label, second string
}

type axis struct {
	title  string
	lo, hi float64
	log    bool
	ticks  []tick
}

func (a axis) second() bool {
	for _, t := range a.ticks {
		if t.second != "" {
			return true
		}
	}
	return false
}

// span gives the least and greatest finite value; ok is false when there is none.
func span(lists ...[]float64) (lo, hi float64, ok bool) {
	lo, hi = math.Inf(1), math.Inf(-1)
	for _, l := range lists {
		for _, v := range l {
			if finite(v) {
				lo, hi = min(lo, v), max(hi, v)
			}
		}
	}
	return lo, hi, lo <= hi
}

// number gives an axis over lo … hi widened to round values, with about n ticks a round step apart.
func number(lo, hi float64, n int) axis {
	if lo == hi {
		d := math.Abs(lo) * 0.1
		if d == 0 {
			d = 1
		}
		lo, hi = lo-d, hi+d
	}
	step := roundStep((hi/2 - lo/2) / float64(max(n, 1)) * 2) // halves: the span may overflow
	first, last := math.Floor(lo/step+1e-9), math.Ceil(hi/step-1e-9)
	a := axis{lo: first * step, hi: last * step}
	for k := first; k <= last; k++ {
		a.ticks = append(a.ticks, tick{at: k * step, label: formatNumber(k*step, step)})
	}
	return a
}

// inner is number without the widening: the axis ends where the data ends.
func inner(lo, hi float64, n int) axis {
	wide := number(lo, hi, n)
	a := axis{lo: lo, hi: hi}
	if lo == hi {
		a.lo, a.hi = wide.lo, wide.hi
	}
	for _, t := range wide.ticks {
		if t.at >= a.lo && t.at <= a.hi {
			a.ticks = append(a.ticks, t)
		}
	}
	return a
}

// logarithmic gives an axis from lo to hi, both positive, widened to the next of 1, 2, 5 times
// a power of ten. Its ticks are the powers of ten, and the twos and fives where the axis is short.
func logarithmic(lo, hi float64) axis {
	first, last := math.Floor(math.Log10(lo)+1e-9), math.Ceil(math.Log10(hi)-1e-9)
	a := axis{log: true, lo: math.Pow(10, first), hi: math.Pow(10, last)}
	var marks []float64
	for k := first; k <= last; k++ {
		for _, m := range []float64{1, 2, 5} {
			marks = append(marks, m*math.Pow(10, k))
		}
	}
	for _, v := range marks {
		if v <= lo*(1+1e-9) {
			a.lo = v
		}
	}
	for i := len(marks) - 1; i >= 0; i-- {
		if v := marks[i]; v >= hi*(1-1e-9) && v > a.lo*(1+1e-9) {
			a.hi = v
		}
	}
	if a.hi <= a.lo*(1+1e-9) { // one value, on a mark
		a.hi = 2 * a.lo
	}
	short := math.Log10(a.hi/a.lo) <= 2.5
	every := max(1, int(math.Ceil((last-first)/8)))
	for i, v := range marks {
		if v < a.lo*(1-1e-9) || v > a.hi*(1+1e-9) || !short && (i%3 != 0 || i/3%every != 0) {
			continue
		}
		a.ticks = append(a.ticks, tick{at: v, label: strconv.FormatFloat(v, 'g', 6, 64)})
	}
	return a
}

// roundStep is the least of 1, 2, 5 times a power of ten that is at least v.
func roundStep(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5, 10} {
		if m*power >= v*(1-1e-9) {
			return m * power
		}
	}
	return 10 * power
}

// formatNumber writes v with the decimals that tell ticks step apart, and with thousands
// marked; far from 1 in powers of ten.
func formatNumber(v, step float64) string {
	if v == 0 || math.Abs(v) < step/1e6 {
		return "0"
	}
	if math.Abs(v) >= 1e9 || step < 1e-6 {
		return strconv.FormatFloat(v, 'g', 4, 64)
	}
	decimals := max(0, int(-math.Floor(math.Log10(step)+1e-9)))
	s := strconv.FormatFloat(math.Abs(v), 'f', decimals, 64)
	whole, fraction, _ := strings.Cut(s, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if fraction != "" {
		whole += "." + fraction
	}
	if v < 0 {
		return "−" + whole
	}
	return whole
}

// seconds places a time on a number line. float64 holds microseconds of this era exactly enough:
// its spacing there is 0.24 µs.
func seconds(t time.Time) float64 { return float64(t.Unix()) + float64(t.Nanosecond())*1e-9 }
