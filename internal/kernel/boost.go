package kernel

import "fmt"

// GatherWidth is how many bytes of a row GatherBins copies.
const GatherWidth = 32

// AddBins adds rows in order to four histograms of sums of gradients and hessians:
//
//	h[k][bins[i·stride+k]] += pairs[i] for k < 4
//
// with the same bits on every path. The histograms must not overlap.
func AddBins(h *[4]*[256][2]float64, bins []uint8, stride int, pairs [][2]float32) {
	if len(pairs) == 0 {
		return
	}
	if stride < 4 || len(bins) < (len(pairs)-1)*stride+4 {
		panic(fmt.Sprintf("kernel: AddBins: %d bins are not %d rows, %d apart", len(bins), len(pairs), stride))
	}
	if addBins(h, bins, stride, pairs) {
		return
	}
	addBinsGeneric(h, bins, stride, pairs)
}

func addBinsGeneric(h *[4]*[256][2]float64, bins []uint8, stride int, pairs [][2]float32) {
	h0, h1, h2, h3 := h[0], h[1], h[2], h[3]
	for _, p := range pairs {
		b := bins[:4:4]
		g, h := float64(p[0]), float64(p[1])
		e := &h0[b[0]]
		e[0] += g
		e[1] += h
		e = &h1[b[1]]
		e[0] += g
		e[1] += h
		e = &h2[b[2]]
		e[0] += g
		e[1] += h
		e = &h3[b[3]]
		e[0] += g
		e[1] += h
		bins = bins[min(stride, len(bins)):]
	}
}

// AddIntBins is AddBins for integers:
//
//	h[k][bins[i·stride+k]] += sums[i] for k < 4
func AddIntBins(h *[4]*[256]int64, bins []uint8, stride int, sums []int64) {
	if len(sums) == 0 {
		return
	}
	if stride < 4 || len(bins) < (len(sums)-1)*stride+4 {
		panic(fmt.Sprintf("kernel: AddIntBins: %d bins are not %d rows, %d apart", len(bins), len(sums), stride))
	}
	if addIntBins(h, bins, stride, sums) {
		return
	}
	for _, v := range sums {
		b := bins[:4:4]
		h[0][b[0]] += v
		h[1][b[1]] += v
		h[2][b[2]] += v
		h[3][b[3]] += v
		bins = bins[min(stride, len(bins)):]
	}
}

// GatherBins copies GatherWidth bytes of each row: dst[32i:32i+32] = src[rows[i]·stride:][:32]. It waits for many of them
// at a time where they are not in the cache.
func GatherBins(dst, src []uint8, stride int, rows []int32) {
	if len(dst) < GatherWidth*len(rows) {
		panic(fmt.Sprintf("kernel: GatherBins: no room for %d rows in %d bytes", len(rows), len(dst)))
	}
	last := (len(src) - GatherWidth) / max(stride, 1)
	for _, row := range rows {
		if uint(row) > uint(last) || len(src) < GatherWidth {
			panic(fmt.Sprintf("kernel: GatherBins: row %d of %d bytes, %d apart", row, len(src), stride))
		}
	}
	if len(rows) == 0 || gatherBins(dst, src, stride, rows) {
		return
	}
	for i, row := range rows {
		copy(dst[GatherWidth*i:][:GatherWidth], src[int(row)*stride:])
	}
}

// GatherPairs is dst[i] = src[rows[i]].
func GatherPairs(dst, src [][2]float32, rows []int32) {
	dst = dst[:len(rows)]
	for _, row := range rows {
		_ = src[row]
	}
	if len(rows) == 0 || gatherPairs(dst, src, rows) {
		return
	}
	for i, row := range rows {
		dst[i] = src[row]
	}
}

// TreeRows is how many rows TreeLeaves takes at a time.
const TreeRows = 512

// TreeSplit is a split of a tree of at most 256 leaves, which are numbered from left to right. A row goes right if its
// byte in the column of ranks is at least Right or, with BySet, is not in a set. From is the first leaf below the split, To
// the first one on its right.
type TreeSplit struct {
	Column          uint32 // where the column begins
	Right, From, To uint8
	BySet           bool
}

// ByteSet is a set of bytes: bit b&7 of byte b>>3.
type ByteSet [32]uint8

// Add puts a byte into the set.
func (s *ByteSet) Add(b uint8) { s[b>>3] |= 1 << (b & 7) }

// Has tells whether a byte is in the set.
func (s *ByteSet) Has(b uint8) bool { return s[b>>3]>>(b&7)&1 == 1 }

