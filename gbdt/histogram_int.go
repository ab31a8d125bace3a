package gbdt

import (
	"unsafe"

	"github.com/hanji-ml/hanji/internal/kernel"
)

// intSum is a sum of rounded gradients in its upper 32 bits and of rounded hessians, which are never negative, in its
// lower: one addition adds, one subtraction subtracts both. Sums of integers are exact, so they can be made in any order.
type intSum int64

func (p intSum) grad() float64 { return float64(int32(p >> 32)) }
func (p intSum) hess() float64 { return float64(uint32(p)) }

func (l *binLayout) newIntHistogram() *histogram {
	features := len(l.offset) - 1
	return &histogram{ints: make([]intSum, l.offset[features]+256), splittable: make([]bool, features)}
}

// asInts takes pairs for what they are with use_quantized_grad; they travel through the same code.
func asInts(p []gradPair) []intSum {
	return unsafe.Slice((*intSum)(unsafe.Pointer(unsafe.SliceData(p))), len(p))
}

func (h *histogram) clear(lo, hi int) {
	if h.ints != nil {
		clear(h.ints[lo:hi])
	} else {
		clear(h.bins[lo:hi])
	}
}

// addFourInt is addFour; its four histograms are half as large.
func (b *histogramBuild) addFourInt(at int, bins []uint8, stride int, p []gradPair) {
	var skip [256]intSum // takes what is not wanted
	var h [4]*[256]int64
	for k := range h {
		to := skip[:]
		if at+k < len(b.narrow) && b.used[b.narrow[at+k]] {
			to = b.h.ints[b.offset[b.narrow[at+k]]:]
		}
		h[k] = (*[256]int64)(unsafe.Pointer((*[256]intSum)(to)))
	}
	kernel.AddIntBins(&h, bins, stride, unsafe.Slice((*int64)(unsafe.Pointer(unsafe.SliceData(p))), len(p)))
}

// addWideInt is addWide; nil rows are those from lo on.
func (b *histogramBuild) addWideInt(f int, rows []int32, lo int, p []gradPair) {
	bins, column := b.h.ints[b.offset[f]:], b.columns[f].u16
	for i, v := range asInts(p) {
		row := lo + i
		if rows != nil {
			row = int(rows[i])
		}
		bins[column[row]] += v
	}
}

// subtractInt makes a histogram that of the sibling.
func subtractInt(from, what []intSum) {
	what = what[:len(from)]
	for i := range from {
		from[i] -= what[i]
	}
}
