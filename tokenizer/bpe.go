package tokenizer

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// piece is a token and the bytes of its word, or text, that it stands for.
type piece struct{ id, lo, hi int32 }

// A model cuts a word that pre-tokenizers made into tokens.
type model interface {
	ids(dst []int32, word string, s *scratch) []int32
	pieces(dst []piece, word string, s *scratch) []piece
}

// scratch is memory for one encoding at a time.
type scratch struct {
	sym    symbols
	pieces []piece
	cut    []piece
	best   []bestPath
}

// bpe is byte-pair encoding, on bytes (GPT-2) or on runes (SentencePiece).
type bpe struct {
	pairs    *pairTable
	bytewise bool       // the first symbols are bytes, not runes
	first    [256]int32 // bytewise: the token of each byte, -1 where there is none
	last     [256]int32 // … at the end of a word, where suffix is in use
	runes    runeTable  // otherwise: the symbol of each rune
	prefix   string     // continuing_subword_prefix: before every rune of a word but its first
	suffix   string     // end_of_word_suffix: behind its last
	bytes    []int32    // byte fallback: the 256 tokens <0x00> to <0xFF>; nil without
	unk      int32      // -1: unknown runes vanish
	fuseUnk  bool
	whole    bool             // ignore_merges: a word that is a token stays whole
	vocab    map[string]int32 // token → id, as the model spells tokens
	meet     *meeting         // where a text may be cut beforehand; nil: nowhere
	cache    *cache

	// SentencePiece looks at unknown runes only when all is merged: runes that are parts of
	// tokens and no tokens themselves are symbols from tokens on.
	late   bool
	tokens int
}

func (b *bpe) ids(dst []int32, text string, s *scratch) []int32 {
	for len(text) > 0 {
		n := len(text)
		if b.meet != nil {
			n = b.meet.next(text)
		}
		dst = b.wordIDs(dst, text[:n], s)
		text = text[n:]
	}
	return dst
}

func (b *bpe) wordIDs(dst []int32, word string, s *scratch) []int32 {
	if c := b.cached(word, s); c != nil {
		return append(dst, c.ids...)
	}
	if b.late || b.whole {
		for _, p := range b.cut(word, s) {
			dst = append(dst, p.id)
		}
		return dst
	}
	for _, id := range b.join(word, s).id { // a long word: without a list of its pieces
		if id >= 0 {
			dst = append(dst, id)
		}
	}
	return dst
}

func (b *bpe) pieces(dst []piece, text string, s *scratch) []piece {
	for lo := 0; lo < len(text); {
		hi := len(text)
		if b.meet != nil {
			hi = lo + b.meet.next(text[lo:])
		}
		for _, p := range b.wordPieces(text[lo:hi], s) {
			dst = append(dst, piece{p.id, p.lo + int32(lo), p.hi + int32(lo)})
		}
		lo = hi
	}
	return dst
}

func (b *bpe) wordPieces(word string, s *scratch) []piece {
	if c := b.cached(word, s); c != nil {
		return c.pieces
	}
	return b.cut(word, s)
}

// cached gives the entry of a word, made now if need be; nil for a long word.
func (b *bpe) cached(word string, s *scratch) *cached {
	if len(word) > cacheWord {
		return nil
	}
	slot := b.cache.slot(word)
	if c := slot.Load(); c != nil && c.word == word {
		return c
	}
	pieces := b.cut(word, s)
	c := &cached{word: strings.Clone(word), ids: make([]int32, len(pieces)), pieces: slices.Clone(pieces)}
	for i, p := range pieces {
		c.ids[i] = p.id
	}
	slot.Store(c)
	return c
}

// cut gives a word's tokens, valid until the next call.
func (b *bpe) cut(word string, s *scratch) []piece {
	s.cut = s.cut[:0]
	if b.whole {
		if id, ok := b.vocab[word]; ok {
			s.cut = append(s.cut, piece{id, 0, int32(len(word))})
			return s.cut
		}
	}
	sym := b.join(word, s)
	for i, id := range sym.id {
		switch lo, hi := sym.start[i], sym.start[i+1]; {
		case b.late && (id == b.unk || int(id) >= b.tokens):
			s.cut = b.spell(s.cut, word, lo, hi)
		case id >= 0:
			s.cut = append(s.cut, piece{id, lo, hi})
		}
	}
	return s.cut
}

// join merges the symbols of a word.
func (b *bpe) join(word string, s *scratch) *symbols {
	sym := &s.sym
	sym.reset(len(word))
	if b.bytewise {
		b.bytesOf(word, sym)
	} else {
		b.runesOf(word, sym)
	}
	sym.start = append(sym.start, int32(len(word)))
	sym.merge(b.pairs)
	return sym
}

// spell writes a rune without a token: as bytes, or as the unknown token.
func (b *bpe) spell(dst []piece, word string, lo, hi int32) []piece {
	if b.bytes == nil {
		return append(dst, piece{b.unk, lo, hi})
	}
	s := word[lo:hi]
	if !utf8.ValidString(s) { // one byte, read as U+FFFD
		return append(dst, piece{b.bytes[0xef], lo, lo}, piece{b.bytes[0xbf], lo, lo}, piece{b.bytes[0xbd], lo, hi})
	}
	for i := range int32(len(s)) {
		dst = append(dst, piece{b.bytes[s[i]], lo + i, lo + i + 1})
	}
	return dst
}

