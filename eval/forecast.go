// Package eval measures models against published protocols. It never names a model family: what it is given offers
// the small interfaces of package model.
package eval

import (
	"context"
	"fmt"

	"github.com/hanji-ml/hanji/forecast"
	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/series"
)

// ForecastOptions of Forecast.
type ForecastOptions struct {
	Protocol string // of series.LTSFSplit: ett-hour, ett-minute or ltsf
	Horizon  int    // steps; 0: the model's
	DropLast int    // > 0: leave the last windows out that do not fill a batch of so many, as many papers do; their figures are lower for it
}

// ForecastResult is the error on the test part, in units of the training part's standard deviation.
type ForecastResult struct {
	Protocol string   `json:"protocol"`
	Family   string   `json:"family"`
	Context  int      `json:"context"`
	Horizon  int      `json:"horizon"`
	DropLast int      `json:"drop_last"`
	Channels []string `json:"channels"`
	forecast.Error
}

// Forecast evaluates m on the test part of a multivariate series by the protocol of the LTSF papers: channels
// standardised on the training rows, every window of the test part, errors averaged over windows, steps and channels.
func Forecast(ctx context.Context, m model.Forecaster, data *forecast.Matrix, o ForecastOptions) (ForecastResult, error) {
	spec := m.Spec()
	if o.Horizon == 0 {
		o.Horizon = spec.Horizon
	}
	if o.Horizon > spec.Horizon {
		return ForecastResult{}, fmt.Errorf("eval: horizon %d, but the model forecasts %d steps", o.Horizon, spec.Horizon)
	}
	if spec.Channels > 0 && spec.Channels != data.C {
		return ForecastResult{}, fmt.Errorf("eval: the model was built for %d channels, the data has %d", spec.Channels, data.C)
	}
	split, err := series.LTSFSplit(o.Protocol, data.T, spec.Context)
	if err != nil {
		return ForecastResult{}, err
	}
	x := data.Standardise(split.Train)
	w := &forecast.Windows{X: x, C: data.C, Context: spec.Context, Horizon: o.Horizon, Part: split.Test}
	n := series.DropLast(w.Len(), o.DropLast)
	if n < 1 && w.Len() > 0 {
		return ForecastResult{}, fmt.Errorf("eval: the test part has %d windows of %d + %d steps: no batch of %d is full; measure without drop-last",
			w.Len(), spec.Context, o.Horizon, o.DropLast)
	}
	if n < 1 {
		return ForecastResult{}, fmt.Errorf("eval: no window: look-back %d and horizon %d do not fit the test part of %d rows", spec.Context, o.Horizon, split.Test.Len())
	}
	e, err := forecast.Errors(ctx, m, w, n)
	return ForecastResult{Protocol: o.Protocol, Family: spec.Family, Context: spec.Context, Horizon: o.Horizon, DropLast: o.DropLast, Channels: data.Names, Error: e}, err
}
