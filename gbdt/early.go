package gbdt

import "strings"

// earlyStop stops when a metric of a validation set has not improved for some rounds, as the callback of LightGBM's
// Python package does, or with Options.AsCommand as GBDT::OutputMetric.
type earlyStop struct {
	o         *Options
	best      []float64
	at        []int // iteration of best, from 1
	bestIter  int   // where training stopped; 0: it went on
	firstName string
}

// update takes in the results of an iteration; last says that it is the last one anyway.
func (e *earlyStop) update(t *trainer, results []Result, last bool) (stop bool) {
	if e.best == nil {
		e.best, e.at = make([]float64, len(results)), make([]int, len(results))
		if len(results) > 0 {
			e.firstName = results[0].Metric
		}
	}
	train := map[string]bool{}
	for _, s := range t.sets {
		train[s.name] = s.train
	}
	for i, r := range results {
		delta := r.Value - e.best[i]
		if !r.BiggerWins {
			delta = -delta
		}
		if e.at[i] == 0 || delta > e.o.EarlyStoppingMinDelta {
			e.best[i], e.at[i] = r.Value, t.round
		}
		if train[r.Set] || e.leftOut(results, i) {
			continue
		}
		if t.round-e.at[i] >= e.o.EarlyStoppingRound || last && !e.o.AsCommand {
			e.bestIter = e.at[i]
			return true
		}
	}
	return false
}

// leftOut tells whether a result has no say in stopping.
func (e *earlyStop) leftOut(results []Result, i int) bool {
	if !e.o.AsCommand {
		return e.o.FirstMetricOnly && results[i].Metric != e.firstName
	}
	family := func(name string) string { base, _, _ := strings.Cut(name, "@"); return base }
	mine := family(results[i].Metric)
	if e.o.FirstMetricOnly && mine != family(e.firstName) {
		return true
	}
	return i+1 < len(results) && results[i+1].Set == results[i].Set && family(results[i+1].Metric) == mine
}
