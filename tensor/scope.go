package tensor

import (
	"math/bits"
	"unsafe"
)

// storage is a run of bytes that one or more tensors look at. Its start is 64-byte aligned when it came from a scope
// or NewParam; bytes bound from a mapped file are aligned as the file is.
type storage struct {
	b     []byte
	class int16 // size class of its scope's free list; -1: not recycled
	refs  int32 // holders while it serves as a gradient; see Tensor.accumulate
	slot  int32 // index in scope.live
}

// scope owns the memory of one step: storages and tensor headers are handed out one by one and taken back together.
// Storages go to free lists by size class (four classes per doubling, so at most 25 % is wasted); headers rotate
// through two generations so that a stale one is still recognisable one step later.
type scope struct {
	gen   uint32
	live  []*storage
	free  [256][]*storage
	heads [2]slab
	bytes int64 // handed out in this generation and not released
	peak  int64
}

type slab struct {
	chunks [][]Tensor
	used   int
}

const slabChunk = 256

func (s *scope) header() *Tensor {
	h := &s.heads[s.gen&1]
	i, j := h.used/slabChunk, h.used%slabChunk
	if i == len(h.chunks) {
		h.chunks = append(h.chunks, make([]Tensor, slabChunk))
	}
	h.used++
	t := &h.chunks[i][j]
	*t = Tensor{gen: s.gen}
	return t
}

// sizeClass gives the class of n bytes and the capacity of that class: (4+q)·2^k bytes, q in 0…3, at least 256.
func sizeClass(n int) (class int16, size int) {
	if n <= 256 {
		return 0, 256
	}
	k := bits.Len(uint(n-1)) - 3 // n-1 in [4·2^k, 8·2^k)
	q := (n - 1) >> k            // 4…7
	size = (q + 1) << k
	return int16(4*(k-6) + q - 3), size // 257 → k 6, q 4 → class 1
}

func (s *scope) alloc(n int) *storage {
	c, size := sizeClass(n)
	var st *storage
	if l := s.free[c]; len(l) > 0 {
		st = l[len(l)-1]
		s.free[c] = l[:len(l)-1]
	} else {
		st = &storage{b: alignedBytes(size), class: c}
	}
	st.refs = 0
	st.slot = int32(len(s.live))
	s.live = append(s.live, st)
	s.bytes += int64(size)
	s.peak = max(s.peak, s.bytes)
	if debugFill {
		fillNaN(st.b)
	}
	return st
}

// release takes a storage back before its scope ends.
func (s *scope) release(st *storage) {
	if st.class < 0 || st.slot < 0 {
		return
	}
	last := s.live[len(s.live)-1]
	s.live[st.slot], last.slot = last, st.slot
	s.live = s.live[:len(s.live)-1]
	st.slot = -1
	s.bytes -= int64(len(st.b))
	s.free[st.class] = append(s.free[st.class], st)
}

// since takes back the storages handed out after the first n but keep. One that release has moved among the first n
// stays until the end.
func (s *scope) since(n int, keep *storage) {
	for i := len(s.live) - 1; i >= n; i-- {
		if st := s.live[i]; st != keep {
			s.release(st)
		}
	}
}

// end takes everything back and begins the next generation.
func (s *scope) end() {
	for _, st := range s.live {
		st.slot = -1
		s.free[st.class] = append(s.free[st.class], st)
	}
	s.live = s.live[:0]
	s.bytes = 0
	s.gen++
	s.heads[s.gen&1].used = 0
}

func alignedBytes(n int) []byte {
	b := make([]byte, n+63)
	o := int(-uintptr(unsafe.Pointer(unsafe.SliceData(b))) & 63)
	return b[o : o+n : o+n]
}

// debugFill makes every buffer that a scope hands out start as NaN; tests set it to find ops that forget to write.
var debugFill = false

func fillNaN(b []byte) {
	for i := range b {
		b[i] = 0xff // an all-ones float of any width is a NaN
	}
}
