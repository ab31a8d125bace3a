package generate

import (
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
)

// automaton runs an expression byte by byte, deterministically: a state is the set of all places in which the
// expression can be. States are made when they are first reached and kept until they take too much memory, as in RE2's
// lazy DFA (Cox 2010, "Regular expression matching in the wild"). A place carries what comes after it, so a recursive
// expression unfolds as deep as the text does and counted repetition costs nothing before it is counted. Every place
// can be finished: what would go deeper than allowed is not begun.
type automaton struct {
	maxDepth int
	places   map[placeKey]*place
	states   map[string]*state
	start    *state
	dead     *state
	size     int // bytes held by places and states, roughly
	lastID   uint64

	// scratch of one closure
	seen   map[*place]bool
	leaves []*place
	accept bool
}

// place is a position within e and, as next, the position to go on from after it; nil is the end.
type place struct {
	placeKey
	id uint64
}

type placeKey struct {
	e     *expr
	pos   int // exprText: bytes done; exprSeq: parts done; exprRepeat: times done
	depth int
	next  *place
}

// state is a set of places that wait for a byte.
type state struct {
	leaves []*place // exprBytes or exprText, by id
	accept bool     // the text may end here
	live   byteSet  // the bytes that may come
	edges  []edge   // where those lead that have come, until they are many
	table  *[256]*state
	allow  *tokenSet // see mask.go
}

type edge struct {
	b  byte
	to *state
}

// manyEdges is where a table of 2 KiB begins to pay: a literal has one edge a state, a character of a string 200.
const manyEdges = 8

// known is the state after b, nil if it was not made yet.
func (s *state) known(b byte) *state {
	if s.table != nil {
		return s.table[b]
	}
	for i := range s.edges {
		if s.edges[i].b == b {
			return s.edges[i].to
		}
	}
	return nil
}

func (a *automaton) connect(s *state, b byte, to *state) {
	if s.table == nil && len(s.edges) < manyEdges {
		s.edges = append(s.edges, edge{b, to})
		a.size += 16
		return
	}
	if s.table == nil {
		s.table = new([256]*state)
		a.size += 256 * 8
		for _, e := range s.edges {
			s.table[e.b] = e.to
		}
	}
	s.table[b] = to
}

// maxLeaves bounds the places of one state: a JSON schema or a sensible pattern has tens.
const maxLeaves = 10000

var errAmbiguous = errors.New("generate: the constraint can be in over 10000 places at once; simplify nested repetitions")

// cacheBytes is what an automaton may hold before it forgets and begins anew.
const cacheBytes = 32 << 20

func newAutomaton(root *expr, maxDepth int) (*automaton, error) {
	measure(root)
	if root.depth > maxDepth {
		return nil, errors.New("generate: nothing satisfies the constraint within its maximum depth")
	}
	a := &automaton{maxDepth: maxDepth, dead: &state{}, seen: map[*place]bool{}}
	a.forget()
	a.begin()
	a.enter(root, 0, nil)
	var err error
	a.start, err = a.finish()
	return a, err
}

// forget drops the caches. States that are in use go on working: what they lead to is made again.
func (a *automaton) forget() {
	a.places, a.states, a.size = map[placeKey]*place{}, map[string]*state{}, 0
	if a.start != nil {
		a.start.edges, a.start.table, a.start.allow = nil, nil, nil
	}
}

// step is the state after one more byte, dead if none.
func (a *automaton) step(s *state, b byte) (*state, error) {
	if !s.live.has(b) {
		return a.dead, nil
	}
	if to := s.known(b); to != nil {
		return to, nil
	}
	a.begin()
	for _, p := range s.leaves {
		switch {
		case p.e.kind == exprBytes && p.e.set.has(b):
			a.leave(p.next)
		case p.e.kind == exprText && p.e.text[p.pos] == b:
			if p.pos+1 == len(p.e.text) {
				a.leave(p.next)
			} else {
				a.visit(a.place(p.e, p.pos+1, p.depth, p.next))
			}
		}
	}
	to, err := a.finish()
	if err == nil {
		a.connect(s, b, to)
	}
	return to, err
}

