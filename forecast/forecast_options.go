package forecast

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/series"
)

// Auto is the name of the default model: a choice for each series.
const Auto = "auto"

// Options of [Run] and [Backtest]. The zero value works.
type Options struct {
	// Horizon is the number of steps to forecast. Default (0): what the file asks for (.tsf), else as far as future
	// covariates are known, else [DefaultHorizon].
	Horizon int
	// Freq replaces the frequency of every series. Default (zero): the panel's.
	Freq series.Freq
	// Season is the number of steps in a season. Default (0): that of the frequency.
	Season int
	// Model is a name of [Models]. Default: [Auto]. It must be empty where Forecaster is given.
	Model string
	// Forecaster is a loaded checkpoint that makes the forecasts.
	Forecaster model.Forecaster
	// Embedded is one more candidate of Auto, for series of at least 24 points. It takes one channel. Default: none.
	Embedded model.Forecaster
	// Quantiles to give beside the mean, each in (0, 1). Default (with Levels nil too): 0.1, 0.5, 0.9.
	Quantiles []float64
	// Levels are central prediction intervals: 0.8 adds the quantiles 0.1 and 0.9.
	Levels []float64
	// NonNeg raises what falls below zero to zero: for counts, sales, loads.
	NonNeg bool
	// Fill is how missing values are filled: linear, forward, seasonal, zero or mean. Default (""): seasonal, and a series
	// whose values end more than a horizon before its rows do is refused.
	Fill string
	// History is the number of last steps that a method without a fixed look-back is fitted on. Default (0): 500, or ten
	// seasons if these are more, at most 5000. What is older says little about the next steps and costs time.
	History int
	// Backtest is how Backtest and the choice of Auto move their origin.
	Backtest BacktestOptions
	// Progress, if not nil, hears of every series done; calls come one at a time, from any goroutine.
	Progress func(done, total int)
}

// BacktestOptions say from where the past is forecast.
type BacktestOptions struct {
	// Windows is the number of origins, the last one a horizon before the end. Default (0): 3.
	Windows int
	// Step is the number of steps between origins. Default (0): the horizon.
	Step int
}

// methods by name, for a season of m steps and a horizon of h; Auto and Forecaster are apart, as they are no single method.
var methods = map[string]func(m, h int) series.Method{
	"naive":          always(series.Naive{}),
	"seasonal-naive": always(series.SeasonalNaive{}),
	"drift":          always(series.Drift{}),
	"ses":            always(series.SES{}),
	"theta":          always(series.Theta{}),
	"ets":            always(series.ETS{}),
	"holt-winters":   always(series.HoltWinters{Damped: true}),
	"arima":          always(series.ARIMA{}),
	"ar":             func(m, _ int) series.Method { return autoregression(m) },
	"combination":    func(m, h int) series.Method { return combination(members(m), m, h) },
}

func always(m series.Method) func(m, h int) series.Method {
	return func(int, int) series.Method { return m }
}

// combination weighs its members by their errors over the horizon, or over a season where that is longer.
func combination(of []series.Method, m, h int) series.Combination {
	c := series.Combination{Methods: of}
	if h > m && m > 1 {
		c.Horizon = h
	}
	return c
}

// members of the combination: series.Combination's own, but for long seasons.
func members(m int) []series.Method {
	return []series.Method{series.ETS{}, series.Theta{}, series.HoltWinters{Damped: true}, autoregression(m)}
}

// autoregression is the seasonal one where a level for each season and every lag up to one season can be estimated in
// bearable time (the work grows with m³), else one on the last steps and those a season ago.
func autoregression(m int) series.Method {
	if m <= 24 {
		return series.AR{Seasonal: true}
	}
	return longAR{}
}

// longAR is an autoregression on the lags 1, 2, 3, m−1, m and m+1; where the series has fewer than three seasons, on the
// last steps alone.
type longAR struct{}

func (longAR) Name() string { return "AR" }

func (longAR) Fit(y []float64, m int) (series.Fitted, error) {
	if len(y) < 3*m {
		return series.AR{MaxLag: 8}.Fit(y, 1)
	}
	return series.AR{Lags: []int{1, 2, 3, m - 1, m, m + 1}}.Fit(y, m)
}

// Models lists the names Options.Model takes, Auto first.
func Models() []string {
	return append([]string{Auto}, slices.Sorted(maps.Keys(methods))...)
}

