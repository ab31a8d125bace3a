package main

import (
	"context"
	"slices"

	"github.com/hanji-ml/hanji/gbdt"
)

// recursive forecasts the held-out steps one after the other with one model, which takes its own forecasts for what happened.
func (p *panel) recursive(ctx context.Context, o gbdt.Options) ([][]float64, error) {
	from := p.steps() - p.horizon
	m, err := p.fit(ctx, o, from, 1)
	if err != nil {
		return nil, err
	}
	scales := p.scales(from)
	past, sums := make([][]float64, len(p.y)), make([][]float64, len(p.y))
	for i, y := range p.y {
		past[i], sums[i] = slices.Clone(y[:from]), running(y[:from])
	}
	for t := from; t < p.steps(); t++ {
		var rows []float64
		for i := range p.y {
			rows = p.row(rows, past[i], sums[i], scales[i], i, t, 1)
		}
		next := make([]float64, len(p.y))
		if err := m.Predict(next, rows, gbdt.PredictOptions{}); err != nil {
			return nil, err
		}
		for i, v := range next {
			v = max(v, 0) * scales[i]
			past[i], sums[i] = append(past[i], v), append(sums[i], sums[i][t]+v)
		}
	}
	for i := range past {
		past[i] = past[i][from:]
	}
	return past, nil
}

// blocks is how many models a direct forecast has, each for its part of the horizon.
const blocks = 4

// direct forecasts the steps from one on with models that look only at what is known before them, trained on the steps before
// another.
func (p *panel) direct(ctx context.Context, o gbdt.Options, before, from int) ([][]float64, error) {
	f := make([][]float64, len(p.y))
	scales := p.scales(before)
	sums := make([][]float64, len(p.y))
	for i, y := range p.y {
		sums[i] = running(y[:from])
	}
	for b := range blocks {
		lo, hi := p.horizon*b/blocks, p.horizon*(b+1)/blocks
		m, err := p.fit(ctx, o, before, hi)
		if err != nil {
			return nil, err
		}
		for h := lo; h < hi; h++ {
			var rows []float64
			for i, y := range p.y {
				rows = p.row(rows, y[:from], sums[i], scales[i], i, from+h, hi)
			}
			next := make([]float64, len(p.y))
			if err := m.Predict(next, rows, gbdt.PredictOptions{}); err != nil {
				return nil, err
			}
			for i, v := range next {
				f[i] = append(f[i], max(v, 0)*scales[i])
			}
		}
	}
	return f, nil
}
