package forecast

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/hanji-ml/hanji/metric"
	"github.com/hanji-ml/hanji/series"
	"github.com/hanji-ml/hanji/table"
)

// Score is how one model did in a backtest; NaN (null in JSON) where nothing could be scored, such as MASE where the
// history never changes.
type Score struct {
	Model    string
	MASE     float64 // mean over series and windows, scaled by the history before each origin; those without a scale are left out
	SMAPE    float64 // mean over series and windows, 0 to 200 (M4)
	WQL      float64 // weighted quantile loss of all levels, pooled over series and windows
	Coverage float64 // share of values between the lowest and the highest quantile
}

// MarshalJSON writes NaN, which JSON has not, as null.
func (s Score) MarshalJSON() ([]byte, error) {
	number := func(v float64) any {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil
		}
		return v
	}
	return json.Marshal(struct {
		Model    string `json:"model"`
		MASE     any    `json:"mase"`
		SMAPE    any    `json:"smape"`
		WQL      any    `json:"wql"`
		Coverage any    `json:"coverage"`
	}{s.Model, number(s.MASE), number(s.SMAPE), number(s.WQL), number(s.Coverage)})
}

// BacktestResult compares models on the past.
type BacktestResult struct {
	Scores  []Score  `json:"scores"`  // of the model asked for first, then of the models to compare it with
	Windows int      `json:"windows"` // forecasts scored for each model, over all series
	Series  int      `json:"series"`  // series long enough for at least one
	Level   float64  `json:"level"`   // what Coverage should be: the highest quantile less the lowest
	Notes   []string `json:"notes"`
}

// Backtest measures, on the last part of every series, the model of the options beside the common ones: from each of
// Options.Backtest.Windows origins the next horizon is forecast from the past alone and compared with what came.
// A series has an origin where at least two seasons (at most half the series) and four values lie before it; a panel without any is an error.
func Backtest(ctx context.Context, p *series.Panel, o Options) (*BacktestResult, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if len(p.Series) == 0 {
		return nil, fmt.Errorf("forecast: %s: no series", p.Name)
	}
	jobs := make([]*job, len(p.Series))
	for i := range p.Series {
		jobs[i] = o.job(&p.Series[i])
	}
	levels := o.levels()
	names := o.contenders()
	each := make([][]tally, len(jobs)) // [series][model]
	var err error
	if o.mixes() {
		err = o.backtestGroups(ctx, p, jobs, names, levels, each)
	} else {
		err = o.each(ctx, len(jobs), func(i int) error {
			var err error
			each[i], err = o.backtestOne(ctx, jobs[i], names, levels, nil)
			return err
		})
	}
	if err != nil {
		return nil, err
	}
	return o.summary(p, each, names, levels)
}

func (o *Options) summary(p *series.Panel, each [][]tally, names []string, levels []float64) (*BacktestResult, error) {
	r := &BacktestResult{Level: levels[len(levels)-1] - levels[0], Notes: o.unused(p)}
	seen := slices.ContainsFunc(p.Series, func(s series.Series) bool { return len(s.Future) > 0 || o.mixes() && len(s.Past) > 0 })
	switch {
	case seen && o.mixes():
		r.Notes = []string{"only " + names[0] + " looks at the covariates"}
	case seen && o.Forecaster == nil:
		r.Notes = append(r.Notes, "only "+names[0]+" looks at the future covariates")
	}
	total := make([]tally, len(names))
	for _, s := range each {
		if len(s) == 0 || s[0].windows == 0 {
			continue
		}
		r.Series++
		r.Windows += s[0].windows
		for i := range s {
			total[i].add(s[i])
		}
	}
	if r.Windows == 0 {
		return nil, fmt.Errorf("forecast: %s: no series is long enough for a backtest; give a shorter horizon or fewer windows", p.Name)
	}
	if left := len(each) - r.Series; left > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%d of %d series are too short for a backtest", left, len(each)))
	}
	for i, name := range names {
		r.Scores = append(r.Scores, total[i].score(name, len(levels)))
	}
	return r, nil
}

// contenders are the models of the table, the one asked for first.
func (o *Options) contenders() []string {
	first := o.Model
	if first == "" {
		first = Auto
	}
	names := []string{first}
	if o.Forecaster != nil {
		names[0] = o.Forecaster.Spec().Family
	}
	if o.Embedded != nil {
		names = append(names, "embedded")
	}
	for _, name := range []string{"combination", "ets", "theta", "seasonal-naive"} {
		if name != names[0] {
			names = append(names, name)
		}
	}
	return names
}

func (o *Options) contender(name string, i int, f series.Freq) method {
	switch {
	case i == 0:
		return o.method(f)
	case name == "embedded":
		return &network{model: o.Embedded, title: name, freq: f}
	}
	return classical{name, methods[name]}
}

