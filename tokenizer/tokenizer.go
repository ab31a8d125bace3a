// Package tokenizer turns text into the ids that a language model reads, and back.
//
//	t, err := tokenizer.OpenFile("model-folder") // or tokenizer.json, tokenizer.model, vocab.txt, a .tiktoken table
//	ids := t.Encode("Hello, world", tokenizer.EncodeOptions{})
//	text := t.Decode(ids, tokenizer.DecodeOptions{})
//
// It reads what models are published with: Hugging Face's tokenizer.json (byte-level and
// SentencePiece-style BPE, WordPiece, Unigram, WordLevel with their normalisers, pre-tokenizers,
// post-processors and decoders), SentencePiece models, BERT's vocab.txt, tiktoken's tables and
// the vocabulary that a GGUF file carries (New). A file is recognised by its content. What a
// file asks for and this package does not know is an error that names it, never a guess.
//
// Ids, offsets and decoded text are those of the reference: tokenizers 0.23 for tokenizer.json
// and vocab.txt, sentencepiece 0.2 for its models, tiktoken for its tables.
//
// A Tokenizer never changes and may be used by any number of goroutines. Texts are less than
// 2 GiB long. TrainBPE makes a vocabulary; no other kind is made here. The package knows
// neither chat templates (package chat) nor models.
package tokenizer

import (
	"strings"
	"sync"
	"unicode/utf8"
)

// Tokenizer converts between text and token ids.
type Tokenizer struct {
	format  string
	tokens  []string // spelling by id; "" where an id is free
	byToken map[string]int32
	added   addedTokens
	special []bool // by id: tokens that are instructions to the model, not text
	norm    []normalizer
	pre     []preTokenizer
	splits  splitter // the only pre-tokenizer, if it is one that cuts and changes nothing
	model   model
	spm     *sentencePiece // set instead of norm, pre and model
	post    postProcessor
	dec     decoder
	roles   Roles
	trunc   *Truncation
	pad     *Padding
	states  sync.Pool
}

// EncodeOptions says how a text is read. The zero value is what the reference does.
type EncodeOptions struct {
	// NoSpecial leaves out the tokens that the model wants around a text, such as begin and end.
	NoSpecial bool
	// Verbatim takes special tokens that are spelled in the text ("</s>") for ordinary text:
	// the choice for text that comes from outside.
	Verbatim bool
}

// DecodeOptions says how ids are written.
type DecodeOptions struct {
	KeepSpecial bool // write special tokens too; else they are left out
}

// Token is one token of a text and where it stands in it. Tokens that the model wants around a
// text have an empty place at 0. Several tokens may share one rune.
type Token struct {
	ID   int32
	Text string // as the vocabulary spells it; of an added or unknown token what stood in the text
	// Start and End are bytes of the text, RuneStart and RuneEnd code points (a byte that is
	// not UTF-8 counts as one).
	Start, End         int
	RuneStart, RuneEnd int
}

// Roles are the ids of tokens with a part to play; −1 where there is none.
type Roles struct {
	BOS, EOS, Unknown, Pad int32
	CLS, Sep, Mask         int32
}

func noRoles() Roles { return Roles{-1, -1, -1, -1, -1, -1, -1} }

// Encode gives the ids of a text.
func (t *Tokenizer) Encode(text string, o EncodeOptions) []int32 {
	return t.AppendEncode(make([]int32, 0, len(text)/3+4), text, o)
}

// AppendEncode appends the ids of a text to dst.
func (t *Tokenizer) AppendEncode(dst []int32, text string, o EncodeOptions) []int32 {
	st := t.begin(o, false)
	defer t.release(st)
	st.ids = dst
	if o.NoSpecial {
		t.encode(st, text)
		return st.ids
	}
	for _, item := range t.post.single {
		if item.seq == 0 {
			st.ids = append(st.ids, item.ids...)
		} else {
			t.encode(st, text)
		}
	}
	return st.ids
}

// EncodeOffsets gives the tokens of a text and where they stand in it: the ids of Encode.
// It is slower than Encode.
func (t *Tokenizer) EncodeOffsets(text string, o EncodeOptions) []Token {
	tokens := t.sequence(text, o)
	if o.NoSpecial {
		return tokens
	}
	return t.around(t.post.single, tokens, nil).Tokens
}

