package forecast

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/hanji-ml/hanji/internal/par"
	"github.com/hanji-ml/hanji/series"
)

// Result is what Run came to.
type Result struct {
	Quantiles []float64 // levels, rising
	Series    []SeriesResult
	Notes     []string // about the panel as a whole
}

// SeriesResult is the forecast of one series.
type SeriesResult struct {
	ID        string
	First     int         // number of the first step forecast: the observations before it
	Time      []time.Time // stamp of each step [H]; nil where steps are numbered
	Mean      []float64   // [H]
	Quantiles [][]float64 // [Q][H], levels as Result.Quantiles: never falling in Q
	Model     string      // that made the forecast
	Why       string      // why this one
	Season    int         // steps in a season, as the model was told; 1: none
	Notes     []string    // what was filled or cut
}

// prediction is what a method says about the next steps.
type prediction struct {
	mean     []float64
	quantile func(q float64) []float64
	model    string // empty: the method's own name
	why      string
	effects  string // of the covariates
}

// method forecasts h steps after the past of v.
type method interface {
	name() string
	predict(ctx context.Context, v view, h int) (prediction, error)
}

// Run forecasts every series of the panel. The outcome depends on neither the order of the series nor the number of
// threads; a series is forecast from its own past alone, unless the model mixes channels.
//
// Errors name the series. A series is refused where no value is known, or where its values end long before its rows
// (see Options.Fill); a cancelled ctx gives its cause.
func Run(ctx context.Context, p *series.Panel, o Options) (*Result, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if len(p.Series) == 0 {
		return nil, fmt.Errorf("forecast: %s: no series", p.Name)
	}
	jobs, err := o.jobs(p)
	if err != nil {
		return nil, err
	}
	r := &Result{Quantiles: o.levels(), Series: make([]SeriesResult, len(jobs))}
	if o.mixes() {
		if err := o.runGroups(ctx, p, jobs, r); err != nil {
			return nil, err
		}
		return r, nil
	}
	r.Notes = o.unused(p)
	err = o.each(ctx, len(jobs), func(i int) error {
		j := jobs[i]
		m := o.method(j.freq)
		y, err := j.ready(o.Fill == "")
		if err != nil {
			return err
		}
		v, err := j.view(y, len(j.s.Y), m)
		if err != nil {
			return err
		}
		d, err := m.predict(ctx, v, j.horizon)
		if err != nil {
			return fmt.Errorf("forecast: series %q: %w", j.s.ID, err)
		}
		r.Series[i], err = o.finish(j, m, d, r.Quantiles)
		return err
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// jobs makes every series ready and checks that what is known ahead reaches as far as the horizon.
func (o *Options) jobs(p *series.Panel) ([]*job, error) {
	jobs, furthest := make([]*job, len(p.Series)), 0
	for i := range p.Series {
		if err := p.Series[i].Validate(); err != nil {
			return nil, err
		}
		jobs[i] = o.job(&p.Series[i])
		furthest = max(furthest, jobs[i].horizon)
	}
	return jobs, p.CheckFuture(furthest)
}

// unused says which covariates the model does not look at.
func (o *Options) unused(p *series.Panel) []string {
	past, future := false, false
	for i := range p.Series {
		past, future = past || len(p.Series[i].Past) > 0, future || len(p.Series[i].Future) > 0
	}
	switch {
	case o.Forecaster != nil && (past || future):
		return []string{"the covariates are not used: this model forecasts each series from its own past"}
	case past:
		return []string{"the past covariates are not used: their own future is not known, and only a checkpoint that mixes channels forecasts it with the rest"}
	}
	return nil
}

// method is the one that the options name, for series of a frequency.
func (o *Options) method(f series.Freq) method {
	switch {
	case o.Forecaster != nil:
		return &network{model: o.Forecaster, freq: f}
	case o.Model == "" || o.Model == Auto:
		return &auto{embedded: o.Embedded, freq: f, windows: o.Backtest.Windows}
	}
	return regressed{classical{o.Model, methods[o.Model]}}
}

// finish turns a prediction into a result.
func (o *Options) finish(j *job, m method, d prediction, levels []float64) (SeriesResult, error) {
	s := SeriesResult{ID: j.s.ID, First: len(j.s.Y), Mean: slices.Clone(d.mean), Model: d.model, Why: d.why, Season: j.season, Notes: j.notes}
	if s.Model == "" {
		s.Model = m.name()
	}
	if d.effects != "" {
		s.Why += "; " + d.effects
	}
	if j.freq.Unit != series.NoUnit && !j.s.Start.IsZero() {
		s.Time = make([]time.Time, j.horizon)
		for k := range s.Time {
			s.Time[k] = j.freq.Next(j.s.Start, len(j.s.Y)+k)
		}
	}
	s.Quantiles = d.quantiles(levels)
	for _, row := range append([][]float64{s.Mean}, s.Quantiles...) {
		for k, v := range row {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return s, fmt.Errorf("forecast: series %q: %s gave no finite number at step %d; try another model", j.s.ID, s.Model, k+1)
			}
			if o.NonNeg && v < 0 {
				row[k] = 0
			}
		}
	}
	return s, nil
}

// quantiles are the levels' values [Q][H], made to rise in Q.
func (d prediction) quantiles(levels []float64) [][]float64 {
	out := make([][]float64, len(levels))
	for i, q := range levels {
		out[i] = slices.Clone(d.quantile(q))
		for k := range out[i] {
			if i > 0 {
				out[i][k] = max(out[i][k], out[i-1][k])
			}
		}
	}
	return out
}

// each does work(i) for i < n on all threads and returns the error of the lowest i.
func (o *Options) each(ctx context.Context, n int, work func(i int) error) error {
	errs := make([]error, n)
	var mu sync.Mutex
	done := 0
	par.For(n, 1, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			if ctx.Err() != nil {
				errs[i] = context.Cause(ctx)
				continue
			}
			errs[i] = work(i)
			if o.Progress != nil {
				mu.Lock()
				done++
				o.Progress(done, n)
				mu.Unlock()
			}
		}
	})
	// A series that went wrong is better news than the interruption that may have followed.
	for _, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	return context.Cause(ctx)
}

// classical is a method of package series under the name users give it; which one may depend on the season.
type classical struct {
	title string
	of    func(m, h int) series.Method
}

func (c classical) name() string { return c.title }

func (c classical) predict(_ context.Context, v view, h int) (prediction, error) {
	fitted, err := c.of(v.season, h).Fit(v.y, v.season)
	if err != nil {
		return prediction{}, err
	}
	f := fitted.Forecast(h)
	return prediction{mean: f.Mean, quantile: f.Quantile, why: "asked for"}, nil
}
