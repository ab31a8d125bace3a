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
	bins       []binSum // see binLayout; 256 unused ones follow the last
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
	columns []binColumn // as Dataset.bins
	store   []int       // of each column's place there
	narrow  int         // columns of at most 256 bins, the first
	bytes   []uint8     // bins of the narrow columns, rows side by side; kernel.GatherWidth unused bytes follow the last
	stride  int         // bytes a row
	sparse  *sparseRows // nil: none
	cuts    []uint32    // numbers of sparse from which on it is another job to add up
	offset  []int       // of each column's bins in a histogram, of those of sparse, and their end
	views   []binView   // by feature
	blocks  [2]binBlock
}

// binView is where a feature's bins are in a histogram. With skip 1 bin 0 is the most frequent and has no sums; it may be
// somebody else's.
type binView struct{ lo, hi, skip int }

// newBinLayout lays out columns by rows, but those of too many bins.
func newBinLayout(ds *Dataset) binLayout {
	n := len(ds.layout.columns)
	l := binLayout{columns: ds.bins, store: make([]int, n), narrow: ds.layout.narrow(), sparse: ds.sparse, offset: make([]int, n+2), views: make([]binView, len(ds.places))}
	for c, bins := range ds.layout.bins {
		l.store[c] = ds.layout.store(c)
		l.offset[c+1] = l.offset[c] + bins
	}
	if l.offset[n+1] = l.offset[n]; l.sparse != nil {
		l.offset[n+1] += l.sparse.numbers
		l.cuts = l.sparse.cuts(par.Threads())
	}
	for j := range ds.places {
		p, at := &ds.places[j], l.offset[n]
		if p.column >= 0 {
			at = l.offset[p.column]
		}
		at += int(p.lo) - int(p.skip)
		l.views[j] = binView{at, at + ds.mappers[ds.used[j]].numBin, int(p.skip)}
	}
	l.stride = (l.narrow + 7) / 8 * 8
	l.bytes = make([]uint8, ds.rows*l.stride+kernel.GatherWidth)
	par.For(ds.rows, 1<<12, func(lo, hi int) {
		for c := range l.narrow {
			u8, at := ds.bins[l.store[c]].u8[lo:hi], c+lo*l.stride
			if i := c - ds.layout.bytes(); i >= 0 {
				l.unpack(u8, at, i%2*4)
				continue
			}
			for _, b := range u8 {
				l.bytes[at] = b
				at += l.stride
			}
		}
	})
	return l
}

// unpack lays out the 4 bits from shift on.
func (l *binLayout) unpack(u8 []uint8, at, shift int) {
	for _, b := range u8 {
		l.bytes[at] = b >> shift & 15
		at += l.stride
	}
}

func (l *binLayout) newHistogram() *histogram {
	return &histogram{bins: make([]binSum, l.offset[len(l.offset)-1]+256), splittable: make([]bool, len(l.views))}
}

// build adds up gradients and hessians of rows in row order, column by column of those used, so that the sums have LightGBM's bits
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
	// While a block is added up the next one is gathered, in pieces that even out what the columns leave.
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
	used []bool // columns, and last the sparse rows
	rows []int32
	gh   []gradPair

	jobs   []int // the first of four narrow columns; ^column of a wide one, or ^(columns + k) of a part of the sparse rows
	pieces []int // parts of a row that have columns used, kernel.GatherWidth bytes each
}

// plan clears the histograms of the columns used and finds out what there is to do.
func (b *histogramBuild) plan() {
	columns := len(b.store)
	for c, used := range b.used[:columns] {
		if used {
			b.h.clear(b.offset[c], b.offset[c+1])
		}
	}
	for c := 0; c < b.narrow; c += 4 {
		if !slices.Contains(b.used[c:min(c+4, b.narrow)], true) {
			continue
		}
		b.jobs = append(b.jobs, c)
		if piece := c / kernel.GatherWidth; len(b.pieces) == 0 || b.pieces[len(b.pieces)-1] != piece {
			b.pieces = append(b.pieces, piece)
		}
	}
	for c := b.narrow; c < columns; c++ {
		if b.used[c] {
			b.jobs = append(b.jobs, ^c)
		}
	}
	if b.used[columns] {
		b.h.clear(b.offset[columns], b.offset[columns+1])
		for k := range len(b.cuts) + 1 {
			b.jobs = append(b.jobs, ^(columns + k))
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
		b.addWide(^job, rows, 0, from.pairs)
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
	b.addWide(^job, nil, lo, b.gh[lo:lo+n])
}

// addWide adds rows to the histogram of a wide column, or of a part of the sparse rows; nil rows are those from lo on.
func (b *histogramBuild) addWide(c int, rows []int32, lo int, p []gradPair) {
	if k := c - len(b.store); k >= 0 {
		b.addSparse(k, rows, lo, p)
		return
	}
	switch column, at := &b.columns[b.store[c]], b.offset[c]; {
	case b.h.ints != nil && column.u16 != nil:
		addColumnInt(b.h.ints[at:], column.u16, rows, lo, p)
	case b.h.ints != nil:
		addColumnInt(b.h.ints[at:], column.u32, rows, lo, p)
	case column.u16 != nil:
		addColumn(b.h.bins[at:], column.u16, rows, lo, p)
	default:
		addColumn(b.h.bins[at:], column.u32, rows, lo, p)
	}
}

func addColumn[T uint16 | uint32](bins []binSum, column []T, rows []int32, lo int, p []gradPair) {
	if rows == nil {
		for i, p := range p {
			bins[column[lo+i]].add(p)
		}
		return
	}
	for i, row := range rows {
		bins[column[row]].add(p[i])
	}
}

// addFour adds rows to the histograms of the narrow columns from at on: four of 256 bins are 16 KiB, half of an L1 cache.
func (b *histogramBuild) addFour(at int, bins []uint8, stride int, p []gradPair) {
	if b.h.ints != nil {
		b.addFourInt(at, bins, stride, p)
		return
	}
	var skip [256]binSum // takes what is not wanted
	var h [4]*[256][2]float64
	for k := range h {
		to := skip[:]
		if at+k < b.narrow && b.used[at+k] {
			to = b.h.bins[b.offset[at+k]:]
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
