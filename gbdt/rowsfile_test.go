package gbdt

import (
	"context"
	"math"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// rowsModel trains on three features, of which the last is never split on, with the label in column 1.
func rowsModel(t *testing.T) *Model {
	t.Helper()
	file := filepath.Join(t.TempDir(), "train.csv")
	text := "a,y,b,id\n"
	for i := range 40 {
		text += strings.Join([]string{[]string{"1", "2", "3", "4"}[i%4], []string{"0", "1"}[i%4/2], []string{"5", "6"}[i%2], "7"}, ",") + "\n"
	}
	write(t, file, text)
	var o Options
	for key, v := range map[string]string{"header": "true", "label": "name:y", "num_iterations": "2", "min_data_in_leaf": "2"} {
		must(t, o.Set(key, v))
	}
	d, err := OpenData(file, o)
	must(t, err)
	ds, err := NewDataset(d, o)
	must(t, err)
	m, err := Train(context.Background(), ds, o)
	must(t, err)
	return m
}

func TestOpenRows(t *testing.T) {
	m := rowsModel(t)
	if m.labelIndex != 1 {
		t.Errorf("label index %d, want 1", m.labelIndex)
	}
	dir := t.TempDir()
	nan := math.NaN()
	for name, c := range map[string]struct {
		text    string
		o       Options
		want    []float64
		missing []string
	}{
		"label":     {"1,9,2,3\n4,9,nan,6\n", Options{}, []float64{1, 2, 0, 4, nan, 0}, nil},
		"place":     {"9,1,2,3\n9,4,5,6\n", Options{LabelColumn: "0"}, []float64{1, 2, 0, 4, 5, 0}, nil},
		"no label":  {"1,2,3\n4,5,6\n", Options{}, []float64{1, 2, 0, 4, 5, 0}, nil},
		"text":      {"1,2,x\n4,5,y\n", Options{}, []float64{1, 2, 0, 4, 5, 0}, nil}, // the feature that no tree asks for
		"names":     {"b,z,a\n1,q,2\n3,q,4\n", Options{Header: true}, []float64{2, 1, 0, 4, 3, 0}, []string{"id"}},
		"narrow":    {"1,2\n4,5\n", Options{PredictDisableShapeCheck: true}, []float64{1, 0, 0, 4, 0, 0}, nil},
		"wide":      {"1,0,2,3,4\n5,0,6,7,8\n", Options{PredictDisableShapeCheck: true}, []float64{1, 2, 0, 5, 6, 0}, nil},
		"libsvm":    {"1 1:2\n0 0:3 9:4\n", Options{}, []float64{0, 2, 0, 3, 0, 0}, nil},
		"tabs, one": {"1\t2\t3\n", Options{}, []float64{1, 2, 0}, nil},
	} {
		file := filepath.Join(dir, name)
		write(t, file, c.text)
		x, missing, err := m.OpenRows(file, c.o)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		same := len(x) == len(c.want)
		for i := range min(len(x), len(c.want)) {
			same = same && (x[i] == c.want[i] || x[i] != x[i] && c.want[i] != c.want[i])
		}
		if !same || !reflect.DeepEqual(missing, c.missing) {
			t.Errorf("%s: %v, without %v; want %v, without %v", name, x, missing, c.want, c.missing)
		}
	}
	for name, c := range map[string]struct {
		text string
		o    Options
		want string
	}{
		"bad text":   {"0,1,2,3\n0,x,2,3\n", Options{LabelColumn: "0"}, `bad text:2: column "column2": "x" is no number`},
		"too narrow": {"1,2\n", Options{}, "the data has 1 features, the model 3; predict_disable_shape_check=true"},
		"no names":   {"1,2\n3,4\n", Options{Header: true}, "is the first line a header?"},
		"nothing":    {"", Options{}, "nothing"},
	} {
		file := filepath.Join(dir, name)
		write(t, file, c.text)
		if _, _, err := m.OpenRows(file, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
	}
}

// FuzzOpenRows: whatever a file holds, it gives whole rows that can be predicted, or an error.
func FuzzOpenRows(f *testing.F) {
	f.Add("1,9,2,3\n4,9,nan,6\n", false, false)
	f.Add("b,z,a\n1,q,2\n3,q,4\n", true, false)
	f.Add("1 1:2\n0 0:3 9:4\n", false, true)
	f.Add("1\t2\n", false, true)
	m := &Model{maxFeature: 2, numClass: 1, treesPerIter: 1, labelIndex: 1, featureNames: []string{"a", "b", "id"}, featureInfos: []string{"[1:4]", "[5:6]", "none"},
		trees: []*tree{constantTree(1, 1, false)}}
	file := filepath.Join(f.TempDir(), "rows")
	f.Fuzz(func(t *testing.T, text string, header, any bool) {
		write(t, file, text)
		x, missing, err := m.OpenRows(file, Options{Header: header, PredictDisableShapeCheck: any})
		if err != nil {
			return
		}
		if len(x) == 0 || len(x)%3 != 0 || len(missing) > 2 {
			t.Fatalf("%d values, without %v", len(x), missing)
		}
		must(t, m.Predict(make([]float64, len(x)/3), x, PredictOptions{}))
	})
}
