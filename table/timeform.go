package table

import (
	"strings"
	"time"
)

// dateOrder is the order of the parts of a date.
type dateOrder uint8

const (
	orderNone      dateOrder = iota
	orderYMD                 // 2016-07-01
	orderDMY                 // 01/07/2016, day first
	orderMDY                 // 07/01/2016, month first
	orderCompact             // 20160701
	orderYM                  // 2016-07
	orderYMCompact           // 201607, only where told
	orderYMLetter            // 2016M07
	orderYQ                  // 2016Q3, 2016-Q3
	orderMonY                // Jul 2016
	orderDMonY               // 1 Jul 2016
	orderMonDY               // Jul 1, 2016
	orderY                   // 2016, only where told
	orderUnix                // seconds since 1970, only where told; then milli-, micro- and nanoseconds
	orderUnixMilli
	orderUnixMicro
	orderUnixNano
	orderCustom // a Go layout this package has no parser for
)

// zoneForm is how a time names its zone.
type zoneForm uint8

const (
	zoneNone  zoneForm = iota
	zoneZ              // Z, or ±hh:mm
	zoneColon          // ±hh:mm
	zoneFlat           // ±hhmm
	zoneHour           // ±hh
	zoneName           // UTC or GMT
)

// timeForm is the form in which a column writes its times. It stands for many Go layouts at once, because real columns
// mix them: fractions come and go, midnight is left out, offsets change with daylight saving.
type timeForm struct {
	order   dateOrder
	sep     byte // between the parts of the date; 0 for none
	pad     bool // 07, not 7
	long    bool // January, not Jan
	clock   int8 // 0 none, 1 hours, 2 minutes, 3 seconds
	tee     byte // 'T' or ' ' before the clock
	padHour bool // 07:00, not 7:00
	ampm    bool // 03:00 PM
	frac    int8 // digits after the seconds
	comma   bool // ',' before them
	zone    zoneForm
	space   bool // blank before the zone

	custom string // Go layout of orderCustom
}

// joinForms gives the form of a column that holds times of both forms, false if no one column would.
func joinForms(a, b timeForm) (timeForm, bool) {
	if a == b {
		return a, true
	}
	if a.order != b.order || a.sep != b.sep || a.custom != b.custom {
		return a, false
	}
	if a.clock == 0 || b.clock == 0 {
		// Midnight left out, as spreadsheets do: the other one knows the rest.
		f := a
		if a.clock == 0 {
			f = b
		}
		f.pad = a.pad && b.pad
		f.long = a.long && b.long
		return f, true
	}
	if a.tee != b.tee || a.ampm != b.ampm || (a.zone == zoneNone) != (b.zone == zoneNone) {
		return a, false
	}
	f := a
	f.pad = a.pad && b.pad
	f.long = a.long && b.long
	f.padHour = a.padHour && b.padHour
	f.clock = max(a.clock, b.clock)
	f.frac = max(a.frac, b.frac)
	f.comma = a.comma || b.comma
	if a.zone != b.zone {
		f.zone, f.space = zoneZ, false
	}
	return f, true
}

// layout spells f as the string of Column.Layout.
func (f *timeForm) layout() string {
	if f.order == orderCustom {
		return f.custom
	}
	var b strings.Builder
	b.WriteString(f.dateLayout())
	if f.clock == 0 {
		return b.String()
	}
	b.WriteByte(f.tee)
	switch {
	case f.ampm && f.padHour:
		b.WriteString("03")
	case f.ampm || !f.padHour:
		b.WriteString("3") // without PM: the hour of 0 to 23 without padding, for which Go has no layout
	default:
		b.WriteString("15")
	}
	if f.clock > 1 {
		b.WriteString(":04")
	}
	if f.clock > 2 {
		b.WriteString(":05")
	}
	if f.frac > 0 {
		b.WriteByte(f.fracMark())
		b.WriteString("000000000"[:f.frac])
	}
	if f.ampm {
		b.WriteString(" PM")
	}
	if f.space {
		b.WriteByte(' ')
	}
	b.WriteString([...]string{"", "Z07:00", "-07:00", "-0700", "-07", "MST"}[f.zone])
	return b.String()
}

func (f *timeForm) fracMark() byte {
	if f.comma {
		return ','
	}
	return '.'
}

