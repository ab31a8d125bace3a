package main

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/hanji-ml/hanji/gbdt"
)

func quick() gbdt.Options {
	return gbdt.Options{Objective: "tweedie", TweedieVariancePower: 1.1, NumIterations: 40, NumLeaves: 15, LearningRate: 0.15}
}

// Both strategies beat the seasonal naive forecast on the made-up chain.
func TestStrategies(t *testing.T) {
	p := chain(1, 400)
	naive, _ := p.score(p.seasonalNaive())
	if len(naive.Levels) != 12 || len(naive.Levels[11].Groups) != 70 {
		t.Fatalf("%d levels, want M5's twelve", len(naive.Levels))
	}
	from := p.steps() - p.horizon
	recursive, err := p.recursive(context.Background(), quick())
	if err != nil {
		t.Fatal(err)
	}
	direct, err := p.direct(context.Background(), quick(), from, from)
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string][][]float64{"recursive": recursive, "direct": direct} {
		if s, _ := p.score(f); !(s.Score < 0.9*naive.Score) {
			t.Errorf("%s: WRMSSE %.3f, seasonal naive %.3f", name, s.Score, naive.Score)
		}
	}
}

// No forecast looks at what it is to foretell, nor at what lies closer than the gap it bridges.
func TestNoLeak(t *testing.T) {
	p := chain(1, 300)
	from := p.steps() - p.horizon
	forecasts := func() [][]float64 {
		r, err := p.recursive(context.Background(), quick())
		if err != nil {
			t.Fatal(err)
		}
		d, err := p.direct(context.Background(), quick(), from, from)
		if err != nil {
			t.Fatal(err)
		}
		return append(r, d...)
	}
	want := forecasts()
	for _, y := range p.y {
		for i := from; i < len(y); i++ {
			y[i] = math.NaN()
		}
	}
	for i, f := range forecasts() {
		if !slices.Equal(f, want[i]) {
			t.Fatalf("forecast %d changes with what it is to foretell", i)
		}
	}
	y := p.y[0][:from]
	row := p.row(nil, y, running(y), 1, 0, from+13, 14)
	y[from-1]++
	if slices.Equal(row, p.row(nil, y, running(y), 1, 0, from+13, 14)) {
		t.Error("the latest value that a gap of 14 steps leaves is not looked at")
	}
	if want := slices.Clone(p.row(nil, y, running(y), 1, 0, from+13, 15)); true {
		y[from-1]++
		if got := p.row(nil, y, running(y), 1, 0, from+13, 15); !slices.Equal(got, want) {
			t.Error("a row looks into its gap")
		}
	}
}
