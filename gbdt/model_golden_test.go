package gbdt

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/internal/golden"
)

// TestGoldenModels: LightGBM's own files are written back byte for byte, and predict what LightGBM predicts.
func TestGoldenModels(t *testing.T) {
	for _, name := range modelCases(t) {
		t.Run(name, func(t *testing.T) {
			f := openFixture(t, name)
			file := filepath.Join(f.ModelDir(), "model.txt")
			m := openRoundTrip(t, file)
			k, o := m.NumClasses(), f.predictOptions()
			raw, pred := make([]float64, f.rows*k), make([]float64, f.rows*k)
			o.Raw = true
			must(t, m.Predict(raw, f.x, o))
			o.Raw = false
			must(t, m.Predict(pred, f.x, o))
			f.Check(t, "raw", raw)
			f.Check(t, "pred", pred)
			f.Check(t, "num_trees", m.NumTrees())

			width := f.Tensor(t, "leaf").Shape[1]
			leaf := make([]int, 60*width)
			must(t, m.LeafIndex(leaf, f.x[:60*m.NumFeatures()], o))
			f.Check(t, "leaf", leaf)
			split := m.Importance(ImportanceSplit)
			counts := make([]int, len(split))
			for i, v := range split {
				counts[i] = int(v)
			}
			f.Check(t, "importance_split", counts)
			f.Check(t, "importance_gain", m.Importance(ImportanceGain))
			if f.Has("contrib") {
				rows := f.Tensor(t, "contrib").Shape[0]
				contrib := make([]float64, rows*k*(m.NumFeatures()+1))
				must(t, m.Contrib(contrib, f.x[:rows*m.NumFeatures()], PredictOptions{}))
				f.Check(t, "contrib", contrib)
			}
			rowByRow(t, m, f.x, pred, o)
			f.checkDump(t, m)
		})
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func openRoundTrip(t *testing.T, file string) *Model {
	t.Helper()
	m, err := OpenText(file)
	must(t, err)
	want, err := os.ReadFile(file)
	must(t, err)
	var got bytes.Buffer
	must(t, m.WriteText(&got))
	if !bytes.Equal(got.Bytes(), want) {
		g, w := strings.Split(got.String(), "\n"), strings.Split(string(want), "\n")
		for i := range min(len(g), len(w)) {
			if g[i] != w[i] {
				t.Fatalf("%s: line %d is written as\n%.300s\nwant\n%.300s", file, i+1, g[i], w[i])
			}
		}
		t.Fatalf("%s: %d lines are written as %d", file, len(w), len(g))
	}
	return m
}

// rowByRow: one row at a time gives the bits of the batch, without allocating.
func rowByRow(t *testing.T, m *Model, x, want []float64, o PredictOptions) {
	t.Helper()
	k, features := m.NumClasses(), m.NumFeatures()
	p := make([]float64, k)
	for i := range len(x) / features {
		must(t, m.PredictRow(p, x[i*features:(i+1)*features], o))
		for c, v := range p {
			if v != want[i*k+c] {
				t.Fatalf("row %d alone predicts %v, in a batch %v", i, v, want[i*k+c])
			}
		}
	}
	if n := testing.AllocsPerRun(10, func() { m.PredictRow(p, x[:features], o) }); n != 0 {
		t.Errorf("PredictRow allocates %v times", n)
	}
}

// checkDump compares the JSON dump where the case has one.
func (f *fixture) checkDump(t *testing.T, m *Model) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(f.ModelDir(), "dump.json"))
	if err != nil {
		return
	}
	var got bytes.Buffer
	must(t, m.DumpJSON(&got))
	var g, w map[string]any
	must(t, json.Unmarshal(got.Bytes(), &g))
	must(t, json.Unmarshal(b, &w))
	delete(w, "pandas_categorical") // python adds it
	sameJSON(t, "dump", g, w)
}

// sameJSON compares numbers to 1e-10: LightGBM reads six-digit numbers with a parser that is off by the last bit.
func sameJSON(t *testing.T, path string, got, want any) {
	t.Helper()
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok || len(g) != len(w) {
			t.Fatalf("%s: %d keys, want %d", path, len(g), len(w))
		}
		for k, v := range w {
			sameJSON(t, path+"."+k, g[k], v)
		}
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			t.Fatalf("%s: %d elements, want %d", path, len(g), len(w))
		}
		for i, v := range w {
			sameJSON(t, path, g[i], v)
		}
	case float64:
		if g, ok := got.(float64); !ok || math.Abs(g-w) > 1e-10*math.Abs(w) {
			t.Fatalf("%s: %v, want %v", path, got, want)
		}
	default:
		if got != want {
			t.Fatalf("%s: %v, want %v", path, got, want)
		}
	}
}

// TestPublishedModels: models of versions 2 and 3 from elsewhere, with their true predictions.
func TestPublishedModels(t *testing.T) {
	dir := filepath.Join(golden.Shared(t), "data", "lightgbm", "models")
	for _, c := range []struct {
		model, data, sep string
		label            bool
		want             string
	}{
		{"lg_dart_breast_cancer.model", "breast_cancer_test.tsv", "\t", false, "lg_dart_breast_cancer_true_predictions.txt"},
		{"lg_rf_iris.model", "iris_test.libsvm", "", true, "lg_rf_iris_true_predictions.txt"},
		{"lgmulticlass.model", "multiclass_test.tsv", "\t", true, "lgmulticlass_true_predictions.txt"},
		{"lg_breast_cancer.txt", "lg_breast_cancer_data.txt", " ", false, ""},
	} {
		t.Run(c.model, func(t *testing.T) {
			m := openRoundTrip(t, filepath.Join(dir, c.model))
			x := publishedRows(t, filepath.Join(dir, c.data), c.sep, c.label, m.NumFeatures())
			got := make([]float64, len(x)/m.NumFeatures()*m.NumClasses())
			must(t, m.Predict(got, x, PredictOptions{}))
			rowByRow(t, m, x, got, PredictOptions{})
			if c.want == "" {
				return
			}
			b, err := os.ReadFile(filepath.Join(dir, c.want))
			must(t, err)
			words := strings.Fields(string(b))
			if len(words) != len(got) {
				t.Fatalf("%d predictions, want %d", len(got), len(words))
			}
			for i, w := range words {
				// 17 digits were written; exp of two libraries differs in the last bit
				if v := parseNumber(t, w); math.Abs(got[i]-v) > 1e-15*math.Abs(v)+1e-16 {
					t.Fatalf("prediction %d is %v, want %v", i, got[i], v)
				}
			}
		})
	}
}

func publishedRows(t *testing.T, path, sep string, label bool, features int) []float64 {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	var x []float64
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		row := make([]float64, features)
		words := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' })
		if label {
			words = words[1:]
		}
		for i, w := range words {
			if index, value, ok := strings.Cut(w, ":"); ok {
				row[int(parseNumber(t, index))] = parseNumber(t, value)
			} else {
				row[i] = parseNumber(t, w)
			}
		}
		x = append(x, row...)
	}
	return x
}
