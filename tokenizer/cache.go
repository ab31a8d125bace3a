package tokenizer

import (
	"math/bits"
	"sync/atomic"
)

const (
	cacheSlots = 1 << 15 // words remembered: of English prose, 97 in 100
	cacheWord  = 64      // longest word remembered, in bytes: a bound on memory
)

// cache remembers how words were cut. It is filled and read by any number of goroutines:
// an entry never changes, a slot holds the last word that fell into it.
type cache struct {
	slots [cacheSlots]atomic.Pointer[cached]
}

type cached struct {
	word   string
	ids    []int32
	pieces []piece // nil where an id says all: see encoder
}

func (c *cache) slot(word string) *atomic.Pointer[cached] {
	return &c.slots[hash(word)%cacheSlots]
}

const (
	mixA = 0xa0761d6478bd642f // the multipliers of wyhash (public domain)
	mixB = 0xe7037ed1a0b428db
)

// hash spreads words over slots; it need not withstand an attacker, who could only make
// the cache useless.
func hash(s string) uint64 {
	h := uint64(len(s)) * mixA
	for len(s) > 8 {
		h = mix(h^le64(s), mixB)
		s = s[8:]
	}
	var tail uint64
	switch {
	case len(s) == 8:
		tail = le64(s)
	case len(s) >= 4:
		tail = uint64(le32(s)) | uint64(le32(s[len(s)-4:]))<<32
	case len(s) > 0:
		tail = uint64(s[0]) | uint64(s[len(s)/2])<<8 | uint64(s[len(s)-1])<<16
	}
	return mix(h^tail, mixA)
}

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

func le32(s string) uint32 {
	_ = s[3]
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}

func le64(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}