func (f *timeForm) dateLayout() string {
	day, month, name, sep := "2", "1", "Jan", ""
	if f.pad {
		day, month = "02", "01"
	}
	if f.long {
		name = "January"
	}
	if f.sep != 0 {
		sep = string(f.sep)
	}
	switch f.order {
	case orderYMD:
		return "2006" + sep + month + sep + day
	case orderDMY:
		return day + sep + month + sep + "2006"
	case orderMDY:
		return month + sep + day + sep + "2006"
	case orderCompact:
		return "20060102"
	case orderYM:
		return "2006" + sep + month
	case orderYMCompact:
		return "200601"
	case orderYMLetter:
		return "2006M" + month
	case orderYQ:
		return "2006" + sep + "Q1"
	case orderMonY:
		return name + sep + "2006"
	case orderDMonY:
		return day + sep + name + sep + "2006"
	case orderMonDY:
		return name + " " + day + ", 2006"
	case orderY:
		return "2006"
	case orderUnix:
		return "unix"
	case orderUnixMilli:
		return "unixms"
	case orderUnixMicro:
		return "unixus"
	case orderUnixNano:
		return "unixns"
	}
	return ""
}

// compileLayout reads a layout: one of the words, a strftime pattern or a Go layout. A Go layout that some timeForm
// spells becomes that form, which is several times quicker and more forgiving than time.Parse.
func compileLayout(s string) timeForm {
	switch s {
	case "unix":
		return timeForm{order: orderUnix}
	case "unixms":
		return timeForm{order: orderUnixMilli}
	case "unixus":
		return timeForm{order: orderUnixMicro}
	case "unixns":
		return timeForm{order: orderUnixNano}
	case "2006":
		return timeForm{order: orderY}
	case "200601":
		return timeForm{order: orderYMCompact}
	case "2006Q1":
		return timeForm{order: orderYQ}
	case "2006-Q1":
		return timeForm{order: orderYQ, sep: '-'}
	case "2006 Q1":
		return timeForm{order: orderYQ, sep: ' '}
	}
	if strings.Contains(s, "%") {
		s = fromStrftime(s)
	}
	// Let Go write a time in the layout, read the text back, and see whether the form found spells the same layout.
	// The day is past 12 so that day and month cannot be confused, everything has one digit that can.
	for _, t := range []time.Time{
		time.Date(2013, 3, 25, 7, 8, 9, 123456789, time.UTC),
		time.Date(2013, 3, 25, 7, 8, 9, 123456789, time.FixedZone("", 9000)),
		time.Date(2013, 5, 25, 7, 8, 9, 123456789, time.UTC), // May is both long and short
	} {
		text := t.Format(s)
		for _, wish := range []dateOrder{orderNone, orderYMLetter} {
			_, form, ok := detectTime([]byte(text), wish, nil)
			if ok {
				for _, f := range variants(form) {
					if f.layout() == s {
						return f
					}
				}
			}
		}
	}
	if f, ok := unpaddedHour(s); ok {
		return f
	}
	return timeForm{order: orderCustom, custom: s}
}

// variants lists the forms that one text may stand for beside the one detectTime chose.
func variants(f timeForm) []timeForm {
	out := []timeForm{f}
	for _, pad := range []bool{true, false} {
		for _, padHour := range []bool{true, false} {
			for _, long := range []bool{true, false} {
				for z := zoneNone; z <= zoneName; z++ {
					g := f
					g.pad, g.padHour, g.long = pad, padHour, long
					if (f.zone == zoneNone) != (z == zoneNone) {
						continue
					}
					g.zone = z
					out = append(out, g)
				}
			}
		}
	}
	return out
}

// unpaddedHour reads the layouts in which 3 stands for an hour of 0 to 23, see timeForm.layout.
func unpaddedHour(s string) (timeForm, bool) {
	if strings.Contains(s, "PM") || !strings.Contains(s, "3") {
		return timeForm{}, false
	}
	i := strings.LastIndexByte(s, '3')
	f := compileLayout(s[:i] + "15" + s[i+1:])
	if f.order == orderCustom || f.clock == 0 {
		return timeForm{}, false
	}
	f.padHour = false
	return f, f.layout() == s
}

// fromStrftime turns a strftime pattern, as pandas and the C library use it, into a Go layout.
func fromStrftime(s string) string {
	return strings.NewReplacer("%Y", "2006", "%y", "06", "%m", "01", "%d", "02", "%e", "2", "%j", "002", "%H", "15",
		"%I", "03", "%M", "04", "%S", "05", "%f", "000000", "%p", "PM", "%b", "Jan", "%B", "January", "%a", "Mon",
		"%A", "Monday", "%z", "-0700", "%Z", "MST", "%F", "2006-01-02", "%T", "15:04:05", "%s", "unix", "%%", "%").Replace(s)
}
