package tokenizer

// symbols are the parts of a word while they are merged: first its runes or bytes, in the
// end its tokens. Part i is the bytes from start[i] to start[i+1].
type symbols struct {
	id    []int32
	start []int32
	pair  []merged // what part i and the next one become
	next  []int32  // used by mergeLong only
	prev  []int32
	heap  []uint64
}

// reset makes room for a word of n bytes.
func (s *symbols) reset(n int) {
	s.id, s.start = resize(s.id, n)[:0], resize(s.start, n+1)[:0]
}

// scanWord is the longest word whose best pair is sought by a scan: below it the scan's few
// cache lines beat the heap.
const scanWord = 48

// merge joins pairs, lowest rank first and leftmost among equals, until none is left
// (Sennrich et al., Neural Machine Translation of Rare Words with Subword Units, 2016, §3.2).
func (s *symbols) merge(t *pairTable) {
	if n := len(s.id); n > scanWord {
		s.mergeLong(t)
	} else if n > 1 {
		s.mergeShort(t)
	}
}

func (s *symbols) mergeShort(t *pairTable) {
	id, start := s.id, s.start
	pair := s.pair[:0]
	for i := 1; i < len(id); i++ {
		pair = append(pair, t.get(id[i-1], id[i]))
	}
	s.pair = pair
	for {
		at, best := -1, noMerge.rank()
		for i, p := range pair {
			if r := p.rank(); r < best {
				at, best = i, r
			}
		}
		if at < 0 {
			break
		}
		id[at] = pair[at].id()
		copy(id[at+1:], id[at+2:])
		copy(start[at+1:], start[at+2:])
		copy(pair[at:], pair[at+1:])
		id, start, pair = id[:len(id)-1], start[:len(start)-1], pair[:len(pair)-1]
		if at > 0 {
			pair[at-1] = t.get(id[at-1], id[at])
		}
		if at < len(pair) {
			pair[at] = t.get(id[at], id[at+1])
		}
	}
	s.id, s.start = id, start
}

// mergeLong takes n·log n steps, so that a run of a million spaces is no attack. Parts form a
// list; the heap holds rank and place of pairs, some of them gone by the time they come up.
func (s *symbols) mergeLong(t *pairTable) {
	n := len(s.id)
	s.pair, s.next, s.prev, s.heap = resize(s.pair, n), resize(s.next, n), resize(s.prev, n), resize(s.heap, n)[:0]
	for i := range n {
		s.prev[i], s.next[i] = int32(i-1), int32(i+1)
		s.pair[i] = noMerge
		if i+1 == n {
			s.next[i] = -1
		} else if m := t.get(s.id[i], s.id[i+1]); m != noMerge {
			s.pair[i] = m
			s.heap = append(s.heap, heapKey(m, int32(i)))
		}
	}
	for i := len(s.heap)/2 - 1; i >= 0; i-- {
		s.sink(i, s.heap[i])
	}
	for len(s.heap) > 0 {
		key := s.pop()
		i := int32(uint32(key))
		m := s.pair[i]
		if m == noMerge || m.rank() != uint32(key>>32) {
			continue // merged away, or another pair by now
		}
		gone := s.next[i]
		s.id[i], s.next[i] = m.id(), s.next[gone]
		s.pair[i], s.pair[gone], s.id[gone] = noMerge, noMerge, -1
		if s.next[i] >= 0 {
			s.prev[s.next[i]] = i
			s.consider(t, i)
		}
		if s.prev[i] >= 0 {
			s.consider(t, s.prev[i])
		}
	}
	k := 0
	for i := int32(0); i >= 0; i = s.next[i] {
		s.id[k], s.start[k] = s.id[i], s.start[i]
		k++
	}
	s.start[k] = s.start[n]
	s.id, s.start = s.id[:k], s.start[:k+1]
}

// consider looks up the pair of part i and its next one.
func (s *symbols) consider(t *pairTable, i int32) {
	m := t.get(s.id[i], s.id[s.next[i]])
	s.pair[i] = m
	if m != noMerge {
		s.push(heapKey(m, i))
	}
}

func (s *symbols) push(key uint64) {
	s.heap = append(s.heap, key)
	h := s.heap
	for i := len(h) - 1; i > 0; {
		up := (i - 1) / 2
		if h[up] <= key {
			break
		}
		h[i], h[up] = h[up], key
		i = up
	}
}

func (s *symbols) pop() uint64 {
	top, n := s.heap[0], len(s.heap)-1
	key := s.heap[n]
	if s.heap = s.heap[:n]; n > 0 {
		s.sink(0, key)
	}
	return top
}

// sink puts key into the hole at i, or below it.
func (s *symbols) sink(i int, key uint64) {
	h := s.heap
	for {
		down := 2*i + 1
		if down >= len(h) {
			break
		}
		if down+1 < len(h) && h[down+1] < h[down] {
			down++
		}
		if key <= h[down] {
			break
		}
		h[i] = h[down]
		i = down
	}
	h[i] = key
}

// heapKey orders pairs by rank, then from left to right.
func heapKey(m merged, i int32) uint64 { return uint64(m.rank())<<32 | uint64(uint32(i)) }

func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
