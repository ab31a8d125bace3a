package main

import (
	"context"
	"fmt"

	"github.com/hanji-ml/hanji/gbdt"
)

// columns are the features' names, and which of them are codes.
func (p *panel) columns() []gbdt.Column {
	var c []gbdt.Column
	for _, l := range p.lags {
		c = append(c, gbdt.Column{Name: fmt.Sprintf("lag_%d", l)})
	}
	for _, w := range p.windows {
		c = append(c, gbdt.Column{Name: fmt.Sprintf("mean_%d", w)})
	}
	c = append(c, gbdt.Column{Name: "season_ago"})
	for _, a := range p.attributes {
		c = append(c, gbdt.Column{Name: a.name, Categorical: true})
	}
	for _, k := range append(p.calendar, p.known...) {
		c = append(c, gbdt.Column{Name: k.name, Categorical: k.categorical})
	}
	return c
}

// row appends the features of a series at a step whose nearest value known lies gap steps back. y and sum, its running sum, may
// hold forecasts. Numbers are in units of the series' scale.
func (p *panel) row(dst []float64, y, sum []float64, scale float64, i, step, gap int) []float64 {
	last := step - gap // the latest value that may be looked at
	for _, l := range p.lags {
		dst = append(dst, y[last-l]/scale)
	}
	for _, w := range p.windows {
		dst = append(dst, (sum[last+1]-sum[last+1-w])/float64(w)/scale)
	}
	ago := (gap + p.season - 1) / p.season * p.season // the same place in the latest season known
	dst = append(dst, y[step-ago]/scale)
	for _, a := range p.attributes {
		dst = append(dst, a.codes[i])
	}
	for _, k := range append(p.calendar, p.known...) {
		dst = append(dst, k.at(i, step))
	}
	return dst
}

// reach is how many steps before its nearest value a row looks.
func (p *panel) reach() int {
	n := p.season
	for _, v := range append(p.lags, p.windows...) {
		n = max(n, v)
	}
	return n
}

// running is y's sum before each step.
func running(y []float64) []float64 {
	sum := make([]float64, 1, len(y)+1)
	for _, v := range y {
		sum = append(sum, sum[len(sum)-1]+v)
	}
	return sum
}

// scales are the mean of each series before a step; 1 where it is 0.
func (p *panel) scales(before int) []float64 {
	s := make([]float64, len(p.y))
	for i, y := range p.y {
		if s[i] = running(y[:before])[before] / float64(before); s[i] == 0 {
			s[i] = 1
		}
	}
	return s
}

// fit trains a model that bridges gap steps on all steps before one. Series count by their scale where they are added up.
func (p *panel) fit(ctx context.Context, o gbdt.Options, before, gap int) (*gbdt.Model, error) {
	data := gbdt.Data{Columns: p.columns()}
	scales := p.scales(before)
	var row []float64
	for i, y := range p.y {
		sum := running(y[:before])
		sold := 0
		for sold < before && y[sold] == 0 {
			sold++ // before the first sale there is no demand to learn from
		}
		for t := max(p.reach()+gap, sold); t < before; t++ {
			row = p.row(row[:0], y, sum, scales[i], i, t, gap)
			for k, v := range row {
				c := &data.Columns[k]
				c.Float32 = append(c.Float32, float32(v))
			}
			data.Label = append(data.Label, y[t]/scales[i])
			if p.levels != nil {
				data.Weight = append(data.Weight, scales[i])
			}
		}
	}
	set, err := gbdt.NewDataset(data, o)
	if err != nil {
		return nil, err
	}
	return gbdt.Train(ctx, set, o)
}
