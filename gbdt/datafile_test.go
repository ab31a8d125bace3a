package gbdt

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func write(t testing.TB, path, text string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), 0o600))
}

func TestOpenData(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a.csv")
	write(t, file, "y,a,w,q,c\n1,2,0.5,7,3\n0,nan,1,7,4\n1,5,2,8,3\n")
	write(t, file+".init", "0.1\n0.2\n0.3\n")
	o := Options{Header: true, LabelColumn: "name:y", WeightColumn: "name:w", GroupColumn: "name:q", CategoricalFeature: "name:c"}
	d, err := OpenData(file, o)
	must(t, err)
	if !reflect.DeepEqual(d.Label, []float64{1, 0, 1}) || !reflect.DeepEqual(d.Weight, []float64{0.5, 1, 2}) ||
		!reflect.DeepEqual(d.Group, []int{2, 1}) || !reflect.DeepEqual(d.InitScore, []float64{0.1, 0.2, 0.3}) {
		t.Errorf("%+v", d)
	}
	if len(d.Columns) != 4 || !d.Columns[3].Categorical || !d.Columns[1].Ignore || d.Columns[0].Name != "a" || d.Columns[0].Values[1] == d.Columns[0].Values[1] {
		t.Errorf("columns %+v", d.Columns)
	}
	byIndex := Options{Header: true, LabelColumn: "0", WeightColumn: "1", GroupColumn: "2", CategoricalFeature: "3"}
	e, err := OpenData(file, byIndex)
	must(t, err)
	if !reflect.DeepEqual(d.Weight, e.Weight) || !reflect.DeepEqual(d.Group, e.Group) || !e.Columns[3].Categorical {
		t.Errorf("by index %+v", e)
	}
}

// LibSVM text is told from a table where queries stand before features, and where the first row has none.
func TestOpenDataQID(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.svm")
	for text, group := range map[string][]int{"1 qid:4 0:2\n0 qid:4 1:3\n1 qid:5 0:2\n": {2, 1}, "1\n0 1:3\n1 0:2\n": nil} {
		write(t, file, text)
		d, err := OpenData(file, Options{})
		must(t, err)
		if len(d.Columns) != 2 || d.Columns[1].Values[1] != 3 || !reflect.DeepEqual(d.Group, group) {
			t.Errorf("%+v", d)
		}
	}
}

func TestOpenDataErrors(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct{ data, side, sideText, want string }{
		"text":     {"1,2\n0,x\n", "", "", `"x" is not a number; leave the cell empty`},
		"ragged":   {"1,2\n0,3,4\n", "", "", "ragged:2: 3 fields"},
		"empty":    {"", "", "", ""},
		"weights":  {"1,2\n0,3\n", ".weight", "1\nx\n", "line 2"},
		"sizes":    {"1,2\n0,3\n", ".query", "1.5\n", "whole number"},
		"libsvm":   {"1 0:2\n0 x:3\n", "", "", "line 2"},
		"index":    {"1 0:2\n0 99999999999:3\n", "", "", "line 2"},
		"negative": {"1 0:2\n0 -4:3\n", "", "", "line 2"},
		"qid":      {"1 qid:1 0:2\n0 0:3\n", "", "", "qid"},
		"inits":    {"1,2\n0,3\n", ".init", "1 2\n1\n", "line 2"},
	} {
		file := filepath.Join(dir, name)
		write(t, file, c.data)
		if c.side != "" {
			write(t, file+c.side, c.sideText)
		}
		if _, err := OpenData(file, Options{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
	}
	if _, err := OpenData(filepath.Join(dir, "none"), Options{}); err == nil {
		t.Error("no error for a file that is not there")
	}
}

func FuzzReadLibSVM(f *testing.F) {
	f.Add("1 0:2 3:4.5\n0 qid:3 1:nan\n")
	f.Add("1 qid:1 0:1\n1 qid:1 1:1 # c\n")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ReadLibSVM(strings.NewReader(text))
		if err != nil {
			return
		}
		for i, c := range d.Columns {
			if c.Len() != len(d.Label) {
				t.Fatalf("column %d has %d rows of %d", i, c.Len(), len(d.Label))
			}
		}
		if len(d.Columns) < 50 && len(d.Label) < 50 && len(d.Label) > 0 {
			NewDataset(d, Options{})
		}
	})
}
