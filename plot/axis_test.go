package plot

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

func labels(a axis) string {
	var l []string
	for _, t := range a.ticks {
		s := t.label
		if t.second != "" {
			s += "/" + t.second
		}
		l = append(l, s)
	}
	return strings.Join(l, " ")
}

func TestNumber(t *testing.T) {
	for _, c := range []struct {
		lo, hi float64
		n      int
		want   string
	}{
		{0, 10, 5, "0 2 4 6 8 10"},
		{3, 97, 5, "0 20 40 60 80 100"},
		{-1, 1, 4, "−1.0 −0.5 0 0.5 1.0"},
		{0.0012, 0.0019, 4, "0.0012 0.0014 0.0016 0.0018 0.0020"},
		{10000, 12000, 4, "10,000 10,500 11,000 11,500 12,000"},
		{5, 5, 4, "4.5 5.0 5.5"},
		{0, 0, 2, "−1 0 1"},
	} {
		a := number(c.lo, c.hi, c.n)
		if got := labels(a); got != c.want {
			t.Errorf("%g … %g: %s, want %s", c.lo, c.hi, got, c.want)
		}
		if ulp := 1e-12 * (c.hi - c.lo); a.lo > c.lo+ulp || a.hi < c.hi-ulp { // k·step is rounded
			t.Errorf("%g … %g: axis from %g to %g cuts it", c.lo, c.hi, a.lo, a.hi)
		}
	}
	if n := len(number(-math.MaxFloat64, math.MaxFloat64, 6).ticks); n < 2 || n > 20 {
		t.Errorf("the whole of float64 has %d ticks", n)
	}
}

func TestLogarithmic(t *testing.T) {
	for _, c := range []struct {
		lo, hi float64
		want   string
	}{
		{0.09, 1.1, "0.05 0.1 0.2 0.5 1 2"},
		{1, 100000, "1 10 100 1000 10000 100000"},
		{3, 3, "2 5"},
		{10, 10, "10 20"},
	} {
		if got := labels(logarithmic(c.lo, c.hi)); got != c.want {
			t.Errorf("%g … %g: %s, want %s", c.lo, c.hi, got, c.want)
		}
	}
}

func TestDates(t *testing.T) {
	at := func(s string) time.Time {
		v, err := time.Parse("2006-01-02 15:04:05", s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, c := range []struct {
		lo, hi string
		n      int
		want   string
	}{
		{"2024-02-28 06:00:00", "2024-03-02 00:00:00", 4, "02-29/2024 03-01 03-02"},
		{"2024-12-31 20:00:00", "2025-01-01 04:00:00", 5, "20:00/2024-12-31 22:00 00:00/2025-01-01 02:00 04:00"},
		{"2020-11-15 00:00:00", "2021-04-02 00:00:00", 6, "Dec/2020 Jan/2021 Feb Mar Apr"},
		{"1950-05-01 00:00:00", "2019-01-01 00:00:00", 8, "1960 1970 1980 1990 2000 2010"},
		{"2024-01-01 00:00:00", "2024-01-01 00:00:09", 5, "00:00:00/2024-01-01 00:00:02 00:00:04 00:00:06 00:00:08"},
		{"2024-01-01 10:00:00", "2024-01-01 10:00:00", 5, "2024-01-01 10:00"},
	} {
		if got := labels(dates(at(c.lo), at(c.hi), c.n)); got != c.want {
			t.Errorf("%s … %s:\ngot  %s\nwant %s", c.lo, c.hi, got, c.want)
		}
	}
	// Ticks ascend and stay few, whatever the span, to the ends of what a date may be.
	for span := time.Second; span > 0 && span < 250*365*24*time.Hour; span *= 3 {
		a := dates(at("2001-07-13 13:37:42"), at("2001-07-13 13:37:42").Add(span), 7)
		if len(a.ticks) > 9 || !slices.IsSortedFunc(a.ticks, func(x, y tick) int { return int(math.Copysign(1, x.at-y.at)) }) {
			t.Errorf("%v: %s", span, labels(a))
		}
	}
	if n := len(dates(at("0001-01-01 00:00:00"), at("9999-01-01 00:00:00"), 7).ticks); n > 100 {
		t.Errorf("ten thousand years have %d ticks", n)
	}
}
