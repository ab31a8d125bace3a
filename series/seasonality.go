package series

// Seasonality is the number of steps in the season gluonts assumes (gluonts.time_feature.get_seasonality): the day for
// hours and shorter (an hour for seconds), 5 for business days, the year for months and quarters. It is 1 for days,
// weeks and years, and where the multiple does not divide it. See [Freq.MonashSeasonality] for the other table.
func (f Freq) Seasonality() int {
	base := 1
	switch f.Unit {
	case Second:
		base = 3600
	case Minute:
		base = 1440
	case Hour:
		base = 24
	case BusinessDay:
		base = 5
	case Month:
		base = 12
	case Quarter:
		base = 4
	}
	if base%f.n() != 0 {
		return 1
	}
	return base / f.n()
}

// MonashSeasonality lists, shortest first, the seasons in steps that the Monash archive gives a frequency
// (TSForecasting: SEASONALITY_MAP): a day, a week and a year for hours and shorter, the week for days, the year for
// weeks (52.18 steps: 365.25/7), months and quarters, 1 for years. Its MASE uses the first. Multiples divide; the
// archive has 4, 10, 15 and 30 of them only. Business days, which it does not know, have a week of 5 and a year of 261.
func (f Freq) MonashSeasonality() []float64 {
	n := float64(f.n())
	per := func(stepsADay float64) []float64 {
		return []float64{stepsADay / n, 7 * stepsADay / n, 365.25 * stepsADay / n}
	}
	switch f.Unit {
	case Millisecond:
		return per(86_400_000)
	case Second:
		return per(86_400)
	case Minute:
		return per(1440)
	case Hour:
		return per(24)
	case Day:
		return []float64{7 / n}
	case BusinessDay:
		return []float64{5 / n, 261 / n}
	case Week:
		return []float64{365.25 / 7 / n}
	case Month:
		return []float64{12 / n}
	case Quarter:
		return []float64{4 / n}
	}
	return []float64{1}
}

// Season is the season this program's own forecasts use: the first of [Freq.MonashSeasonality], rounded, and at least 1.
// It differs from gluonts' in giving days their week.
func (f Freq) Season() int {
	s := f.MonashSeasonality()[0]
	return max(int(s+0.5), 1)
}
