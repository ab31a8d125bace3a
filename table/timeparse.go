package table

import (
	"math"
	"time"
)

// timeParts is a time taken apart.
type timeParts struct {
	year, month, day int
	hour, min, sec   int
	nano             int
	offset           int // seconds east
}

// detectTime reads a time in any of the usual forms and tells the form. Years and months without a separator
// (2016, 201607) and seconds since 1970 are numbers like any other; they are read only with the wish for that order.
// Of 01/07/2016 it makes day-month unless the second number can be no month, or the wish is orderMDY.
func detectTime(b []byte, wish dateOrder, loc *time.Location) (time.Time, timeForm, bool) {
	switch wish {
	case orderUnix, orderUnixMilli, orderUnixMicro, orderUnixNano:
		t, ok := parseUnix(b, wish, loc)
		return t, timeForm{order: wish}, ok
	}
	var f timeForm
	var p timeParts
	rest, ok := detectDate(b, wish, &f, &p)
	if !ok {
		return detectNamed(b, loc)
	}
	if len(rest) > 0 {
		if rest, ok = detectClock(rest, &f, &p); !ok {
			return time.Time{}, f, false
		}
		if len(rest) > 0 && !detectZone(rest, &f, &p) {
			return time.Time{}, f, false
		}
	}
	t, ok := p.time(f.zone, loc)
	return t, f, ok
}

// namedForms are dates whose parts are named after them, as Korean, Japanese and Chinese write them, and the Korean form
// with blanks after the stops. Go's own parser reads them: one or two digits, whichever there are.
var namedForms = []string{
	"2006년 1월 2일", "2006년1월2일", "2006년 1월", "2006년1월", "2006年1月2日", "2006年1月", "2006. 1. 2.", "2006. 1. 2", "2006. 1.",
}

func detectNamed(b []byte, loc *time.Location) (time.Time, timeForm, bool) {
	if _, ok := number4(b); !ok || len(b) < 7 || b[4] < 0x80 && (b[4] != '.' || b[5] != ' ') {
		return time.Time{}, timeForm{}, false
	}
	for _, layout := range namedForms {
		f := timeForm{order: orderCustom, custom: layout}
		if t, _, ok := f.parse(b, loc); ok {
			return t, f, true
		}
	}
	return time.Time{}, timeForm{}, false
}

// parseTime reads a time of form f as widened by joinForms; see timeColumn for how a column finds its form.
func (f *timeForm) parse(b []byte, loc *time.Location) (time.Time, timeForm, bool) {
	if f.order == orderCustom {
		zone := loc
		if zone == nil {
			zone = time.UTC
		}
		t, err := time.ParseInLocation(f.custom, string(b), zone)
		if err != nil || t.Year() < 0 || t.Year() > 9999 {
			return t, *f, false
		}
		if loc != nil {
			t = t.In(loc)
		}
		return t, *f, true
	}
	return detectTime(b, f.order, loc)
}

// number2 reads one or two digits.
func number2(b []byte) (v, n int) {
	if len(b) == 0 || b[0]-'0' > 9 {
		return 0, 0
	}
	v = int(b[0] - '0')
	if len(b) > 1 && b[1]-'0' <= 9 {
		return v*10 + int(b[1]-'0'), 2
	}
	return v, 1
}

// number4 reads exactly four digits that no further digit follows, unless more is asked for.
func number4(b []byte) (int, bool) {
	if len(b) < 4 {
		return 0, false
	}
	v := 0
	for _, c := range b[:4] {
		if c-'0' > 9 {
			return 0, false
		}
		v = v*10 + int(c-'0')
	}
	return v, true
}

func leadingDigits(b []byte) int {
	n := 0
	for n < len(b) && b[n]-'0' <= 9 {
		n++
	}
	return n
}

