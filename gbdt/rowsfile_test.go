package gbdt

import (
	"context"
	"fmt"
	"io"
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

// readRows reads all rows that a text has.
func readRows(m *Model, text string, o Options) (x []float64, missing []string, err error) {
	r, err := m.ReadRows(strings.NewReader(text), "rows", o)
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	for {
		more, err := r.Next()
		if err == io.EOF {
			return x, r.Missing(), nil
		}
		if err != nil {
			return nil, nil, err
		}
		x = append(x, more...)
	}
}

func TestReadRows(t *testing.T) {
	m := rowsModel(t)
	if m.labelIndex != 1 {
		t.Errorf("label index %d, want 1", m.labelIndex)
	}
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
		"bare":      {"1 # no feature\n\n0 1:2\n", Options{}, []float64{0, 0, 0, 0, 2, 0}, nil},
		"tabs, one": {"1\t2\t3\n", Options{}, []float64{1, 2, 0}, nil},
		"json":      {"{\"b\":1,\"z\":\"q\",\"a\":2}\n{\"b\":3,\"z\":\"q\",\"a\":4}\n", Options{Header: true}, []float64{2, 1, 0, 4, 3, 0}, []string{"id"}},
	} {
		x, missing, err := readRows(m, c.text, c.o)
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
		"bad text":   {"0,1,2,3\n0,x,2,3\n", Options{LabelColumn: "0"}, `rows:2: column "column2": "x" is not a number; leave the cell empty`},
		"names":      {"a,b,id\n" + strings.Repeat("1,2,3\n", 9), Options{}, `rows:1: column "column1": "a" is not a number; is the first line a header? then give header=true`},
		"label":      {"0,1,2,3\n", Options{LabelColumn: "4"}, "label_column=4: want a column in 0..3"},
		"too narrow": {"1,2\n", Options{}, "the data has 1 features, the model 3; predict_disable_shape_check=true"},
		"no names":   {"1,2\n3,4\n", Options{Header: true}, "is the first line a header?"},
		"nothing":    {"", Options{}, "rows: the file is empty"},
		"no row":     {"a,b,id\n", Options{Header: true}, "rows has no rows"},
		"late text":  {strings.Repeat("1,2,3\n", 1<<20) + "1,x,3\n", Options{}, `rows:1048577: column "column2": "x" is not a number`},
		"ragged":     {strings.Repeat("1,2,3\n", 1<<20) + "1,2\n", Options{}, "rows:1048577: 2 fields"},
	} {
		if _, _, err := readRows(m, c.text, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
	}
}

// Rows that are many pieces come in order, from a table and from LibSVM text.
func TestReadRowsPieces(t *testing.T) {
	m := rowsModel(t)
	m.featureInfos[2] = "[0:9]"
	const rows = 400000
	var csv, svm strings.Builder
	for i := range rows {
		fmt.Fprintf(&csv, "%d,%d,0.5\n", i, -i)
		fmt.Fprintf(&svm, "7 0:%d 2:0.5 1:%d\n", i, -i)
	}
	for name, text := range map[string]string{"csv": csv.String(), "svm": svm.String()} {
		x, _, err := readRows(m, text, Options{})
		must(t, err)
		if len(x) != 3*rows {
			t.Fatalf("%s: %d values", name, len(x))
		}
		for i := range rows {
			if r := x[i*3:]; r[0] != float64(i) || r[1] != float64(-i) || r[2] != 0.5 {
				t.Fatalf("%s: row %d is %v", name, i, r[:3])
			}
		}
	}
	r, err := m.ReadRows(strings.NewReader(csv.String()), "rows", Options{})
	must(t, err)
	defer r.Close()
	if x, err := r.Next(); err != nil || len(x) > maxRowCells || len(x) == 3*rows {
		t.Errorf("%d values at once, error %v", len(x), err)
	}
}

// FuzzReadRows: whatever a file holds, it gives whole rows that can be predicted, or an error.
func FuzzReadRows(f *testing.F) {
	f.Add("1,9,2,3\n4,9,nan,6\n", false, false)
	f.Add("b,z,a\n1,q,2\n3,q,4\n", true, false)
	f.Add("1 1:2\n0 0:3 9:4\n", false, true)
	f.Add("1\t2\n", false, true)
	m := &Model{maxFeature: 2, numClass: 1, treesPerIter: 1, labelIndex: 1, featureNames: []string{"a", "b", "id"}, featureInfos: []string{"[1:4]", "[5:6]", "none"},
		trees: []*tree{constantTree(1, 1, false)}}
	f.Fuzz(func(t *testing.T, text string, header, any bool) {
		x, missing, err := readRows(m, text, Options{Header: header, PredictDisableShapeCheck: any})
		if err != nil {
			return
		}
		if len(x) == 0 || len(x)%3 != 0 || len(missing) > 2 {
			t.Fatalf("%d values, without %v", len(x), missing)
		}
		must(t, m.Predict(make([]float64, len(x)/3), x, PredictOptions{}))
	})
}
