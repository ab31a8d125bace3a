package plot

import "time"

// interval is a distance between date ticks that a reader takes for round.
type interval struct {
	approx time.Duration
	unit   byte // s: clock time, d: days, m: months, y: years
	n      int  // seconds, days, months or years
}

var intervals = func() []interval {
	const day = 24 * time.Hour
	var list []interval
	for _, s := range []int{1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 2 * 3600, 3 * 3600, 6 * 3600, 12 * 3600} {
		list = append(list, interval{time.Duration(s) * time.Second, 's', s})
	}
	for _, d := range []int{1, 2, 7, 14} {
		list = append(list, interval{time.Duration(d) * day, 'd', d})
	}
	for _, m := range []int{1, 2, 3, 6} {
		list = append(list, interval{time.Duration(m) * 30 * day, 'm', m})
	}
	for _, y := range []int{1, 2, 5, 10, 20, 50, 100, 200} { // a Duration ends at 292 years
		list = append(list, interval{time.Duration(y) * 365 * day, 'y', y})
	}
	return list
}()

// dates gives an axis from lo to hi in lo's time zone with at most about n ticks. Clock times
// and days carry the date or year below where it changes.
func dates(lo, hi time.Time, n int) axis {
	hi = hi.In(lo.Location())
	a := axis{lo: seconds(lo), hi: seconds(hi)}
	if !hi.After(lo) {
		a.lo, a.hi = a.lo-1, a.hi+1
		a.ticks = []tick{{at: seconds(lo), label: lo.Format("2006-01-02 15:04")}}
		return a
	}
	step := intervals[len(intervals)-1]
	for _, v := range intervals {
		if hi.Sub(lo)/v.approx <= time.Duration(max(n, 2)) {
			step = v
			break
		}
	}
	last := ""
	for t := step.floor(lo); !t.After(hi) && len(a.ticks) < 100; t = step.next(t) {
		if t.Before(lo) {
			continue
		}
		label, second := step.label(t)
		if second == last {
			second = ""
		} else {
			last = second
		}
		a.ticks = append(a.ticks, tick{at: seconds(t), label: label, second: second})
	}
	return a
}

// floor is the last round time at or before t.
func (v interval) floor(t time.Time) time.Time {
	y, m, d := t.Date()
	switch v.unit {
	case 's':
		midnight := time.Date(y, m, d, 0, 0, 0, 0, t.Location())
		past := int(t.Sub(midnight) / time.Second)
		return midnight.Add(time.Duration(past/v.n*v.n) * time.Second)
	case 'd':
		if v.n >= 7 { // weeks begin on Monday
			d -= (int(t.Weekday()) + 6) % 7
		}
		return time.Date(y, m, d, 0, 0, 0, 0, t.Location())
	case 'm':
		return time.Date(y, time.Month((int(m)-1)/v.n*v.n+1), 1, 0, 0, 0, 0, t.Location())
	}
	return time.Date(y-((y%v.n)+v.n)%v.n, 1, 1, 0, 0, 0, 0, t.Location())
}

// next is the round time after t, itself round. Days and longer go by the calendar, so that a
// change to summer time does not move them.
func (v interval) next(t time.Time) time.Time {
	switch v.unit {
	case 's':
		return t.Add(time.Duration(v.n) * time.Second)
	case 'd':
		return t.AddDate(0, 0, v.n)
	case 'm':
		return t.AddDate(0, v.n, 0)
	}
	return t.AddDate(v.n, 0, 0)
}

// label gives a tick's text and the larger unit that stands below it.
func (v interval) label(t time.Time) (label, second string) {
	switch {
	case v.unit == 's' && v.n < 60:
		return t.Format("15:04:05"), t.Format("2006-01-02")
	case v.unit == 's':
		return t.Format("15:04"), t.Format("2006-01-02")
	case v.unit == 'd':
		return t.Format("01-02"), t.Format("2006")
	case v.unit == 'm':
		return t.Format("Jan"), t.Format("2006")
	}
	return t.Format("2006"), ""
}
