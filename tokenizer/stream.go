package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// Stream decodes ids one by one, as a model makes them, and never shows part of a character:
// what could still change is held back. It is not safe for concurrent use.
type Stream struct {
	t    *Tokenizer
	opts DecodeOptions

	// Byte-level vocabularies: bytes not shown yet.
	pending []byte

	sp spDecoding // SentencePiece models

	// Others: a window of ids, its text shown so far, and how many ids made that. Spaces
	// depend on what stands before, so a token is decoded together with its neighbours.
	ids    []int32
	prefix string
	known  int
}

// maxHeld bounds what is held back, in tokens or bytes: a model that writes nothing but broken
// characters must not make every step slower than the one before.
const maxHeld = 64

// NewStream begins a text.
func (t *Tokenizer) NewStream(o DecodeOptions) *Stream {
	return &Stream{t: t, opts: o, sp: spDecoding{begin: true}}
}

// Next takes the next id and gives the text that can be shown now, often none.
// The texts of all steps and Flush's together are Decode's.
func (s *Stream) Next(id int32) string {
	if !s.t.has(id) || s.t.special[id] && !s.opts.KeepSpecial {
		return ""
	}
	switch d := s.t.dec.(type) {
	case *byteDecoder:
		s.pending = append(s.pending, d.bytes[id]...)
		return s.bytes(false)
	case *sentencePiece:
		return s.sp.next(s.t, d, id)
	}
	return s.window(id)
}

// Flush gives what is left when no more ids come.
func (s *Stream) Flush() string {
	switch s.t.dec.(type) {
	case *byteDecoder:
		return s.bytes(true)
	case *sentencePiece:
		return s.sp.flush(true)
	}
	all := s.t.dec.decode(s.t, s.ids)
	rest, _ := strings.CutPrefix(all, s.prefix)
	s.ids, s.prefix, s.known = nil, "", 0
	return rest
}

// bytes shows the pending bytes if they end in a whole rune that is not U+FFFD: as the
// reference does, it waits for what comes behind a broken one.
func (s *Stream) bytes(all bool) string {
	n := len(s.pending)
	if !all {
		if r, _ := utf8.DecodeLastRune(s.pending); r == utf8.RuneError {
			if n < maxHeld {
				return ""
			}
			n = cutBroken(s.pending)
		}
	}
	text := lossy(s.pending[:n])
	s.pending = append(s.pending[:0], s.pending[n:]...)
	return text
}

// cutBroken gives how much of b comes before a rune that is not complete yet.
func cutBroken(b []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		if tail := b[len(b)-n:]; utf8.RuneStart(tail[0]) {
			if incomplete(tail) {
				return len(b) - n
			}
			break
		}
	}
	return len(b)
}

// window is tokenizers' step_decode_stream (src/tokenizer/mod.rs).
func (s *Stream) window(id int32) string {
	if s.prefix == "" && len(s.ids) > 0 {
		if text := s.t.dec.decode(s.t, s.ids); !strings.HasSuffix(text, "\uFFFD") {
			s.prefix, s.known = text, len(s.ids)
		}
	}
	s.ids = append(s.ids, id)
	text := s.t.dec.decode(s.t, s.ids)
	if len(text) <= len(s.prefix) || strings.HasSuffix(text, "\uFFFD") && len(s.ids)-s.known < maxHeld {
		return ""
	}
	fresh, ok := strings.CutPrefix(text, s.prefix)
	if !ok { // a decoder that looks ahead has changed its mind; what was shown stays
		fresh = ""
	}
	n := len(s.ids) - s.known
	s.ids = append(s.ids[:0], s.ids[s.known:]...)
	s.prefix, s.known = s.t.dec.decode(s.t, s.ids), n
	return fresh
}
