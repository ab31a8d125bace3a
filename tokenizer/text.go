package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// span is a stretch of the original text, in bytes.
type span struct{ lo, hi int32 }

// text is a piece of the input on its way through normalisers and pre-tokenizers. Where
// offsets are asked for, at says for each byte of s which bytes of the original it stands
// for: always whole runes, as in the reference (tokenizers/src/tokenizer/normalizer.rs).
type text struct {
	s     string
	at    []span // as long as s, or nil
	first bool   // begins at the begin of the input
}

func (t text) slice(lo, hi int) text {
	u := text{s: t.s[lo:hi], first: t.first && lo == 0}
	if t.at != nil {
		u.at = t.at[lo:hi]
	}
	return u
}

// source is the input itself from byte lo, each rune standing for itself.
func source(s string, lo int, offsets bool) text {
	t := text{s: s, first: lo == 0}
	if !offsets {
		return t
	}
	t.at = make([]span, len(s))
	for i := 0; i < len(s); {
		_, size := utf8.DecodeRuneInString(s[i:])
		for j := i; j < i+size; j++ {
			t.at[j] = span{int32(lo + i), int32(lo + i + size)}
		}
		i += size
	}
	return t
}

// builder makes a text from another one.
type builder struct {
	b     strings.Builder
	at    []span
	track bool
	first bool
}

func (t text) builder() *builder {
	w := &builder{track: t.at != nil, first: t.first}
	w.b.Grow(len(t.s) + len(t.s)/4)
	if w.track {
		w.at = make([]span, 0, len(t.s)+len(t.s)/4)
	}
	return w
}

// keep copies bytes of t as they are.
func (w *builder) keep(t text, lo, hi int) {
	w.b.WriteString(t.s[lo:hi])
	if w.track {
		w.at = append(w.at, t.at[lo:hi]...)
	}
}

// put writes s in the place of the bytes of t around i.
func (w *builder) put(t text, i int, s string) {
	w.b.WriteString(s)
	if w.track {
		for range len(s) {
			w.at = append(w.at, t.at[i])
		}
	}
}

func (w *builder) rune(t text, i int, r rune) {
	if r < utf8.RuneSelf {
		w.b.WriteByte(byte(r))
		if w.track {
			w.at = append(w.at, t.at[i])
		}
		return
	}
	var buf [utf8.UTFMax]byte
	w.put(t, i, string(buf[:utf8.EncodeRune(buf[:], r)]))
}

func (w *builder) text() text {
	t := text{s: w.b.String(), first: w.first}
	if w.track {
		t.at = w.at
		if t.at == nil {
			t.at = []span{}
		}
	}
	return t
}

// lossy makes valid UTF-8 of b. Each longest stretch that could have begun a rune becomes one
// U+FFFD, as the Unicode standard recommends (3.9, table 3-8) and the reference's language does.
func lossy(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var w strings.Builder
	w.Grow(len(b) + len(b)/8)
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		if r == utf8.RuneError && size == 1 {
			w.WriteString("\uFFFD")
			b = b[brokenLen(b):]
			continue
		}
		w.Write(b[:size])
		b = b[size:]
	}
	return w.String()
}

// brokenLen is the length of the broken sequence at the begin of b: the bytes that a
// well-formed one could begin with, at least 1.
func brokenLen(b []byte) int {
	need, lo, hi := 0, byte(0x80), byte(0xbf)
	switch c := b[0]; {
	case 0xc2 <= c && c <= 0xdf:
		need = 1
	case c == 0xe0:
		need, lo = 2, 0xa0
	case c == 0xed:
		need, hi = 2, 0x9f
	case 0xe1 <= c && c <= 0xef:
		need = 2
	case c == 0xf0:
		need, lo = 3, 0x90
	case c == 0xf4:
		need, hi = 3, 0x8f
	case 0xf1 <= c && c <= 0xf3:
		need = 3
	}
	n := 1
	for n <= need && n < len(b) && lo <= b[n] && b[n] <= hi {
		n++
		lo, hi = 0x80, 0xbf
	}
	return n
}

// incomplete says whether b is the begin of a rune whose end may still come.
func incomplete(b []byte) bool {
	return len(b) > 0 && brokenLen(b) == len(b) && !utf8.FullRune(b)
}
