package model

import "github.com/hanji-ml/hanji/tensor"

// series is about how many series of a batch are worked on together: enough rows for its products to pay for packing
// the weights, few enough for the activations of a small model to stay in L2 or L3.
const series = 112

// ForecastBatch is m.Forecast for batches of any size: pieces of about a hundred series are worked on at once, which
// keeps every core busy and activations in the cache.
func ForecastBatch(ctx *tensor.Ctx, m Forecaster, w Window) Forecast {
	windows := max(1, series/max(1, w.Past.Dim(2)))
	out := tensor.Pieces(ctx, windows, []*tensor.Tensor{w.Past, w.Observed, w.Future, w.Freq, w.Static}, func(c *tensor.Ctx, in []*tensor.Tensor) []*tensor.Tensor {
		f := m.Forecast(c, Window{Past: in[0], Observed: in[1], Future: in[2], Freq: in[3], Static: in[4]})
		return []*tensor.Tensor{f.Mean, f.Quantiles}
	})
	return Forecast{Mean: out[0], Quantiles: out[1]}
}
