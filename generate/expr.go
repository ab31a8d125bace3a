package generate

import (
	"slices"
	"unicode/utf8"
)

// expr is a set of byte strings: what a constraint is compiled to. Nodes may be shared and, through exprRef, may hold
// themselves; nothing is unfolded before it is needed (automaton.go).
type expr struct {
	kind     exprKind
	set      byteSet // exprBytes
	text     string  // exprText
	subs     []*expr // exprSeq, exprAlt; one for exprRepeat and exprRef
	min, max int     // exprRepeat; max < 0: no bound
	// depth is the least number of references nested in each other in any member of the set, never if it is empty: what
	// does not fit below the maximum depth is never begun.
	depth int
}

type exprKind uint8

const (
	exprBytes  exprKind = iota // one byte of set
	exprText                   // text itself, perhaps ""
	exprSeq                    // subs one after the other
	exprAlt                    // one of subs
	exprRepeat                 // min to max times sub
	exprRef                    // sub, one deeper
)

// never is the depth of the empty set.
const never = 1 << 30

// byteSet is a set of bytes.
type byteSet [4]uint64

func (s *byteSet) has(b byte) bool { return s[b>>6]>>(b&63)&1 != 0 }

func (s *byteSet) addRange(lo, hi byte) {
	for b := int(lo); b <= int(hi); b++ {
		s[b>>6] |= 1 << (b & 63)
	}
}

// text is a literal.
func text(s string) *expr { return &expr{kind: exprText, text: s} }

var empty = text("")

// oneOf is one byte out of the ranges lo, hi, lo, hi, …
func oneOf(ranges string) *expr {
	e := &expr{kind: exprBytes}
	for i := 0; i+1 < len(ranges); i += 2 {
		e.set.addRange(ranges[i], ranges[i+1])
	}
	return e
}

func seq(subs ...*expr) *expr { return &expr{kind: exprSeq, subs: subs} }

// alt of nothing is the empty set.
func alt(subs ...*expr) *expr {
	if len(subs) == 1 {
		return subs[0]
	}
	return &expr{kind: exprAlt, subs: subs}
}

func repeat(sub *expr, least, most int) *expr {
	return &expr{kind: exprRepeat, subs: []*expr{sub}, min: least, max: most}
}

func optional(sub *expr) *expr { return alt(sub, empty) }

// ref is a reference; its sub is set when it is known.
func ref(sub *expr) *expr { return &expr{kind: exprRef, subs: []*expr{sub}} }

// anyText is one of sorted texts, none of them twice, as a tree of their beginnings: a state then has a place for each
// next byte, not for each text.
func anyText(texts []string) *expr {
	var alts []*expr
	for len(texts) > 0 {
		if texts[0] == "" {
			alts, texts = append(alts, empty), texts[1:]
			continue
		}
		n := 1
		for n < len(texts) && texts[n][0] == texts[0][0] {
			n++
		}
		common := 1 // of the first and the last, and so of all
		for a, b := texts[0], texts[n-1]; common < min(len(a), len(b)) && a[common] == b[common]; {
			common++
		}
		var rest []string
		for _, t := range texts[:n] {
			rest = append(rest, t[common:])
		}
		alts = append(alts, seq(text(texts[0][:common]), anyText(rest)))
		texts = texts[n:]
	}
	return alt(alts...)
}

// measure sets every depth that can be reached from root, by going round until nothing gets smaller: a member of a
// recursive set begins where the recursion ends.
func measure(root *expr) {
	var all []*expr
	seen := map[*expr]bool{}
	var visit func(e *expr)
	visit = func(e *expr) {
		if seen[e] {
			return
		}
		seen[e] = true
		for _, s := range e.subs {
			visit(s)
		}
		e.depth = never
		all = append(all, e) // children first, so that without recursion one round is enough
	}
	visit(root)
	for changed := true; changed; {
		changed = false
		for _, e := range all {
			if d := e.measured(); d < e.depth {
				e.depth, changed = d, true
			}
		}
	}
}

func (e *expr) measured() int {
	d := 0
	switch e.kind {
	case exprBytes:
		if e.set == (byteSet{}) {
			d = never
		}
	case exprSeq:
		for _, s := range e.subs {
			d = max(d, s.depth)
		}
	case exprAlt:
		d = never
		for _, s := range e.subs {
			d = min(d, s.depth)
		}
	case exprRepeat:
		if e.min > 0 {
			d = e.subs[0].depth
		}
	case exprRef:
		d = min(never, e.subs[0].depth+1)
	}
	return d
}

// runes is one character out of sorted ranges lo, hi, lo, hi, … as UTF-8; surrogates, which have none, are left out.
func runes(ranges []rune) *expr {
	type tail struct {
		prefix string // ranges of all bytes but the last, as pairs
		last   byteSet
	}
	var tails []tail
	put := func(b []byte) {
		prefix := string(b[:len(b)-2])
		if n := len(tails); n == 0 || tails[n-1].prefix != prefix {
			tails = append(tails, tail{prefix: prefix})
		}
		tails[len(tails)-1].last.addRange(b[len(b)-2], b[len(b)-1])
	}
	for i := 0; i+1 < len(ranges); i += 2 {
		for _, gap := range [][2]rune{{0, 0xD7FF}, {0xE000, utf8.MaxRune}} {
			if lo, hi := max(ranges[i], gap[0]), min(ranges[i+1], gap[1]); lo <= hi {
				utf8Ranges(lo, hi, put)
			}
		}
	}
	var alts []*expr
	for _, t := range tails {
		var parts []*expr
		for i := 0; i < len(t.prefix); i += 2 {
			parts = append(parts, oneOf(t.prefix[i:i+2]))
		}
		parts = append(parts, &expr{kind: exprBytes, set: t.last})
		if len(parts) == 1 {
			alts = append(alts, parts[0])
		} else {
			alts = append(alts, seq(parts...))
		}
	}
	return alt(alts...)
}

// utf8Ranges cuts lo to hi into pieces whose UTF-8 is a product of byte ranges, and puts each as pairs of bytes.
func utf8Ranges(lo, hi rune, put func([]byte)) {
	for _, last := range []rune{0x7F, 0x7FF, 0xFFFF} { // the last of one length
		if lo <= last && last < hi {
			utf8Ranges(lo, last, put)
			utf8Ranges(last+1, hi, put)
			return
		}
	}
	a, b := utf8.AppendRune(nil, lo), utf8.AppendRune(nil, hi)
	for i := 1; i < len(a); i++ { // from the last byte: where the bytes before differ, it must run over all
		low := rune(1)<<(6*i) - 1
		if lo&^low == hi&^low {
			break
		}
		if lo&low != 0 {
			utf8Ranges(lo, lo|low, put)
			utf8Ranges(lo|low+1, hi, put)
			return
		}
		if hi&low != low {
			utf8Ranges(lo, hi&^low-1, put)
			utf8Ranges(hi&^low, hi, put)
			return
		}
	}
	var pairs []byte
	for i := range a {
		pairs = append(pairs, a[i], b[i])
	}
	put(pairs)
}

// without gives the ranges of sorted disjoint ranges that are none of the given characters.
func without(ranges []rune, chars ...rune) []rune {
	slices.Sort(chars)
	var out []rune
	for i := 0; i+1 < len(ranges); i += 2 {
		lo, hi := ranges[i], ranges[i+1]
		for _, c := range chars {
			if c < lo || c > hi {
				continue
			}
			if lo < c {
				out = append(out, lo, c-1)
			}
			lo = c + 1
		}
		if lo <= hi {
			out = append(out, lo, hi)
		}
	}
	return out
}
