package gbdt

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hanji-ml/hanji/internal/kernel"
	"github.com/hanji-ml/hanji/internal/par"
)

// TestRanks: many rows at a time and single ones give the bits of walking down the trees, for every rule about what is missing, with trees that
// cannot be ranked in between, and with more thresholds than a run may have.
func TestRanks(t *testing.T) {
	defer par.SetThreads(0)
	numbers := func() Data { // no categories, so that trees can be ranked
		d := smallData(3000, 4)
		d.Columns[3].Categorical = false
		return d
	}
	classes := numbers()
	for i, v := range classes.Label {
		classes.Label[i] = float64(min(max(int(v+1), 0), 2))
	}
	rare := smallData(3000, 4)
	for i, v := range rare.Columns[3].Values {
		if v >= 6 {
			rare.Columns[3].Values[i] = 1e6 * v
		}
	}
	noMissing := DefaultOptions()
	noMissing.NumIterations, noMissing.UseMissing = 30, false
	for name, c := range map[string]struct {
		d    Data
		o    Options
		runs int // 0: some
	}{
		"nan":         {numbers(), Options{NumIterations: 30}, 1},
		"zero":        {numbers(), Options{NumIterations: 30, ZeroAsMissing: true}, 1},
		"not missing": {numbers(), noMissing, 1},
		"classes":     {classes, Options{Objective: "multiclass", NumClass: 3, NumIterations: 20}, 0},
		"forest":      {numbers(), Options{NumIterations: 12, Boosting: "rf", BaggingFraction: 0.5, BaggingFreq: 1, NumLeaves: 256}, 1},
		"fine":        {numbers(), Options{NumIterations: 60, NumLeaves: 120, MaxBin: 2000, MinDataInBin: 1, MinDataInLeaf: 5}, 0},
		"minus zero":  {numbers(), noMissing, 1},
		"few trees":   {numbers(), Options{NumIterations: 1}, -1},
		"large trees": {numbers(), Options{NumIterations: 9, NumLeaves: 300, MinDataInLeaf: 2}, -1},
		"constant":    {smallData(30, 10), Options{NumIterations: 5}, 0},
		"categories":  {smallData(3000, 4), Options{NumIterations: 20, MinDataPerGroup: 5}, 1},
		"rare":        {rare, Options{NumIterations: 20, MinDataPerGroup: 5}, 1},
		"mixed":       {numbers(), Options{NumIterations: 5, NumLeaves: 300, MinDataInLeaf: 2}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			ds, err := NewDataset(c.d, c.o)
			must(t, err)
			m, err := Train(context.Background(), ds, c.o)
			must(t, err)
			if name == "minus zero" {
				for _, t := range m.trees {
					t.threshold[0] = math.Copysign(0, -1)
				}
			}
			if (name == "categories" || name == "rare") && !slices.ContainsFunc(m.trees, func(t *tree) bool { return t.numCat > 0 }) {
				t.Fatal("no split by categories")
			}
			if name == "mixed" { // trees of too many leaves between others
				n, err := Train(context.Background(), ds, Options{NumIterations: 20})
				must(t, err)
				m.trees = slices.Concat(n.trees, m.trees, n.trees)
			}
			x := awkwardRows(m, 2*kernel.TreeRows+kernel.TreeRows/2+3)
			k := m.NumClasses()
			rows := len(x) / 5
			for _, o := range []PredictOptions{{Raw: true}, {Raw: true, StartIteration: 1, NumIteration: 7}} {
				want := make([]float64, rows*k)
				from, to := m.iterations(o.StartIteration, o.NumIteration)
				for i := range rows {
					row, one := x[i*5:(i+1)*5], make([]float64, k)
					for n := from * k; n < to*k; n++ { // the walk of the specification
						want[i*k+n%k] += m.trees[n].leafValue[m.trees[n].leaf(row)]
					}
					must(t, m.PredictRow(one, row, o))
					if !slices.Equal(one, want[i*k:(i+1)*k]) {
						t.Fatalf("row %d %v alone: %v, want %v", i, row, one, want[i*k:(i+1)*k])
					}
				}
				for _, threads := range []int{1, 3} {
					par.SetThreads(threads)
					got := make([]float64, rows*k)
					must(t, m.Predict(got, x, o))
					for i := range got {
						if got[i] != want[i] {
							t.Fatalf("row %d %v: %v, want %v", i/k, x[i/k*5:][:5], got[i], want[i])
						}
					}
				}
			}
			if runs := len(m.flat.runs); kernel.HasTreeLeaves() && (c.runs > 0 && runs != c.runs || c.runs == 0 && runs == 0 || c.runs < 0 && runs > 0) {
				t.Errorf("%d runs of ranked trees, want %d", runs, c.runs)
			}
		})
	}
}

// awkwardRows has values at thresholds and just beside them, zeros, infinities and NaN.
func awkwardRows(m *Model, rows int) []float64 {
	r := rand.New(rand.NewPCG(5, 2))
	var at []float64
	for _, t := range m.trees {
		at = append(at, t.threshold...)
	}
	at = append(at, 0)
	for c := range 12 {
		at = append(at, float64(c), 1e6*float64(c))
	}
	x := make([]float64, rows*5)
	for i := range x {
		v := at[r.IntN(len(at))]
		switch r.IntN(12) {
		case 0:
			v = math.NaN()
		case 1:
			v = 0
		case 2:
			v = math.Copysign(0, -1)
		case 3:
			v = 1e-36 // counts as zero
		case 4:
			v = math.Inf(1 - 2*r.IntN(2))
		case 5, 6:
			v = math.Nextafter(v, math.Inf(1))
		case 7, 8:
			v = 3 * r.NormFloat64()
		}
		x[i] = v
	}
	for i := range 2 * kernel.TreeRows * 5 { // two blocks are finite
		if v := x[i]; v-v != 0 && i < kernel.TreeRows*5 {
			x[i] = 1
		}
	}
	return x
}
