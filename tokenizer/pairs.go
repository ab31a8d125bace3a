package tokenizer

import "math/bits"

// merged is what a pair of symbols becomes: the merge's rank above, the new symbol below.
type merged uint64

const noMerge = merged(1<<64 - 1)

func newMerged(rank, id int) merged { return merged(rank)<<32 | merged(uint32(id)) }
func (m merged) rank() uint32       { return uint32(m >> 32) }
func (m merged) id() int32          { return int32(uint32(m)) }

// pairTable maps two symbols to what they become: open addressing, at most half full, one
// cache line a look-up.
type pairTable struct {
	slots []pairSlot
	shift int
}

type pairSlot struct {
	key uint64 // left<<32 | right, plus 1: 0 is an empty slot
	val merged
}

func newPairTable(n int) *pairTable {
	size := max(3, bits.Len(uint(2*n)))
	return &pairTable{make([]pairSlot, 1<<size), 64 - size}
}

func pairKey(left, right int32) uint64 { return (uint64(uint32(left))<<32 | uint64(uint32(right))) + 1 }

// put keeps the first of two values for one pair.
func (t *pairTable) put(left, right int32, m merged) {
	key := pairKey(left, right)
	for i := key * mixB >> t.shift; ; i = (i + 1) & uint64(len(t.slots)-1) {
		switch s := &t.slots[i]; s.key {
		case 0:
			s.key, s.val = key, m
			return
		case key:
			return
		}
	}
}

func (t *pairTable) get(left, right int32) merged {
	key := pairKey(left, right)
	for i := key * mixB >> t.shift; ; i = (i + 1) & uint64(len(t.slots)-1) {
		switch s := &t.slots[i]; s.key {
		case 0: // first, since it is also the key of two parts that are no tokens
			return noMerge
		case key:
			return s.val
		}
	}
}
