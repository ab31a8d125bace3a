// Package forecast does the work of `hanji forecast` for a Go program: a panel of series goes in, forecasts with
// quantiles come out, with the reason for the method that made them.
//
//	t, err := table.Open("sales.csv", table.Options{})
//	p, err := series.FromTable(t, series.Options{})
//	r, err := forecast.Run(ctx, p, forecast.Options{Horizon: 12})
//	err = table.WriteFile("forecast.csv", r.Table())
//
// Without a model each series gets the method that its own past speaks for: a weighted combination of classical methods,
// or one method alone where a rolling-origin backtest puts it clearly ahead ([Auto]). A loaded checkpoint
// (model.Forecaster, such as model/all opens) takes their place when given. Covariates known ahead enter by a regression, or
// as channels of a checkpoint that mixes them. [Backtest] measures all of them.
//
// The package also trains: [Recipe] is what `hanji train` runs.
//
// It names no model family, reads no file and prints nothing; command line, pictures and servers are its users.
package forecast
