package gbdt

import (
	"math/rand/v2"
	"testing"

	"github.com/hanji-ml/hanji/internal/par"
)

// TestHistogramBuild: every bin has the bits of adding its rows up in order, for narrow and wide features, all rows and
// some, with features left out, on any number of threads; of integers too.
func TestHistogramBuild(t *testing.T) {
	defer par.SetThreads(0)
	r := rand.New(rand.NewPCG(5, 1))
	for _, features := range []int{1, 7, 33, 70} {
		const rows = 3*histogramBlock + 100
		ds := &Dataset{rows: rows}
		used := make([]bool, features)
		for f := range features {
			bins := 2 + r.IntN(255)
			if f%10 == 6 {
				bins = 300
			}
			ds.used = append(ds.used, int32(f))
			ds.mappers = append(ds.mappers, &binMapper{numBin: bins})
			ds.bins = append(ds.bins, makeBins(rows, bins))
			for i := range rows {
				ds.bins[f].set(i, r.IntN(bins))
			}
			used[f] = r.IntN(4) > 0 && (f < 33 || f >= 64)
		}
		gh := make([]gradPair, rows)
		for i := range gh {
			gh[i] = gradPair{float32(r.NormFloat64()), r.Float32()}
		}
		rounded := make([]gradPair, rows)
		for i := range rounded {
			asInts(rounded)[i] = intSum(r.IntN(5)-2)<<32 + intSum(r.IntN(5))
		}
		l := newBinLayout(ds)
		for _, some := range []int{0, 1, 3, 40, smallLeaf + 1, histogramBlock, 2*histogramBlock + 9, rows} {
			var leaf []int32 // nil: all
			for i := range int32(rows) {
				if some < rows && r.IntN(rows) < some {
					leaf = append(leaf, i)
				}
			}
			if some < rows && leaf == nil {
				leaf = []int32{7}
			}
			want, wantInt := l.newHistogram(), l.newIntHistogram()
			for i := range max(len(leaf), min(rows, rows*boolIndex(leaf == nil))) {
				row := int32(i)
				if leaf != nil {
					row = leaf[i]
				}
				for f := range features {
					if used[f] {
						want.bins[l.offset[f]+ds.bins[f].at(row)].add(gh[row])
						wantInt.ints[l.offset[f]+ds.bins[f].at(row)] += asInts(rounded)[row]
					}
				}
			}
			for _, threads := range []int{1, 2, 3} {
				par.SetThreads(threads)
				got, gotInt := l.newHistogram(), l.newIntHistogram()
				for i := range got.bins {
					got.bins[i], gotInt.ints[i] = binSum{99, 99}, 99 // of the leaf that had it before
				}
				l.build(got, used, leaf, gh)
				l.build(gotInt, used, leaf, rounded)
				for f := range features {
					for b := l.offset[f]; b < l.offset[f+1]; b++ {
						w, wi := want.bins[b], wantInt.ints[b]
						if !used[f] {
							w, wi = binSum{99, 99}, 99
						}
						if got.bins[b] != w || gotInt.ints[b] != wi {
							t.Fatalf("%d features, %d rows, %d threads: feature %d, bin %d: %v and %x, want %v and %x",
								features, len(leaf), threads, f, b-l.offset[f], got.bins[b], gotInt.ints[b], w, wi)
						}
					}
				}
			}
		}
	}
}
