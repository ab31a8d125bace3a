package gbdt

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"strconv"
)

// Curve is a metric on a data set over a training.
type Curve struct {
	Set, Metric string
	Iteration   []int // ascending, from 1
	Value       []float64
}

// History holds the metrics of a training, as LightGBM's record_evaluation does, in the order in which they came up.
type History []Curve

// Add takes in the results of iteration n, as Options.OnIter is told them. An iteration below the last one begins again
// from there, as a training does that goes on from its checkpoint: what was known from n on is dropped.
func (h *History) Add(n int, results ...Result) {
	for i := range *h {
		c := &(*h)[i]
		if last := len(c.Iteration) - 1; last >= 0 && c.Iteration[last] > n {
			h.cut(n)
			break
		}
	}
	for _, r := range results {
		c := h.curve(r.Set, r.Metric)
		if last := len(c.Iteration) - 1; last >= 0 && c.Iteration[last] == n {
			c.Value[last] = r.Value
			continue
		}
		c.Iteration, c.Value = append(c.Iteration, n), append(c.Value, r.Value)
	}
}

// cut drops iterations from n on, and curves that are empty then.
func (h *History) cut(n int) {
	kept := (*h)[:0]
	for _, c := range *h {
		k := len(c.Iteration)
		for k > 0 && c.Iteration[k-1] >= n {
			k--
		}
		if c.Iteration, c.Value = c.Iteration[:k], c.Value[:k]; k > 0 {
			kept = append(kept, c)
		}
	}
	*h = kept
}

func (h *History) curve(set, metric string) *Curve {
	for i := range *h {
		if c := &(*h)[i]; c.Set == set && c.Metric == metric {
			return c
		}
	}
	*h = append(*h, Curve{Set: set, Metric: metric})
	return &(*h)[len(*h)-1]
}

// maxCurves bounds what ReadLog looks through for each line.
const maxCurves = 1000

// logLine is what GBDT::OutputMetric writes, whatever stands before it.
var logLine = regexp.MustCompile(`Iteration:(\d{1,9}), (\S+) (\S+) : (\S+)\s*$`)

// ReadLog reads the metrics that the lightgbm command, and hanji boost, wrote while training, from lines such as
//
//	[LightGBM] [Info] Iteration:10, valid_1 auc : 0.796261
//
// and passes over others. Of several trainings in one log the last one counts. A log without such lines gives an empty
// history.
func ReadLog(r io.Reader) (History, error) {
	var h History
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, 1<<20)
	line := 1
	for ; sc.Scan(); line++ {
		m := logLine.FindSubmatch(sc.Bytes())
		if m == nil {
			continue
		}
		n, err := strconv.Atoi(string(m[1]))
		v, err2 := strconv.ParseFloat(trimNaN(string(m[4])), 64)
		if err != nil || err2 != nil {
			return nil, fmt.Errorf("gbdt: log: line %d: %q is no number", line, clip(string(m[4])))
		}
		h.Add(n, Result{Set: string(m[2]), Metric: string(m[3]), Value: v})
		if len(h) > maxCurves {
			return nil, fmt.Errorf("gbdt: log: line %d: more than %d metrics", line, maxCurves)
		}
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("gbdt: log: line %d: %w", line, err)
	}
	return h, nil
}

// trimNaN takes the sign off a NaN, which C may print.
func trimNaN(s string) string {
	if s == "-nan" || s == "-nan(ind)" {
		return "nan"
	}
	return s
}