// TreeLeaves finds the leaves of TreeRows rows. Splits come before those below them, so that a row stands at the first
// leaf of a subtree until its root has sent it right: all rows look at all splits, and there is no branch. This costs
// less than walking down as long as a vector holds several times more rows than a tree has levels. sets are those of the
// splits by a set, in their order.
func TreeLeaves(leaf, ranks []uint8, splits []TreeSplit, sets []ByteSet) {
	leaf = leaf[:TreeRows]
	bySet := 0
	for _, s := range splits {
		_ = ranks[int(s.Column):][:TreeRows]
		if s.BySet {
			bySet++
		}
	}
	if sets = sets[:bySet]; len(splits) > 0 && treeLeaves(leaf, ranks, splits, sets) {
		return
	}
	clear(leaf)
	for _, s := range splits {
		column := ranks[int(s.Column):][:TreeRows]
		if s.BySet {
			for i, at := range leaf {
				if at == s.From && !sets[0].Has(column[i]) {
					leaf[i] = s.To
				}
			}
			sets = sets[1:]
			continue
		}
		for i, at := range leaf {
			if at == s.From && column[i] >= s.Right {
				leaf[i] = s.To
			}
		}
	}
}

// HasTreeLeaves tells whether this processor has vectors for TreeLeaves: without them walking down is faster.
func HasTreeLeaves() bool { return hasTreeLeaves() }

// TreeNode is a node of trees that lie one after another, parents before children: a split sends a value of at least Right
// in column Column by Skip nodes on, others to the next. A leaf has Right and Skip 0, and its number as column.
type TreeNode uint32

// NewTreeNode makes a node. skip is at most 65535.
func NewTreeNode(column, right uint8, skip int) TreeNode {
	return TreeNode(column) | TreeNode(right)<<8 | TreeNode(skip)<<16
}

// Column is the split's column, or the number of a leaf.
func (n TreeNode) Column() uint8 { return uint8(n) }

// TreeWalk moves a row that stands at the root at[i] of each tree down to its leaf. ranks are the row's, by column. No path
// of the nodes may lead beyond them: it is not checked.
func TreeWalk(at []int32, nodes []TreeNode, ranks *[256]uint8) {
	n := treeWalk(at, nodes, ranks)
	for i, node := range at[n:] {
		for {
			v := nodes[node]
			by := int32(1)
			if ranks[v.Column()] >= uint8(v>>8) {
				by = int32(v >> 16)
			}
			if by == 0 {
				break
			}
			node += by
		}
		at[n+i] = node
	}
}

// Rank counts for each number how many of the bounds are below it; bounds ascend, and NaN is above none.
func Rank(dst []uint8, x []float64, bounds *[255]float64) {
	dst = dst[:len(x)]
	n := rank(dst, x, bounds)
	for i, v := range x[n:] {
		at := 0
		for step := 128; step > 0; step >>= 1 {
			if v > bounds[at+step-1] {
				at += step
			}
		}
		dst[n+i] = uint8(at)
	}
}

// SplitScan is a search for the threshold of one feature that parts a leaf best. The assembly knows the order of its fields.
type SplitScan struct {
	Grad, Hess float64    // sums of the leaf
	L2         float64    // added to the hessian of each side
	Gain       float64    // what a split must gain more than; afterwards that of the best one
	MinHess    float64    // least hessian of a side
	Factor     float64    // rows for each unit of hessian
	Count      int        // rows of the leaf; afterwards those moved by the best split
	MinData    int        // least rows of a side
	Moved      [2]float64 // gradient and hessian of the other side to begin with; afterwards those of the best split
	At         int        // bins moved by the best split; 0: no split gains enough
}

// ScanSplits moves one bin after another to the other side, with backwards the last one first, and keeps the first of the splits
// that gain most: G²/(H+λ₂) of both sides. Rows are estimated from hessians, bin by bin. The bits are the same on every path.
func ScanSplits(bins [][2]float64, backwards bool, s *SplitScan) {
	if s.At = 0; len(bins) == 0 || scanSplits(bins, backwards, s) {
		return
	}
	moved, rows, best, bestRows := s.Moved, 0, [2]float64{}, 0
	for i := range bins {
		e := bins[i]
		if backwards {
			e = bins[len(bins)-1-i]
		}
		moved[0] += e[0]
		moved[1] += e[1]
		rows += int(float64(e[1]*s.Factor) + 0.5) // the conversion keeps processors from rounding product and sum at once
		if rows < s.MinData || moved[1] < s.MinHess {
			continue
		}
		grad, hess := s.Grad-moved[0], s.Hess-moved[1]
		if s.Count-rows < s.MinData || hess < s.MinHess {
			break
		}
		gain := float64(grad*grad)/(hess+s.L2) + float64(moved[0]*moved[0])/(moved[1]+s.L2)
		if gain > s.Gain {
			s.Gain, best, bestRows, s.At = gain, moved, rows, i+1
		}
	}
	s.Moved, s.Count = best, bestRows
}
