package table

import "math/bits"

// Bitmap is a set of row numbers. The zero value is empty and costs nothing, which is the common case of a column
// without missing cells.
type Bitmap struct {
	words []uint64
}

// Get tells whether i is in the set; any i past the last one set is not.
func (b *Bitmap) Get(i int) bool {
	w := i >> 6
	return w < len(b.words) && b.words[w]>>(i&63)&1 != 0
}

// Set adds i >= 0.
func (b *Bitmap) Set(i int) {
	w := i >> 6
	for len(b.words) <= w {
		b.words = append(b.words, 0)
	}
	b.words[w] |= 1 << (i & 63)
}

// Count is the number of rows in the set.
func (b *Bitmap) Count() int {
	n := 0
	for _, w := range b.words {
		n += bits.OnesCount64(w)
	}
	return n
}
