package forecast

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/hanji-ml/hanji/series"
)

// runGroups forecasts with a model that mixes a fixed number of channels: each multivariate series of the panel is one
// window, its targets in the panel's order, its covariates (past ones first) in the channels that are no target.
func (o *Options) runGroups(ctx context.Context, p *series.Panel, jobs []*job, r *Result) error {
	groups := p.Groups()
	return o.each(ctx, len(groups), func(i int) error {
		members := make([]*job, len(groups[i]))
		for k, at := range groups[i] {
			members[k] = jobs[at]
		}
		n := &network{model: o.Forecaster, freq: members[0].freq}
		w, err := o.groupWindow(n, members, len(members[0].s.Y))
		if err != nil {
			return err
		}
		j := members[0]
		d, err := n.predictAll(ctx, w, j.season, j.horizon)
		if err != nil {
			return fmt.Errorf("forecast: series %q: %w", j.s.ID, err)
		}
		for k, at := range groups[i] {
			if r.Series[at], err = o.finish(members[k], n, d[k], r.Quantiles); err != nil {
				return err
			}
		}
		return nil
	})
}

// mixes tells whether the model asked for looks at several channels at once.
func (o *Options) mixes() bool { return o.Forecaster != nil && o.Forecaster.Spec().Channels > 1 }

// backtestGroups scores the mixing model, group by group, and the common ones on each series of the group.
func (o *Options) backtestGroups(ctx context.Context, p *series.Panel, jobs []*job, names []string, levels []float64, each [][]tally) error {
	groups := p.Groups()
	return o.each(ctx, len(groups), func(i int) error {
		members := make([]*job, len(groups[i]))
		for k, at := range groups[i] {
			members[k] = jobs[at]
		}
		ahead, err := o.groupAhead(ctx, members)
		if err != nil {
			return err
		}
		for k, at := range groups[i] {
			if each[at], err = o.backtestOne(ctx, members[k], names, levels, ahead[k]); err != nil {
				return err
			}
		}
		return nil
	})
}

// groupAhead forecasts the members from each origin [member][origin]: of covariates, only what is known ahead goes on
// beyond it. It ends at an origin before which some member has no value.
func (o *Options) groupAhead(ctx context.Context, members []*job) ([][]prediction, error) {
	n, out := &network{model: o.Forecaster, freq: members[0].freq}, make([][]prediction, len(members))
	for k := range out {
		out[k] = []prediction{} // nil would mean forecasts not made here
	}
	for _, origin := range o.origins(members[0]) {
		if slices.ContainsFunc(members, func(j *job) bool { _, _, err := j.past(origin); return err != nil }) {
			break
		}
		w, err := o.groupWindow(n, members, origin)
		if err != nil {
			return nil, err
		}
		d, err := n.predictAll(ctx, w, members[0].season, members[0].horizon)
		if err != nil {
			return nil, fmt.Errorf("forecast: series %q: %w", members[0].s.ID, err)
		}
		for k := range out {
			out[k] = append(out[k], d[k])
		}
	}
	return out, nil
}

// groupWindow lays the members and their covariates out as the model's channels, as known after the first steps of
// them: all, or those before an origin of a backtest.
func (o *Options) groupWindow(n *network, members []*job, steps int) (window, error) {
	j, spec := members[0], n.model.Spec()
	targets := n.targets(spec.Channels)
	covariates := len(j.s.Past) + len(j.s.Future)
	if len(members) != len(targets) || covariates != spec.Channels-len(targets) {
		names := make([]string, 0, len(members))
		for _, m := range members[:min(len(members), 8)] {
			names = append(names, m.s.ID)
		}
		return window{}, fmt.Errorf("forecast: %s mixes %d channels: %d targets and %d covariates; here are %d targets (%s) and %d covariates: choose the columns that fit",
			n.name(), spec.Channels, len(targets), spec.Channels-len(targets), len(members), strings.Join(names, ", "), covariates)
	}
	w := window{past: make([][]float64, spec.Channels)}
	for i, m := range members {
		if len(m.s.Y) != len(j.s.Y) {
			return w, fmt.Errorf("forecast: series %q has %d steps and %q %d: channels of one model must have one length", m.s.ID, len(m.s.Y), j.s.ID, len(j.s.Y))
		}
		var err error
		if steps == len(m.s.Y) {
			w.past[targets[i]], err = m.ready(o.Fill == "")
		} else {
			w.past[targets[i]], _, err = m.past(steps)
		}
		if err != nil {
			return w, err
		}
	}
	if len(j.s.Future) > 0 {
		w.future = make([][]float64, spec.Channels)
	}
	at := 0
	for k, c := range slices.Concat(j.s.Past, j.s.Future) {
		for slices.Contains(targets, at) {
			at++
		}
		v, _, err := series.Impute(c.Values[:steps], j.fill, j.season)
		if err != nil {
			return w, fmt.Errorf("forecast: covariate %q: %w", c.Name, err)
		}
		w.past[at] = v
		if k >= len(j.s.Past) {
			w.future[at] = c.Values[steps:]
		}
		at++
	}
	w.level()
	return w, nil
}

// level cuts the channels to the length of the shortest: those whose first values were missing begin later.
func (w *window) level() {
	n := math.MaxInt
	for _, y := range w.past {
		n = min(n, len(y))
	}
	for c, y := range w.past {
		w.past[c] = y[len(y)-n:]
	}
}
