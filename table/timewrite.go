package table

import (
	"strconv"
	"time"
)

// appendTime writes t in form f.
func (f *timeForm) appendTime(b []byte, t time.Time) []byte {
	switch f.order {
	case orderUnix:
		sec, ns := t.Unix(), t.Nanosecond()
		if sec < 0 && ns > 0 { // −1.25 is 0.75 seconds into second −2
			sec, ns = sec+1, 1e9-ns
			if sec == 0 {
				b = append(b, '-')
			}
		}
		b = strconv.AppendInt(b, sec, 10)
		if ns != 0 {
			b = appendFrac(append(b, '.'), ns, fracDigits(ns))
		}
		return b
	case orderUnixMilli:
		return strconv.AppendInt(b, t.UnixMilli(), 10)
	case orderUnixMicro:
		return strconv.AppendInt(b, t.UnixMicro(), 10)
	case orderUnixNano:
		return strconv.AppendInt(b, t.UnixNano(), 10)
	case orderCustom:
		return t.AppendFormat(b, f.custom)
	}
	if _, offset := t.Zone(); f.zone == zoneName || f.zone != zoneNone && (offset%60 != 0 || offset/3600 > 15 || offset/3600 < -15) {
		t = t.UTC() // local mean time has seconds, which no offset can say
	}
	b = f.appendDate(b, t)
	if f.clock == 0 {
		return b
	}
	b = append(b, f.tee)
	hour := t.Hour()
	if f.ampm {
		if hour %= 12; hour == 0 {
			hour = 12
		}
	}
	b = appendPadded(b, hour, f.padHour)
	if f.clock > 1 {
		b = appendPadded(append(b, ':'), t.Minute(), true)
	}
	if f.clock > 2 {
		b = appendPadded(append(b, ':'), t.Second(), true)
	}
	if f.frac > 0 {
		b = appendFrac(append(b, f.fracMark()), t.Nanosecond(), int(f.frac))
	}
	if f.ampm {
		b = append(b, " AM"...)
		if t.Hour() >= 12 {
			b[len(b)-2] = 'P'
		}
	}
	return f.appendZone(b, t)
}

func (f *timeForm) appendDate(b []byte, t time.Time) []byte {
	y, mon, d := t.Date()
	m := int(mon)
	name := mon.String()
	if !f.long {
		name = name[:3]
	}
	sep := func() {
		if f.sep != 0 {
			b = append(b, f.sep)
		}
	}
	year := func() { b = appendPadded(appendPadded(b, y/100, true), y%100, true) }
	part := func(v int) { b = appendPadded(b, v, f.pad) }
	switch f.order {
	case orderYMD:
		year()
		sep()
		part(m)
		sep()
		part(d)
	case orderDMY:
		part(d)
		sep()
		part(m)
		sep()
		year()
	case orderMDY:
		part(m)
		sep()
		part(d)
		sep()
		year()
	case orderCompact:
		year()
		b = appendPadded(appendPadded(b, m, true), d, true)
	case orderYM, orderYMCompact:
		year()
		sep()
		b = appendPadded(b, m, f.pad || f.order == orderYMCompact)
	case orderYMLetter:
		year()
		b = append(b, 'M')
		part(m)
	case orderYQ:
		year()
		sep()
		b = append(b, 'Q', '0'+byte(m+2)/3)
	case orderMonY:
		b = append(b, name...)
		sep()
		year()
	case orderDMonY:
		part(d)
		sep()
		b = append(b, name...)
		sep()
		year()
	case orderMonDY:
		b = append(append(b, name...), ' ')
		part(d)
		b = append(b, ", "...)
		year()
	case orderY:
		year()
	}
	return b
}

func (f *timeForm) appendZone(b []byte, t time.Time) []byte {
	if f.zone == zoneNone {
		return b
	}
	if f.space {
		b = append(b, ' ')
	}
	_, offset := t.Zone()
	switch {
	case f.zone == zoneName:
		return append(b, "UTC"...)
	case f.zone == zoneZ && offset == 0:
		return append(b, 'Z')
	}
	sign := byte('+')
	if offset < 0 {
		sign, offset = '-', -offset
	}
	b = appendPadded(append(b, sign), offset/3600, true)
	m := offset % 3600 / 60
	switch {
	case f.zone == zoneHour && m == 0:
	case f.zone == zoneHour, f.zone == zoneFlat:
		b = appendPadded(b, m, true)
	default:
		b = appendPadded(append(b, ':'), m, true)
	}
	return b
}

func appendPadded(b []byte, v int, pad bool) []byte {
	if v < 10 && !pad {
		return append(b, '0'+byte(v))
	}
	return append(b, '0'+byte(v/10), '0'+byte(v%10))
}

// appendFrac writes the first n digits of ns nanoseconds.
func appendFrac(b []byte, ns, n int) []byte {
	for unit := int(1e8); n > 0; n-- {
		b = append(b, '0'+byte(ns/unit%10))
		unit /= 10
	}
	return b
}

// fracDigits is how many digits ns nanoseconds need: 0, 3, 6 or 9.
func fracDigits(ns int) int {
	switch {
	case ns == 0:
		return 0
	case ns%1e6 == 0:
		return 3
	case ns%1e3 == 0:
		return 6
	}
	return 9
}

// layoutFor is the shortest layout that loses nothing of ts: date, minutes, seconds or fractions, RFC 3339 with a zone
// where one of them is not UTC.
func layoutFor(ts []time.Time) string {
	f := timeForm{order: orderYMD, sep: '-', pad: true, tee: ' ', padHour: true}
	for i := range ts {
		t := &ts[i]
		switch {
		case t.IsZero(): // mostly a missing cell; year 1 needs nothing either
			continue
		case t.Nanosecond() != 0:
			f.clock = 3
			f.frac = max(f.frac, int8(fracDigits(t.Nanosecond())))
		case t.Second() != 0 || t.Hour() != 0 || t.Minute() != 0:
			f.clock = 3
		}
		if _, offset := t.Zone(); offset != 0 {
			f.zone = zoneZ
		}
	}
	if f.zone != zoneNone {
		f.tee, f.clock = 'T', 3
	}
	return f.layout()
}

// writeLayout is the form in which a Time column is written: the one it was read in where that keeps every value, else
// layoutFor. A column read as dates and then given hours must not lose them.
func (c *Column) writeLayout() timeForm {
	if c.Layout != "" {
		f := compileLayout(c.Layout)
		if c.survives(&f) {
			return f
		}
	}
	return compileLayout(layoutFor(c.Times))
}

// survives tells whether every time reads back as the same instant after being written as f.
func (c *Column) survives(f *timeForm) bool {
	var buf []byte
	var loc *time.Location
	for i, t := range c.Times {
		if c.Missing.Get(i) {
			continue
		}
		if f.zone == zoneNone && f.order < orderUnix {
			// The zone is not written, so whoever reads needs to know it, as whoever wrote this column's source did.
			// Two zones in one column cannot both be known.
			if loc == nil {
				loc = t.Location()
			} else if loc != t.Location() {
				return false
			}
		}
		buf = f.appendTime(buf[:0], t)
		back, _, ok := f.parse(buf, loc)
		if !ok || !back.Equal(t) {
			return false
		}
	}
	return true
}
