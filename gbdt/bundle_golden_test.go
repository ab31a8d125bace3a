package gbdt

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// bundleCase is a case of testdata/bundle, made by its make.py.
type bundleCase struct {
	Name              string
	Rows, Valid, Seed int
	Columns           [][]any
	Categorical       []int
	File              string // svm or csv; "": none
	Rounds            int
	Params            map[string]any
	Forced            map[string]any
	Model             string
	Evals             [][]float64
}

// uniform is make.py's: splitmix64 as numbers in [0, 1).
func uniform(seed, stream, rows int) []float64 {
	out := make([]float64, rows)
	for i := range out {
		z := uint64(i) + uint64(stream)<<32 + uint64(seed)*0xD1342543DE82EF95
		z *= 0x9E3779B97F4A7C15
		z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
		z = (z ^ z>>27) * 0x94D049BB133111EB
		z ^= z >> 31
		out[i] = float64(z>>11) / (1 << 53)
	}
	return out
}

// data is make.py's cells.
func (c *bundleCase) data(rows, seed int) Data {
	d := Data{Label: uniform(seed, 999, rows)}
	for i := range d.Label {
		d.Label[i] = math.Floor(d.Label[i]*64) / 64
	}
	for j, column := range c.Columns {
		number := func(k int) float64 { return column[k].(float64) }
		x, u := make([]float64, rows), uniform(seed, 2*j, rows)
		if column[0] == "hot" {
			for i, v := range uniform(seed, 1000001+2*int(number(1)), rows) {
				if math.Floor(v*number(2)) == number(3) || u[i] < number(4) {
					x[i] = 1
				}
			}
		} else {
			for i, v := range uniform(seed, 2*j+1, rows) {
				switch x[i] = number(3); {
				case u[i] < number(1)*number(4):
					x[i] = math.NaN()
				case u[i] < number(1):
					x[i] = math.Floor(v*number(2))/4 - math.Floor(number(2)/8)*0.25
				}
			}
		}
		for i, v := range x {
			if v != v {
				v = 3
			}
			d.Label[i] += v * float64(j*7%11-5) / 8
		}
		d.Columns = append(d.Columns, Column{Values: x, Categorical: slices.Contains(c.Categorical, j)})
	}
	return d
}

func (c *bundleCase) options(t testing.TB) Options {
	t.Helper()
	o := DefaultOptions()
	setAll(t, &o, c.Params)
	if len(c.Categorical) > 0 {
		must(t, o.Set("categorical_feature", strings.Trim(strings.ReplaceAll(fmt.Sprint(c.Categorical), " ", ","), "[]")))
	}
	o.NumIterations = c.Rounds
	return o
}

// datasets gives the training and the validation data.
func (c *bundleCase) datasets(t testing.TB, o Options) (train, valid *Dataset) {
	t.Helper()
	a, b := c.data(c.Rows, c.Seed), c.data(c.Valid, c.Seed+1)
	var err error
	if c.File == "" {
		train, err = NewDataset(a, o)
		must(t, err)
		valid, err = train.NewValid(b)
		must(t, err)
		return train, valid
	}
	dir := t.TempDir()
	for name, d := range map[string]Data{"a": a, "b": b} {
		var text strings.Builder
		for i, y := range d.Label {
			text.WriteString(strconv.FormatFloat(y, 'g', -1, 64))
			for j := range d.Columns {
				if v := d.Columns[j].at(i); c.File == "csv" {
					fmt.Fprintf(&text, ",%g", v)
				} else if v != 0 {
					fmt.Fprintf(&text, " %d:%g", j, v)
				}
			}
			text.WriteString("\n")
		}
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(text.String()), 0o666))
	}
	train, err = OpenDataset(filepath.Join(dir, "a"), o)
	must(t, err)
	valid, err = train.OpenValid(filepath.Join(dir, "b"), o)
	must(t, err)
	return train, valid
}

func readBundleCases(t testing.TB) []*bundleCase {
	t.Helper()
	files, err := filepath.Glob("testdata/bundle/*.json")
	must(t, err)
	if dir := os.Getenv("HANJI_BUNDLE_CASES"); dir != "" {
		more, err := filepath.Glob(filepath.Join(dir, "*.json"))
		must(t, err)
		files = append(files, more...)
	}
	var out []*bundleCase
	for _, f := range files {
		c := &bundleCase{}
		must(t, json.Unmarshal(readFile(t, f), c))
		out = append(out, c)
	}
	return out
}

// train trains and returns the l2 of training and validation data after each round.
func (c *bundleCase) train(t testing.TB, train, valid *Dataset, o Options) (*Model, [][]float64) {
	t.Helper()
	evals := make([][]float64, 2)
	o.Validation = []Validation{{"train", train}, {"valid", valid}}
	o.OnIter = func(it Iteration) error {
		for i, r := range it.Results {
			evals[i] = append(evals[i], r.Value)
		}
		return nil
	}
	m, err := Train(context.Background(), train, o)
	must(t, err)
	return m, evals
}

// TestBundleGolden: models of sparse data are LightGBM's byte for byte, and so are the errors after every round.
func TestBundleGolden(t *testing.T) {
	for _, c := range readBundleCases(t) {
		t.Run(c.Name, func(t *testing.T) {
			if c.Forced != nil {
				b, err := json.Marshal(c.Forced)
				must(t, err)
				t.Chdir(t.TempDir())
				must(t, os.WriteFile("forced.json", b, 0o666))
			}
			o := c.options(t)
			train, valid := c.datasets(t, o)
			bundles, wide, lost := 0, 0, 0
			for i, features := range train.layout.columns {
				bundles += boolIndex(len(features) > 1)
				wide += boolIndex(train.layout.bins[i] > 256)
			}
			d := c.data(c.Rows, c.Seed)
			for j, f := range train.used {
				for i := range c.Rows {
					lost += boolIndex(train.bin(int32(j), int32(i)) != train.mappers[f].bin(d.Columns[f].at(i)))
				}
			}
			t.Logf("%d features, %d columns, %d of them bundles, %d packed, %d with more than 256 bins, %d features by row; %d values lost",
				len(train.used), len(train.layout.columns), bundles, train.layout.packed, wide, len(train.layout.sparse), lost)
			if lossy := []string{"conflicts", "base", "base_csv", "base_file", "quantized_base"}; slices.Contains(lossy, c.Name) != (lost > 0) && !strings.HasPrefix(c.Name, "random") {
				t.Errorf("%d values lost: the case does not show what it is for", lost)
			}
			m, evals := c.train(t, train, valid, o)
			if got := text(t, m) + "\npandas_categorical:null\n"; got != c.Model {
				t.Error(firstDifference(got, c.Model))
			}
			for i := range evals {
				if d := diffFloats(evals[i], c.Evals[i], 1e-12); d != "" { // LightGBM adds up rows in another order
					t.Errorf("evaluation %d: %s", i, d)
				}
			}
		})
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d is\n%.300s, want\n%.300s", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(g), len(w))
}
