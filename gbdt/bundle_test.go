package gbdt

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/internal/par"
)

func bundleCaseNamed(t *testing.T, name string) *bundleCase {
	t.Helper()
	cases := readBundleCases(t)
	return cases[slices.IndexFunc(cases, func(c *bundleCase) bool { return c.Name == name })]
}

// Bundles and rows of sparse bins train alike for any number of threads, and from a saved data set.
func TestBundleThreadsAndSave(t *testing.T) {
	defer par.SetThreads(0)
	for _, name := range []string{"hot", "base_file", "many", "many_base", "wide", "packed", "quantized"} {
		c := bundleCaseNamed(t, name)
		o := c.options(t)
		var train, valid *Dataset
		for threads := range 4 {
			par.SetThreads(threads + 1)
			if threads == 0 || name != "base_file" { // which is large, and does not depend on threads in reading
				train, valid = c.datasets(t, o)
			}
			if threads == 2 {
				dir := t.TempDir()
				must(t, train.Save(filepath.Join(dir, "a")))
				must(t, valid.Save(filepath.Join(dir, "b")))
				var err error
				train, err = OpenDataset(filepath.Join(dir, "a"), o)
				must(t, err)
				valid, err = train.OpenValid(filepath.Join(dir, "b"), o)
				must(t, err)
				must(t, train.Save(filepath.Join(dir, "again")))
				if !bytes.Equal(readFile(t, filepath.Join(dir, "a")), readFile(t, filepath.Join(dir, "again"))) {
					t.Errorf("%s: what is read and saved again has other bytes", name)
				}
			}
			m, evals := c.train(t, train, valid, o)
			if got := text(t, m) + "\npandas_categorical:null\n"; got != c.Model {
				t.Errorf("%s: %d threads: %s", name, threads+1, firstDifference(got, c.Model))
			}
			if d := diffFloats(evals[1], c.Evals[1], 1e-12); d != "" {
				t.Errorf("%s: %d threads: %s", name, threads+1, d)
			}
		}
	}
}

// Training on bundles goes on from a checkpoint to the model that it would have given.
func TestBundleCheckpoint(t *testing.T) {
	for _, name := range []string{"hot", "many"} {
		c := bundleCaseNamed(t, name)
		o := c.options(t)
		train, valid := c.datasets(t, o)
		o.Checkpoint, o.CheckpointFreq = filepath.Join(t.TempDir(), "c"), 1
		o.NumIterations = c.Rounds - 1
		c.train(t, train, valid, o)
		o.NumIterations = c.Rounds
		m, _ := c.train(t, train, valid, o)
		if got := text(t, m) + "\npandas_categorical:null\n"; got != c.Model {
			t.Errorf("%s: %s", name, firstDifference(got, c.Model))
		}
	}
}

// sameBins holds bins and places of data sets against each other.
func sameBins(t *testing.T, got, want *Dataset) {
	t.Helper()
	if !reflect.DeepEqual(got.layout, want.layout) || !reflect.DeepEqual(got.places, want.places) {
		t.Fatalf("layout %v, want %v", got.layout, want.layout)
	}
	if !reflect.DeepEqual(got.bins, want.bins) || !reflect.DeepEqual(got.sparse, want.sparse) {
		t.Error("bins are others")
	}
}

// CSV and LibSVM text that is read in pieces has the columns and bins of a table in memory; so has a table in float32 whose
// values lie in rows.
func TestBundleStream(t *testing.T) {
	for _, name := range []string{"hot", "many", "zero_missing", "wide", "no_bundle", "packed", "packed_file"} {
		c := bundleCaseNamed(t, name)
		o := c.options(t)
		d := c.data(c.Rows, c.Seed)
		want, err := NewDataset(d, o)
		must(t, err)

		flat := make([]float32, c.Rows*len(d.Columns))
		rows := Data{Label: d.Label}
		var csv, svm strings.Builder
		for i, y := range d.Label {
			fmt.Fprintf(&csv, "%g", y)
			fmt.Fprintf(&svm, "%g", y)
			for j := range d.Columns {
				v := d.Columns[j].at(i)
				flat[i*len(d.Columns)+j] = float32(v)
				fmt.Fprintf(&csv, ",%g", v)
				if v != 0 {
					fmt.Fprintf(&svm, " %d:%g", j, v)
				}
			}
			csv.WriteString("\n")
			svm.WriteString("\n")
		}
		for j := range d.Columns {
			rows.Columns = append(rows.Columns, Column{Float32: flat[j:], Stride: len(d.Columns), Categorical: d.Columns[j].Categorical})
		}
		strided, err := NewDataset(rows, o)
		must(t, err)
		sameBins(t, strided, want)
		for _, text := range []string{csv.String(), svm.String()} {
			path := filepath.Join(t.TempDir(), "d")
			must(t, os.WriteFile(path, []byte(text), 0o666))
			ds, err := OpenDataset(path, o)
			must(t, err)
			sameBins(t, ds, want)
			v, err := want.OpenValid(path, o)
			must(t, err)
			for j := range want.used {
				for i := range c.Rows {
					if got, b := v.bin(int32(j), int32(i)), want.mappers[want.used[j]].bin(d.Columns[want.used[j]].at(i)); got != b {
						t.Fatalf("%s: row %d of feature %d of validation data has bin %d, want %d", name, i, j, got, b)
					}
				}
			}
		}
	}
}

