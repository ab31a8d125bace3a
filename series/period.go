package series

import "time"

// PeriodStart is the first moment of the period that holds t, in t's location, as pandas' Period has it: t cut to the
// unit, whatever the multiple; the anchor's week, quarter or year; for a weekend among business days the Monday after.
// Numbered steps have no periods and give t.
func (f Freq) PeriodStart(t time.Time) time.Time {
	switch f.Unit {
	case NoUnit:
		return t
	case Millisecond:
		return t.Add(-time.Duration(t.Nanosecond() % 1e6))
	case Second:
		return t.Add(-time.Duration(t.Nanosecond()))
	case Minute:
		return t.Add(-time.Duration(t.Nanosecond()) - time.Duration(t.Second())*time.Second)
	case Hour: // not Truncate: zones of half an hour exist
		return t.Add(-time.Duration(t.Nanosecond()) - time.Duration(t.Second())*time.Second - time.Duration(t.Minute())*time.Minute)
	}
	y, m, d := t.Date()
	midnight := func(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, t.Location()) }
	switch f.Unit {
	case BusinessDay:
		switch t.Weekday() {
		case time.Saturday:
			d += 2
		case time.Sunday:
			d++
		}
	case Week:
		first := (f.Anchor + 1) % 7
		d -= (int(t.Weekday()) - first + 7) % 7
	case Month:
		d = 1
	case Quarter:
		m, d = m-time.Month((int(m)-f.firstMonth()+12)%3), 1
	case Year:
		m, d = m-time.Month((int(m)-f.firstMonth()+12)%12), 1
	}
	return midnight(y, m, d)
}

// firstMonth is the month (1…12) in which the fiscal year begins.
func (f Freq) firstMonth() int {
	a := f.withAnchor()
	if a.Side == Start {
		return a.Anchor
	}
	return a.Anchor%12 + 1
}

// PeriodEnd is midnight of the last day of the period that holds t: the date from which calendar features of weeks,
// quarters and years are read. For days and shorter it is PeriodStart.
func (f Freq) PeriodEnd(t time.Time) time.Time {
	s := f.PeriodStart(t)
	switch f.Unit {
	case Week:
		return s.AddDate(0, 0, 6)
	case Month:
		return s.AddDate(0, 1, -1)
	case Quarter:
		return s.AddDate(0, 3, -1)
	case Year:
		return s.AddDate(1, 0, -1)
	}
	return s
}
