package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// spText is normalised text. from says for each byte, and for the end, at which byte of the
// original it begins; nil where offsets are not asked for.
type spText struct {
	s    string
	from []int32
}

// spBuilder collects an spText.
type spBuilder struct {
	b     []byte
	from  []int32
	track bool
}

func (w *spBuilder) put(s string, at int) {
	w.b = append(w.b, s...)
	if w.track {
		for range len(s) {
			w.from = append(w.from, int32(at))
		}
	}
}

// normalize is Normalizer::Normalize of sentencepiece's normalizer.cc.
func (sp *sentencePiece) normalize(s string, prefix, offsets bool) spText {
	w := &spBuilder{b: make([]byte, 0, len(s)+len(s)/4+len(underscore)), track: offsets}
	space := underscore
	if sp.norm.plain {
		space = " "
	}
	at := 0
	if sp.norm.squeeze {
		for at < len(s) {
			to, n := sp.next(s[at:])
			if to != " " {
				break
			}
			at += n
		}
	}
	if at == len(s) {
		return sp.finish(w, at)
	}
	if prefix && !sp.suffix {
		w.put(space, at)
	}
	wasSpace := sp.norm.squeeze
	for at < len(s) {
		to, n := sp.next(s[at:])
		if wasSpace {
			to = strings.TrimLeft(to, " ")
		}
		if to != "" {
			if space == " " || strings.IndexByte(to, ' ') < 0 {
				w.put(to, at)
			} else {
				w.put(strings.ReplaceAll(to, " ", space), at)
			}
			wasSpace = sp.norm.squeeze && to[len(to)-1] == ' '
		}
		at += n
	}
	if sp.norm.squeeze {
		for strings.HasSuffix(string(w.b[max(0, len(w.b)-len(space)):]), space) {
			k := len(w.b) - len(space)
			w.b = w.b[:k]
			if offsets {
				at = int(w.from[k])
				w.from = w.from[:k]
			}
		}
	}
	if prefix && sp.suffix {
		w.put(space, at)
	}
	return sp.finish(w, at)
}

func (sp *sentencePiece) finish(w *spBuilder, at int) spText {
	t := spText{s: string(w.b)}
	if w.track {
		t.from = append(w.from, int32(at))
	}
	return t
}

// next gives what the begin of s becomes, and how many bytes that takes (NormalizePrefix).
func (sp *sentencePiece) next(s string) (to string, n int) {
	if !sp.user.empty() && sp.user.begins[s[0]] {
		if tok, n := sp.user.longest(s); tok != nil {
			return s[:n], n
		}
	}
	if sp.charsmap != nil {
		if to, n := sp.charsmap.lookup(s, true); n > 0 {
			return to, n
		}
	}
	r, size := utf8.DecodeRuneInString(s)
	if r == utf8.RuneError && size == 1 {
		return "\uFFFD", 1
	}
	return s[:size], size
}

// decode is SentencePieceProcessor::Decode.
func (sp *sentencePiece) decode(t *Tokenizer, ids []int32) string {
	var w strings.Builder
	d := spDecoding{begin: true}
	for _, id := range ids {
		w.WriteString(d.next(t, sp, id))
	}
	w.WriteString(d.flush(true))
	return w.String()
}

// spDecoding is decoding under way.
type spDecoding struct {
	run      []byte // of byte tokens, not written yet
	begin    bool   // the dummy prefix may still be to come
	consumed bool   // it has come
	wrote    bool   // something has been written
}

// next writes an id, and of byte tokens what cannot change any more.
func (d *spDecoding) next(t *Tokenizer, sp *sentencePiece, id int32) string {
	if int(id) < len(sp.kind) && sp.kind[id] == spByte {
		b, _ := byteToken(t.tokens[id])
		d.run = append(d.run, b)
		return d.flush(false)
	}
	before := d.flush(true)
	if d.consumed || d.wrote {
		d.begin = false
	}
	var s string
	s, d.consumed = sp.surface(t, id, d.begin)
	d.wrote = d.wrote || s != ""
	return before + s
}

// flush writes byte tokens: each byte that is not part of a rune becomes U+FFFD.
func (d *spDecoding) flush(all bool) string {
	n := len(d.run)
	if n == 0 {
		return ""
	}
	if !all {
		n = cutBroken(d.run)
	}
	var w strings.Builder
	for rest := d.run[:n]; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		w.WriteRune(r)
		rest = rest[size:]
	}
	d.run = append(d.run[:0], d.run[n:]...)
	d.wrote = d.wrote || n > 0
	return w.String()
}

// surface is what one piece writes, and whether it was the one to lose the dummy prefix.
func (sp *sentencePiece) surface(t *Tokenizer, id int32, begin bool) (s string, consumed bool) {
	s = t.tokens[id]
	if int(id) >= len(sp.kind) {
		return s, false
	}
	switch sp.kind[id] {
	case spControl:
		return s, false // shown has left it out unless it was asked for
	case spUnknown:
		return sp.unkSurface, false
	}
	if begin && (sp.norm.dummyPrefix || sp.norm.squeeze) && !sp.noPrefix {
		s, consumed = strings.CutPrefix(s, underscore)
		if sp.norm.squeeze {
			consumed = false // all leading white space goes
		}
	}
	return strings.ReplaceAll(s, underscore, " "), consumed
}
