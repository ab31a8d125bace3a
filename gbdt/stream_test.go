package gbdt

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// writeData writes a data set as CSV with a header, the label in the middle, and as LibSVM.
func writeData(t *testing.T, d Data, path string) {
	t.Helper()
	var b, s bytes.Buffer
	b.WriteString("a,b,y,\"c \"\"x\"\"\",d,e\n")
	for i, y := range d.Label {
		c := d.Columns
		fmt.Fprintf(&b, "%g,%g,%g,%g,\"%g\",%g\r\n", c[0].at(i), c[1].at(i), y, c[2].at(i), c[3].at(i), c[4].at(i))
		fmt.Fprintf(&s, "%g 0:%g 2:%g 3:%g 4:%g", y, c[0].at(i), c[2].at(i), c[3].at(i), c[4].at(i))
		if v := c[1].at(i); v != 0 {
			fmt.Fprintf(&s, " 1:7 1:%g 9:0", v)
		}
		s.WriteString("\n")
	}
	must(t, os.WriteFile(path+".csv", b.Bytes(), 0o666))
	must(t, os.WriteFile(path+".svm", s.Bytes(), 0o666))
}

// A file read in pieces gives the model of one that is read as a whole, with its side files, samples, and scores of the
// model to go on from.
func TestStream(t *testing.T) {
	dir := t.TempDir()
	writeData(t, smallData(30000, 1), filepath.Join(dir, "train"))
	writeData(t, smallData(800, 2), filepath.Join(dir, "valid"))
	must(t, os.WriteFile(filepath.Join(dir, "train.csv.weight"), []byte(strings.Repeat("1\n2\n0.5\n", 10000)), 0o666))
	first := Options{NumIterations: 2, NumLeaves: 5}
	ds, err := NewDataset(smallData(600, 3), first)
	must(t, err)
	before, err := Train(context.Background(), ds, first)
	must(t, err)
	csv := Options{Header: true, LabelColumn: "name:y", CategoricalFeature: "name:d"}
	for name, c := range map[string]struct {
		file string
		o    Options
	}{
		"csv":    {"csv", csv},
		"sample": {"csv", Options{Header: true, LabelColumn: "2", CategoricalFeature: "3", BinConstructSampleCnt: 1000, MaxBin: 600, IgnoreColumn: "name:a"}},
		"linear": {"csv", func() Options { o := csv; o.LinearTree = true; return o }()},
		"go on":  {"csv", func() Options { o := csv; o.InitModel = before; return o }()},
		"group":  {"csv", func() Options { o := csv; o.GroupColumn, o.WeightColumn = "name:b", "name:d"; return o }()},
		"libsvm": {"svm", Options{CategoricalFeature: "3", BinConstructSampleCnt: 500}},
		"sparse": {"svm", Options{LinearTree: true}},
	} {
		t.Run(name, func(t *testing.T) {
			train, valid := filepath.Join(dir, "train."+c.file), filepath.Join(dir, "valid."+c.file)
			o := c.o
			o.NumIterations, o.NumLeaves, o.TwoRound = 3, 8, true
			if name == "group" {
				train = valid // which has no side file
			}
			d, err := OpenData(train, o)
			must(t, err)
			whole, err := NewDataset(d, o)
			must(t, err)
			e, err := OpenData(valid, o)
			must(t, err)
			wholeValid, err := whole.NewValid(e)
			must(t, err)
			streamed, err := OpenDataset(train, o)
			must(t, err)
			streamedValid, err := streamed.OpenValid(valid, o)
			must(t, err)
			curve := ""
			model := func(ds, v *Dataset) string {
				o := o
				o.Validation = []Validation{{"v", v}}
				o.OnIter = func(it Iteration) error { curve += fmt.Sprint(it.Results); return nil }
				m, err := Train(context.Background(), ds, o)
				must(t, err)
				return text(t, m)
			}
			want := model(whole, wholeValid)
			wantCurve := curve
			curve = ""
			if got := model(streamed, streamedValid); got != want || curve != wantCurve {
				t.Errorf("model\n%s\nwant\n%s\ncurve %s, want %s", got, want, curve, wantCurve)
			}
			if o.LinearTree {
				return
			}
			m, err := Train(context.Background(), whole, o)
			must(t, err)
			refitted, err := m.Refit(e, o)
			must(t, err)
			fromFile, err := m.RefitFile(valid, o)
			must(t, err)
			if text(t, fromFile) != text(t, refitted) || text(t, refitted) == text(t, m) {
				t.Error("refitted to the file the model is another one, or did not move")
			}
		})
	}
}

