package tokenizer

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// SentencePieceOptions says what a SentencePiece model does not say of its use.
// The zero value is Llama's: a begin token if the model has one, and no end token.
type SentencePieceOptions struct {
	NoBOS  bool // no begin token around texts
	AddEOS bool // an end token behind them
	// NoPrefix and NotLegacy narrow where the dummy prefix, a space before the text, goes.
	// By default it stands wherever the model is called, so behind every special token, as in
	// SentencePiece itself and the published Llama-2 tokenizer.json. NotLegacy ("legacy": false
	// in tokenizer_config.json) puts it at the begin of the text only, and not before a space.
	NotLegacy bool
	NoPrefix  bool
	Added     []AddedToken // tokens beyond the model's, or to be looked for in text
}

// ReadSentencePiece reads a SentencePiece model (BPE or Unigram), the protocol buffers file
// called tokenizer.model or spiece.model. Control tokens spelled in a text are tokens, unless
// it is encoded Verbatim, which is what sentencepiece does.
func ReadSentencePiece(data []byte, o SentencePieceOptions) (*Tokenizer, error) {
	m, err := readSPModel(data)
	if err == nil {
		var t *Tokenizer
		if t, err = m.tokenizer(o); err == nil {
			return t, nil
		}
	}
	return nil, fmt.Errorf("SentencePiece model: %w", err)
}

// sentencePiece normalises and cuts as sentencepiece does.
type sentencePiece struct {
	norm       spNormalizer
	charsmap   *charsMap
	user       matcher // user-defined symbols: kept through normalisation and never merged
	suffix     bool    // the dummy prefix, and spaces, stand behind words
	notLegacy  bool
	noPrefix   bool
	bpe        *bpe // one of these two
	unigram    *unigram
	raw        bool // nothing to normalise but spaces and bad bytes: bpe reads the text itself
	unk        int32
	bytes      []int32
	kind       []uint8
	unkSurface string
}

// maxPiece is the longest piece, in bytes; sentencepiece trains none beyond 512 runes.
const maxPiece = 2048

func (m *spModel) tokenizer(o SentencePieceOptions) (*Tokenizer, error) {
	if m.denorm {
		return nil, fmt.Errorf("denormalizer_spec is not supported")
	}
	charsmap, err := readCharsMap(m.norm.charsmap)
	if err != nil {
		return nil, err
	}
	sp := &sentencePiece{norm: m.norm, charsmap: charsmap, suffix: m.suffix, unk: -1,
		notLegacy: o.NotLegacy, noPrefix: o.NoPrefix, kind: make([]uint8, len(m.pieces)), unkSurface: m.unkSurface}
	ids := make(map[string]int32, len(m.pieces))
	added := slices.Clone(o.Added)
	for i, p := range m.pieces {
		if _, ok := ids[p.text]; ok {
			return nil, fmt.Errorf("piece %d: %s stands there twice", i, clip(p.text))
		}
		if len(p.text) > maxPiece {
			return nil, fmt.Errorf("piece %d has %d bytes, the limit is %d", i, len(p.text), maxPiece)
		}
		id := int32(i)
		ids[p.text], sp.kind[i] = id, uint8(p.kind)
		switch p.kind {
		case spUnknown:
			if sp.unk >= 0 {
				return nil, fmt.Errorf("pieces %d and %d are both the unknown piece", sp.unk, i)
			}
			sp.unk = id
			added = append(added, AddedToken{ID: id, Content: p.text, Special: true})
		case spControl:
			added = append(added, AddedToken{ID: id, Content: p.text, Special: true})
		case spUser:
			sp.user.add(p.text, AddedToken{ID: id, Content: p.text})
		}
	}
	if sp.unk < 0 {
		return nil, fmt.Errorf("none of %d pieces is the unknown piece", len(m.pieces))
	}
	if m.fallback {
		if sp.bytes = byteTokens(ids); sp.bytes == nil {
			return nil, fmt.Errorf("byte_fallback without all of <0x00> to <0xFF>")
		}
	}
	switch m.kind {
	case spBPE:
		err = sp.setBPE(m)
	case spUnigram:
		sp.setUnigram(m)
	default:
		err = fmt.Errorf("model_type %d is not supported; want UNIGRAM (1) or BPE (2)", m.kind)
	}
	if err != nil {
		return nil, err
	}
	t := &Tokenizer{format: "sentencepiece", spm: sp, roles: noRoles(), post: bare(), dec: sp}
	sortAdded(added)
	if err := t.setVocabulary(ids, added); err != nil {
		return nil, err
	}
	t.setAdded(added)
	t.guessRoles()
	t.roles.BOS, t.roles.EOS = sp.control(ids, m.bos), sp.control(ids, m.eos)
	t.roles.Unknown = sp.unk
	t.addBeginEnd(!o.NoBOS, o.AddEOS)
	return t, nil
}

func (sp *sentencePiece) control(ids map[string]int32, text string) int32 {
	if id, ok := ids[text]; ok && sp.kind[id] == spControl {
		return id
	}
	return -1
}

