package gbdt

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestQuantized: training with rounded gradients writes LightGBM's model files byte for byte. testdata/quantized.py made
// them from the tables of the fixtures.
func TestQuantized(t *testing.T) {
	dir, err := filepath.Abs("testdata/quantized")
	must(t, err)
	var cases map[string]json.RawMessage
	b, err := os.ReadFile(filepath.Join(dir, "cases.json"))
	must(t, err)
	must(t, json.Unmarshal(b, &cases))
	for name, raw := range cases {
		t.Run(name, func(t *testing.T) {
			f := openFixture(t, "obj_l2")
			side := f.side(t)
			sorted := f.readCase(t, raw, &side)
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
				t.Errorf("%s (sorted %v)", d, sorted)
			}
		})
	}
}

// readCase makes a fixture one of testdata/quantized/cases.json.
func (f *fixture) readCase(t *testing.T, raw json.RawMessage, side *sideFile) (sorted bool) {
	t.Helper()
	f.extra.Params, f.extra.CategoricalFeature = nil, nil
	must(t, json.Unmarshal(raw, &f.extra))
	for name, v := range map[string]any{"num_threads": 1, "deterministic": true, "force_col_wise": true, "verbosity": -1, "num_leaves": 8,
		"min_data_in_leaf": 10, "use_quantized_grad": true} {
		if _, ok := f.extra.Params[name]; !ok {
			f.extra.Params[name] = v
		}
	}
	f.extra.Data = "../data/" + f.extra.Data + ".csv"
	f.label, f.x = readTable(t, filepath.Join(f.ModelDir(), f.extra.Data), ",")
	var more struct{ Sorted bool }
	must(t, json.Unmarshal(raw, &more))
	if !more.Sorted {
		return false
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
	f.label, f.x, f.rows = pick(f.label, 1), pick(f.x, 8), 300
	side.Weight, side.InitScore = pick(side.Weight, 1), pick(side.InitScore, 1)
	return true
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
