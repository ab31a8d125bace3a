package gbdt

import "github.com/hanji-ml/hanji/internal/par"

// gradPair is gradient and hessian of a row.
type gradPair struct{ grad, hess float32 }

// binSum is what a histogram keeps of the rows in one bin. There is no count: LightGBM estimates it from the hessians.
type binSum struct{ grad, hess float64 }

// histogram holds the bins of all features of one leaf.
type histogram struct {
	bins       []binSum // feature f has bins[offset[f]:offset[f+1]]; 256 unused ones follow the last
	ints       []intSum // in place of bins, of rounded gradients
	splittable []bool   // by feature: false once no split of it was possible, for all that comes below
}

// histogramGroup is how many features share a word of bins.
const histogramGroup = 8

// histogramBlock is how many rows all groups go through before the next ones, so that the second group finds the rows
// in the cache.
const histogramBlock = 1 << 11

// smallLeaf is the words below which a histogram is built by one worker: waking another takes as long.
const smallLeaf = 1 << 11

// binLayout is the bins of a data set laid out for building histograms.
type binLayout struct {
	columns []binColumn
	rows    []uint64   // bins of a row side by side, 8 a word; nil if some feature has more than 256 bins
	stride  int        // words a row
	offset  []int      // of each feature's bins in a histogram
	scratch [][]uint64 // words of a block, for each task
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
	l.stride = (len(ds.used) + histogramGroup - 1) / histogramGroup
	l.rows = make([]uint64, ds.rows*l.stride)
	par.For(ds.rows, 1<<12, func(lo, hi int) {
		for j := range ds.bins {
			u8, word, shift := ds.bins[j].u8[lo:hi], lo*l.stride+j/histogramGroup, 8*(j%histogramGroup)
			for _, b := range u8 {
				l.rows[word] |= uint64(b) << shift
				word += l.stride
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
// whatever the number of threads. gh belongs to the rows, in their order; nil rows are all.
func (l *binLayout) build(h *histogram, used []bool, rows []int32, gh []gradPair) {
	if l.rows == nil {
		l.buildByColumn(h, used, rows, gh)
		return
	}
	tasks := min(par.Threads(), l.stride)
	if len(gh)*l.stride < smallLeaf {
		tasks = 1
	}
	for len(l.scratch) < tasks {
		l.scratch = append(l.scratch, make([]uint64, l.stride*histogramBlock))
	}
	par.For(tasks, 1, func(task, _ int) {
		from, to := l.stride*task/tasks, l.stride*(task+1)/tasks
		for f := from * histogramGroup; f < min(to*histogramGroup, len(used)); f++ {
			if used[f] {
				clear(h.bins[l.offset[f]:l.offset[f+1]])
			}
		}
		words := l.scratch[task]
		for lo := 0; lo < len(gh); lo += histogramBlock {
			hi := min(lo+histogramBlock, len(gh))
			var block []int32
			if rows != nil {
				block = rows[lo:hi]
			}
			l.gatherWords(words, lo, hi, block, from, to)
			for g := from; g < to; g++ {
				l.addGroup(h, used, g, words[(g-from)*histogramBlock:][:hi-lo], gh[lo:hi])
			}
		}
	})
}

// gatherWords brings the words of a block of rows together, group by group. This is where the cache misses happen: the
// loop is short, so that many of them are under way at a time.
func (l *binLayout) gatherWords(words []uint64, lo, hi int, rows []int32, from, to int) {
	if rows == nil {
		for g := from; g < to; g++ {
			out, at := words[(g-from)*histogramBlock:][:hi-lo], lo*l.stride+g
			for i := range out {
				out[i] = l.rows[at]
				at += l.stride
			}
		}
		return
	}
	stride, n := l.stride, to-from
	for i, row := range rows {
		src := l.rows[int(row)*stride+from:][:n]
		for k, w := range src {
			words[k*histogramBlock+i] = w
		}
	}
}

// addGroup adds a block of rows to the histograms of the features of a group.
func (l *binLayout) addGroup(h *histogram, used []bool, g int, words []uint64, gh []gradPair) {
	var skip [256]binSum // takes what is not wanted
	var at [histogramGroup]*[256]binSum
	wanted := [2]bool{}
	for k := range at {
		f := g*histogramGroup + k
		at[k] = &skip
		if f < len(used) && used[f] {
			at[k] = (*[256]binSum)(h.bins[l.offset[f]:])
			wanted[k/4] = true
		}
	}
	if wanted[0] {
		addFour(at[0], at[1], at[2], at[3], words, 0, gh)
	}
	if wanted[1] {
		addFour(at[4], at[5], at[6], at[7], words, 32, gh)
	}
}

// addFour is
//
//	for i, p := range gh, k in 0…3 { h[k][byte k of words[i]>>shift] += p }
//
// Four histograms of 256 bins are 16 KiB, and their addresses fit the registers.
func addFour(h0, h1, h2, h3 *[256]binSum, words []uint64, shift uint, gh []gradPair) {
	words = words[:len(gh)]
	for i, p := range gh {
		w, g, h := words[i]>>(shift&63), float64(p.grad), float64(p.hess)
		e := &h0[uint8(w)]
		e.grad += g
		e.hess += h
		e = &h1[uint8(w>>8)]
		e.grad += g
		e.hess += h
		e = &h2[uint8(w>>16)]
		e.grad += g
		e.hess += h
		e = &h3[uint8(w>>24)]
		e.grad += g
		e.hess += h
	}
}

// buildByColumn builds each feature by itself.
func (l *binLayout) buildByColumn(h *histogram, used []bool, rows []int32, gh []gradPair) {
	par.For(len(l.columns), 1, func(f, _ int) {
		if !used[f] {
			return
		}
		bins := h.bins[l.offset[f]:l.offset[f+1]]
		clear(bins)
		c := &l.columns[f]
		for i, p := range gh {
			row := int32(i)
			if rows != nil {
				row = rows[i]
			}
			e := &bins[c.at(row)]
			e.grad += float64(p.grad)
			e.hess += float64(p.hess)
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
