package gbdt

import "github.com/hanji-ml/hanji/internal/par"

// addTree adds a tree of this training to the scores of rows, nil for all, walking down by bins (Tree::
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