// addBeginEnd puts begin and end tokens around texts, where there are such.
func (t *Tokenizer) addBeginEnd(bos, eos bool) {
	around := func(seq int, typeID int32) (items []templateItem) {
		if bos && t.roles.BOS >= 0 {
			items = append(items, templateItem{ids: []int32{t.roles.BOS}, typeID: typeID})
		}
		items = append(items, templateItem{seq: seq, typeID: typeID})
		if eos && t.roles.EOS >= 0 {
			items = append(items, templateItem{ids: []int32{t.roles.EOS}, typeID: typeID})
		}
		return items
	}
	t.post.single = around(1, 0)
	t.post.pair = append(around(1, 0), around(2, 1)...)
}

// setBPE makes the table of pairs. SentencePiece merges the pair whose joined text scores
// highest, whatever the two parts: so every way to cut a piece in two is a pair.
func (sp *sentencePiece) setBPE(m *spModel) error {
	var pieces []scoredToken
	for id, p := range m.pieces {
		switch p.kind {
		case spUnused:
			return fmt.Errorf("piece %d, %s, is unused: not supported in BPE", id, clip(p.text))
		case spNormal, spUser:
			pieces = append(pieces, scoredToken{p.text, int32(id), float64(p.score)})
		}
	}
	b := scoredBPE(pieces, len(m.pieces), sp.unk, sp.bytes)
	sp.bpe = b
	sp.raw = sp.charsmap == nil && !sp.norm.squeeze && !sp.norm.plain && sp.user.empty() && !sp.suffix
	if sp.raw {
		b.runes.put(' ', b.runes.get('▁'))
		if b.meet != nil {
			b.meet.spaces = true
		}
	}
	return nil
}

type scoredToken struct {
	text  string
	id    int32
	score float64
}

// scoredBPE is BPE by scores instead of an order of merges.
func scoredBPE(pieces []scoredToken, tokens int, unk int32, bytes []int32) *bpe {
	ids := make(map[string]int32, len(pieces))
	scores := make([]float64, 0, len(pieces))
	splits := 0
	for _, p := range pieces {
		ids[p.text] = p.id
		scores = append(scores, p.score)
		splits += utf8.RuneCountInString(p.text)
	}
	slices.Sort(scores)
	scores = slices.Compact(scores)
	b := &bpe{late: true, tokens: tokens, unk: unk, bytes: bytes, vocab: ids, cache: new(cache)}
	b.setRunes()
	next := int32(tokens)
	symbol := func(s string) (int32, bool) {
		if id, ok := ids[s]; ok {
			return id, true
		}
		r, size := utf8.DecodeRuneInString(s)
		if size != len(s) {
			return 0, false
		}
		id := b.runes.get(r)
		if id < 0 {
			id = next
			next++
			b.runes.put(r, id)
		}
		return id, true
	}
	b.pairs = newPairTable(splits)
	for _, p := range pieces {
		at, _ := slices.BinarySearch(scores, p.score)
		rank := len(scores) - 1 - at
		for i := range p.text {
			if i == 0 {
				continue
			}
			left, ok := symbol(p.text[:i])
			if !ok {
				continue
			}
			if right, ok := symbol(p.text[i:]); ok {
				b.pairs.put(left, right, newMerged(rank, int(p.id)))
			}
		}
	}
	b.meet = newMeeting(ids)
	return b
}

func (sp *sentencePiece) setUnigram(m *spModel) {
	u := &unigram{unk: sp.unk, single: true, loose: true, user: make([]bool, len(m.pieces)), score: make([]float64, len(m.pieces))}
	var entries []entry
	low, high, first := float32(0), float32(0), true
	for id, p := range m.pieces {
		u.score[id], u.user[id] = float64(p.score), p.kind == spUser
		switch p.kind {
		case spNormal, spUser:
			entries = append(entries, entry{p.text, int32(id)})
		}
		if p.kind == spNormal {
			if first {
				low, high, first = p.score, p.score, false
			}
			low, high = min(low, p.score), max(high, p.score)
		}
	}
	u.low, u.high = float64(low-unkPenalty), float64(high)
	u.trie = newTrie(entries)
	sp.unigram = u
}

// segment encodes a stretch of the text between control tokens.
func (sp *sentencePiece) segment(t *Tokenizer, st *state, lo, hi int) {
	s := st.whole[lo:hi]
	prefix := sp.norm.dummyPrefix && !sp.noPrefix
	if sp.notLegacy && (lo > 0 || strings.HasPrefix(s, " ") || strings.HasPrefix(s, underscore)) {
		prefix = false
	}
	if sp.raw {
		sp.segmentRaw(t, st, s, lo, prefix)
		return
	}
	n := sp.normalize(s, prefix, st.offsets)
	if sp.bpe != nil {
		st.pieces = sp.piecesBPE(st.pieces[:0], n.s, &st.scratch)
	} else {
		st.pieces = sp.unigram.pieces(st.pieces[:0], n.s, &st.scratch)
	}
	wasUnknown, run := false, int32(0)
	for _, p := range st.pieces {
		unknown := p.id == sp.unk
		if !wasUnknown {
			run = p.lo
		}
		switch {
		case unknown && sp.bytes != nil:
			for i := p.lo; i < p.hi; i++ {
				sp.put(t, st, n, piece{sp.bytes[n.s[i]], i, i + 1}, lo)
			}
		case unknown && wasUnknown:
			if st.offsets { // neighbouring unknown pieces are one
				last := &st.tokens[len(st.tokens)-1]
				last.Text = n.s[run:p.hi]
				last.End = lo + int(n.from[p.hi])
			}
		default:
			sp.put(t, st, n, p, lo)
		}
		wasUnknown = unknown
	}
}