// detectDate reads the date at the start of b and returns what follows.
func detectDate(b []byte, wish dateOrder, f *timeForm, p *timeParts) ([]byte, bool) {
	p.month, p.day = 1, 1
	f.pad = true
	if len(b) < 4 {
		return b, false
	}
	if b[0]-'0' > 9 {
		return detectMonthFirst(b, f, p)
	}
	switch n := leadingDigits(b); n {
	case 1, 2:
		return detectDayFirst(b, n, wish, f, p)
	case 4:
		p.year, _ = number4(b)
		if len(b) == 4 {
			f.order = orderY
			return nil, wish == orderY
		}
		return detectYearFirst(b[4:], f, p)
	case 6:
		p.year, _ = number4(b)
		p.month, _ = number2(b[4:])
		f.order = orderYMCompact
		return b[6:], wish == orderYMCompact && len(b) == 6
	case 8:
		p.year, _ = number4(b)
		p.month, _ = number2(b[4:])
		p.day, _ = number2(b[6:])
		f.order = orderCompact
		return b[8:], true
	}
	return b, false
}

// detectYearFirst reads what follows a year of four digits.
func detectYearFirst(b []byte, f *timeForm, p *timeParts) ([]byte, bool) {
	sep := b[0]
	switch sep {
	case 'Q', 'q', 'M', 'm':
		return detectPeriod(b, f, p)
	case '-', '/', '.', ' ':
	default:
		return b, false
	}
	if len(b) > 1 && (b[1] == 'Q' || b[1] == 'q') {
		f.sep = sep
		return detectPeriod(b[1:], f, p)
	}
	if sep == ' ' {
		return b, false
	}
	f.sep = sep
	m, n := number2(b[1:])
	if n == 0 {
		return b, false
	}
	p.month, f.pad = m, n == 2
	b = b[1+n:]
	if len(b) == 0 || b[0] != sep {
		// 2016.07 would be a number; a clock needs a day.
		f.order = orderYM
		return b, len(b) == 0 && sep != '.' && n == 2
	}
	f.order = orderYMD
	d, n := number2(b[1:])
	p.day = d
	f.pad = f.pad && n == 2
	return b[1+n:], n > 0
}

// detectPeriod reads Q1 to Q4 or M1 to M12 to the end of b.
func detectPeriod(b []byte, f *timeForm, p *timeParts) ([]byte, bool) {
	v, n := number2(b[1:])
	if n == 0 || len(b) != 1+n {
		return b, false
	}
	if b[0] == 'Q' || b[0] == 'q' {
		f.order = orderYQ
		p.month = 3*v - 2
		return nil, n == 1 && v >= 1 && v <= 4
	}
	f.order = orderYMLetter
	p.month, f.pad = v, n == 2
	return nil, true
}

// detectDayFirst reads 01/07/2016 and 1 Jul 2016; n is the number of digits that b starts with.
func detectDayFirst(b []byte, n int, wish dateOrder, f *timeForm, p *timeParts) ([]byte, bool) {
	first, _ := number2(b)
	f.pad = n == 2
	sep := b[n]
	if sep != '/' && sep != '.' && sep != '-' && sep != ' ' {
		return b, false
	}
	f.sep = sep
	b = b[n+1:]
	if len(b) == 0 {
		return b, false
	}
	if b[0]-'0' > 9 {
		month, long, n := monthName(b)
		if n == 0 || len(b) < n+5 || b[n] != sep {
			return b, false
		}
		f.order, f.long = orderDMonY, long
		p.day, p.month = first, month
		y, ok := number4(b[n+1:])
		p.year = y
		return b[n+5:], ok && leadingDigits(b[n+1:]) == 4
	}
	second, n := number2(b)
	if sep == ' ' || len(b) < n+5 || b[n] != sep {
		return b, false
	}
	f.pad = f.pad && n == 2
	y, ok := number4(b[n+1:])
	if !ok || leadingDigits(b[n+1:]) != 4 {
		return b, false
	}
	p.year = y
	f.order, p.day, p.month = orderDMY, first, second
	if wish == orderMDY || wish != orderDMY && second > 12 {
		f.order, p.day, p.month = orderMDY, second, first
	}
	return b[n+5:], true
}

