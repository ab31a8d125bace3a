// Package series holds time series: frequencies and calendars, reading them from tables and .tsf files, windows, splits,
// scalers, and the classical methods that forecast one series alone.
//
//	t, err := table.Open("sales.csv", table.Options{})
//	p, err := series.FromTable(t, series.Options{}) // time, id and target columns are found; p.Notes says how
//	fit, err := series.ETS{}.Fit(p.Series[0].Y, p.Series[0].Freq.Season())
//	next := fit.Forecast(12).Mean
//
// A missing value is NaN, everywhere. Time follows the calendar of the stamps' own location. Nothing is repaired in
// silence: what was decided, sorted or filled stands in Panel.Notes, what cannot be decided is an error that names the
// line of the file.
//
// The package knows nothing of networks, of training or of files other than through a reader; how good a forecast is, is
// package metric's business.
package series