// A subset has the bins of its rows, and its folds train.
func TestBundleSubset(t *testing.T) {
	for _, name := range []string{"hot", "many", "wide", "packed"} {
		c := bundleCaseNamed(t, name)
		o := c.options(t)
		ds, _ := c.datasets(t, o)
		rows := KFold(c.Rows, 3)[1].Train
		sub, err := ds.Subset(rows)
		must(t, err)
		for j := range ds.used {
			for i, r := range rows {
				if got, want := sub.bin(int32(j), int32(i)), ds.bin(int32(j), int32(r)); got != want {
					t.Fatalf("%s: row %d of feature %d has bin %d, want %d", name, i, j, got, want)
				}
			}
		}
		_, err = CrossValidate(context.Background(), ds, o, KFold(c.Rows, 3))
		must(t, err)
	}
}

// More numbers than 16 bits hold, in a column and by row: the trees are the same, as no row has two features.
func TestBundleManyNumbers(t *testing.T) {
	const features, each = 280, 240
	var b strings.Builder
	for i := range features * each {
		f, v := i%features, i/features+1
		fmt.Fprintf(&b, "%d %d:%d\n", f*7%50+v%90+i%9, f, v)
	}
	path := filepath.Join(t.TempDir(), "d")
	must(t, os.WriteFile(path, []byte(b.String()), 0o666))
	trees := func(bundle bool) string {
		o := DefaultOptions()
		o.NumIterations, o.NumLeaves, o.MinDataInBin, o.MinDataInLeaf, o.EnableBundle = 2, 31, 1, 2, bundle
		ds, err := OpenDataset(path, o)
		must(t, err)
		if bundle && (len(ds.bins) != 1 || ds.bins[0].u32 == nil) || !bundle && ds.sparse.list.u32 == nil {
			t.Errorf("%d columns of %v bins, sparse %v", len(ds.bins), ds.layout.bins, ds.sparse != nil)
		}
		m, err := Train(context.Background(), ds, o)
		must(t, err)
		trees, _, _ := strings.Cut(text(t, m), "parameters:")
		return trees
	}
	if a, b := trees(true), trees(false); a != b {
		t.Error(firstDifference(a, b))
	}
}

// sparseRows finds each number of a row, whatever their order was.
func TestSparseRows(t *testing.T) {
	for _, numbers := range []int{200, 60000, 1 << 20} {
		s := &sparseRows{numbers: numbers}
		want := map[[2]int]bool{}
		var pieces []*sparsePiece
		for first := 900; first >= 0; first -= 100 {
			p := &sparsePiece{first: first, rows: 100}
			for k, u := range uniform(first, 1, 700) {
				row, number := first+k*37%100, 1+int(u*float64(numbers-1))
				if !want[[2]int{row, number}] {
					want[[2]int{row, number}] = true
					p.add(row, uint32(number))
				}
			}
			p.sort()
			pieces = append(pieces, p)
		}
		s.join(1000, pieces)
		must(t, s.check())
		if s.list.len() != len(want) {
			t.Errorf("%d numbers, want %d", s.list.len(), len(want))
		}
		for at := range want {
			if got := s.find(int32(at[0]), uint32(at[1]), 1); got != at[1] {
				t.Fatalf("number %d of row %d: found %d", at[1], at[0], got)
			}
		}
		if cuts := s.cuts(3); len(cuts) != 2 || cuts[0] >= cuts[1] {
			t.Errorf("cuts %v", cuts)
		}
	}
}