// tally adds up scores.
type tally struct {
	windows            int
	mase, smape        float64
	scaled, percents   int // windows in mase and smape
	loss, size         float64
	inside, considered float64
}

func (t *tally) add(u tally) {
	t.windows += u.windows
	t.mase += u.mase
	t.smape += u.smape
	t.scaled += u.scaled
	t.percents += u.percents
	t.loss += u.loss
	t.size += u.size
	t.inside += u.inside
	t.considered += u.considered
}

func (t *tally) score(name string, levels int) Score {
	return Score{name, t.mase / float64(t.scaled), t.smape / float64(t.percents), t.loss / float64(levels) / t.size, t.inside / t.considered}
}

// origins of the windows, the last first.
func (o *Options) origins(j *job) []int {
	windows, step := o.Backtest.Windows, o.Backtest.Step
	if windows == 0 {
		windows = 3
	}
	if step == 0 {
		step = j.horizon
	}
	var out []int
	n := len(j.s.Y)
	for w := range windows {
		origin := n - j.horizon - w*step
		if origin < max(4, min(2*j.season, n/2)) {
			break
		}
		out = append(out, origin)
	}
	return out
}

// backtestOne scores every model on one series; a series too short gives tallies without windows. ahead, where given, are
// the first model's forecasts from each origin, made elsewhere.
func (o *Options) backtestOne(ctx context.Context, j *job, names []string, levels []float64, ahead []prediction) ([]tally, error) {
	out := make([]tally, len(names))
	for w, origin := range o.origins(j) {
		y, _, err := j.past(origin)
		if err != nil || ahead != nil && w == len(ahead) {
			break // the series begins later
		}
		actual := j.s.Y[origin : origin+j.horizon]
		for i, name := range names {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			m := o.contender(name, i, j.freq)
			v, err := j.view(y, origin, m)
			if err != nil {
				return nil, err
			}
			var d prediction
			if i == 0 && ahead != nil {
				d = ahead[w]
			} else if d, err = m.predict(ctx, v, j.horizon); err != nil {
				return nil, fmt.Errorf("forecast: series %q: %s: %w", j.s.ID, name, err)
			}
			r, err := o.finish(j, m, d, levels)
			if err != nil {
				return nil, err
			}
			out[i].window(actual, y, &r, levels, j.season)
		}
	}
	return out, nil
}

// window scores one forecast.
func (t *tally) window(actual, past []float64, r *SeriesResult, levels []float64, m int) {
	t.windows++
	if v := metric.MASE(actual, r.Mean, past, m); !math.IsNaN(v) && !math.IsInf(v, 0) {
		t.mase += v
		t.scaled++
	}
	if v := metric.SMAPE(actual, r.Mean, metric.SMAPEPercent); !math.IsNaN(v) {
		t.smape += v
		t.percents++
	}
	known := 0.0
	for _, v := range actual {
		if !math.IsNaN(v) {
			known++
			t.size += math.Abs(v)
		}
	}
	if known == 0 {
		return
	}
	for q, level := range levels {
		t.loss += metric.QuantileLoss(actual, r.Quantiles[q], level)
	}
	t.considered += known
	t.inside += known * metric.Coverage(actual, r.Quantiles[0], r.Quantiles[len(levels)-1])
}

// Text is the comparison as a table to read.
func (r *BacktestResult) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-16s %8s %8s %8s %9s\n", "model", "MASE", "sMAPE", "WQL", "coverage")
	for _, s := range r.Scores {
		fmt.Fprintf(&b, "%-16s %8.3f %8.2f %8.4f %8.1f%%\n", s.Model, s.MASE, s.SMAPE, s.WQL, 100*s.Coverage)
	}
	fmt.Fprintf(&b, "%d forecasts of %d series; the interval promises %.0f %%\n", r.Windows, r.Series, 100*r.Level)
	return b.String()
}

// Table is the comparison in rows: model, mase, smape, wql, coverage.
func (r *BacktestResult) Table() *table.Table {
	names := table.Column{Name: "model", Kind: table.String}
	numbers := []table.Column{{Name: "mase"}, {Name: "smape"}, {Name: "wql"}, {Name: "coverage"}}
	for _, s := range r.Scores {
		names.Strings = append(names.Strings, s.Model)
		for i, v := range []float64{s.MASE, s.SMAPE, s.WQL, s.Coverage} {
			numbers[i].Kind = table.Float
			numbers[i].Floats = append(numbers[i].Floats, v)
		}
	}
	t, err := table.New(append([]table.Column{names}, numbers...)...)
	if err != nil { // columns of equal length and different names
		panic(err)
	}
	return t
}