// A closure: begin, any number of enter, leave and visit, finish.

func (a *automaton) begin() {
	clear(a.seen)
	a.leaves, a.accept = a.leaves[:0], false
}

// enter goes to the beginning of e, unless it cannot be finished within the depth.
func (a *automaton) enter(e *expr, depth int, next *place) {
	if depth+e.depth <= a.maxDepth {
		a.visit(a.place(e, 0, depth, next))
	}
}

// leave goes on after the end of an expression.
func (a *automaton) leave(next *place) {
	if next == nil {
		a.accept = true
		return
	}
	a.visit(next)
}

func (a *automaton) visit(p *place) {
	if a.seen[p] || len(a.leaves) > maxLeaves {
		return
	}
	a.seen[p] = true
	e := p.e
	switch e.kind {
	case exprText:
		if e.text == "" {
			a.leave(p.next)
			return
		}
		a.leaves = append(a.leaves, p)
	case exprBytes:
		a.leaves = append(a.leaves, p)
	case exprSeq:
		switch n := len(e.subs) - p.pos; {
		case n == 0:
			a.leave(p.next)
		case n == 1: // nothing to come back for: keeps what comes after short
			a.enter(e.subs[p.pos], p.depth, p.next)
		default:
			a.enter(e.subs[p.pos], p.depth, a.place(e, p.pos+1, p.depth, p.next))
		}
	case exprAlt:
		for _, s := range e.subs {
			a.enter(s, p.depth, p.next)
		}
	case exprRepeat:
		if e.max < 0 || p.pos < e.max {
			done := p.pos + 1
			if e.max < 0 {
				done = min(done, e.min) // beyond the least there is nothing to count
			}
			a.enter(e.subs[0], p.depth, a.place(e, done, p.depth, p.next))
		}
		if p.pos >= e.min {
			a.leave(p.next)
		}
	case exprRef:
		a.enter(e.subs[0], p.depth+1, p.next)
	}
}

// place gives the one place with these values.
func (a *automaton) place(e *expr, pos, depth int, next *place) *place {
	key := placeKey{e, pos, depth, next}
	p, ok := a.places[key]
	if !ok {
		a.lastID++
		p = &place{key, a.lastID}
		a.places[key] = p
		a.size += 150
	}
	return p
}

// finish gives the one state of the places found.
func (a *automaton) finish() (*state, error) {
	if len(a.leaves) > maxLeaves {
		return nil, errAmbiguous
	}
	if len(a.leaves) == 0 && !a.accept {
		return a.dead, nil
	}
	slices.SortFunc(a.leaves, func(p, q *place) int { return cmp.Compare(p.id, q.id) })
	key := make([]byte, 0, 8*len(a.leaves)+1)
	for _, p := range a.leaves {
		key = binary.LittleEndian.AppendUint64(key, p.id)
	}
	if a.accept {
		key = append(key, 1)
	}
	s, ok := a.states[string(key)]
	if !ok {
		s = &state{leaves: slices.Clone(a.leaves), accept: a.accept}
		for _, p := range s.leaves {
			if p.e.kind == exprBytes {
				for i, w := range p.e.set {
					s.live[i] |= w
				}
			} else {
				s.live.addRange(p.e.text[p.pos], p.e.text[p.pos])
			}
		}
		a.states[string(key)] = s
		a.size += 200 + 2*len(key)
	}
	return s, nil
}

// match tells whether the whole text is a member.
func (a *automaton) match(text []byte) (bool, error) {
	s := a.start
	for _, b := range text {
		a.trim()
		var err error
		if s, err = a.step(s, b); err != nil || s == a.dead {
			return false, err
		}
	}
	return s.accept, nil
}

// trim forgets when the caches have grown too large. Between steps only.
func (a *automaton) trim() {
	if a.size > cacheBytes {
		a.forget()
	}
}
