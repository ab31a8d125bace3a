package gbdt

import (
	"encoding/binary"

	"github.com/hanji-ml/hanji/internal/par"
)

// binSum is what a histogram keeps of the rows in one bin. There is no count: LightGBM estimates it from the hessians.
type binSum struct{ grad, hess float64 }

// histogram holds the bins of all features of one leaf.
type histogram struct {
	bins       []binSum // feature f has bins[offset[f]:offset[f+1]]; 256 unused ones follow the last
	splittable []bool   // by feature: false once no split of it was possible, for all that comes below
}

// histogramGroup is how many features are added up together: eight histograms of 256 bins are 32 KiB, which stays in
// the L1 cache, and their bins of a row are one 64-bit word.
const histogramGroup = 8

// histogramBlock is how many rows all groups go through before the next ones, so that the second group finds the rows
// in the cache.
const histogramBlock = 1 << 11

// binLayout is the bins of a data set laid out for building histograms.
type binLayout struct {
	columns []binColumn
	rows    []uint8 // bins of a row side by side, groups of 8; nil if some feature has more than 256 bins
	stride  int     // bytes a row
	offset  []int   // of each feature's bins in a histogram
}

// newBinLayout lays out all features by rows, if they fit.
func newBinLayout(ds *Dataset) binLayout {
	l := binLayout{columns: ds.bins, offset: make([]int, len(ds.used)+1)}
	byRow := len(ds.used) > 0
	for j, f := range ds.used {
		l.offset[j+1] = l.offset[j] + ds.mappers[f].numBin
		byRow = byRow && ds.bins[j].u8 != nil
	}
	if !byRow {
		return l
	}
	l.stride = (len(ds.used) + histogramGroup - 1) / histogramGroup * histogramGroup
	l.rows = make([]uint8, ds.rows*l.stride)
	par.For(ds.rows, 1<<12, func(lo, hi int) {
		for j := range ds.bins {
			u8 := ds.bins[j].u8
			for i := lo; i < hi; i++ {
				l.rows[i*l.stride+j] = u8[i]
			}
		}
	})
	return l
}

func (l *binLayout) newHistogram() *histogram {
	features := len(l.offset) - 1
	return &histogram{bins: make([]binSum, l.offset[features]+256), splittable: make([]bool, features)}
}

// build adds up gradients and hessians of rows in row order, feature by feature, so that the sums have LightGBM's bits
// whatever the number of threads. gh holds gradient and hessian of the rows in the order of rows; nil rows are all.
func (l *binLayout) build(h *histogram, used []bool, rows []int32, gh []float32) {
	if l.rows == nil {
		l.buildByColumn(h, used, rows, gh)
		return
	}
	groups := l.stride / histogramGroup
	tasks := min(par.Threads(), groups)
	par.For(tasks, 1, func(task, _ int) {
		l.buildGroups(h, used, rows, gh, groups*task/tasks, groups*(task+1)/tasks)
	})
}

// buildGroups builds some groups of features by rows.
func (l *binLayout) buildGroups(h *histogram, used []bool, rows []int32, gh []float32, from, to int) {
	features := len(l.offset) - 1
	var skip [256]binSum // takes what is not wanted
	var at [histogramGroup]*[256]binSum
	n := len(gh) / 2
	for g := from; g < to; g++ {
		for k := range min(histogramGroup, features-g*histogramGroup) {
			if f := g*histogramGroup + k; used[f] {
				clear(h.bins[l.offset[f]:l.offset[f+1]])
			}
		}
	}
	for lo := 0; lo < n; lo += histogramBlock {
		hi := min(lo+histogramBlock, n)
		for g := from; g < to; g++ {
			any := false
			for k := range at {
				f := g*histogramGroup + k
				at[k] = &skip
				if f < features && used[f] {
					at[k] = (*[256]binSum)(h.bins[l.offset[f]:])
					any = true
				}
			}
			switch {
			case !any:
			case rows == nil:
				addRows(&at, l.rows[lo*l.stride+g*histogramGroup:], l.stride, gh[2*lo:2*hi])
			default:
				addIndexed(&at, l.rows[g*histogramGroup:], l.stride, rows[lo:hi], gh[2*lo:2*hi])
			}
		}
	}
}

