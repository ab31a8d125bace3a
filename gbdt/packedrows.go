package gbdt

import "github.com/hanji-ml/hanji/internal/par"

// packedGroup is how many columns of 4 bits share a word.
const packedGroup = 16

// packedRows are the columns of 4 bits laid out for building histograms: those of a row side by side, 16 a word. In a histogram
// each has 16 bins, so that a word's are 256.
type packedRows struct {
	columns int
	words   []uint64
	stride  int // words a row
}

// newPackedRows lays out the packed columns, which follow so many of bytes.
func newPackedRows(ds *Dataset, bytes int) packedRows {
	p := packedRows{columns: ds.layout.packed, stride: (ds.layout.packed + packedGroup - 1) / packedGroup}
	p.words = make([]uint64, ds.rows*p.stride)
	pairs := ds.bins[bytes:][:(p.columns+1)/2]
	par.For(ds.rows, 1<<12, func(lo, hi int) {
		for i := range pairs {
			word, shift := lo*p.stride+i/8, 8*(i%8)
			for _, b := range pairs[i].u8[lo:hi] {
				p.words[word] |= uint64(b) << shift
				word += p.stride
			}
		}
	})
	return p
}

// build is binLayout.build for the packed columns, whose bins begin all.
func (p *packedRows) build(all []binSum, used []bool, rows []int32, gh []gradPair) {
	grain := 1
	if len(gh)*p.stride < smallLeaf {
		grain = p.stride
	}
	par.For(p.stride, grain, func(lo, hi int) {
		for g := lo; g < hi; g++ {
			wanted := false
			for _, u := range used[g*packedGroup : min((g+1)*packedGroup, p.columns)] {
				wanted = wanted || u
			}
			if wanted {
				bins := (*[256]binSum)(all[g*256:])
				clear(bins[:])
				p.addGroup(bins, g, rows, gh)
			}
		}
	})
}

// addGroup adds rows to the histograms of a word's columns.
func (p *packedRows) addGroup(bins *[256]binSum, g int, rows []int32, gh []gradPair) {
	var words [histogramBlock]uint64
	for lo := 0; lo < len(gh); lo += histogramBlock {
		hi := min(lo+histogramBlock, len(gh))
		if rows == nil {
			for i := range hi - lo {
				words[i] = p.words[(lo+i)*p.stride+g]
			}
		} else {
			for i, row := range rows[lo:hi] {
				words[i] = p.words[int(row)*p.stride+g]
			}
		}
		for k := uint(0); k < packedGroup; k += 4 {
			addFourPacked((*[64]binSum)(bins[16*k:]), words[:hi-lo], 4*k, gh[lo:hi])
		}
	}
}

// addFourPacked is
//
//	for i, p := range gh, k in 0…3 { bins[16·k + 4 bits of words[i]>>shift from 4·k on] += p }
func addFourPacked(bins *[64]binSum, words []uint64, shift uint, gh []gradPair) {
	words = words[:len(gh)]
	for i, p := range gh {
		w, grad, hess := words[i]>>(shift&63), float64(p.grad), float64(p.hess)
		e := &bins[w&15]
		e.grad += grad
		e.hess += hess
		e = &bins[16+w>>4&15]
		e.grad += grad
		e.hess += hess
		e = &bins[32+w>>8&15]
		e.grad += grad
		e.hess += hess
		e = &bins[48+w>>12&15]
		e.grad += grad
		e.hess += hess
	}
}
