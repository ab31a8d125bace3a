package series

import (
	"fmt"
	"math/bits"
	"time"
)

// Unit is the calendar unit of a [Freq].
type Unit uint8

const (
	NoUnit Unit = iota // no calendar: steps are numbered
	Millisecond
	Second
	Minute
	Hour
	Day
	BusinessDay // Monday to Friday
	Week
	Month
	Quarter
	Year
)

var unitNames = [...]string{"step", "millisecond", "second", "minute", "hour", "day", "business day", "week", "month", "quarter", "year"}

// String is the English name of u in the singular.
func (u Unit) String() string {
	if int(u) < len(unitNames) {
		return unitNames[u]
	}
	return fmt.Sprintf("unit(%d)", uint8(u))
}

// Side tells which end of a month, quarter or year a time stamp stands on.
type Side uint8

const (
	AnySide Side = iota // the day of the month the stamps show, held within short months; a last day stays the last day
	Start               // first day of the period: MS, QS, YS
	End                 // last day of the period: ME, QE, YE
)

// Freq is the distance between neighbouring time stamps: N units, and for weeks and longer where they stand.
// It is comparable. The zero value means that steps are numbered, not dated.
type Freq struct {
	Unit Unit
	N    int // number of units in one step; 0 counts as 1
	// Anchor is the weekday (0 Sunday … 6 Saturday) a week ends on (W-SUN), or the month (1…12) that ends the year
	// (QE-DEC, YE-DEC) or, with Side Start, begins it (QS-OCT, YS-JAN). It shapes periods and features, not steps:
	// a series of Tuesdays stays on Tuesdays.
	Anchor int
	Side   Side
}

// maxMultiple bounds N: a step of a million units is a typing mistake, and keeps date arithmetic from overflowing.
const maxMultiple = 1_000_000

func (f Freq) n() int { return max(f.N, 1) }

// fixed is the length of a step that is the same on every date, or 0: days and longer follow the calendar.
func (f Freq) fixed() time.Duration {
	var unit time.Duration
	switch f.Unit {
	case Millisecond:
		unit = time.Millisecond
	case Second:
		unit = time.Second
	case Minute:
		unit = time.Minute
	case Hour:
		unit = time.Hour
	}
	return unit * time.Duration(f.n())
}

// months is the length of a step in months, or 0.
func (f Freq) months() int {
	switch f.Unit {
	case Month:
		return f.n()
	case Quarter:
		return 3 * f.n()
	case Year:
		return 12 * f.n()
	}
	return 0
}

// Next is the stamp n steps after t, before it for n < 0; Next(t, 0) is t.
//
// Steps of hours and shorter are physical time, as in pandas: across a change of summer time the wall clock jumps.
// Longer steps are calendar time in t's location and keep the time of day; a time of day that the change of clocks
// skips is moved as time.Date does. Months: see [Side]. Business days: from a weekend the first step forward is Monday,
// backward Friday.
func (f Freq) Next(t time.Time, n int) time.Time {
	if n == 0 {
		return t
	}
	switch d := f.fixed(); {
	case f.Unit == NoUnit:
		return t
	case d > 0:
		return addSteps(t, d, n)
	case f.Unit == Day:
		return t.AddDate(0, 0, n*f.n())
	case f.Unit == Week:
		return t.AddDate(0, 0, 7*n*f.n())
	case f.Unit == BusinessDay:
		return addBusinessDays(t, n*f.n())
	}
	return addMonths(t, n*f.months(), f.Side)
}

// addSteps adds n·d in 128 bits: a Duration ends at 292 years.
func addSteps(t time.Time, d time.Duration, n int) time.Time {
	hi, lo := bits.Mul64(magnitude(int64(n)), uint64(d))
	if hi >= 1e9 { // 10^19 seconds: no date
		return t
	}
	sec, nano := bits.Div64(hi, lo, 1e9)
	if n < 0 {
		return time.Unix(t.Unix()-int64(sec), int64(t.Nanosecond())-int64(nano)).In(t.Location())
	}
	return time.Unix(t.Unix()+int64(sec), int64(t.Nanosecond())+int64(nano)).In(t.Location())
}

func magnitude(n int64) uint64 {
	if n < 0 {
		return uint64(-n)
	}
	return uint64(n)
}

func addBusinessDays(t time.Time, n int) time.Time {
	if n > 0 {
		switch t.Weekday() { // a weekend counts as the Friday before it
		case time.Saturday:
			t = t.AddDate(0, 0, -1)
		case time.Sunday:
			t = t.AddDate(0, 0, -2)
		}
	} else {
		switch t.Weekday() { // and backward as the Monday after it
		case time.Saturday:
			t = t.AddDate(0, 0, 2)
		case time.Sunday:
			t = t.AddDate(0, 0, 1)
		}
	}
	day := (int(t.Weekday()) + 6) % 7 // 0 Monday … 4 Friday
	weeks, rest := n/5, n%5
	switch {
	case day+rest > 4:
		rest += 2
	case day+rest < 0:
		rest -= 2
	}
	return t.AddDate(0, 0, 7*weeks+rest)
}

// addMonths keeps the time of day and moves to day 1 or the last day if side says so; a day past the end of a short
// month becomes its last.
func addMonths(t time.Time, n int, side Side) time.Time {
	y, m, d := t.Date()
	last := d == daysIn(y, m)
	first := time.Date(y, m+time.Month(n), 1, 0, 0, 0, 0, time.UTC)
	y, m, _ = first.Date()
	switch {
	case side == Start:
		d = 1
	case side == End || last:
		d = daysIn(y, m)
	default:
		d = min(d, daysIn(y, m))
	}
	return time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), t.Location())
}

func daysIn(y int, m time.Month) int {
	return time.Date(y, m+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// Steps is the number n of steps from a to b, and whether b is exactly Next(a, n). If it is not, n is the number of
// whole steps nearest below (towards the past).
func (f Freq) Steps(a, b time.Time) (n int, exact bool) {
	switch d := f.fixed(); {
	case f.Unit == NoUnit:
		return 0, a.Equal(b)
	case d > 0:
		n = guessSteps(a, b, d)
	case f.Unit == Day:
		n = floorDiv(days(a, b), f.n())
	case f.Unit == Week:
		n = floorDiv(days(a, b), 7*f.n())
	case f.Unit == BusinessDay:
		n = floorDiv(days(a, b)*5/7, f.n())
	default:
		b := b.In(a.Location())
		n = floorDiv((b.Year()-a.Year())*12+int(b.Month())-int(a.Month()), f.months())
	}
	// The guess may be off by the hour of the day, a weekend or the day of the month.
	for n--; !f.Next(a, n+1).After(b); n++ {
	}
	for f.Next(a, n).After(b) {
		n--
	}
	return n, f.Next(a, n).Equal(b)
}

// guessSteps is (b−a)/d to within one step.
func guessSteps(a, b time.Time, d time.Duration) int {
	sec := b.Unix() - a.Unix()
	hi, lo := bits.Mul64(magnitude(sec), 1e9)
	if hi >= uint64(d) {
		return 0
	}
	q, _ := bits.Div64(hi, lo, uint64(d))
	if sec < 0 {
		return -int(q)
	}
	return int(q)
}

func floorDiv(a, b int) int {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

// days counts calendar days from a to b in a's location.
func days(a, b time.Time) int {
	day := func(t time.Time) int64 {
		y, m, d := t.Date()
		return time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400
	}
	return int(day(b.In(a.Location())) - day(a))
}
