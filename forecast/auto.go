package forecast

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/hanji-ml/hanji/metric"
	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/series"
)

// auto chooses for each series by rolling-origin backtest on its own past. The combination of classical methods is the
// favourite: on short series the winner of a few windows is mostly luck, so another takes its place only by a clear lead.
type auto struct {
	embedded model.Forecaster
	freq     series.Freq
	windows  int // 0: 3
}

func (*auto) name() string { return Auto }

const (
	// lead is the share by which a candidate's backtest error must be below the favourite's. Mean MASE on CIF 2016 and
	// hospital (Monash protocol) by the lead asked for, choosing among combination, ETS and Theta with three windows:
	//
	//	none 0.844 0.758   5 % 0.839 0.750   15 % 0.838 0.743   25 % 0.831 0.742   never choosing 0.824 0.742
	//
	// So a choice costs little from a quarter on, and where one method fits and others do not it is worth much.
	lead = 0.25
	// embeddedLeast is the fewest points the embedded model is asked about.
	embeddedLeast = 24
)

// candidate of a choice.
type candidate struct {
	method
	score float64 // mean absolute error over the windows, in steps of the naive forecast's: MASE
}

func (a *auto) predict(ctx context.Context, v view, h int) (prediction, error) {
	all := a.candidates(v, h)
	windows, err := a.score(ctx, all, v, h)
	if err != nil {
		return prediction{}, err
	}
	best := choose(all)
	d, err := best.predict(ctx, v, h)
	d.model = best.name()
	d.why = why(best, all, windows, len(v.y))
	return d, err
}

// choose takes the best by score if it leads clearly, else the favourite.
func choose(all []*candidate) *candidate {
	best := all[0]
	for _, c := range all[1:] {
		if c.score < (1-lead)*all[0].score && c.score < best.score {
			best = c
		}
	}
	return best
}

// candidates are fresh for each series: they remember fits, so that the combination and its members share them. Where
// covariates are known ahead the classical ones regress on them, and the combination stands for election without as well.
func (a *auto) candidates(v view, h int) []*candidate {
	joint, first := remembered(v.season, h)
	all := []*candidate{
		{method: regressed{joint}},
		{method: regressed{classical{"ets", always(first[0])}}},
		{method: regressed{classical{"theta", always(first[1])}}},
	}
	if len(v.known) > 0 {
		without, _ := remembered(v.season, h)
		without.title += " without covariates"
		all = append(all, &candidate{method: blind{without}})
	}
	if a.embedded != nil && len(v.y) >= embeddedLeast {
		e := &network{model: a.embedded, title: "embedded", freq: a.freq}
		all = append(all, &candidate{method: e}, &candidate{method: mean{[]method{all[0].method, e}}})
	}
	return all
}

// remembered is a combination whose members keep their fits, and the members.
func remembered(m, h int) (classical, []series.Method) {
	of := members(m)
	for i := range of {
		of[i] = &memo{Method: of[i]}
	}
	return classical{"combination", always(combination(of, m, h))}, of
}

// score forecasts the end of y from earlier origins and returns how many there were.
func (a *auto) score(ctx context.Context, all []*candidate, v view, h int) (windows int, err error) {
	y, m, n := v.y, v.season, len(v.y)
	step := max(1, min(h, n/6))
	want := a.windows
	if want == 0 {
		want = 3
	}
	scale := metric.NaiveMAE(y, m)
	if math.IsNaN(scale) || scale == 0 {
		return 0, nil
	}
	for w := 1; w <= want; w++ {
		origin := n - w*step
		if origin < max(4, min(2*m, n/2), n/3) {
			break
		}
		windows++
		for _, c := range all {
			if ctx.Err() != nil {
				return 0, context.Cause(ctx)
			}
			d, err := c.predict(ctx, v.before(origin), step)
			if err != nil {
				return 0, err
			}
			c.score += metric.MAE(y[origin:origin+step], d.mean) / scale
		}
	}
	for _, c := range all {
		if windows > 0 {
			c.score /= float64(windows)
		}
		if math.IsNaN(c.score) {
			c.score = math.Inf(1)
		}
	}
	return windows, nil
}

// why says in words what the backtest said.
func why(best *candidate, all []*candidate, windows, n int) string {
	if windows == 0 {
		return fmt.Sprintf("no backtest to choose by: the %d points known are too few, or without surprise", n)
	}
	var others []string
	for _, c := range all {
		if c != best {
			others = append(others, fmt.Sprintf("%s %.3g", c.name(), c.score))
		}
	}
	reason := "clearly the best"
	if best == all[0] {
		reason = "no other is clearly better"
	}
	backtests := "1 backtest"
	if windows > 1 {
		backtests = fmt.Sprintf("%d backtests", windows)
	}
	return fmt.Sprintf("%s in %s: MASE %.3g; %s", reason, backtests, best.score, strings.Join(others, ", "))
}

// memo remembers the last fit to each length of a series. It serves one goroutine.
type memo struct {
	series.Method
	fits map[int]memory
}

type memory struct {
	y      []float64
	fitted series.Fitted
}

func (f *memo) Fit(y []float64, m int) (series.Fitted, error) {
	// Of one length may also be what regressions from two origins leave.
	if last, ok := f.fits[len(y)]; ok && slices.Equal(last.y, y) {
		return last.fitted, nil
	}
	fitted, err := f.Method.Fit(y, m)
	if err == nil {
		if f.fits == nil {
			f.fits = map[int]memory{}
		}
		f.fits[len(y)] = memory{y, fitted}
	}
	return fitted, err
}

// mean of several methods: of their means, and of their quantiles level by level.
type mean struct{ of []method }

func (s mean) name() string {
	names := make([]string, len(s.of))
	for i, m := range s.of {
		names[i] = m.name()
	}
	return "mean of " + strings.Join(names, " and ")
}

func (s mean) predict(ctx context.Context, v view, h int) (prediction, error) {
	all := make([]prediction, len(s.of))
	for i, one := range s.of {
		var err error
		if all[i], err = one.predict(ctx, v, h); err != nil {
			return prediction{}, err
		}
	}
	average := func(of func(prediction) []float64) []float64 {
		out := make([]float64, h)
		for _, d := range all {
			for k, v := range of(d) {
				out[k] += v / float64(len(all))
			}
		}
		return out
	}
	return prediction{
		mean:     average(func(d prediction) []float64 { return d.mean }),
		quantile: func(q float64) []float64 { return average(func(d prediction) []float64 { return d.quantile(q) }) },
	}, nil
}
