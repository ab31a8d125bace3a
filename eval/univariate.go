package eval

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/hanji-ml/hanji/metric"
	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/series"
	"github.com/hanji-ml/hanji/tensor"
)

// UnivariateOptions of Univariate.
type UnivariateOptions struct {
	Season int // steps of a season, for the denominator of MASE and for models that ask; 0: that of the series' frequency, an error where it has none
	Batch  int // series forecast at once [256]
}

// UnivariateResult is a model's error on a panel of single series, averaged over the series.
type UnivariateResult struct {
	Series   int     `json:"series"`             // evaluated
	LeftOut  int     `json:"left_out"`           // whose history never changes: MASE divides by zero
	MASE     float64 `json:"mase"`               // mean of the series' MASE
	Naive    float64 `json:"seasonal_naive"`     // the same for the seasonal naive forecast
	Coverage float64 `json:"coverage,omitempty"` // share of steps within the interval below, of all steps of all series
	Low      float64 `json:"low,omitempty"`      // the outermost levels of the model, such as 0.1 and 0.9
	High     float64 `json:"high,omitempty"`
	Pinball  float64 `json:"pinball,omitempty"` // mean over levels, steps and series, over the denominator of MASE
}

// Univariate forecasts the last steps of every series from those before, by the protocol of the Monash archive (Godahewa
// et al. 2021, §4): the horizon is that of the file or of the series, the error's denominator the mean |y_t − y_{t−m}|
// of what comes before. The forecast is the model's median where it has quantiles.
func Univariate(ctx context.Context, m model.Forecaster, p *series.Panel, o UnivariateOptions) (res UnivariateResult, err error) {
	defer tensor.Recover(&err)
	if o.Batch == 0 {
		o.Batch = 256
	}
	groups := map[[2]int][]*series.Series{} // by horizon and season
	var order [][2]int
	for i := range p.Series {
		s := &p.Series[i]
		season := o.Season
		if season == 0 && s.Freq == (series.Freq{}) {
			return res, fmt.Errorf("eval: series %q has numbered steps and no frequency; give the season (12 for monthly data)", s.ID)
		}
		if season == 0 {
			season = s.Freq.Season()
		}
		if s.Horizon < 1 || len(s.Y) <= s.Horizon+season {
			return res, fmt.Errorf("eval: series %q has %d points, too few for a horizon of %d and a season of %d", s.ID, len(s.Y), s.Horizon, season)
		}
		k := [2]int{s.Horizon, season}
		if groups[k] == nil {
			order = append(order, k)
		}
		groups[k] = append(groups[k], s)
	}
	spec := m.Spec()
	if q := spec.Quantiles; len(q) > 1 {
		res.Low, res.High = q[0], q[len(q)-1]
	}
	inside, steps := 0, 0
	for _, k := range order {
		if k[0] > spec.Horizon {
			return res, fmt.Errorf("eval: horizon %d, but the model forecasts %d steps", k[0], spec.Horizon)
		}
		f := m
		if s, ok := m.(interface{ WithSeason(int) model.Forecaster }); ok {
			f = s.WithSeason(k[1])
		}
		list := groups[k]
		for lo := 0; lo < len(list); lo += o.Batch {
			if ctx.Err() != nil {
				return res, context.Cause(ctx)
			}
			in, n := res.add(f, list[lo:min(lo+o.Batch, len(list))], k[0], k[1])
			inside, steps = inside+in, steps+n
		}
	}
	if res.Series == 0 {
		return res, errors.New("eval: no series that changes")
	}
	n := float64(res.Series)
	res.MASE, res.Naive, res.Pinball = res.MASE/n, res.Naive/n, res.Pinball/n
	if spec.Quantiles != nil {
		res.Coverage = float64(inside) / float64(steps)
	}
	return res, nil
}

// add forecasts a batch and adds its errors to the sums; inside counts the steps within the outermost quantiles.
func (res *UnivariateResult) add(f model.Forecaster, list []*series.Series, h, season int) (inside, steps int) {
	spec := f.Spec()
	T, B, Q := spec.Context, len(list), len(spec.Quantiles)
	past, observed := make([]float32, B*T), make([]float32, B*T)
	for b, s := range list {
		y := s.Y[:len(s.Y)-h]
		for t := max(0, len(y)-T); t < len(y); t++ {
			if at := b*T + T - len(y) + t; !math.IsNaN(y[t]) {
				past[at], observed[at] = float32(y[t]), 1
			}
		}
	}
	tctx := tensor.New(tensor.Options{})
	defer tctx.Close()
	out := model.ForecastBatch(tctx, f, model.Window{Past: tctx.F32s(past, B, T, 1), Observed: tctx.F32s(observed, B, T, 1)})
	H, mean := out.Mean.Dim(1), out.Mean.Read()
	var quantiles []float32
	if out.Quantiles != nil {
		quantiles = out.Quantiles.Read()
	}
	for b, s := range list {
		train, y := s.Y[:len(s.Y)-h], s.Y[len(s.Y)-h:]
		scale := metric.NaiveMAE(train, season)
		if !(scale > 0) {
			res.LeftOut++
			continue
		}
		res.Series++
		for t, v := range y {
			res.MASE += math.Abs(v-float64(mean[b*H+t])) / scale / float64(h)
			res.Naive += math.Abs(v-train[len(train)-season+t%season]) / scale / float64(h)
			if quantiles == nil {
				continue
			}
			q := quantiles[(b*H+t)*Q : (b*H+t+1)*Q]
			for i, level := range spec.Quantiles {
				res.Pinball += metric.Pinball([]float64{v}, []float64{float64(q[i])}, level) / scale / float64(h*Q)
			}
			if float64(q[0]) <= v && v <= float64(q[Q-1]) {
				inside++
			}
			steps++
		}
	}
	return inside, steps
}
