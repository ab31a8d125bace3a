package gbdt

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestQuantized: training with rounded gradients writes LightGBM's model files byte for byte. testdata/quantized.py made
// them from tables of the shared fixtures, kept beside them.
func TestQuantized(t *testing.T) {
	dir, err := filepath.Abs("testdata/quantized")
	must(t, err)
	var cases map[string]json.RawMessage
	b, err := os.ReadFile(filepath.Join(dir, "cases.json"))
	must(t, err)
	must(t, json.Unmarshal(b, &cases))
	for name, raw := range cases {
		t.Run(name, func(t *testing.T) {
			f, side := &fixture{rows: 300}, readSide(t, filepath.Join(dir, "data"))
			f.readCase(t, raw, filepath.Join(dir, "data"), &side)
			o := f.options(t)
			ds, err := NewDataset(f.data(0, 300, side, f.extra.CategoricalFeature), o)
			must(t, err)
			if n := f.extra.Continued; n > 0 {
				p := o
				p.NumIterations = n
				o.InitModel, err = Train(context.Background(), ds, p)
				must(t, err)
			}
			m, err := Train(context.Background(), ds, o)
			must(t, err)
			want, err := os.ReadFile(filepath.Join(dir, name+".txt"))
			must(t, err)
			if d := diffLines(text(t, m)+"\npandas_categorical:null\n", string(want)); d != "" {
				t.Error(d)
			}
		})
	}
}

// readCase makes a fixture one of testdata/quantized/cases.json.
func (f *fixture) readCase(t *testing.T, raw json.RawMessage, dir string, side *sideFile) {
	t.Helper()
	f.extra.Params = map[string]any{}
	must(t, json.Unmarshal(raw, &f.extra))
	for name, v := range map[string]any{"num_threads": 1, "deterministic": true, "force_col_wise": true, "verbosity": -1, "num_leaves": 8,
		"min_data_in_leaf": 10, "use_quantized_grad": true} {
		if _, ok := f.extra.Params[name]; !ok {
			f.extra.Params[name] = v
		}
	}
	f.extra.Data += ".csv"
	f.label, f.x = readTable(t, filepath.Join(dir, f.extra.Data), ",")
	var more struct{ Sorted bool }
	must(t, json.Unmarshal(raw, &more))
	if !more.Sorted {
		return
	}
	order := make([]int, 300)
	for i := range order {
		order[i] = i
	}
	label := f.label
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(label[b], label[a]) })
	pick := func(v []float64, width int) (out []float64) {
		for _, i := range order {
			out = append(out, v[i*width:(i+1)*width]...)
		}
		return out
	}
	f.label, f.x = pick(f.label, 1), pick(f.x, 8)
	side.Weight, side.InitScore = pick(side.Weight, 1), pick(side.InitScore, 1)
}

// diffLines is the first line that differs; "" if none does.
func diffLines(got, want string) string {
	if got == want {
		return ""
	}
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d is\n%.300s, want\n%.300s", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(g), len(w))
}

// TestQuantizedSums: a leaf's weight and value are those of the integers of its rows, whatever chose rows and splits.
func TestQuantizedSums(t *testing.T) {
	for name, o := range map[string]Options{
		"whole":        {},
		"many":         {NumGradQuantBins: 255},
		"bag":          {BaggingFraction: 0.8, BaggingFreq: 1},
		"small bag":    {BaggingFraction: 0.3, BaggingFreq: 1},
		"goss":         {DataSampleStrategy: "goss", TopRate: 0.4, OtherRate: 0.3, LearningRate: 0.5},
		"intermediate": {MonotoneConstraints: []int8{1, 0, 0, 0, 1}, MonotoneConstraintsMethod: "intermediate"},
		"by column":    {MaxBin: 2000, MinDataInBin: 1},
		"constant":     {Objective: "regression", BaggingFraction: 0.8, BaggingFreq: 1},
	} {
		o.UseQuantizedGrad = true
		if o.Objective == "" {
			o.Objective = "fair"
		}
		d := smallData(1200, 1)
		slices.Sort(d.Label) // the first rows are not like the others
		d.Columns[0].Values = slices.Clone(d.Label)
		ds, err := NewDataset(d, o)
		must(t, err)
		tr, err := newTrainer(ds, ptr(mustResolve(t, o)))
		must(t, err)
		for range 4 {
			must(t, tr.iterate(context.Background()))
		}
		grown, l := tr.trees[3], tr.learner
		if grown.numLeaves < 10 {
			t.Errorf("%s: only %d leaves", name, grown.numLeaves)
		}
		for leaf := range grown.numLeaves {
			var sum intSum
			for _, row := range l.part.leaf(int32(leaf)) {
				sum += asInts(l.gh)[row]
			}
			grad, hess := sum.grad()*l.quant.gradScale, sum.hess()*l.quant.hessScale
			if grown.leafWeight[leaf] != hess {
				t.Errorf("%s: leaf %d weighs %v, its rows %v", name, leaf, grown.leafWeight[leaf], hess)
			}
			// two roundings, and the learning rate
			if want := -tr.rate * grad / hess; o.MonotoneConstraints == nil && math.Abs(grown.leafValue[leaf]-want) > 1e-15*math.Abs(want) {
				t.Errorf("%s: leaf %d is %v, its rows say %v", name, leaf, grown.leafValue[leaf], want)
			}
		}
	}
}

// TestQuantizedMonotone: constraints hold with every method. LightGBM leaves sums unset where it looks again at a leaf, so
// only the basic one has models to compare with. (Its methods do not hold beside categorical or missing values, in
// exact training either.)
func TestQuantizedMonotone(t *testing.T) {
	d := smallData(1500, 2)
	d.Columns[3].Categorical = false
	for i, v := range d.Columns[2].Values {
		if v != v {
			d.Columns[2].Values[i] = 0
		}
	}
	for _, method := range []string{"basic", "intermediate", "advanced"} {
		o := Options{NumIterations: 20, UseQuantizedGrad: true, MonotoneConstraints: []int8{1, 0, 0, 0, -1}, MonotoneConstraintsMethod: method}
		ds, err := NewDataset(d, o)
		must(t, err)
		m, err := Train(context.Background(), ds, o)
		must(t, err)
		moved := false
		for i := range 60 {
			row := make([]float64, 5)
			ds.row(row, i)
			for column, sign := range map[int]float64{0: 1, 4: -1} {
				x, last := slices.Clone(row), math.Inf(-1)
				for step := -30; step <= 30; step++ {
					x[column] = float64(step) / 10
					if column == 4 {
						x[column] *= 100
					}
					p := make([]float64, 1)
					must(t, m.PredictRow(p, x, PredictOptions{}))
					v := sign * p[0]
					if v < last {
						t.Fatalf("%s: row %d: %v after %v as column %d rises to %v", method, i, sign*v, sign*last, column, x[column])
					}
					moved = moved || v > last && step > -30
					last = v
				}
			}
		}
		if !moved {
			t.Errorf("%s: the columns have no effect", method)
		}
	}
}

// TestMersenne: the 10000th number is the one that the C++ standard (26.6.5) gives for the default seed.
func TestMersenne(t *testing.T) {
	m := newMersenne(5489)
	for range 9999 {
		m.bits()
	}
	if got := m.bits(); got != 4123659995 {
		t.Errorf("number 10000 is %d, want 4123659995", got)
	}
}
