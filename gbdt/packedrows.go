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
	par.For(p.stride, 1, func(g, _ int) {
		wanted := false
		for _, u := range used[g*packedGroup : min((g+1)*packedGroup, p.columns)] {
			wanted = wanted || u
		}
		if wanted {
			bins := (*[256]binSum)(all[g*256:])
			clear(bins[:])
			p.addGroup(bins, g, rows, gh)
		}
	})
}

// addGroup is
//
//	for i, p := range gh, k in 0…15 { bins[16·k + 4 bits of words[rows[i]] from 4·k on] += p }
func (p *packedRows) addGroup(bins *[256]binSum, g int, rows []int32, gh []gradPair) {
	for i, x := range gh {
		row := i
		if rows != nil {
			row = int(rows[i])
		}
		w, grad, hess := p.words[row*p.stride+g], float64(x.grad), float64(x.hess)
		for k := 0; k < 256; k += 64 { // four at a time: a loop of one has more to count than to add
			e := &bins[uint8(k)|uint8(w&15)]
			e.grad += grad
			e.hess += hess
			e = &bins[uint8(k+16)|uint8(w>>4&15)]
			e.grad += grad
			e.hess += hess
			e = &bins[uint8(k+32)|uint8(w>>8&15)]
			e.grad += grad
			e.hess += hess
			e = &bins[uint8(k+48)|uint8(w>>12&15)]
			e.grad += grad
			e.hess += hess
			w >>= 16
		}
	}
}