// What is wrong in a file is said with its place; what cannot be read in pieces is read as a whole, or refused.
func TestStreamErrors(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]string{
		strings.Repeat("1,2\n", 50) + "3,x\n": `:51: column "column2": "x" is not a number`,
		"1,x\n2,y\n":                          `:1: column "column2": "x" is not a number; is the first line a header? then give header=true`,
		"1,2\n1\n":                            ":2: 1 field here",
		"":                                    "is empty",
		"1 0:1\n2 0:x\n":                      `line 2: "0:x" is neither`,
		"1 qid:1 0:1\n2 0:3\n":                "qid",
		"1 0:1\n2 qid:1 0:3\n":                "qid",
		"1 0:nan qid:2\n" + strings.Repeat("1 0:2 qid:3\n", 9): "",
		"nan,1\n2,3\n": "the label of row 0",
		"{\"a\":1}\n":  "two_round reads CSV, TSV and LibSVM",
	} {
		path := filepath.Join(dir, "d")
		must(t, os.WriteFile(path, []byte(text), 0o666))
		_, err := OpenDataset(path, Options{TwoRound: true})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%.30q: error %v, want %q", text, err, want)
		}
	}
	path := filepath.Join(dir, "rows.json")
	must(t, os.WriteFile(path, []byte(strings.Repeat("{\"y\":1,\"a\":2}\n{\"y\":0,\"a\":3}\n", 40)), 0o666))
	ds, err := OpenDataset(path, Options{Header: true, LabelColumn: "name:y"})
	must(t, err)
	if ds.NumRows() != 80 || ds.NumBins(0) != 3 || ds.hasValues() {
		t.Errorf("%d rows, %d bins, values kept: %v", ds.NumRows(), ds.NumBins(0), ds.hasValues())
	}
}

// FuzzOpenDataset: whatever a file and what stands beside it hold, they train, or are refused, the same in pieces as at once.
func FuzzOpenDataset(f *testing.F) {
	f.Add("1,2,3\n0,3,4\n1,5,nan\n", "1\n2\n3\n", uint8(0))
	f.Add("y,a\n1,2\n0,\"3\"\n", "2\n", uint8(9))
	f.Add("1 0:2\n0 qid:1 1:3\n", "0.5 1\n1 2\n", uint8(2))
	f.Add("0\t2\n1\t1e400\n", "x\nx\n", uint8(3))
	f.Add("1 qid:1 0:2\n0 qid:1 1:3\n", "top\n7\n", uint8(3))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, rows, side string, how uint8) {
		file := filepath.Join(dir, "d")
		beside := file + []string{".weight", ".query", ".init", ".position"}[how%4]
		write(t, file, rows)
		write(t, beside, side)
		defer os.Remove(beside)
		o := Options{Header: how&8 > 0, MinDataInLeaf: 1, MinDataInBin: 1, NumIterations: 2, NumLeaves: 3}
		streamed, err := OpenDataset(file, o)
		d, whole := OpenData(file, o)
		if err != nil || whole != nil || len(d.Columns) > 50 { // as a whole a column of codes such as 007 is text
			return
		}
		ds, err := NewDataset(d, o)
		must(t, err)
		for _, o.Objective = range []string{"regression", "lambdarank"} {
			a, errA := Train(context.Background(), ds, o)
			b, errB := Train(context.Background(), streamed, o)
			if (errA == nil) != (errB == nil) || errA == nil && text(t, a) != text(t, b) {
				t.Fatalf("errors %v and %v, or two models", errA, errB)
			}
		}
	})
}