// detectMonthFirst reads Jul 2016, Jul-2016 and Jul 1, 2016.
func detectMonthFirst(b []byte, f *timeForm, p *timeParts) ([]byte, bool) {
	month, long, n := monthName(b)
	if n == 0 || len(b) < n+5 || b[n] != ' ' && b[n] != '-' {
		return b, false
	}
	p.month, f.long, f.sep = month, long, b[n]
	b = b[n+1:]
	if leadingDigits(b) == 4 {
		p.year, _ = number4(b)
		f.order = orderMonY
		return nil, len(b) == 4
	}
	d, n := number2(b)
	if f.sep != ' ' || n == 0 || len(b) < n+6 || b[n] != ',' || b[n+1] != ' ' || leadingDigits(b[n+2:]) != 4 {
		return b, false
	}
	f.order, f.pad = orderMonDY, n == 2
	p.day = d
	p.year, _ = number4(b[n+2:])
	return b[n+6:], true
}

var monthWords = [...]string{"january", "february", "march", "april", "may", "june", "july", "august", "september",
	"october", "november", "december"}

// monthName reads an English month, whole or its first three letters, and returns its length.
func monthName(b []byte) (month int, long bool, n int) {
	for n < len(b) && (b[n]|0x20) >= 'a' && (b[n]|0x20) <= 'z' {
		n++
	}
	if n < 3 || n > 9 {
		return 0, false, 0
	}
	for i, w := range monthWords {
		if n == 3 && equalFold(b[:3], w[:3]) {
			return i + 1, false, n
		}
		if equalFold(b[:n], w) {
			return i + 1, true, n
		}
	}
	return 0, false, 0
}

// detectClock reads "T15:04:05.000" or " 3:04 PM" and returns what follows.
func detectClock(b []byte, f *timeForm, p *timeParts) ([]byte, bool) {
	switch f.order {
	case orderYMD, orderDMY, orderMDY, orderCompact, orderDMonY, orderMonDY:
	default:
		return b, false
	}
	f.tee = b[0]
	if f.tee == 't' {
		f.tee = 'T'
	}
	if f.tee != 'T' && f.tee != ' ' {
		return b, false
	}
	v, n := number2(b[1:])
	if n == 0 {
		return b, false
	}
	p.hour, f.clock, f.padHour = v, 1, n == 2
	b = b[1+n:]
	for len(b) >= 3 && b[0] == ':' && f.clock < 3 {
		v, n := number2(b[1:])
		if n != 2 {
			return b, false
		}
		if f.clock++; f.clock == 2 {
			p.min = v
		} else {
			p.sec = v
		}
		b = b[3:]
	}
	if f.clock == 3 && len(b) > 1 && (b[0] == '.' || b[0] == ',') {
		n := leadingDigits(b[1:])
		if n == 0 || n > 9 {
			return b, false
		}
		f.frac, f.comma = int8(n), b[0] == ','
		for _, c := range b[1 : 1+n] {
			p.nano = p.nano*10 + int(c-'0')
		}
		p.nano *= int(pow10[9-n])
		b = b[1+n:]
	}
	b, ok := detectAMPM(b, f, p)
	// An hour alone is read only where a T or PM makes clear that it is one.
	return b, ok && (f.clock > 1 || f.ampm || f.tee == 'T')
}

// detectAMPM reads " PM" and turns the hour into one of 24.
func detectAMPM(b []byte, f *timeForm, p *timeParts) ([]byte, bool) {
	s := b
	if len(s) > 0 && s[0] == ' ' {
		s = s[1:]
	}
	if len(s) < 2 || s[1]|0x20 != 'm' || s[0]|0x20 != 'a' && s[0]|0x20 != 'p' {
		return b, true
	}
	if p.hour < 1 || p.hour > 12 {
		return b, false
	}
	f.ampm = true
	p.hour %= 12
	if s[0]|0x20 == 'p' {
		p.hour += 12
	}
	return s[2:], true
}