func (b *bpe) bytesOf(word string, sym *symbols) {
	for i := range len(word) {
		id := b.first[word[i]]
		if i == len(word)-1 && b.suffix != "" {
			id = b.last[word[i]]
		}
		if id < 0 {
			b.unknown(sym, int32(i))
			continue
		}
		sym.id, sym.start = append(sym.id, id), append(sym.start, int32(i))
	}
}

func (b *bpe) runesOf(word string, sym *symbols) {
	for i := 0; i < len(word); {
		r, size := rune(word[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(word[i:])
		}
		id := int32(-1)
		if b.prefix == "" && b.suffix == "" {
			id = b.runes.get(r)
		} else {
			id = b.affixed(word, i, size)
		}
		switch {
		case id >= 0:
			sym.id, sym.start = append(sym.id, id), append(sym.start, int32(i))
		case b.bytes != nil && !b.late:
			for j := i; j < i+size; j++ {
				sym.id, sym.start = append(sym.id, b.bytes[word[j]]), append(sym.start, int32(j))
			}
		default:
			b.unknown(sym, int32(i))
		}
		i += size
	}
}

// affixed is the symbol of a rune in a vocabulary that marks the inside or the end of words.
func (b *bpe) affixed(word string, i, size int) int32 {
	s := word[i : i+size]
	if i > 0 {
		s = b.prefix + s
	}
	if i+size == len(word) {
		s += b.suffix
	}
	if id, ok := b.vocab[s]; ok {
		return id
	}
	return -1
}

// unknown adds the unknown token, or lengthens the one before.
func (b *bpe) unknown(sym *symbols, at int32) {
	n := len(sym.id)
	if n > 0 && sym.id[n-1] == b.unk && (b.fuseUnk || b.unk < 0) {
		return
	}
	sym.id, sym.start = append(sym.id, b.unk), append(sym.start, at)
}

// setRunes fills the first symbols of a runewise model.
func (b *bpe) setRunes() {
	for token, id := range b.vocab {
		if r, size := utf8.DecodeRuneInString(token); size == len(token) && size > 0 {
			b.runes.put(r, id)
		}
	}
}

// byteTokens finds <0x00> to <0xFF>; without all of them there is no byte fallback.
func byteTokens(ids map[string]int32) []int32 {
	bytes := make([]int32, 256)
	for c := range 256 {
		id, ok := ids[fmt.Sprintf("<0x%02X>", c)]
		if !ok {
			return nil
		}
		bytes[c] = id
	}
	return bytes
}

// runeTable maps runes to symbols, in pages of 256.
type runeTable struct {
	pages [(utf8.MaxRune >> 8) + 1]*[256]int32
}

func (t *runeTable) put(r rune, id int32) {
	page := t.pages[r>>8]
	if page == nil {
		page = new([256]int32)
		for i := range page {
			page[i] = -1
		}
		t.pages[r>>8] = page
	}
	page[r&255] = id
}

func (t *runeTable) get(r rune) int32 {
	if page := t.pages[r>>8]; page != nil {
		return page[r&255]
	}
	return -1
}

// meeting knows which runes stand before ▁ inside a token. Everywhere else a text can be cut
// before ▁ without changing its tokens, since no merge reaches across: so words can be
// remembered although the model, in principle, merges over the whole text.
type meeting struct {
	ascii  [utf8.RuneSelf]bool
	runes  map[rune]bool
	spaces bool // texts have their spaces still, instead of ▁
}

const underscore = "▁" // U+2581, SentencePiece's space

// newMeeting returns nil where ▁ itself is no token: unknown runes may fuse across it.
func newMeeting(ids map[string]int32) *meeting {
	if _, ok := ids[underscore]; !ok {
		return nil
	}
	m := &meeting{runes: map[rune]bool{}}
	for token := range ids {
		m.add(token)
	}
	return m
}

func (m *meeting) add(token string) {
	for i := 1; i < len(token); i++ {
		if strings.HasPrefix(token[i:], underscore) {
			r, _ := utf8.DecodeLastRuneInString(token[:i])
			if r == '▁' {
				m.ascii[' '] = true
			}
			if r < utf8.RuneSelf {
				m.ascii[r] = true
			}
			m.runes[r] = true
		}
	}
}

// next gives the end of the first stretch of s that stands alone.
func (m *meeting) next(s string) int {
	if m.spaces {
		for i := 1; i < len(s); i++ {
			if s[i] == ' ' && m.cuts(s[:i]) {
				return i
			}
		}
		return len(s)
	}
	for i := 1; i < len(s); i++ {
		if s[i] == underscore[0] && strings.HasPrefix(s[i:], underscore) && m.cuts(s[:i]) {
			return i
		}
	}
	return len(s)
}

// cuts says whether a text may be cut between before and ▁.
func (m *meeting) cuts(before string) bool {
	if c := before[len(before)-1]; c < utf8.RuneSelf {
		return !m.ascii[c]
	}
	r, _ := utf8.DecodeLastRuneInString(before)
	return !m.runes[r]
}
