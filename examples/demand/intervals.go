package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/hanji-ml/hanji/gbdt"
	"github.com/hanji-ml/hanji/metric"
)

// level is the share of outcomes that intervals are to cover.
const level = 0.8

// intervals compares 80 % intervals of the held-out steps: the 10 % and 90 % quantiles that a model each gives, and the same after
// conformal calibration (conformalised quantile regression: Romano, Patterson and Candès 2019, arXiv 1905.03222): what the
// intervals of the horizon before lacked, in units of each series' scale, is added to these.
func (p *panel) intervals(ctx context.Context, w io.Writer) error {
	test := p.steps() - p.horizon
	before := test - p.horizon // trained on what comes before, calibrated on what lies between
	bounds := func(alpha float64, from int) ([][]float64, error) {
		return p.direct(ctx, gbdt.Options{Objective: "quantile", Alpha: alpha, NumIterations: 80, LearningRate: 0.1, NumLeaves: 31, MinDataInLeaf: 50,
			BaggingFraction: 0.7, BaggingFreq: 1, FeatureFraction: 0.7}, before, from)
	}
	var lo, hi [2][][]float64 // of calibration and test
	for k, from := range []int{before, test} {
		var err error
		if lo[k], err = bounds((1-level)/2, from); err != nil {
			return err
		}
		if hi[k], err = bounds((1+level)/2, from); err != nil {
			return err
		}
	}
	scales := p.scales(before)
	var lacks []float64
	for i, y := range p.y {
		for h := range p.horizon {
			v := y[before+h]
			lacks = append(lacks, max(lo[0][i][h]-v, v-hi[0][i][h])/scales[i])
		}
	}
	slices.Sort(lacks)
	n := float64(len(lacks))
	add := lacks[min(int(math.Ceil((n+1)*level)), len(lacks))-1]
	fmt.Fprintf(w, "\n%.0f %% intervals\tcovered\tmean width\tWinkler\n", 100*level)
	show := func(name string, add float64) {
		var y, a, b []float64
		for i := range p.y {
			for h := range p.horizon {
				y = append(y, p.y[i][test+h])
				a = append(a, max(0, lo[1][i][h]-add*scales[i]))
				b = append(b, max(0, hi[1][i][h]+add*scales[i]))
			}
		}
		fmt.Fprintf(w, "%s\t%.1f %%\t%.3f\t%.3f\n", name, 100*metric.Coverage(y, a, b), metric.Width(a, b), metric.Winkler(y, a, b, 1-level))
	}
	show("quantile regression", 0)
	show("the same, conformal", add)
	return nil
}
