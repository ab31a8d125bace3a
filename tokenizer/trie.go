package tokenizer

import (
	"slices"
	"strings"
)

// trie finds the tokens that a text begins with. Children of a node lie together, sorted by
// byte; those of the root are in a table.
type trie struct {
	root   [256]int32 // node + 1, 0 is none
	first  []int32    // [nodes+1] where a node's children begin in labels and child
	labels []byte
	child  []int32
	value  []int32 // [nodes] id, or −1
}

type entry struct {
	key string
	id  int32
}

// newTrie keeps the first of equal keys; empty keys are left out.
func newTrie(entries []entry) *trie {
	slices.SortStableFunc(entries, func(a, b entry) int { return strings.Compare(a.key, b.key) })
	t := &trie{}
	for len(entries) > 0 && entries[0].key == "" {
		entries = entries[1:]
	}
	// Breadth first: the children of a node get consecutive numbers.
	type span struct{ lo, hi, depth int }
	queue := []span{{0, len(entries), 0}}
	for q := 0; q < len(queue); q++ {
		s := queue[q]
		id := int32(-1)
		if s.lo < s.hi && len(entries[s.lo].key) == s.depth && s.depth > 0 {
			id = entries[s.lo].id
		}
		for s.lo < s.hi && len(entries[s.lo].key) == s.depth {
			s.lo++
		}
		t.value = append(t.value, id)
		t.first = append(t.first, int32(len(t.labels)))
		for lo := s.lo; lo < s.hi; {
			b, hi := entries[lo].key[s.depth], lo
			for hi < s.hi && entries[hi].key[s.depth] == b {
				hi++
			}
			t.labels = append(t.labels, b)
			t.child = append(t.child, int32(len(queue)))
			if s.depth == 0 {
				t.root[b] = int32(len(queue)) + 1
			}
			queue = append(queue, span{lo, hi, s.depth + 1})
			lo = hi
		}
	}
	t.first = append(t.first, int32(len(t.labels)))
	return t
}

// walk goes from a node (0 is the root) along a byte; −1 where no token goes on.
func (t *trie) walk(node int32, b byte) int32 {
	if node == 0 {
		return t.root[b] - 1
	}
	lo, hi := t.first[node], t.first[node+1]
	for hi-lo > 8 {
		mid := (lo + hi) / 2
		if t.labels[mid] <= b {
			lo = mid
		} else {
			hi = mid
		}
	}
	for i := lo; i < hi; i++ {
		if t.labels[i] == b {
			return t.child[i]
		}
	}
	return -1
}
