package gbdt

import (
	"slices"
	"unsafe"

	"github.com/hanji-ml/hanji/internal/kernel"
	"github.com/hanji-ml/hanji/internal/par"
)

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

// histogramBlock is how many rows are gathered and added up at a time: with their gradients they stay in the L2 cache.
// gatherChunk is how many of them one worker gathers in one piece.
const (
	histogramBlock = 1 << 13
	gatherChunk    = 1 << 10
)

// smallLeaf is the number of rows below which a histogram is built by one worker: waking another takes as long.
const smallLeaf = 1 << 9

// binLayout is the bins of a data set laid out for building histograms.
type binLayout struct {
	columns []binColumn
	offset  []int   // of each feature's bins in a histogram
	narrow  []int   // features of at most 256 bins, in the order of their bytes in a row
	wide    []int   // the others: read by column
	bytes   []uint8 // bins of the narrow features, rows side by side; kernel.GatherWidth unused bytes follow the last
	stride  int     // bytes a row
	blocks  [2]binBlock
}

// newBinLayout lays out the features by rows, but those of too many bins.
func newBinLayout(ds *Dataset) binLayout {
	l := binLayout{columns: ds.bins, offset: make([]int, len(ds.used)+1)}
	for j, f := range ds.used {
		l.offset[j+1] = l.offset[j] + ds.mappers[f].numBin
		if ds.bins[j].u8 != nil {
			l.narrow = append(l.narrow, j)
		} else {
			l.wide = append(l.wide, j)
		}
	}
	l.stride = (len(l.narrow) + 7) / 8 * 8
	l.bytes = make([]uint8, ds.rows*l.stride+kernel.GatherWidth)
	par.For(ds.rows, 1<<12, func(lo, hi int) {
		for at, j := range l.narrow {
			at += lo * l.stride
			for _, b := range ds.bins[j].u8[lo:hi] {
				l.bytes[at] = b
				at += l.stride
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
// whatever the number of threads. gh is of all rows of the data; nil rows are all.
func (l *binLayout) build(h *histogram, used []bool, rows []int32, gh []gradPair) {
	b := histogramBuild{binLayout: l, h: h, used: used, rows: rows, gh: gh}
	b.plan()
	if rows == nil {
		for lo := 0; lo < len(gh); lo += histogramBlock {
			n := min(histogramBlock, len(gh)-lo)
			par.For(len(b.jobs), 1, func(job, _ int) { b.addInPlace(b.jobs[job], lo, n) })
		}
		return
	}
	// While a block is added up the next one is gathered, in pieces that even out what the features leave.
	var this, next []int32
	from, to := &l.blocks[0], &l.blocks[1]
	for lo := 0; lo < len(rows) || len(next) > 0; lo += histogramBlock {
		this, next = next, rows[min(lo, len(rows)):min(lo+histogramBlock, len(rows))]
		from, to = to, from
		to.grow(len(next), len(b.pieces))
		adds := len(b.jobs)
		if len(this) == 0 {
			adds = 0
		}
		tasks, grain := adds+(len(next)+gatherChunk-1)/gatherChunk, 1
		if len(rows) <= smallLeaf {
			grain = tasks
		}
		par.For(tasks, grain, func(task, end int) {
			for ; task < end; task++ {
				if task < adds {
					b.add(b.jobs[task], this, from)
				} else {
					b.gather(to, next, (task-adds)*gatherChunk)
				}
			}
		})
	}
}

// histogramBuild is the building of one histogram.
type histogramBuild struct {
	*binLayout
	h    *histogram
	used []bool
	rows []int32
	gh   []gradPair

	jobs   []int // the first of four narrow features, by their place in a row; ^feature of a wide one
	pieces []int // parts of a row that have features used, kernel.GatherWidth bytes each
}

// plan clears the histograms of the features used and finds out what there is to do.
func (b *histogramBuild) plan() {
	for f, used := range b.used {
		if used {
			b.h.clear(b.offset[f], b.offset[f+1])
		}
	}
	isUsed := func(f int) bool { return b.used[f] }
	for at := 0; at < len(b.narrow); at += 4 {
		if !slices.ContainsFunc(b.narrow[at:min(at+4, len(b.narrow))], isUsed) {
			continue
		}
		b.jobs = append(b.jobs, at)
		if piece := at / kernel.GatherWidth; len(b.pieces) == 0 || b.pieces[len(b.pieces)-1] != piece {
			b.pieces = append(b.pieces, piece)
		}
	}
	for _, f := range b.wide {
		if b.used[f] {
			b.jobs = append(b.jobs, ^f)
		}
	}
}

// binBlock is rows of a leaf brought together.
type binBlock struct {
	bins  []uint8    // for each piece of a row that is needed the bytes of all rows of the block
	pairs []gradPair // of the rows
}

func (k *binBlock) grow(rows, pieces int) {
	k.pairs = slices.Grow(k.pairs[:0], rows)[:rows]
	n := rows * pieces * kernel.GatherWidth
	k.bins = slices.Grow(k.bins[:0], n)[:n]
}

// gather fills in a chunk of a block. This is where the cache misses happen.
func (b *histogramBuild) gather(to *binBlock, rows []int32, from int) {
	chunk := rows[from:min(from+gatherChunk, len(rows))]
	kernel.GatherPairs(pairs(to.pairs[from:]), pairs(b.gh), chunk)
	for i, piece := range b.pieces {
		at := (i*len(rows) + from) * kernel.GatherWidth
		kernel.GatherBins(to.bins[at:], b.bytes[piece*kernel.GatherWidth:], b.stride, chunk)
	}
}

// add does a job on a block that was gathered.
func (b *histogramBuild) add(job int, rows []int32, from *binBlock) {
	if job < 0 {
		b.addWide(^job, rows, from.pairs)
		return
	}
	i, _ := slices.BinarySearch(b.pieces, job/kernel.GatherWidth)
	at := i*len(rows)*kernel.GatherWidth + job%kernel.GatherWidth
	b.addFour(job, from.bins[at:], kernel.GatherWidth, from.pairs)
}

// addInPlace does a job on n consecutive rows.
func (b *histogramBuild) addInPlace(job, lo, n int) {
	if job >= 0 {
		b.addFour(job, b.bytes[lo*b.stride+job:], b.stride, b.gh[lo:lo+n])
		return
	}
	if b.h.ints != nil {
		b.addWideInt(^job, nil, lo, b.gh[lo:lo+n])
		return
	}
	bins, column := b.h.bins[b.offset[^job]:], b.columns[^job].u16
	for i, p := range b.gh[lo : lo+n] {
		bins[column[lo+i]].add(p)
	}
}

func (b *histogramBuild) addWide(f int, rows []int32, p []gradPair) {
	if b.h.ints != nil {
		b.addWideInt(f, rows, 0, p)
		return
	}
	bins, column := b.h.bins[b.offset[f]:], b.columns[f].u16
	for i, row := range rows {
		bins[column[row]].add(p[i])
	}
}

// addFour adds rows to the histograms of the narrow features from at on: four of 256 bins are 16 KiB, half of an L1 cache.
func (b *histogramBuild) addFour(at int, bins []uint8, stride int, p []gradPair) {
	if b.h.ints != nil {
		b.addFourInt(at, bins, stride, p)
		return
	}
	var skip [256]binSum // takes what is not wanted
	var h [4]*[256][2]float64
	for k := range h {
		to := skip[:]
		if at+k < len(b.narrow) && b.used[b.narrow[at+k]] {
			to = b.h.bins[b.offset[b.narrow[at+k]]:]
		}
		h[k] = (*[256][2]float64)(unsafe.Pointer((*[256]binSum)(to)))
	}
	kernel.AddBins(&h, bins, stride, pairs(p))
}

func (s *binSum) add(p gradPair) {
	s.grad += float64(p.grad)
	s.hess += float64(p.hess)
}

// pairs is what the kernels take.
func pairs(p []gradPair) [][2]float32 {
	return unsafe.Slice((*[2]float32)(unsafe.Pointer(unsafe.SliceData(p))), len(p))
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
