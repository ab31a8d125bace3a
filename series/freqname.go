package series

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// freqNames are the unit names of pandas, old and new (case decides: "M" month, "min" minute), and plain words.
var freqNames = map[string]Freq{
	"ms": {Unit: Millisecond}, "L": {Unit: Millisecond},
	"s": {Unit: Second}, "S": {Unit: Second}, "sec": {Unit: Second},
	"min": {Unit: Minute}, "T": {Unit: Minute}, "t": {Unit: Minute},
	"h": {Unit: Hour}, "H": {Unit: Hour},
	"D": {Unit: Day}, "d": {Unit: Day},
	"B": {Unit: BusinessDay}, "b": {Unit: BusinessDay},
	"W": {Unit: Week}, "w": {Unit: Week},
	"M": {Unit: Month}, "MS": {Unit: Month, Side: Start}, "ME": {Unit: Month, Side: End},
	"Q": {Unit: Quarter}, "QS": {Unit: Quarter, Side: Start}, "QE": {Unit: Quarter, Side: End},
	"Y": {Unit: Year}, "YS": {Unit: Year, Side: Start}, "YE": {Unit: Year, Side: End},
	"A": {Unit: Year}, "AS": {Unit: Year, Side: Start},
}

// freqWords are read in any case, with or without a plural s; the Monash archive's names are made of them.
var freqWords = map[string]Freq{
	"millisecond": {Unit: Millisecond}, "second": {Unit: Second}, "secondly": {Unit: Second},
	"minute": {Unit: Minute}, "minutely": {Unit: Minute}, "hour": {Unit: Hour}, "hourly": {Unit: Hour},
	"half_hourly": {Unit: Minute, N: 30}, "day": {Unit: Day}, "daily": {Unit: Day}, "business_daily": {Unit: BusinessDay},
	"week": {Unit: Week}, "weekly": {Unit: Week}, "month": {Unit: Month}, "monthly": {Unit: Month},
	"quarter": {Unit: Quarter}, "quarterly": {Unit: Quarter}, "year": {Unit: Year}, "yearly": {Unit: Year},
	"annual": {Unit: Year}, "annually": {Unit: Year},
}

// ParseFreq reads a frequency: pandas' strings of any version (h, H, 30min, 15T, D, B, W-SUN, ME, M, MS, QE-DEC, QS, Q,
// YE, Y, A-JUN, 0.5h), the Monash archive's (4_seconds, 10_minutes, half_hourly, weekly) and plain words (hour, days).
// A plain M, Q or Y keeps the day of the month that the stamps show; ME and MS and their like fix it.
// A fraction must come to a whole number of a smaller unit. "" is an error.
func ParseFreq(s string) (Freq, error) {
	bad := func(why string) (Freq, error) {
		return Freq{}, fmt.Errorf("series: frequency %q: %s; give one such as h, 30min, D, B, W-SUN, MS, QE-DEC or Y", clipText(s), why)
	}
	text := strings.TrimSpace(s)
	digits := 0
	for digits < len(text) && (text[digits] >= '0' && text[digits] <= '9' || text[digits] == '.') {
		digits++
	}
	multiple := 1.0
	if digits > 0 {
		v, err := strconv.ParseFloat(text[:digits], 64)
		if err != nil || v <= 0 || v > maxMultiple {
			return bad("not a multiple from 1 to a million")
		}
		multiple = v
	}
	name := strings.TrimSpace(strings.TrimPrefix(text[digits:], "_"))
	name, anchor, anchored := strings.Cut(name, "-")
	f, ok := freqNames[name]
	if !ok {
		word := strings.ReplaceAll(strings.ToLower(name), " ", "_")
		if f, ok = freqWords[word]; !ok {
			f, ok = freqWords[strings.TrimSuffix(word, "s")]
		}
	}
	if !ok {
		return bad("unknown")
	}
	f, ok = f.times(multiple)
	if !ok {
		return bad("not a whole number of a known unit")
	}
	switch {
	case !anchored:
	case f.Unit == Week && weekdayOf(anchor) >= 0:
		f.Anchor = weekdayOf(anchor)
	case (f.Unit == Quarter || f.Unit == Year) && monthOf(anchor) > 0:
		f.Anchor = monthOf(anchor)
	default:
		return bad("unknown anchor")
	}
	return f.withAnchor(), nil
}

// times multiplies, going down to a smaller unit where the product is not whole.
func (f Freq) times(m float64) (Freq, bool) {
	m *= float64(f.n())
	for m != math.Trunc(m) {
		switch f.Unit {
		case Day:
			f.Unit, m = Hour, m*24
		case Hour:
			f.Unit, m = Minute, m*60
		case Minute:
			f.Unit, m = Second, m*60
		case Second:
			f.Unit, m = Millisecond, m*1000
		default:
			return Freq{}, false
		}
	}
	f.N = int(m)
	return f, m >= 1 && m <= maxMultiple
}

// withAnchor fills the anchors that pandas assumes: weeks end on Sunday, years in December, or begin in January.
func (f Freq) withAnchor() Freq {
	if f.Anchor == 0 && (f.Unit == Quarter || f.Unit == Year) {
		f.Anchor = int(time.December)
		if f.Side == Start {
			f.Anchor = int(time.January)
		}
	}
	f.N = f.n()
	return f
}

func weekdayOf(s string) int {
	for d := time.Sunday; d <= time.Saturday; d++ {
		if strings.EqualFold(d.String()[:3], s) {
			return int(d)
		}
	}
	return -1
}

func monthOf(s string) int {
	for m := time.January; m <= time.December; m++ {
		if strings.EqualFold(m.String()[:3], s) {
			return int(m)
		}
	}
	return 0
}

// String is the pandas (2.2 and later) name, which [ParseFreq] reads back: "30min", "W-SUN", "MS", "QE-DEC"; "" for
// numbered steps.
func (f Freq) String() string {
	f = f.withAnchor()
	multiple := ""
	if f.N > 1 {
		multiple = strconv.Itoa(f.N)
	}
	side := [...]string{AnySide: "", Start: "S", End: "E"}[min(f.Side, End)]
	switch f.Unit {
	case NoUnit:
		return ""
	case Week:
		return multiple + "W-" + strings.ToUpper(time.Weekday(((f.Anchor % 7) + 7) % 7).String()[:3])
	case Month:
		return multiple + "M" + side
	case Quarter, Year:
		letter := "Q"
		if f.Unit == Year {
			letter = "Y"
		}
		return multiple + letter + side + "-" + strings.ToUpper(time.Month(f.Anchor).String()[:3])
	}
	return multiple + [...]string{Millisecond: "ms", Second: "s", Minute: "min", Hour: "h", Day: "D", BusinessDay: "B"}[min(f.Unit, BusinessDay)]
}

// MarshalText gives String; UnmarshalText is ParseFreq, with "" for numbered steps: a Freq in YAML or JSON is its name.
func (f Freq) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText reads what MarshalText wrote, or any name that ParseFreq knows.
func (f *Freq) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*f = Freq{}
		return nil
	}
	v, err := ParseFreq(string(b))
	if err == nil {
		*f = v
	}
	return err
}

// clipText keeps foreign text in messages to one line of bearable length.
func clipText(s string) string {
	const most = 60
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