// detectZone reads Z, an offset, UTC or GMT to the end of b.
func detectZone(b []byte, f *timeForm, p *timeParts) bool {
	if b[0] == ' ' {
		f.space = true
		b = b[1:]
	}
	if len(b) == 0 {
		return false
	}
	switch {
	case len(b) == 1 && b[0]|0x20 == 'z':
		f.zone = zoneZ
		return !f.space
	case len(b) == 3 && (equalFold(b, "utc") || equalFold(b, "gmt")):
		f.zone = zoneName
		return true
	case b[0] != '+' && b[0] != '-':
		return false
	}
	h, n := number2(b[1:])
	if n != 2 || h > 15 {
		return false
	}
	m := 0
	switch rest := b[3:]; {
	case len(rest) == 0:
		f.zone = zoneHour
	case len(rest) == 2:
		f.zone = zoneFlat
		m, n = number2(rest)
	case len(rest) == 3 && rest[0] == ':':
		f.zone = zoneColon
		m, n = number2(rest[1:])
	default:
		return false
	}
	if n != 2 || m > 59 {
		return false
	}
	p.offset = h*3600 + m*60
	if b[0] == '-' {
		p.offset = -p.offset
	}
	return true
}

var monthDays = [...]int{31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

// time puts the parts together, false where there is no such day or hour.
func (p *timeParts) time(zone zoneForm, loc *time.Location) (time.Time, bool) {
	if p.month < 1 || p.month > 12 || p.day < 1 || p.day > monthDays[p.month-1] || p.hour > 23 || p.min > 59 || p.sec > 59 {
		return time.Time{}, false
	}
	if p.month == 2 && p.day == 29 && (p.year%4 != 0 || p.year%100 == 0 && p.year%400 != 0) {
		return time.Time{}, false
	}
	if zone == zoneNone {
		if loc == nil {
			loc = time.UTC
		}
		return time.Date(p.year, time.Month(p.month), p.day, p.hour, p.min, p.sec, p.nano, loc), true
	}
	t := time.Date(p.year, time.Month(p.month), p.day, p.hour, p.min, p.sec-p.offset, p.nano, time.UTC)
	switch {
	case loc != nil:
		t = t.In(loc)
	case p.offset != 0:
		t = t.In(fixedZone(p.offset))
	}
	return t, true
}

// fixedZone is the zone of an offset. time.FixedZone keeps whole hours for itself; the rest cost an allocation.
func fixedZone(offset int) *time.Location { return time.FixedZone("", offset) }

// parseUnix reads seconds since 1970, with a fraction, or whole milli-, micro- or nanoseconds. The years are 0 to 9999,
// as in every other form.
func parseUnix(b []byte, order dateOrder, loc *time.Location) (time.Time, bool) {
	x, n := scanNumber(b, '.')
	if n == 0 || n != len(b) {
		return time.Time{}, false
	}
	v, ok := x.int64()
	if !ok {
		// 1467331200.25, and 1467331200.0 as pandas writes whole numbers of columns with gaps.
		if x.inexact || x.mant > math.MaxInt64 || x.exp < -18 || x.exp > 0 {
			return time.Time{}, false
		}
		unit := pow10[-x.exp]
		v = int64(x.mant / unit)
		nano := int64(x.mant%unit*pow10[9-min(9, -x.exp)]) / int64(pow10[max(9, -x.exp)-9])
		if x.neg {
			v = -v
		}
		if x.neg && nano > 0 {
			v, nano = v-1, 1e9-nano
		}
		if order == orderUnix {
			return unixTime(v, nano, loc)
		}
		if nano != 0 {
			return time.Time{}, false
		}
	}
	return unixParts(v, order, loc)
}

// unixParts is the time v units after 1970.
func unixParts(v int64, order dateOrder, loc *time.Location) (time.Time, bool) {
	per := int64(1)
	switch order {
	case orderUnixMilli:
		per = 1e3
	case orderUnixMicro:
		per = 1e6
	case orderUnixNano:
		per = 1e9
	}
	sec, frac := v/per, v%per
	if frac < 0 {
		sec, frac = sec-1, frac+per
	}
	return unixTime(sec, frac*(1e9/per), loc)
}

func unixTime(sec, nano int64, loc *time.Location) (time.Time, bool) {
	const first, last = -62167219200, 253402300799 // years 0 and 9999
	if sec < first || sec > last {
		return time.Time{}, false
	}
	if loc == nil {
		loc = time.UTC
	}
	return time.Unix(sec, nano).In(loc), true
}
