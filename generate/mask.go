package generate

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"sync"
)

// Constraint is a set of texts that an output must be from: [Regex] and [JSONSchema] make one. Tokens that no member
// of the set goes on with are removed before anything else, end tokens too while the text is not a member; when the
// text is one and cannot go on, the output stops without an end token. It is safe for concurrent use and remembers
// which tokens it allowed where: make one a schema, not one a request.
type Constraint struct {
	v    *Vocabulary
	mu   sync.Mutex
	auto *automaton
}

func newConstraint(v *Vocabulary, root *expr, maxDepth int) (*Constraint, error) {
	if v == nil {
		return nil, fmt.Errorf("generate: a constraint needs a vocabulary")
	}
	auto, err := newAutomaton(root, maxDepth)
	if err != nil {
		return nil, err
	}
	return &Constraint{v: v, auto: auto}, nil
}

// Match tells whether the text is a member.
func (c *Constraint) Match(text string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	ok, err := c.auto.match([]byte(text))
	return ok && err == nil
}

// matcher is one output's place in a constraint.
type matcher struct {
	c  *Constraint
	at *state
}

func (c *Constraint) matcher() matcher { return matcher{c, c.auto.start} }

// filter removes from x what is not allowed next. logits is x before any filter: it gives end tokens back their
// value, which stand for no text and are allowed exactly where the text may end.
func (m *matcher) filter(x, logits []float32, end []int32) error {
	allow, err := m.c.allowed(m.at)
	if err != nil {
		return err
	}
	if allow.n == 0 && !m.at.accept {
		return fmt.Errorf("generate: no token of the vocabulary goes on with the constraint here; it lacks single bytes")
	}
	allow.filter(x)
	for _, id := range end {
		if uint(id) < uint(len(x)) {
			x[id] = negInf
			if m.at.accept {
				x[id] = logits[id]
			}
		}
	}
	return nil
}

// advance goes on by a token's text.
func (m *matcher) advance(id int32) error {
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	m.c.auto.trim()
	for i, text := 0, m.c.v.Text(id); i < len(text); i++ {
		to, err := m.c.auto.step(m.at, text[i])
		if err != nil {
			return err
		}
		if m.at = to; to == m.c.auto.dead {
			return fmt.Errorf("generate: token %d does not fit the constraint; does a custom filter bring it back?", id)
		}
	}
	return nil
}

// done tells that the text is a member and nothing may follow.
func (m *matcher) done() bool { return m.at.accept && len(m.at.leaves) == 0 }

// allowed is the set of tokens that may come at a state, made when it is first asked for.
func (c *Constraint) allowed(s *state) (*tokenSet, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.allow != nil {
		return s.allow, nil
	}
	c.auto.trim()
	set, err := c.v.tree().allowed(c.auto, s)
	if err == nil {
		s.allow = set
		c.auto.size += 8 * len(set.bits)
	}
	return set, err
}

// tokenSet is a set of tokens.
type tokenSet struct {
	bits []uint64
	n    int
}

// filter removes from the logits what is not in the set.
func (t *tokenSet) filter(x []float32) {
	for w := 0; w*64 < len(x); w++ {
		row, out := x[w*64:min(w*64+64, len(x))], ^uint64(0)
		if w < len(t.bits) {
			out = ^t.bits[w]
		}
		for ; out != 0; out &= out - 1 {
			if i := bits.TrailingZeros64(out); i < len(row) {
				row[i] = negInf
			}
		}
	}
}

// tree is the vocabulary as a tree of bytes, flat in depth-first order, so that tokens with a common beginning are
// tried together and left together.
type tree struct {
	nodes  []treeNode
	tokens []int32 // by node
	vocab  int
	height int
}

type treeNode struct {
	b           byte
	depth       int32 // 1: the first byte
	skip        int32 // the next node that is not below this one
	first, last int32 // of tokens that end here
}

// tree builds the tree on first use.
func (v *Vocabulary) tree() *tree {
	v.treeOnce.Do(func() { v.bytes = newTree(v.pieces) })
	return v.bytes
}

func newTree(pieces []string) *tree {
	t := &tree{vocab: len(pieces)}
	order := make([]int32, 0, len(pieces))
	for id, p := range pieces {
		if p != "" {
			order = append(order, int32(id))
		}
	}
	slices.SortFunc(order, func(a, b int32) int {
		return cmp.Or(strings.Compare(pieces[a], pieces[b]), cmp.Compare(a, b))
	})
	t.tokens = order
	var path []int32 // the open nodes
	before := ""
	for i, id := range order {
		p := pieces[id]
		common := 0
		for common < min(len(p), len(before)) && p[common] == before[common] {
			common++
		}
		for _, n := range path[common:] {
			t.nodes[n].skip = int32(len(t.nodes))
		}
		path = path[:common]
		for d := common; d < len(p); d++ {
			path = append(path, int32(len(t.nodes)))
			t.nodes = append(t.nodes, treeNode{b: p[d], depth: int32(d + 1)})
		}
		if end := &t.nodes[path[len(path)-1]]; end.last == 0 {
			end.first, end.last = int32(i), int32(i+1)
		} else {
			end.last = int32(i + 1)
		}
		before = p
		t.height = max(t.height, len(p))
	}
	for _, n := range path {
		t.nodes[n].skip = int32(len(t.nodes))
	}
	return t
}

// allowed walks the tree and the automaton together from s.
func (t *tree) allowed(a *automaton, s *state) (*tokenSet, error) {
	set := &tokenSet{bits: make([]uint64, (t.vocab+63)/64)}
	path := make([]*state, t.height+1) // by depth
	path[0] = s
	for i := int32(0); int(i) < len(t.nodes); {
		n := &t.nodes[i]
		to, err := a.step(path[n.depth-1], n.b)
		if err != nil {
			return nil, err
		}
		if to == a.dead {
			i = n.skip
			continue
		}
		path[n.depth] = to
		for _, id := range t.tokens[n.first:n.last] {
			set.bits[id/64] |= 1 << (id % 64)
			set.n++
		}
		i++
	}
	return set, nil
}
