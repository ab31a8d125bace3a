package gbdt

import (
	"math/rand/v2"
	"testing"

	"github.com/hanji-ml/hanji/internal/par"
)

// TestHistogramBuild: every bin has the bits of adding its rows up in order, for narrow, packed, wide and bundled features and
// sparse rows, all rows and some, with features left out, on any number of threads; of integers too.
func TestHistogramBuild(t *testing.T) {
	defer par.SetThreads(0)
	r := rand.New(rand.NewPCG(5, 1))
	for _, features := range []int{1, 7, 33, 70} {
		const rows = 3*histogramBlock + 100
		ds := &Dataset{rows: rows, options: Options{IsEnableSparse: true}}
		used, chosen := make([]bool, features), r.Perm(features)
		var groups []featureGroup
		for f := range features {
			m := &binMapper{numBin: 2 + r.IntN(255)}
			switch f % 10 {
			case 6:
				m.numBin = 300
			case 2, 3: // half a byte
				m.numBin = 2 + r.IntN(15)
			}
			if features == 70 && f >= 34 { // by row
				m.sparseRate, m.mostFreqBin = 0.9, r.IntN(m.numBin)
			}
			ds.used, ds.mappers = append(ds.used, int32(f)), append(ds.mappers, m)
			used[f] = r.IntN(4) > 0 && (f < 33 || f >= 64)
			if n := len(groups) - 1; f%5 == 4 && n > 0 {
				groups[n].features = append(groups[n].features, int32(f))
			} else {
				groups = append(groups, featureGroup{features: []int32{int32(f)}})
			}
		}
		ds.arrange(groups)
		bins := make([][]int, features)
		piece := &sparsePiece{rows: rows}
		for i := range rows {
			taken := map[int32]bool{}
			for _, f := range chosen { // of a bundle one is not in its most frequent bin
				m, p := ds.mappers[f], &ds.places[f]
				b := r.IntN(m.numBin)
				if m.sparseRate > 0 && r.IntN(10) > 0 || !p.alone && p.column >= 0 && taken[p.column] {
					b = m.mostFreqBin
				}
				if bins[f] = append(bins[f], b); p.alone {
					ds.set(p, i, b)
				} else {
					ds.put(int32(f), i, b, piece)
				}
				taken[p.column] = taken[p.column] || b != m.mostFreqBin
			}
		}
		columns := make([]bool, len(ds.layout.columns)+1)
		for f, u := range used {
			c := ds.places[f].column
			if c < 0 {
				c = int32(len(columns) - 1)
			}
			columns[c] = columns[c] || u
		}
		if ds.sparse != nil {
			piece.sort()
			ds.sparse.join(rows, []*sparsePiece{piece})
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
					if b := bins[f][row]; !left(ds, f, b) {
						want.bins[l.views[f].lo+b].add(gh[row])
						wantInt.ints[l.views[f].lo+b] += asInts(rounded)[row]
					}
				}
			}
			for _, threads := range []int{1, 2, 3} {
				par.SetThreads(threads)
				got, gotInt := l.newHistogram(), l.newIntHistogram()
				for i := range got.bins {
					got.bins[i], gotInt.ints[i] = binSum{99, 99}, 99 // of the leaf that had it before
				}
				l.build(got, columns, leaf, gh)
				l.build(gotInt, columns, leaf, rounded)
				for f := range features {
					c := ds.places[f].column
					if c < 0 {
						c = int32(len(columns) - 1)
					}
					for b := range ds.mappers[f].numBin {
						if left(ds, f, b) {
							continue
						}
						at := l.views[f].lo + b
						w, wi := want.bins[at], wantInt.ints[at]
						if !columns[c] {
							w, wi = binSum{99, 99}, 99
						}
						if got.bins[at] != w || gotInt.ints[at] != wi {
							t.Fatalf("%d features, %d rows, %d threads: feature %d, bin %d: %v and %x, want %v and %x",
								features, len(leaf), threads, f, b, got.bins[at], gotInt.ints[at], w, wi)
						}
					}
				}
			}
		}
	}
}

// left tells of bins that are left out.
func left(ds *Dataset, f, b int) bool { return !ds.places[f].alone && b == ds.mappers[f].mostFreqBin }
