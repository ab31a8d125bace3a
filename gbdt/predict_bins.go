package gbdt

import (
	"slices"

	"github.com/hanji-ml/hanji/internal/kernel"
	"github.com/hanji-ml/hanji/internal/par"
)

// addTree adds a tree of this training to the scores of rows, nil for all and otherwise ascending, by their bins (Tree::
// AddPredictionToScore).
func (ds *Dataset) addTree(t *tree, rows []int32, score []float64) {
	n := ds.rows
	if rows != nil {
		n = len(rows)
	}
	if t.numLeaves == 1 && !t.linear {
		v := t.leafValue[0]
		if v == 0 {
			return
		}
		for i := range n {
			if rows != nil {
				score[rows[i]] += v
			} else {
				score[i] += v
			}
		}
		return
	}
	if n >= max(minRankedRows, ds.rows/8) {
		if b := ds.compileBins(t); b != nil {
			b.add(rows, score)
			return
		}
	}
	par.For(n, 1<<10, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			row := int32(i)
			if rows != nil {
				row = rows[i]
			}
			leaf := ds.leafByBins(t, row)
			if t.linear {
				score[row] += ds.linearOutput(t, leaf, row)
			} else {
				score[row] += t.leafValue[leaf]
			}
		}
	})
}

// binTree is a tree compiled for the rows of a data set, as a rankedRun is for values: bins are ranks already.
type binTree struct {
	ds      *Dataset
	columns []rankedBins
	splits  []kernel.TreeSplit
	sets    []kernel.ByteSet         // of those by categories
	leafs   [maxRankedLeaves]float64 // from left to right
}

// rankedBins makes ranks of the numbers in a column.
type rankedBins struct {
	numbers []uint8
	as      [256]uint8 // by number
	same    bool       // they are the ranks
}

// compileBins gives nil for a tree that rows have to walk down.
func (ds *Dataset) compileBins(t *tree) *binTree {
	if !kernel.HasTreeLeaves() || t.linear || t.numLeaves > maxRankedLeaves {
		return nil
	}
	b := &binTree{ds: ds, splits: make([]kernel.TreeSplit, 0, t.numLeaves-1)}
	place := map[rankKey]int{}
	leaf, ok := 0, true
	var visit func(node int32)
	visit = func(node int32) {
		if node < 0 {
			b.leafs[leaf] = t.leafValue[^node]
			leaf++
			return
		}
		key := rankKey{t.splitInner[node], t.missingRule(node)}
		at, known := place[key]
		if !known {
			at = len(b.columns)
			place[key] = at
			b.columns = append(b.columns, rankedBins{})
			ok = ok && b.columns[at].set(ds, key)
		}
		s, right := kernel.TreeSplit{Column: uint32(at * kernel.TreeRows), From: uint8(leaf), BySet: key.rule == byCategory}, 0
		if s.BySet {
			var set kernel.ByteSet
			for bin := range min(256, ds.mappers[ds.used[key.feature]].numBin) {
				if inBitset(t.catInner[t.thresholdBin[node]], uint32(bin)) {
					set.Add(uint8(bin))
				}
			}
			b.sets = append(b.sets, set)
		} else {
			right = int(t.thresholdBin[node]) + 1
			s.Right = uint8(right)
		}
		split := len(b.splits)
		b.splits = append(b.splits, s)
		if right > 255 {
			ok = false
		}
		if ok {
			visit(t.left[node])
			b.splits[split].To = uint8(leaf)
			visit(t.right[node])
		}
	}
	visit(0)
	if !ok {
		return nil
	}
	return b
}

// set makes the table; false if the feature's column has no bytes.
func (r *rankedBins) set(ds *Dataset, key rankKey) bool {
	p, m := &ds.places[key.feature], ds.mappers[ds.used[key.feature]]
	if p.column < 0 || ds.bins[p.store].u8 == nil {
		return false
	}
	r.numbers, r.same = ds.bins[p.store].u8, !p.packed
	for n := range 256 {
		number := n >> p.shift
		if p.packed {
			number &= 15
		}
		bin := number
		if !p.alone {
			bin = p.bin(number, m)
		}
		rank := bin
		switch {
		case key.rule == nanLeft && bin == m.numBin-1, key.rule == zeroLeft && bin == m.defaultBin:
			rank = 0
		case key.rule == nanRight && bin == m.numBin-1, key.rule == zeroRight && bin == m.defaultBin:
			rank = 255
		}
		r.as[n], r.same = uint8(rank), r.same && rank == n
	}
	return true
}

// add adds the tree to the scores of rows; see addTree.
func (b *binTree) add(rows []int32, score []float64) {
	n, size := b.ds.rows, len(b.columns)*kernel.TreeRows
	scratch := make([][]uint8, par.Threads())
	par.ForWorker(n, kernel.TreeRows, func(worker, lo, hi int) {
		in := rows
		if rows != nil {
			from, _ := slices.BinarySearch(rows, int32(lo))
			to, _ := slices.BinarySearch(rows, int32(hi))
			if in = rows[from:to]; len(in) == 0 {
				return
			}
		}
		if scratch[worker] == nil {
			scratch[worker] = make([]uint8, size+kernel.TreeRows)
		}
		ranks, leaf := scratch[worker][:size], scratch[worker][size:]
		for c := range b.columns {
			b.columns[c].rank(ranks[c*kernel.TreeRows:][:hi-lo], lo)
		}
		kernel.TreeLeaves(leaf, ranks, b.splits, b.sets)
		if rows == nil {
			s := score[lo:hi]
			for i, at := range leaf[:len(s)] {
				s[i] += b.leafs[at]
			}
			return
		}
		for _, row := range in {
			score[row] += b.leafs[leaf[int(row)-lo]]
		}
	})
}

// rank writes the ranks of rows lo, lo+1, ….
func (r *rankedBins) rank(dst []uint8, lo int) {
	numbers := r.numbers[lo:][:len(dst)]
	if r.same {
		copy(dst, numbers)
		return
	}
	for i, n := range numbers {
		dst[i] = r.as[n]
	}
}

// leafByBins gives the leaf of a row.
func (ds *Dataset) leafByBins(t *tree, row int32) int32 {
	if t.numLeaves == 1 {
		return 0
	}
	i := int32(0)
	for i >= 0 {
		f := t.splitInner[i]
		m, b := ds.mappers[ds.used[f]], ds.bin(f, row)
		var left bool
		d := t.decisionType[i]
		switch {
		case d&decisionCategorical != 0:
			left = inBitset(t.catInner[t.thresholdBin[i]], uint32(b))
		case m.missing == missingZero && b == m.defaultBin, m.missing == missingNaN && b == m.numBin-1:
			left = d&decisionDefaultLeft != 0
		default:
			left = int32(b) <= t.thresholdBin[i]
		}
		if left {
			i = t.left[i]
		} else {
			i = t.right[i]
		}
	}
	return ^i
}

// linearOutput is the output of a linear leaf for a row. Values are rounded to float32, as LightGBM keeps them.
func (ds *Dataset) linearOutput(t *tree, leaf, row int32) float64 {
	sum, coeff := t.leafConst[leaf], t.leafCoeff[leaf]
	for i, f := range t.leafFeatures[leaf] {
		v := float32(ds.columns[f].at(int(row)))
		if v != v {
			return t.leafValue[leaf]
		}
		sum += coeff[i] * float64(v)
	}
	return sum
}
