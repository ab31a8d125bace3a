package gbdt

import (
	"math"
	"math/bits"
	"slices"

	"github.com/hanji-ml/hanji/internal/kernel"
)

// rankable tells whether a tree can be part of a run.
func (t *tree) rankable() bool {
	if t.linear || t.numLeaves > maxRankedLeaves {
		return false
	}
	return !slices.ContainsFunc(t.threshold, func(v float64) bool { return v != v })
}

// asked gives what a split asks of its feature: the threshold, or the categories that it names.
func (t *tree) asked(i int32) []float64 {
	if t.decisionType[i]&decisionCategorical == 0 {
		return []float64{t.threshold[i] + 0} // −0 becomes 0: see rankFinite
	}
	c := int(t.threshold[i])
	var list []float64
	for k, w := range t.catThreshold[t.catBoundaries[c]:t.catBoundaries[c+1]] {
		for ; w != 0; w &= w - 1 {
			list = append(list, float64(32*k+bits.TrailingZeros32(w)))
		}
	}
	return list
}

// rankTrees finds the runs worth compiling.
func rankTrees(trees []*tree) []rankedRun {
	if !kernel.HasTreeLeaves() {
		return nil
	}
	var runs []rankedRun
	var c rankCompiler
	from := 0
	finish := func(to int) {
		if len(c.keys) <= columnsPerTree*(to-from) && to > from {
			runs = append(runs, c.run(trees, from, to))
		}
		c = rankCompiler{}
	}
	for i, t := range trees {
		switch {
		case !t.rankable():
			finish(i)
			from = i + 1
		case !c.add(t):
			finish(i)
			from = i
			c.add(t)
		}
	}
	finish(len(trees))
	return runs
}

// rankCompiler gathers the thresholds of a run.
type rankCompiler struct {
	keys   []rankKey
	bounds map[rankKey][]float64 // or categories, ascending
}

type rankKey struct {
	feature int32
	rule    missingRule
}

// add takes the thresholds of a tree, unless some feature gets too many.
func (c *rankCompiler) add(t *tree) bool {
	wanted := map[rankKey][]float64{}
	for i := range int32(len(t.threshold)) {
		key := rankKey{t.splitFeature[i], t.missingRule(i)}
		b, ok := wanted[key]
		if !ok {
			b = slices.Clone(c.bounds[key])
		}
		for _, v := range t.asked(i) {
			if at, found := slices.BinarySearch(b, v); !found {
				b = slices.Insert(b, at, v)
			}
			if len(b) > maxRankBounds {
				return false
			}
		}
		wanted[key] = b
	}
	if c.bounds == nil {
		c.bounds = map[rankKey][]float64{}
	}
	for i := range t.threshold { // in the order of the splits: maps have none
		key := rankKey{t.splitFeature[i], t.missingRule(int32(i))}
		if _, ok := c.bounds[key]; !ok {
			c.keys = append(c.keys, key)
		}
		c.bounds[key] = wanted[key]
	}
	return true
}

// run compiles trees whose thresholds were added.
func (c *rankCompiler) run(trees []*tree, from, to int) rankedRun {
	r := rankedRun{from: from, columns: make([]rankColumn, len(c.keys)), trees: make([]rankedTree, to-from)}
	place, categories := map[rankKey]int{}, false
	for i, key := range c.keys {
		place[key] = i
		column := &r.columns[i]
		column.feature, column.rule = key.feature, key.rule
		if key.rule == byCategory {
			column.setCategories(c.bounds[key])
			categories = true
			continue
		}
		for j := range column.bounds {
			column.bounds[j] = math.Inf(1)
		}
		copy(column.bounds[:], c.bounds[key])
	}
	for i, t := range trees[from:to] {
		r.roots = append(r.roots, int32(len(r.nodes)))
		out, leaf := &r.trees[i], 0
		var visit func(node int32)
		visit = func(node int32) {
			entry := len(r.nodes)
			if node < 0 {
				r.nodes = append(r.nodes, kernel.NewTreeNode(uint8(leaf), 0, 0))
				out.leafs[leaf] = t.leafValue[^node]
				leaf++
				return
			}
			key := rankKey{t.splitFeature[node], t.missingRule(node)}
			s := kernel.TreeSplit{Column: uint32(place[key] * kernel.TreeRows), From: uint8(leaf), BySet: key.rule == byCategory}
			if s.BySet {
				var set kernel.ByteSet
				for _, v := range t.asked(node) {
					at, _ := slices.BinarySearch(c.bounds[key], v)
					set.Add(uint8(at + 1))
				}
				out.sets = append(out.sets, set)
			} else {
				at, _ := slices.BinarySearch(c.bounds[key], t.asked(node)[0])
				s.Right = uint8(at + 1)
			}
			split := len(out.splits)
			out.splits = append(out.splits, s)
			r.nodes = append(r.nodes, 0)
			visit(t.left[node])
			out.splits[split].To = uint8(leaf)
			r.nodes[entry] = kernel.NewTreeNode(uint8(place[key]), s.Right, len(r.nodes)-entry)
			visit(t.right[node])
		}
		root := int32(0)
		if t.numLeaves == 1 {
			root = ^0
		}
		visit(root)
	}
	if len(r.columns) > maxRowColumns || categories {
		r.nodes, r.roots = nil, nil
	}
	return r
}

// setCategories gives the categories that splits name their ranks.
func (c *rankColumn) setCategories(named []float64) {
	n := 0
	for n < len(named) && named[n] < maxCode {
		n++
	}
	c.codes, c.rare, c.first = []uint8{}, named[n:], n+1
	if n > 0 {
		c.codes = make([]uint8, int(named[n-1])+1)
	}
	for i, v := range named[:n] {
		c.codes[int(v)] = uint8(i + 1)
	}
}