// sequence is EncodeOffsets without special tokens.
func (t *Tokenizer) sequence(text string, o EncodeOptions) []Token {
	st := t.begin(o, true)
	defer t.release(st)
	t.encode(st, text)
	runeOffsets(text, st.tokens)
	t.post.trim(text, st.tokens)
	return st.tokens
}

// runeOffsets fills the offsets in runes from those in bytes.
func runeOffsets(text string, tokens []Token) {
	at, runes := 0, 0
	to := func(b int) int {
		if b < at { // only parts of one rune go back, and not far
			at, runes = 0, 0
		}
		for at < b && at < len(text) {
			_, size := utf8.DecodeRuneInString(text[at:])
			at += size
			runes++
		}
		return runes
	}
	for i := range tokens {
		tok := &tokens[i]
		if i > 0 && tok.Start == tokens[i-1].Start {
			tok.RuneStart = tokens[i-1].RuneStart
		} else {
			tok.RuneStart = to(tok.Start)
		}
		tok.RuneEnd = to(tok.End)
	}
}

// Decode gives the text of ids. Ids that are not in the vocabulary are left out, as in the
// reference; bytes that are not UTF-8 come out as U+FFFD.
func (t *Tokenizer) Decode(ids []int32, o DecodeOptions) string {
	return t.dec.decode(t, t.shown(ids, o))
}

// shown drops what is not written: unknown ids and, if asked for, special tokens.
func (t *Tokenizer) shown(ids []int32, o DecodeOptions) []int32 {
	out := make([]int32, 0, len(ids))
	for _, id := range ids {
		if t.has(id) && (o.KeepSpecial || !t.special[id]) {
			out = append(out, id)
		}
	}
	return out
}

func (t *Tokenizer) has(id int32) bool {
	return id >= 0 && int(id) < len(t.tokens) && t.tokens[id] != ""
}

// Bytes gives the bytes that a token of a byte-level vocabulary stands for, which need not be
// whole runes; of other vocabularies its spelling. ok is false for an id without a token.
func (t *Tokenizer) Bytes(id int32) (b string, ok bool) {
	if !t.has(id) {
		return "", false
	}
	if d, ok := t.dec.(*byteDecoder); ok {
		return d.bytes[id], true
	}
	return t.tokens[id], true
}

// Len is the size of the vocabulary with added tokens: one more than the largest id.
func (t *Tokenizer) Len() int { return len(t.tokens) }

// Format says what the tokenizer was read from: "tokenizer.json", "sentencepiece", "bert",
// "tiktoken", "vocab.json" or "gguf".
func (t *Tokenizer) Format() string { return t.format }

// Token gives a token's spelling in the vocabulary ("Ġthe", "▁the", "##ing").
func (t *Tokenizer) Token(id int32) (token string, ok bool) {
	if !t.has(id) {
		return "", false
	}
	return t.tokens[id], true
}

// ID finds a token by its spelling in the vocabulary.
func (t *Tokenizer) ID(token string) (id int32, ok bool) {
	id, ok = t.byToken[token]
	return id, ok
}

// IsSpecial says whether a token is an instruction to the model rather than text.
func (t *Tokenizer) IsSpecial(id int32) bool {
	return id >= 0 && int(id) < len(t.special) && t.special[id]
}

// Roles gives the ids of begin, end and other tokens.
func (t *Tokenizer) Roles() Roles { return t.roles }

// state is one encoding under way.
type state struct {
	scratch
	opts    EncodeOptions
	offsets bool
	whole   string  // the text
	ids     []int32 // without offsets
	tokens  []Token // with
}

func (t *Tokenizer) begin(o EncodeOptions, offsets bool) *state {
	st, _ := t.states.Get().(*state)
	if st == nil {
		st = new(state)
	}
	st.opts, st.offsets = o, offsets
	return st
}

