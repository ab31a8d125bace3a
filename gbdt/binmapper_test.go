package gbdt

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/hanji-ml/hanji/internal/golden"
)

// setAll sets options from a case's params.
func setAll(t testing.TB, o *Options, values map[string]any) {
	t.Helper()
	for k, v := range values {
		text := ""
		switch v := v.(type) {
		case []any:
			if k == "interaction_constraints" {
				b, err := json.Marshal(v)
				must(t, err)
				text = string(b[1 : len(b)-1])
				break
			}
			for i, e := range v {
				if i > 0 {
					text += ","
				}
				text += fmt.Sprint(e)
			}
		default:
			text = fmt.Sprint(v)
		}
		must(t, o.Set(k, text))
	}
}

// TestGoldenBinning: every bin mapper of the fixture, bound for bound.
func TestGoldenBinning(t *testing.T) {
	c := golden.Open(t, "gbdt", "binning")
	var cases []struct {
		Column      string
		Categorical bool
		Params      map[string]any
		Trivial     bool
		NumBin      int             `json:"num_bin"`
		MissingType string          `json:"missing_type"`
		SparseRate  float64         `json:"sparse_rate"`
		Min, Max    golden.Float    `json:"-"`
		RawMin      json.RawMessage `json:"min"`
		RawMax      json.RawMessage `json:"max"`
		DefaultBin  int             `json:"default_bin"`
		MostFreqBin int             `json:"most_freq_bin"`
		Upper       []golden.Float  `json:"bin_upper_bound"`
		Categories  []int32         `json:"bin_2_categorical"`
		RowBins     []int           `json:"row_bins"`
		Error       string
	}
	c.Decode("cases", &cases)
	b, err := os.ReadFile(filepath.Join(c.ModelDir(), "columns.json"))
	must(t, err)
	var columns map[string][]golden.Float
	must(t, json.Unmarshal(b, &columns))
	if len(cases) < 150 { // 176 for seed 0
		t.Errorf("only %d cases", len(cases))
	}
	for _, k := range cases {
		t.Run(fmt.Sprint(k.Column, k.Params), func(t *testing.T) {
			values := make([]float64, len(columns[k.Column]))
			for i, v := range columns[k.Column] {
				values[i] = float64(v)
			}
			o := Options{}
			setAll(t, &o, map[string]any{"feature_pre_filter": false, "min_data_in_leaf": 1})
			setAll(t, &o, k.Params)
			ds, err := NewDataset(Data{Columns: []Column{{Values: values, Categorical: k.Categorical}}, Label: make([]float64, len(values))}, o)
			if k.Error != "" {
				t.Fatalf("a case without a mapper: %s", k.Error)
			}
			must(t, err)
			if ds.NumBins(0) != k.NumBin {
				t.Fatalf("%d bins, want %d", ds.NumBins(0), k.NumBin)
			}
			if k.Trivial {
				return
			}
			m := ds.mappers[0]
			upper := make([]float64, len(k.Upper))
			for i, v := range k.Upper {
				upper[i] = float64(v)
			}
			if !slices.EqualFunc(m.upper, upper, sameFloat) || !slices.Equal(m.categories, k.Categories) {
				t.Errorf("bounds %v %v, want %v %v", m.upper, m.categories, upper, k.Categories)
			}
			lo, hi := decodeFloats(t, slices.Concat([]byte("["), k.RawMin, []byte("]"))), decodeFloats(t, slices.Concat([]byte("["), k.RawMax, []byte("]")))
			if m.missing.String() != k.MissingType || m.sparseRate != k.SparseRate || m.min != lo[0] || m.max != hi[0] ||
				m.defaultBin != k.DefaultBin || m.mostFreqBin != k.MostFreqBin {
				t.Errorf("%+v\nwant %+v", *m, k)
			}
			for i, want := range k.RowBins {
				if got := ds.bins[0].at(i); got != want {
					t.Fatalf("row %d, value %v: bin %d, want %d", i, values[i], got, want)
				}
			}
		})
	}
}
