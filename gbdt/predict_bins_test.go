package gbdt

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hanji-ml/hanji/internal/kernel"
	"github.com/hanji-ml/hanji/internal/par"
)

// TestTreeByBins: a tree compiled for the rows of a data set gives the scores of walking down, for every kind of column and
// rule about what is missing, all rows and some.
func TestTreeByBins(t *testing.T) {
	defer par.SetThreads(0)
	const rows = 2*kernel.TreeRows + 99
	numbers := func(columns ...int) Data {
		d := smallData(rows, 21)
		d.Columns[3].Categorical = false
		for len(columns) > 0 { // columns of few values, hardly ever two of them in a row, which share bytes and half bytes
			d.Columns = append(d.Columns, Column{Values: make([]float64, rows)})
			for i := range rows {
				if v := i * 7 % 50; v == len(d.Columns) {
					d.Columns[len(d.Columns)-1].Values[i] = float64(1 + i%3)
					d.Label[i] += float64(len(d.Columns) % 4)
				}
			}
			columns = columns[1:]
		}
		return d
	}
	wide := DefaultOptions()
	wide.MaxBin, wide.MinDataInBin = 2000, 1
	for name, c := range map[string]struct {
		d        Data
		o        Options
		compiled bool
	}{
		"nan":        {numbers(), Options{}, true},
		"zero":       {numbers(), Options{ZeroAsMissing: true}, true},
		"few bins":   {numbers(), Options{MaxBin: 6}, true},
		"bundled":    {numbers(make([]int, 40)...), Options{MinDataInLeaf: 2}, true},
		"categories": {smallData(rows, 22), Options{MinDataPerGroup: 5, MinDataInLeaf: 3, NumLeaves: 60}, true},
		"wide":       {numbers(), wide, false},
		"leaves":     {numbers(), Options{NumLeaves: 300, MinDataInLeaf: 1, MinSumHessianInLeaf: 1e-9}, false},
		"linear":     {numbers(), Options{LinearTree: true}, false},
	} {
		t.Run(name, func(t *testing.T) {
			o, err := c.o.resolve()
			must(t, err)
			o.NumIterations = 4
			ds, err := NewDataset(c.d, o)
			must(t, err)
			if name == "bundled" && !slices.ContainsFunc(ds.places, func(p featurePlace) bool { return p.column >= 0 && !p.alone }) {
				t.Error("no bundle")
			}
			if name == "few bins" && !slices.ContainsFunc(ds.places, func(p featurePlace) bool { return p.packed }) {
				t.Error("no packed column")
			}
			tr, err := newTrainer(ds, &o)
			must(t, err)
			_, err = tr.run(context.Background())
			must(t, err)
			r := rand.New(rand.NewPCG(5, 3))
			var some []int32
			for i := range int32(rows) {
				if r.IntN(3) == 0 && (i < kernel.TreeRows || i >= 2*kernel.TreeRows) {
					some = append(some, i)
				}
			}
			compiled := 0
			for _, tree := range tr.trees {
				if b := ds.compileBins(tree); b != nil {
					compiled++
				}
				for _, list := range [][]int32{nil, some, some[:1]} {
					want := make([]float64, rows)
					for i := range int32(rows) {
						if list != nil && !slices.Contains(list, i) {
							continue
						}
						if leaf := ds.leafByBins(tree, i); tree.linear {
							want[i] += ds.linearOutput(tree, leaf, i)
						} else {
							want[i] += tree.leafValue[leaf]
						}
					}
					for _, threads := range []int{1, 3} {
						par.SetThreads(threads)
						got := make([]float64, rows)
						ds.addTree(tree, list, got)
						if !slices.Equal(got, want) {
							t.Fatalf("%d rows, %d threads: other scores", len(list), threads)
						}
					}
				}
			}
			if kernel.HasTreeLeaves() && (compiled > 0) != c.compiled {
				t.Errorf("%d of %d trees compiled", compiled, len(tr.trees))
			}
		})
	}
}

func TestKthLargest(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 4))
	for range 50 {
		v := make([]float32, 1+r.IntN(300))
		for i := range v {
			v[i] = float32(r.IntN(40)) / 8 * r.Float32()
		}
		sorted := slices.Sorted(slices.Values(v))
		for k := 1; k <= len(v); k += 1 + r.IntN(9) {
			if got, want := kthLargest(v, k), sorted[len(v)-k]; got != want {
				t.Fatalf("number %d of %d: %v, want %v", k, len(v), got, want)
			}
		}
	}
}
