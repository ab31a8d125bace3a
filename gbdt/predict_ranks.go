package gbdt

import (
	"math"
	"slices"

	"github.com/hanji-ml/hanji/internal/kernel"
)

// rankedRun is consecutive trees compiled for many rows at a time. All that their splits ask of a value is its rank
// among the thresholds of its feature, which is found once for all trees and fits a byte; a vector then holds the ranks
// of 64 rows, and each split is a comparison of vectors (kernel.TreeLeaves).
type rankedRun struct {
	from    int // the first tree
	columns []rankColumn
	trees   []rankedTree
	nodes   []kernel.TreeNode // the same trees for one row, in half a cache; nil where there are too many columns, or categories
	roots   []int32           // of each tree among nodes
}

type rankedTree struct {
	splits []kernel.TreeSplit
	sets   []kernel.ByteSet         // of those by categories
	leafs  [maxRankedLeaves]float64 // from left to right
}

// rankColumn is a feature under one rule for what is missing.
type rankColumn struct {
	feature int32
	rule    missingRule
	bounds  [255]float64 // thresholds, then infinity; at most maxRankBounds, so that rank 255 is beyond all
	codes   []uint8      // of categories, in place of bounds: 1, 2, … for those that some split names, otherwise 0
	rare    []float64    // categories too large for codes, ascending: these have ranks first, first + 1, …
	first   int
}

// maxCode is the size of a table of categories.
const maxCode = 1 << 12

const (
	maxRankedLeaves = 256
	maxRankBounds   = 254
	// minRankedRows is how many rows a block needs: kernel.TreeLeaves takes its time for kernel.TreeRows of them.
	minRankedRows = kernel.TreeRows / 4
	// maxRowColumns is how many columns a run may have for single rows.
	maxRowColumns = 256
	// columnsPerTree is how many columns a run may have for each tree: ranking a value takes a sixth of a walk.
	columnsPerTree = 4
)

// missingRule says what a split does with NaN and zero.
type missingRule uint8

const (
	missingIsZero missingRule = iota // NaN goes where 0 goes
	nanLeft
	nanRight
	zeroLeft // zero and NaN
	zeroRight
	byCategory
)

func (t *tree) missingRule(i int32) missingRule {
	if t.decisionType[i]&decisionCategorical != 0 {
		return byCategory
	}
	rule := missingIsZero
	switch t.missing(i) {
	case missingNaN:
		rule = nanRight
	case missingZero:
		rule = zeroRight
	default:
		return rule
	}
	if t.decisionType[i]&decisionDefaultLeft != 0 {
		rule--
	}
	return rule
}

// addRow adds trees from..to of the run to the scores of one row.
func (r *rankedRun) addRow(p, row []float64, from, to int, finite bool) {
	var ranks [maxRowColumns]uint8
	for i := range r.columns {
		c := &r.columns[i]
		if v := row[c.feature]; finite && c.rule < zeroLeft {
			ranks[i] = c.rankFinite(v)
		} else {
			ranks[i] = c.rank(v)
		}
	}
	var at [rowTrees]int32
	class := from % len(p)
	for from < to {
		n := copy(at[:min(to-from, rowTrees)], r.roots[from-r.from:])
		kernel.TreeWalk(at[:n], r.nodes, &ranks)
		for i, node := range at[:n] { // in the order of the trees
			p[class] += r.trees[from-r.from+i].leafs[r.nodes[node].Column()]
			if class++; class == len(p) {
				class = 0
			}
		}
		from += n
	}
}

// rankFinite has no branch on the value: half of them would be predicted wrong. It takes the sign of bound − value, which a bound of
// −0 would make negative for the value 0.
func (c *rankColumn) rankFinite(v float64) uint8 {
	at := 0
	for step := 128; step > 0; step >>= 1 {
		at += step & int(int64(math.Float64bits(c.bounds[at+step-1]-v))>>63)
	}
	return uint8(at)
}

func (c *rankColumn) rank(v float64) uint8 {
	one := [1]float64{v}
	c.replaceMissing(one[:])
	if v = one[0]; v != v && (c.rule == nanRight || c.rule == zeroRight) {
		return 255
	}
	var out [1]uint8
	kernel.Rank(out[:], one[:], &c.bounds)
	return out[0]
}

// rankScratch is memory for one block of rows.
type rankScratch struct {
	values [kernel.TreeRows]float64
	leaf   [kernel.TreeRows]uint8
	ranks  []uint8 // of a column after the other
}

// rank finds the ranks of some rows for all columns of a run.
func (s *rankScratch) rank(r *rankedRun, x []float64, features int, finite bool) {
	rows := len(x) / features
	n := len(r.columns) * kernel.TreeRows
	s.ranks = slices.Grow(s.ranks[:0], n)[:n]
	values := s.values[:rows]
	for i := range r.columns {
		c := &r.columns[i]
		at := int(c.feature)
		for j := range values {
			values[j] = x[at]
			at += features
		}
		ranks := s.ranks[i*kernel.TreeRows:][:rows]
		if c.rule == byCategory {
			c.rankCategories(ranks, values)
			continue
		}
		if !finite || c.rule >= zeroLeft {
			c.replaceMissing(values)
		}
		kernel.Rank(ranks, values, &c.bounds)
		if (c.rule == nanRight && !finite) || c.rule == zeroRight {
			for j, v := range values {
				if v != v {
					ranks[j] = 255
				}
			}
		}
	}
}

// rankCategories truncates values as inBitset's callers do. A rank of 0 is in no set.
func (c *rankColumn) rankCategories(ranks []uint8, values []float64) {
	for i, v := range values {
		ranks[i] = 0
		if !(v > -1 && v < 1<<31) {
			continue
		}
		if k := uint32(v); int(k) < len(c.codes) {
			ranks[i] = c.codes[k]
		} else if at, found := slices.BinarySearch(c.rare, float64(k)); found {
			ranks[i] = uint8(c.first + at)
		}
	}
}

// replaceMissing leaves NaN for what is missing, whose rank is 0: left of all.
func (c *rankColumn) replaceMissing(values []float64) {
	for i, v := range values {
		switch {
		case c.rule == missingIsZero && v != v:
			values[i] = 0
		case c.rule >= zeroLeft && isZero(v):
			values[i] = math.NaN()
		}
	}
}

// add adds trees from..to of the run to the scores of at most kernel.TreeRows rows that were ranked; tree n counts for
// class n mod k.
func (s *rankScratch) add(r *rankedRun, p []float64, k, from, to int) {
	rows := len(p) / k
	for n := from; n < to; n++ {
		t := &r.trees[n-r.from]
		kernel.TreeLeaves(s.leaf[:], s.ranks, t.splits, t.sets)
		if k == 1 {
			for i, leaf := range s.leaf[:rows] {
				p[i] += t.leafs[leaf]
			}
			continue
		}
		at := n % k
		for _, leaf := range s.leaf[:rows] {
			p[at] += t.leafs[leaf]
			at += k
		}
	}
}
