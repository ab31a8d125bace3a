package forecast

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hanji-ml/hanji/series"
)

// view is what a method is shown of one series.
type view struct {
	y      []float64   // the past: at least one value, no gaps
	season int         // steps in a season; 1: none
	names  []string    // of the covariates known ahead
	known  [][]float64 // [covariate][len(y) steps and all that are known after them]
}

// view of the series after its first n steps, of which y is the past. A classical method is fitted on its end; a network
// cuts its own window.
func (j *job) view(y []float64, n int, m method) (view, error) {
	if _, ok := m.(*network); !ok && len(y) > j.history {
		y = y[len(y)-j.history:]
	}
	v := view{y: y, season: j.season}
	for _, c := range j.s.Future {
		observed := len(j.s.Y)
		filled, _, err := series.Impute(c.Values[:observed], j.fill, j.season)
		if err != nil {
			return v, fmt.Errorf("forecast: series %q: covariate %q: %w", j.s.ID, c.Name, err)
		}
		v.names = append(v.names, c.Name)
		v.known = append(v.known, slices.Concat(filled[n-len(y):], c.Values[observed:]))
	}
	return v, nil
}

// before is the view from an earlier origin: what is known ahead stays known.
func (v view) before(origin int) view {
	v.y = v.y[:origin]
	return v
}

// regressed is a classical method on what a regression on the covariates leaves (series.Regress). Its intervals are the
// method's: that the effects are estimates is not in them.
type regressed struct{ classical }

func (r regressed) predict(ctx context.Context, v view, h int) (prediction, error) {
	if len(v.known) == 0 {
		return r.classical.predict(ctx, v, h)
	}
	n := len(v.y)
	past, ahead := make([][]float64, len(v.known)), make([][]float64, len(v.known))
	for i, x := range v.known {
		past[i], ahead[i] = x[:n], x[n:n+h]
	}
	reg, err := series.Regress(v.y, past, v.season)
	if err != nil { // too short: then without
		d, err := r.classical.predict(ctx, view{y: v.y, season: v.season}, h)
		d.why = "asked for; too few points for the covariates"
		return d, err
	}
	d, err := r.classical.predict(ctx, view{y: reg.Rest(v.y, past), season: v.season}, h)
	if err != nil {
		return prediction{}, err
	}
	effect := reg.Effect(ahead)
	add := func(out []float64) []float64 {
		out = slices.Clone(out)
		for k := range out {
			out[k] += effect[k]
		}
		return out
	}
	without := d.quantile
	d.mean, d.quantile = add(d.mean), func(q float64) []float64 { return add(without(q)) }
	effects := make([]string, len(v.names))
	for i, name := range v.names {
		effects[i] = fmt.Sprintf("%.3g (%s)", reg.Coefficients[i], name)
	}
	d.effects = "a unit more of each covariate adds " + strings.Join(effects, ", ")
	return d, nil
}

// blind does not look at covariates.
type blind struct{ method }

func (b blind) predict(ctx context.Context, v view, h int) (prediction, error) {
	return b.method.predict(ctx, view{y: v.y, season: v.season}, h)
}
