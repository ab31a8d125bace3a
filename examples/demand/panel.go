package main

import (
	"fmt"
	"os"

	"github.com/hanji-ml/hanji/metric"
	"github.com/hanji-ml/hanji/series"
)

// panel is series side by side, and what is known of each, of each step, and of each series at each step.
type panel struct {
	y       [][]float64 // [series, step]; the last horizon steps are held out
	horizon int
	season  int
	lags    []int // steps back, beyond those that a forecast has to bridge
	windows []int // lengths of moving averages

	attributes []attribute // of series
	calendar   []known     // of steps
	known      []known     // of series and steps, known ahead: prices

	levels []metric.Level // to add series up by; nil: none
	prices [][]float64    // [series, step], for the value of series; nil: all count the same
}

// attribute is a code for each series.
type attribute struct {
	name  string
	codes []float64
}

// known is a feature that is known for steps to come.
type known struct {
	name        string
	categorical bool
	at          func(series, step int) float64
}

func (p *panel) steps() int { return len(p.y[0]) }

// value is what each series sold for in the last horizon steps of history.
func (p *panel) value() []float64 {
	v := make([]float64, len(p.y))
	for i := range v {
		for t := p.steps() - 2*p.horizon; t < p.steps()-p.horizon; t++ {
			v[i] += p.y[i][t] * p.prices[i][t]
		}
	}
	return v
}

// openMonthly reads series of one length from a Monash file.
func openMonthly(path string) (*panel, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	t, err := series.ReadTSF(file, path, series.TSFOptions{})
	if err != nil {
		return nil, err
	}
	p := &panel{horizon: 12, season: 12, lags: []int{0, 1, 2, 3, 5, 8, 11}, windows: []int{3, 6, 12, 24}}
	id := attribute{name: "id"}
	for i := range t.Panel.Series {
		s := &t.Panel.Series[i]
		if s.Freq.Season() != 12 || len(s.Y) != len(t.Panel.Series[0].Y) || len(s.Y) < 6*12 || s.Missing() > 0 {
			return nil, fmt.Errorf("%s: series %s: monthly values without gaps are wanted, six years or more, as many as the first series has", path, s.ID)
		}
		p.y, id.codes = append(p.y, s.Y), append(id.codes, float64(i))
	}
	first := t.Panel.Series[0]
	p.attributes = []attribute{id}
	p.calendar = []known{{"month", true, func(_, step int) float64 { return float64(first.Time(step).Month()) }}}
	return p, nil
}
