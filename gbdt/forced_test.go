package gbdt

import (
	"context"
	"math"
	"path/filepath"
	"slices"
	"testing"
)

// TestForcedBins: bounds from a file are among a feature's bounds, the others fill up what is left.
func TestForcedBins(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bins.json")
	write(t, file, `[{"feature": 0, "bin_upper_bound": [0.3, 0.35, 0.35, 0.4]}]`)
	ds, err := NewDataset(smallData(500, 1), Options{MaxBin: 16, ForcedBinsFilename: file})
	must(t, err)
	upper := ds.mappers[0].upper
	for _, v := range []float64{0.3, 0.35, 0.4, zeroThreshold, -zeroThreshold} {
		if !slices.Contains(upper, v) {
			t.Errorf("bounds %v have no %v", upper, v)
		}
	}
	if len(upper) != 16 || !math.IsInf(upper[15], 1) || !slices.IsSorted(upper) {
		t.Errorf("bounds %v", upper)
	}
	for _, bad := range []string{"", "{}", `[{"feature": 9}]`, `[{"feature": -1}]`} {
		write(t, file, bad)
		if _, err := NewDataset(smallData(100, 1), Options{ForcedBinsFilename: file}); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestForcedSplitErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "splits.json")
	ds, err := NewDataset(smallData(100, 1), Options{})
	must(t, err)
	for _, bad := range []string{"", "[]", "{}", `{"feature": 9, "threshold": 0}`, `{"feature": 0, "threshold": 0, "left": {"feature": 1}}`} {
		write(t, file, bad)
		if _, err := Train(context.Background(), ds, Options{ForcedSplitsFilename: file}); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func FuzzForcedSplits(f *testing.F) {
	f.Add(`{"feature": 0, "threshold": 0.1, "left": {"feature": 3, "threshold": 2}, "right": {"feature": 1, "threshold": 0}}`)
	f.Add(`{"feature": 2, "threshold": 1e999}`)
	ds, err := NewDataset(smallData(100, 1), Options{})
	must(f, err)
	file := filepath.Join(f.TempDir(), "splits.json")
	f.Fuzz(func(t *testing.T, text string) {
		write(t, file, text)
		Train(context.Background(), ds, Options{NumIterations: 1, NumLeaves: 4, ForcedSplitsFilename: file})
		readForcedBins(file, 5)
	})
}