// addRows is
//
//	for i in rows, k in 0…7 { at[k][bins[i·stride+k]] += gh[i] }
func addRows(at *[histogramGroup]*[256]binSum, bins []uint8, stride int, gh []float32) {
	h0, h1, h2, h3, h4, h5, h6, h7 := at[0], at[1], at[2], at[3], at[4], at[5], at[6], at[7]
	p := 0
	for len(gh) >= 2 {
		g, h := float64(gh[0]), float64(gh[1])
		gh = gh[2:]
		w := binary.LittleEndian.Uint64(bins[p:])
		p += stride
		add8(h0, h1, h2, h3, h4, h5, h6, h7, w, g, h)
	}
}

// addIndexed is addRows for the rows named.
func addIndexed(at *[histogramGroup]*[256]binSum, bins []uint8, stride int, rows []int32, gh []float32) {
	h0, h1, h2, h3, h4, h5, h6, h7 := at[0], at[1], at[2], at[3], at[4], at[5], at[6], at[7]
	gh = gh[:2*len(rows)]
	for _, row := range rows {
		g, h := float64(gh[0]), float64(gh[1])
		gh = gh[2:]
		w := binary.LittleEndian.Uint64(bins[int(row)*stride:])
		add8(h0, h1, h2, h3, h4, h5, h6, h7, w, g, h)
	}
}

func add8(h0, h1, h2, h3, h4, h5, h6, h7 *[256]binSum, w uint64, g, h float64) {
	e0, e1, e2, e3 := &h0[uint8(w)], &h1[uint8(w>>8)], &h2[uint8(w>>16)], &h3[uint8(w>>24)]
	e0.grad += g
	e0.hess += h
	e1.grad += g
	e1.hess += h
	e2.grad += g
	e2.hess += h
	e3.grad += g
	e3.hess += h
	e4, e5, e6, e7 := &h4[uint8(w>>32)], &h5[uint8(w>>40)], &h6[uint8(w>>48)], &h7[uint8(w>>56)]
	e4.grad += g
	e4.hess += h
	e5.grad += g
	e5.hess += h
	e6.grad += g
	e6.hess += h
	e7.grad += g
	e7.hess += h
}

// buildByColumn builds each feature by itself.
func (l *binLayout) buildByColumn(h *histogram, used []bool, rows []int32, gh []float32) {
	n := len(gh) / 2
	par.For(len(l.columns), 1, func(f, _ int) {
		if !used[f] {
			return
		}
		bins := h.bins[l.offset[f]:l.offset[f+1]]
		clear(bins)
		c := &l.columns[f]
		for i := range n {
			row := int32(i)
			if rows != nil {
				row = rows[i]
			}
			e := &bins[c.at(row)]
			e.grad += float64(gh[2*i])
			e.hess += float64(gh[2*i+1])
		}
	})
}

// subtract makes a histogram that of the sibling.
func subtract(from, what []binSum) {
	what = what[:len(from)]
	for i := range from {
		from[i].grad -= what[i].grad
		from[i].hess -= what[i].hess
	}
}

// fixMostFrequent sets the most frequent bin to the rest of the leaf's sums, as LightGBM does: it never adds that bin
// up. Bin 0 is never looked at, so nothing is done for it.
func fixMostFrequent(bins []binSum, mostFreq int, sumGrad, sumHess float64) {
	if mostFreq == 0 {
		return
	}
	for i, b := range bins {
		if i != mostFreq {
			sumGrad -= b.grad
			sumHess -= b.hess
		}
	}
	bins[mostFreq] = binSum{sumGrad, sumHess}
}
