package gbdt

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// positionCase is a training of testdata/position by LightGBM.
type positionCase struct {
	Params map[string]string
	Evals  map[string][]float64
}

func positionCases(t *testing.T) (cases map[string]positionCase, weight []float64) {
	t.Helper()
	for file, to := range map[string]any{"cases.json": &cases, "weights.json": &weight} {
		must(t, json.Unmarshal(readFile(t, filepath.Join("testdata", "position", file)), to))
	}
	return cases, weight
}

// TestPosition: lambdarank with positions gives LightGBM's model file, byte for byte, and its metrics; without them another.
func TestPosition(t *testing.T) {
	cases, weight := positionCases(t)
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var o Options
			for k, v := range c.Params {
				must(t, o.Set(k, v))
			}
			o.NumIterations = 8
			d, err := OpenData(filepath.Join("testdata", "position", "train.csv"), o)
			must(t, err)
			if name == "weights" {
				d.Weight = weight
			}
			train := func(d Data) (*Model, map[string][]float64) {
				ds, err := NewDataset(d, o)
				must(t, err)
				evals := map[string][]float64{}
				o := o
				o.Validation = []Validation{{"train", ds}}
				o.OnIter = func(it Iteration) error {
					for _, r := range it.Results {
						evals[r.Metric] = append(evals[r.Metric], r.Value)
					}
					return nil
				}
				m, err := Train(context.Background(), ds, o)
				must(t, err)
				return m, evals
			}
			m, evals := train(d)
			got := text(t, m) + "\npandas_categorical:null\n"
			if want := string(readFile(t, filepath.Join("testdata", "position", name+".txt"))); got != want {
				t.Errorf("the model file differs: %s", diffLines(got, want))
			}
			for metric, want := range c.Evals {
				if d := diffFloats(evals[metric], want, 1e-12); d != "" {
					t.Errorf("%s: %s", metric, d)
				}
			}
			d.Position = nil
			if m, _ := train(d); (text(t, m)+"\npandas_categorical:null\n" != got) != (o.Objective == "lambdarank") {
				t.Error("positions change nothing, or change an objective that does not know them")
			}
		})
	}
}

func TestPositionErrors(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "d.csv")
	write(t, file, strings.Repeat("1,2\n0,3\n", 20))
	write(t, file+".query", "40\n")
	write(t, file+".position", strings.Repeat("1\n2\n", 19))
	for _, two := range []bool{false, true} {
		_, err := OpenDataset(file, Options{TwoRound: two})
		if err == nil || !strings.Contains(err.Error(), "d.csv: gbdt: 38 positions for 40 rows") {
			t.Errorf("error %v", err)
		}
	}
	must(t, os.Remove(file+".position"))
	must(t, os.Mkdir(file+".position", 0o777))
	if _, err := OpenDataset(file, Options{}); err == nil || !strings.Contains(err.Error(), "d.csv.position") {
		t.Errorf("error %v", err)
	}
}