// release keeps a state for the next text, unless one extraordinary word has blown it up.
func (t *Tokenizer) release(st *state) {
	const most = 1 << 16
	st.ids, st.tokens, st.whole = nil, nil, ""
	if cap(st.sym.id) <= most && cap(st.pieces) <= most && cap(st.cut) <= most && cap(st.best) <= most {
		t.states.Put(st)
	}
}

// encode goes through a text from added token to added token.
func (t *Tokenizer) encode(st *state, text string) {
	st.whole = text
	t.added.raw.each(text, st.opts.Verbatim, func(id int32, lo, hi int) {
		if id >= 0 {
			st.addRaw(id, text[lo:hi], lo, hi)
			return
		}
		t.segment(st, lo, hi)
	})
}

func (st *state) addRaw(id int32, text string, lo, hi int) {
	if st.offsets {
		st.tokens = append(st.tokens, Token{ID: id, Text: text, Start: lo, End: hi})
		return
	}
	st.ids = append(st.ids, id)
}

// segment encodes a stretch of the text between added tokens.
func (t *Tokenizer) segment(st *state, lo, hi int) {
	if t.spm != nil {
		t.spm.segment(t, st, lo, hi)
		return
	}
	x := source(st.whole[lo:hi], lo, st.offsets)
	for _, n := range t.norm {
		x = n.normalize(x)
	}
	if t.added.normalized.empty() {
		t.words(st, x)
		return
	}
	t.added.normalized.each(x.s, st.opts.Verbatim, func(id int32, lo, hi int) {
		part := x.slice(lo, hi)
		if id < 0 {
			t.words(st, part)
			return
		}
		if st.offsets {
			st.addRaw(id, part.s, int(part.at[0].lo), int(part.at[len(part.at)-1].hi))
			return
		}
		st.addRaw(id, "", 0, 0)
	})
}

// words cuts normalised text into words and those into tokens.
func (t *Tokenizer) words(st *state, x text) {
	switch {
	case x.s == "":
	case t.splits != nil && !st.offsets:
		for s := x.s; s != ""; {
			n := t.splits.next(s)
			st.ids = t.model.ids(st.ids, s[:n], &st.scratch)
			s = s[n:]
		}
	default:
		words := []text{x}
		for _, p := range t.pre {
			words = p.split(words)
		}
		for _, w := range words {
			t.word(st, w)
		}
	}
}

func (t *Tokenizer) word(st *state, w text) {
	if w.s == "" {
		return
	}
	if !st.offsets {
		st.ids = t.model.ids(st.ids, w.s, &st.scratch)
		return
	}
	st.pieces = t.model.pieces(st.pieces[:0], w.s, &st.scratch)
	unigram, _ := t.model.(*unigram)
	for _, p := range st.pieces {
		tok := Token{ID: p.id, Text: t.tokens[p.id]}
		if unigram != nil && p.id == unigram.unk {
			tok.Text = w.s[p.lo:p.hi]
		}
		if p.lo < p.hi {
			tok.Start, tok.End = int(w.at[p.lo].lo), int(w.at[p.hi-1].hi)
		}
		st.tokens = append(st.tokens, tok)
	}
}

// setVocabulary fills tokens, byToken and special from the added tokens and the model's.
func (t *Tokenizer) setVocabulary(ids map[string]int32, added []AddedToken) error {
	n, err := vocabularySize(ids, added)
	if err != nil {
		return err
	}
	t.tokens, t.special = make([]string, n), make([]bool, n)
	t.byToken = ids
	for token, id := range ids {
		t.tokens[id] = token
	}
	for _, a := range added {
		if old := t.tokens[a.ID]; old != "" && old != a.Content && t.byToken[old] == a.ID {
			delete(t.byToken, old)
		}
		t.tokens[a.ID] = a.Content
		t.byToken[a.Content] = a.ID
		t.special[a.ID] = t.special[a.ID] || a.Special
	}
	return nil
}

// firstOf gives the id of the first of several spellings that the vocabulary has, or −1.
func (t *Tokenizer) firstOf(spellings string) int32 {
	for s := range strings.FieldsSeq(spellings) {
		if id, ok := t.byToken[s]; ok {
			return id
		}
	}
	return -1
}
