package series

import (
	"fmt"
	"time"
)

// TimeFeature is a number from −½ to ½ that tells the position of a date in a cycle of the calendar
// (gluonts.time_feature; the same scaling as DeepAR's reference).
type TimeFeature uint8

const (
	SecondOfMinute TimeFeature = iota
	MinuteOfHour
	HourOfDay
	DayOfWeek // Monday first
	DayOfMonth
	DayOfYear
	WeekOfYear // ISO 8601
	MonthOfYear
)

// timeFeatures has, for each feature, gluonts' name and the largest index, by which it is scaled: a year of 366 days and
// of 53 weeks reaches ½.
var timeFeatures = [...]struct {
	name string
	top  int
}{
	SecondOfMinute: {"second_of_minute", 59},
	MinuteOfHour:   {"minute_of_hour", 59},
	HourOfDay:      {"hour_of_day", 23},
	DayOfWeek:      {"day_of_week", 6},
	DayOfMonth:     {"day_of_month", 30},
	DayOfYear:      {"day_of_year", 365},
	WeekOfYear:     {"week_of_year", 52},
	MonthOfYear:    {"month_of_year", 11},
}

// String is gluonts' name of f, such as "hour_of_day".
func (f TimeFeature) String() string {
	if int(f) < len(timeFeatures) {
		return timeFeatures[f].name
	}
	return fmt.Sprintf("feature(%d)", uint8(f))
}

// ParseTimeFeature finds a feature by gluonts' name.
func ParseTimeFeature(name string) (TimeFeature, error) {
	for i, f := range timeFeatures {
		if f.name == name {
			return TimeFeature(i), nil
		}
	}
	return 0, fmt.Errorf("series: no time feature %q; there are second_of_minute, minute_of_hour, hour_of_day, day_of_week, day_of_month, day_of_year, week_of_year, month_of_year", clipText(name))
}

// Index is the position of t in the cycle, from 0, on the clock of t's location.
func (f TimeFeature) Index(t time.Time) int {
	switch f {
	case SecondOfMinute:
		return t.Second()
	case MinuteOfHour:
		return t.Minute()
	case HourOfDay:
		return t.Hour()
	case DayOfWeek:
		return (int(t.Weekday()) + 6) % 7
	case DayOfMonth:
		return t.Day() - 1
	case DayOfYear:
		return t.YearDay() - 1
	case WeekOfYear:
		_, week := t.ISOWeek()
		return week - 1
	case MonthOfYear:
		return int(t.Month()) - 1
	}
	return 0
}

// Value is Index scaled to −½ … ½.
func (f TimeFeature) Value(t time.Time) float64 {
	if int(f) >= len(timeFeatures) {
		return 0
	}
	return float64(f.Index(t))/float64(timeFeatures[f].top) - 0.5
}

// TimeFeatures lists the features gluonts gives series of this frequency
// (time_features_from_frequency_str): the cycles longer than a step. Years and numbered steps have none.
func (f Freq) TimeFeatures() []TimeFeature {
	switch f.Unit {
	case Millisecond, Second:
		return []TimeFeature{SecondOfMinute, MinuteOfHour, HourOfDay, DayOfWeek, DayOfMonth, DayOfYear}
	case Minute:
		return []TimeFeature{MinuteOfHour, HourOfDay, DayOfWeek, DayOfMonth, DayOfYear}
	case Hour:
		return []TimeFeature{HourOfDay, DayOfWeek, DayOfMonth, DayOfYear}
	case Day, BusinessDay:
		return []TimeFeature{DayOfWeek, DayOfMonth, DayOfYear}
	case Week:
		return []TimeFeature{DayOfMonth, WeekOfYear}
	case Month, Quarter:
		return []TimeFeature{MonthOfYear}
	}
	return nil
}

// TimeFeatureValues are the features [feature][n] of n steps from start on, feature order as [Freq.TimeFeatures]. Weeks,
// months and quarters are read on the last day of the period, as pandas' periods are.
func (f Freq) TimeFeatureValues(start time.Time, n int) [][]float64 {
	features := f.TimeFeatures()
	out := make([][]float64, len(features))
	for k := range out {
		out[k] = make([]float64, max(n, 0))
	}
	for i := range max(n, 0) {
		t := f.PeriodEnd(f.Next(start, i))
		for k, feature := range features {
			out[k][i] = feature.Value(t)
		}
	}
	return out
}
