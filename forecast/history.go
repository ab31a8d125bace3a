package forecast

import (
	"math"
	"slices"

	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/synth"
	"github.com/hanji-ml/hanji/tensor"
)

// Short lets a model that was trained on short and broken histories (recipes/embedded-forecast.yaml) see them as it did
// in training: standardised in float64, padded in front to the whole context with a mask, the season as a token. The
// zero Season is an unknown one. It implements model.Forecaster, each channel by itself, and is safe for concurrent use.
//
// A caller that leaves this to the model itself gets zeros in front that count as observed.
type Short struct {
	Model  model.Forecaster // of one channel, with season tokens
	Season int              // steps a season: 12 for monthly data, 1 for none, 0 where nobody knows
}

// WithSeason is s for data of another season.
func (s Short) WithSeason(m int) model.Forecaster { return Short{s.Model, m} }

// Spec implements model.Forecaster.
func (s Short) Spec() model.Spec {
	spec := s.Model.Spec()
	spec.Channels = 0
	return spec
}

// Forecast implements model.Forecaster. NaN in Past counts as not observed. A channel without any observation gives NaN.
func (s Short) Forecast(ctx *tensor.Ctx, w model.Window) model.Forecast {
	spec := s.Model.Spec()
	B, T, C := w.Past.Dim(0), w.Past.Dim(1), w.Past.Dim(2)
	past := w.Past.Read()
	var seen []float32
	if w.Observed != nil {
		seen = w.Observed.Read()
	}
	h := newHistories(spec.Context, B*C)
	y := make([]float64, T)
	for b := range B {
		for c := range C {
			for t := range y {
				at := (b*T+t)*C + c
				if y[t] = float64(past[at]); seen != nil && seen[at] == 0 {
					y[t] = math.NaN()
				}
			}
			h.add(y, s.Season)
		}
	}
	f := s.Model.Forecast(ctx, h.window(ctx))
	out := model.Forecast{Mean: h.restore(ctx, f.Mean, C)}
	if f.Quantiles != nil {
		out.Quantiles = h.restore(ctx, f.Quantiles, C)
	}
	return out
}

// SeasonToken is the frequency token for a season of m steps: its place among synth.Seasons, from 1; 0 for others.
func SeasonToken(m int) int64 {
	if i, ok := slices.BinarySearch(synth.Seasons(), m); ok {
		return int64(i + 1)
	}
	return 0
}

// histories is a batch of standardised and padded pasts.
type histories struct {
	context        int
	past, observed []float32 // [B, T]
	token          []int64   // [B]
	loc, scale     []float64 // [B]: y = past·scale + loc
}

func newHistories(context, capacity int) *histories {
	return &histories{context: context, past: make([]float32, 0, capacity*context), observed: make([]float32, 0, capacity*context)}
}

// add appends the last context steps of y, NaN where nothing was observed, less the last value (as NLinear does, Zeng et
// al., arXiv 2205.13504: a model that forecasts changes is exact on calm series) and over the deviation. Gaps are bridged
// by straight lines, what lies before the first value and after the last is the mean; neither counts as observed.
// season 0: unknown.
func (h *histories) add(y []float64, season int) {
	if len(y) > h.context {
		y = y[len(y)-h.context:]
	}
	mean, scale, n, loc := 0.0, 0.0, 0.0, math.NaN()
	for _, v := range y {
		if !math.IsNaN(v) {
			mean, loc = mean+v, v
			n++
		}
	}
	mean /= n
	for _, v := range y {
		if !math.IsNaN(v) {
			scale += (v - mean) * (v - mean)
		}
	}
	if scale = math.Sqrt(scale / n); scale == 0 {
		scale = 1
	}
	h.loc, h.scale, h.token = append(h.loc, loc), append(h.scale, scale), append(h.token, SeasonToken(season))
	at := len(h.past)
	h.past, h.observed = append(h.past, make([]float32, h.context)...), append(h.observed, make([]float32, h.context)...)
	past, observed := h.past[at:], h.observed[at:]
	front, last := h.context-len(y), -1
	for t := range past {
		past[t] = float32((mean - loc) / scale)
	}
	for t, v := range y {
		if math.IsNaN(v) {
			continue
		}
		past[front+t], observed[front+t] = float32((v-loc)/scale), 1
		for g := last + 1; last >= 0 && g < t; g++ {
			share := float32(g-last) / float32(t-last)
			past[front+g] = past[front+last] + share*(past[front+t]-past[front+last])
		}
		last = t
	}
}

// window puts the batch on ctx.
func (h *histories) window(ctx *tensor.Ctx) model.Window {
	B := len(h.loc)
	return model.Window{Past: ctx.F32s(h.past, B, h.context, 1), Observed: ctx.F32s(h.observed, B, h.context, 1), Freq: ctx.Ints(h.token, B)}
}

// restore brings x [B·C, H, 1(, Q)] into the units of the series: [B, H, C(, Q)].
func (h *histories) restore(ctx *tensor.Ctx, x *tensor.Tensor, C int) *tensor.Tensor {
	v := x.Read()
	N, H, Q := x.Dim(0), x.Dim(1), 1
	shape := []int{N / C, H, C}
	if x.Rank() == 4 {
		Q = x.Dim(3)
		shape = append(shape, Q)
	}
	out := make([]float32, len(v))
	for i := range N {
		b, c := i/C, i%C
		for t := range H {
			for q := range Q {
				out[((b*H+t)*C+c)*Q+q] = float32(float64(v[(i*H+t)*Q+q])*h.scale[i] + h.loc[i])
			}
		}
	}
	return ctx.F32s(out, shape...)
}