// Validate reports everything that is wrong with o.
func (o *Options) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for name, v := range map[string]int{"horizon": o.Horizon, "season": o.Season, "history": o.History, "windows": o.Backtest.Windows, "step": o.Backtest.Step} {
		if v < 0 {
			bad("%s %d is below zero", name, v)
		}
	}
	if o.Horizon > maxHorizon {
		bad("horizon %d: at most %d steps", o.Horizon, maxHorizon)
	}
	switch {
	case o.Forecaster != nil && o.Model != "":
		bad("both a model name (%s) and a loaded model are given", o.Model)
	case o.Model != "" && o.Model != Auto && methods[o.Model] == nil:
		bad("no model %q; there are %s, or a checkpoint", o.Model, strings.Join(Models(), ", "))
	}
	for _, q := range o.Quantiles {
		if !(q > 0 && q < 1) {
			bad("quantile %g is not between 0 and 1", q)
		}
	}
	for _, l := range o.Levels {
		if !(l > 0 && l < 1) {
			bad("level %g is not between 0 and 1; 0.8 is the 80 %% interval", l)
		}
	}
	if o.Fill != "" {
		var f series.Fill
		if err := f.UnmarshalText([]byte(o.Fill)); err != nil || f == series.FillNone {
			bad("fill %q: give linear, forward, seasonal, zero or mean", o.Fill)
		}
	}
	if o.Embedded != nil && o.Embedded.Spec().Channels > 1 {
		bad("the embedded model takes %d channels, want one", o.Embedded.Spec().Channels)
	}
	slices.SortFunc(errs, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
	if len(errs) == 0 {
		return nil
	}
	texts := make([]string, len(errs))
	for i, err := range errs {
		texts[i] = err.Error()
	}
	return errors.New("forecast: " + strings.Join(texts, "; ")) // one line, as every error of bad input
}

const maxHorizon = 100_000 // a sane bound of what one call writes, per series

// levels are the quantiles asked for, rising, each once.
func (o *Options) levels() []float64 {
	q := slices.Clone(o.Quantiles)
	for _, l := range o.Levels {
		// Rounded, so that the 80 % interval has the quantile 0.1 and not 0.09999999999999998.
		q = append(q, math.Round((1-l)/2*1e9)/1e9, math.Round((1+l)/2*1e9)/1e9)
	}
	if o.Quantiles == nil && o.Levels == nil {
		q = []float64{0.1, 0.5, 0.9}
	}
	slices.Sort(q)
	return slices.Compact(q)
}

// DefaultHorizon is two seasons, or ten steps where there is no season, but at most 96 steps and a third of the n points
// known (at least one).
func DefaultHorizon(season, n int) int {
	h := 10
	if season > 1 {
		h = 2 * season
	}
	return max(1, min(h, 96, n/3))
}

// job is one series made ready: what to forecast, how far, on what.
type job struct {
	s       *series.Series
	freq    series.Freq
	season  int
	horizon int
	history int
	fill    series.Fill
	notes   []string
}

// ahead is the number of steps for which every future covariate is known.
func ahead(s *series.Series) int {
	n := 0
	for i, c := range s.Future {
		k := len(c.Values)
		for k > len(s.Y) && math.IsNaN(c.Values[k-1]) {
			k--
		}
		if k -= len(s.Y); i == 0 || k < n {
			n = k
		}
	}
	return min(n, maxHorizon)
}

func (o *Options) job(s *series.Series) *job {
	j := &job{s: s, freq: s.Freq, season: o.Season, horizon: o.Horizon, history: o.History, fill: series.FillSeasonal}
	if o.Freq != (series.Freq{}) {
		j.freq = o.Freq
	}
	if j.season == 0 {
		j.season = j.freq.Season()
	}
	if j.horizon == 0 {
		j.horizon = min(s.Horizon, maxHorizon)
	}
	if n := ahead(s); j.horizon <= 0 && n > 0 {
		j.horizon = n
	}
	if j.horizon <= 0 {
		j.horizon = DefaultHorizon(j.season, len(s.Y))
	}
	if j.history == 0 {
		j.history = min(max(500, 10*j.season), 5000)
	}
	if o.Fill != "" {
		if err := j.fill.UnmarshalText([]byte(o.Fill)); err != nil { // Validate has been here before
			panic(err)
		}
	}
	return j
}

// past is the first n observations, without gaps: what is missing in front is cut off, the rest filled from these n alone,
// so that a backtest sees nothing of its future.
func (j *job) past(n int) (y []float64, filled int, err error) {
	y = j.s.Y[:n]
	for len(y) > 0 && math.IsNaN(y[0]) {
		y = y[1:]
	}
	if len(y) == 0 {
		return nil, 0, fmt.Errorf("forecast: series %q: none of the first %d values is known", j.s.ID, n)
	}
	y, filled, err = series.Impute(y, j.fill, j.season)
	if err != nil {
		return nil, 0, fmt.Errorf("forecast: series %q: %w", j.s.ID, err)
	}
	return y, filled, nil
}

// ready notes what was filled and refuses a series that ended long before its rows.
func (j *job) ready(strict bool) (y []float64, err error) {
	tail := 0
	for tail < len(j.s.Y) && math.IsNaN(j.s.Y[len(j.s.Y)-1-tail]) {
		tail++
	}
	if strict && tail > j.horizon && tail < len(j.s.Y) {
		return nil, fmt.Errorf("forecast: series %q is shorter than its neighbours: its last %d values are missing, more than the horizon %d; "+
			"cut all series to one length, leave it out, or say how to fill it (--fill)", j.s.ID, tail, j.horizon)
	}
	y, filled, err := j.past(len(j.s.Y))
	if err != nil {
		return nil, err
	}
	if filled > 0 {
		j.notes = append(j.notes, fmt.Sprintf("%d of %d values were missing and filled (%s)", filled, len(y), j.fill))
	}
	return y, nil
}
