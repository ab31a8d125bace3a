package gbdt

import (
	"bytes"
	"context"
	"crypto/sha256"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Training from a saved data set gives the model of the one that was saved, and so do its validation set and its curve.
func TestSavedDataset(t *testing.T) {
	for name, o := range resumable() {
		t.Run(name, func(t *testing.T) {
			o.NumIterations, o.NumLeaves = 6, 12
			d, e := resumeData(1500, 1, o), resumeData(300, 2, o)
			d.Columns[1].Name, d.Columns[3].Ignore = "spaced name", name == "plain"
			if name == "sampled" {
				o.MaxBin = 700
				d.Weight, d.InitScore = make([]float64, len(d.Label)), make([]float64, len(d.Label))
				for i := range d.Weight {
					d.Weight[i], d.InitScore[i] = float64(i%7), float64(i%3)
				}
			}
			ds, err := NewDataset(d, o)
			must(t, err)
			valid, err := ds.NewValid(e)
			must(t, err)
			train := func(ds, valid *Dataset) string {
				o := o
				o.Validation = []Validation{{"valid", valid}}
				m, err := Train(context.Background(), ds, o)
				must(t, err)
				return text(t, m)
			}
			dir := t.TempDir()
			must(t, ds.Save(filepath.Join(dir, "train.bin")))
			must(t, valid.Save(filepath.Join(dir, "valid.bin")))
			again, err := OpenDataset(filepath.Join(dir, "train.bin"), o)
			must(t, err)
			valid2, err := again.OpenValid(filepath.Join(dir, "valid.bin"), o)
			must(t, err)
			want := train(ds, valid)
			if got := train(again, valid2); got != want {
				t.Errorf("model of saved data:\n%s\nwant\n%s", got, want)
			}
			must(t, again.Save(filepath.Join(dir, "again.bin")))
			if !bytes.Equal(readFile(t, filepath.Join(dir, "again.bin")), readFile(t, filepath.Join(dir, "train.bin"))) {
				t.Error("what is read and saved again has other bytes")
			}
			fromText, err := again.NewValid(e)
			must(t, err)
			if got := train(again, fromText); got != want {
				t.Error("validation data binned by a saved data set gives another model")
			}
		})
	}
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Columns that lie side by side in rows bin, train, split into folds and are saved as those that do not.
func TestStride(t *testing.T) {
	for _, o := range []Options{{}, {LinearTree: true}} {
		o.NumIterations, o.NumLeaves = 3, 8
		d := smallData(40000, 1)
		e := Data{Label: d.Label, Columns: make([]Column, len(d.Columns))}
		x := make([]float64, len(d.Columns)*len(d.Label))
		x32 := make([]float32, len(x))
		for j := range d.Columns {
			for i := range d.Label {
				x32[i*len(d.Columns)+j] = float32(d.Columns[j].Values[i])
				x[i*len(d.Columns)+j], d.Columns[j].Values[i] = float64(x32[i*len(d.Columns)+j]), float64(x32[i*len(d.Columns)+j])
			}
			e.Columns[j] = Column{Float32: x32[j:], Stride: len(d.Columns), Categorical: d.Columns[j].Categorical}
			if j == 2 {
				e.Columns[j].Float32, e.Columns[j].Values = nil, x[j:]
			}
		}
		var want string
		for i, d := range []Data{d, e} {
			ds, err := NewDataset(d, o)
			must(t, err)
			path := filepath.Join(t.TempDir(), "d.bin")
			must(t, ds.Save(path))
			saved, err := OpenDataset(path, o)
			must(t, err)
			for k, ds := range []*Dataset{ds, saved} {
				rows := KFold(40000, 2)[0].Train
				half, err := ds.Subset(rows)
				must(t, err)
				m, err := Train(context.Background(), half, o)
				must(t, err)
				got := text(t, m)
				if i == 0 && k == 0 {
					want = got
				} else if got != want {
					t.Errorf("linear %v: data %d, saved %d gives another model", o.LinearTree, i, k)
				}
			}
		}
	}
}

// What needs values that a saved data set has not is an error that says so; folds of it are not.
func TestSavedDatasetWithoutValues(t *testing.T) {
	o := Options{NumIterations: 3, NumLeaves: 6}
	ds, err := NewDataset(smallData(600, 1), o)
	must(t, err)
	path := filepath.Join(t.TempDir(), "d.bin")
	must(t, ds.Save(path))
	saved, err := OpenDataset(path, o)
	must(t, err)
	m, err := Train(context.Background(), saved, o)
	must(t, err)
	linear, more := o, o
	linear.LinearTree, more.InitModel = true, m
	for want, o := range map[string]Options{"linear_tree needs the values": linear, "going on from a model needs the values": more} {
		if _, err := Train(context.Background(), saved, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	o.Metric = []string{"l2"}
	a, err := CrossValidate(context.Background(), ds, o, KFold(600, 3))
	must(t, err)
	b, err := CrossValidate(context.Background(), saved, o, KFold(600, 3))
	must(t, err)
	for i, v := range a[0].Mean {
		if b[0].Mean[i] != v {
			t.Errorf("iteration %d: mean %v, want %v", i, b[0].Mean[i], v)
		}
	}
	given := DefaultOptions()
	must(t, given.Set("max_bins", "63"))
	if got := strings.Join(saved.OtherBinning(given), "; "); got != "max_bin=63 (binned with 255)" {
		t.Errorf("other binning: %s", got)
	}
	other, err := NewDataset(smallData(600, 3), o)
	must(t, err)
	if _, err := other.OpenValid(path, o); err == nil || !strings.Contains(err.Error(), "other bins") {
		t.Errorf("error %v", err)
	}
	old := filepath.Join(t.TempDir(), "old.bin")
	must(t, os.WriteFile(old, []byte(olderMagic+"\x01\x02"), 0o666))
	if _, err := OpenDataset(old, o); err == nil || !strings.Contains(err.Error(), "saved by an older version") {
		t.Errorf("error %v", err)
	}
	theirs := filepath.Join(t.TempDir(), "theirs.bin")
	must(t, os.WriteFile(theirs, []byte(lightGBMMagic+"\x01\x02"), 0o666))
	if _, err := OpenDataset(theirs, o); err == nil || !strings.Contains(err.Error(), "saved by LightGBM") {
		t.Errorf("error %v", err)
	}
}

// A file cut anywhere, or with any byte changed, is refused.
func TestSavedDatasetDamaged(t *testing.T) {
	b := savedBytes(t, Options{LinearTree: true})
	for n := 0; n < len(b); n += 1 + len(b)/300 {
		if _, err := readSaved(bytes.NewReader(b[:n]), int64(n)); err == nil {
			t.Errorf("%d bytes of %d are taken", n, len(b))
		}
		b[n] ^= 0x10
		if _, err := readSaved(bytes.NewReader(b), int64(len(b))); err == nil {
			t.Errorf("byte %d changed, and nobody sees it", n)
		}
		b[n] ^= 0x10
	}
}

func savedBytes(t testing.TB, o Options) []byte {
	t.Helper()
	d := smallData(60, 1)
	d.Group = []int{20, 40}
	d.Weight = append([]float64(nil), d.Label...)
	for i := range d.Weight {
		d.Weight[i] = float64(i % 5)
		if o.LinearTree {
			d.Label[i], d.Position = float64(i%3), append(d.Position, i%9)
		}
	}
	ds, err := NewDataset(d, o)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "d.bin")
	if err := ds.Save(path); err != nil {
		t.Fatal(err)
	}
	return readFile(t, path)
}

// FuzzSavedDataset: with the checksum set right, whatever stands in a file is refused or trains.
func FuzzSavedDataset(f *testing.F) {
	for _, o := range []Options{{MinDataInLeaf: 3}, {LinearTree: true, MaxBin: 9}} {
		b := savedBytes(f, o)
		f.Add(b[:len(b)-sha256.Size])
	}
	sparse := Data{Label: uniform(1, 0, 90)}
	for j := range 45 {
		sparse.Columns = append(sparse.Columns, Column{Values: make([]float64, 90)})
		for i := range 4 + j%3 {
			at := 2*j + i // of the first columns every third is exclusive
			if j > 12 {
				at = int(uniform(j, i, 1)[0] * 90)
			}
			sparse.Columns[j].Values[at%90] = float64(i%3 + 1)
		}
	}
	for _, o := range []Options{{MinDataInLeaf: 1, MinDataInBin: 1}, func() Options { o := DefaultOptions(); o.IsEnableSparse, o.MinDataInLeaf = false, 1; return o }()} {
		ds, err := NewDataset(sparse, o)
		must(f, err)
		path := filepath.Join(f.TempDir(), "d.bin")
		must(f, ds.Save(path))
		b := readFile(f, path)
		f.Add(b[:len(b)-sha256.Size])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		sum := sha256.Sum256(b)
		b = append(bytes.Clone(b), sum[:]...)
		ds, err := readSaved(bytes.NewReader(b), int64(len(b)))
		if err != nil || ds.rows > 1000 || len(ds.columns) > 100 {
			return
		}
		for _, o := range []Options{{}, {LinearTree: ds.hasValues(), ExtraTrees: true}, {Objective: "lambdarank"}} {
			o.NumIterations, o.NumLeaves, o.MinDataInLeaf = 2, 4, 1
			if _, err := Train(context.Background(), ds, o); err != nil && strings.Contains(err.Error(), "panic") {
				t.Error(err)
			}
		}
	})
}
