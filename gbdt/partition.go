package gbdt

import "github.com/hanji-ml/hanji/internal/par"

// partition keeps the rows of each leaf together, ascending within a leaf (DataPartition).
type partition struct {
	rows  []int32
	begin []int32
	count []int32
	right []int32 // scratch: rows that go right
	cuts  []int32 // scratch: how many go left, for each chunk
	table []uint8 // scratch: 1 for bins that go left
}

// partitionChunk is how many rows are looked at together. The result does not depend on it.
const partitionChunk = 1 << 13

func newPartition(rows, leaves, bins int) *partition {
	return &partition{
		rows: make([]int32, rows), begin: make([]int32, leaves), count: make([]int32, leaves),
		right: make([]int32, rows), cuts: make([]int32, rows/partitionChunk+1), table: make([]uint8, max(bins, 256)),
	}
}

// reset puts all rows, or those given, into leaf 0.
func (p *partition) reset(n int, used []int32) {
	clear(p.begin)
	clear(p.count)
	if used != nil {
		p.count[0] = int32(copy(p.rows, used))
		return
	}
	p.count[0] = int32(n)
	par.For(n, 1<<15, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			p.rows[i] = int32(i)
		}
	})
}

func (p *partition) leaf(i int32) []int32 { return p.rows[p.begin[i]:][:p.count[i]] }

// split moves the rows of a leaf whose bin goes right, by p.table, to another leaf.
func (p *partition) split(leaf, rightLeaf int32, bins *binColumn) {
	rows := p.leaf(leaf)
	n := len(rows)
	chunks := (n + partitionChunk - 1) / partitionChunk
	scratch := p.right[p.begin[leaf]:][:n]
	par.For(n, partitionChunk, func(lo, hi int) {
		p.cuts[lo/partitionChunk] = p.splitChunk(rows[lo:hi], scratch[lo:hi], bins)
	})
	left := 0
	for c := range chunks { // the left parts close up
		lo := c * partitionChunk
		left += copy(rows[left:], rows[lo:lo+int(p.cuts[c])])
	}
	at := left
	for c := range chunks {
		lo := c * partitionChunk
		hi := min(lo+partitionChunk, n)
		at += copy(rows[at:], scratch[lo:hi-int(p.cuts[c])])
	}
	p.begin[rightLeaf] = p.begin[leaf] + int32(left)
	p.count[rightLeaf] = int32(n - left)
	p.count[leaf] = int32(left)
}

// splitChunk leaves the rows that go left in place and writes the others to right. It has no branch on the side: half of
// them would be predicted wrong.
func (p *partition) splitChunk(rows, right []int32, bins *binColumn) int32 {
	l, r := 0, 0
	if u8 := bins.u8; u8 != nil {
		table := (*[256]uint8)(p.table)
		right = right[:len(rows)]
		for _, row := range rows {
			left := int(table[u8[row]])
			rows[l], right[r] = row, row
			l += left
			r += 1 - left
		}
		return int32(l)
	}
	for _, row := range rows {
		left := int(p.table[bins.at(int(row))])
		rows[l], right[r] = row, row
		l += left
		r += 1 - left
	}
	return int32(l)
}