func (sp *sentencePiece) put(t *Tokenizer, st *state, n spText, p piece, base int) {
	if !st.offsets {
		st.ids = append(st.ids, p.id)
		return
	}
	text := t.tokens[p.id]
	if p.id == sp.unk {
		text = n.s[p.lo:p.hi]
	}
	st.tokens = append(st.tokens, Token{ID: p.id, Text: text, Start: base + int(n.from[p.lo]), End: base + int(n.from[p.hi])})
}

// segmentRaw hands the text to bpe as it is.
func (sp *sentencePiece) segmentRaw(t *Tokenizer, st *state, s string, base int, prefix bool) {
	first := 0
	if prefix {
		first = sp.bpe.firstWord(s)
		word := " " + s[:first]
		if !st.offsets {
			st.ids = sp.knownIDs(st.ids, sp.bpe.wordIDs(st.ids, word, &st.scratch))
		} else {
			st.pieces = append(st.pieces[:0], sp.bpe.wordPieces(word, &st.scratch)...)
			sp.putRaw(t, st, s, base, -1)
		}
	}
	if !st.offsets {
		st.ids = sp.knownIDs(st.ids, sp.bpe.ids(st.ids, s[first:], &st.scratch))
		return
	}
	st.pieces = sp.bpe.pieces(st.pieces[:0], s[first:], &st.scratch)
	sp.putRaw(t, st, s, base, first)
}

// knownIDs joins neighbouring unknown ids among those that were appended to was.
func (sp *sentencePiece) knownIDs(was, ids []int32) []int32 {
	if sp.bytes != nil {
		return ids
	}
	out := ids[:len(was)]
	for _, id := range ids[len(was):] {
		if id != sp.unk || len(out) == len(was) || out[len(out)-1] != sp.unk {
			out = append(out, id)
		}
	}
	return out
}

// putRaw takes over st.pieces, whose places are bytes of s from shift on.
func (sp *sentencePiece) putRaw(t *Tokenizer, st *state, s string, base, shift int) {
	// The bytes of one rune all begin with it, so that all but the last are empty.
	from := func(i int32) int {
		at := max(0, int(i)+shift)
		if at < len(s) && !utf8.RuneStart(s[at]) {
			return runeAround(s, at)
		}
		return at
	}
	wasUnknown, first := false, len(st.tokens)
	for _, p := range st.pieces {
		lo, hi := from(p.lo), from(p.hi)
		unknown := p.id == sp.unk
		if unknown && wasUnknown {
			st.tokens[len(st.tokens)-1].End = base + hi
			continue
		}
		wasUnknown = unknown
		st.tokens = append(st.tokens, Token{ID: p.id, Text: t.tokens[p.id], Start: base + lo, End: base + hi})
	}
	for i := first; i < len(st.tokens); i++ {
		if tok := &st.tokens[i]; tok.ID == sp.unk {
			tok.Text = strings.ReplaceAll(eachBroken(s[tok.Start-base:tok.End-base]), " ", underscore)
		}
	}
}

// eachBroken writes U+FFFD for every byte that is not UTF-8.
func eachBroken(s string) string { return string([]rune(s)) }

// runeAround gives the begin of the rune of s that has byte at inside it; at where none has.
func runeAround(s string, at int) int {
	for lo := at - 1; lo >= max(0, at-3); lo-- {
		if utf8.RuneStart(s[lo]) {
			if _, size := utf8.DecodeRuneInString(s[lo:]); lo+size > at {
				return lo
			}
			break
		}
	}
	return at
}

// firstWord is the end of the first stretch of s that stands alone behind a prefix.
func (b *bpe) firstWord(s string) int {
	if b.meet == nil || s == "" {
		return len(s)
	}
	return b.meet.next(s)
}

// piecesBPE cuts normalised text: user-defined symbols first, the rest by merges.
func (sp *sentencePiece) piecesBPE(dst []piece, s string, scr *scratch) []piece {
	sp.user.each(s, false, func(id int32, lo, hi int) {
		if id >= 0 {
			dst = append(dst, piece{id, int32(lo), int32(hi)})
			return
		}
		first := len(dst)
		dst = sp.bpe.pieces(dst, s[lo:hi], scr)
		for i := first; i < len(dst); i++ {
			dst[i].lo += int32(lo)
			dst[i].hi += int32(lo)
		}
	})
	return dst
}
