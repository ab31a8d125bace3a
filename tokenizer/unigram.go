package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

// unkPenalty is how far below the worst token an unknown rune scores (sentencepiece's
// unigram_model.cc, kUnkPenalty).
const unkPenalty = 10

// unigram takes the tokens whose scores add up highest (Kudo, Subword Regularization, 2018, §3.2),
// by Viterbi's algorithm over the bytes of a text.
type unigram struct {
	trie   *trie
	score  []float64 // by id
	unk    int32
	low    float64 // score of an unknown rune
	bytes  []int32 // byte fallback
	single bool    // add up in float32, as sentencepiece does; tokenizers uses float64
	user   []bool  // by id: user-defined symbols, always taken
	high   float64 // best score
	loose  bool    // leave unknown runes apart, and to the caller (sentencepiece)
}

// bestPath is the best way to a byte: its score, and the token that ends it.
type bestPath struct {
	score float64
	from  int32 // −1: none yet
	id    int32
}

func (m *unigram) ids(dst []int32, word string, s *scratch) []int32 {
	s.pieces = m.pieces(s.pieces[:0], word, s)
	for _, p := range s.pieces {
		dst = append(dst, p.id)
	}
	return dst
}

// pieces goes through a text stretch by stretch: wherever no token reaches further, the best
// way there is final. So memory does not grow with the text.
func (m *unigram) pieces(dst []piece, text string, s *scratch) []piece {
	score := 0.0
	for lo := 0; lo < len(text); {
		n := m.stretch(text[lo:], score, s)
		score = s.best[n].score
		dst = m.back(dst, text, lo, n, s)
		lo += n
	}
	return dst
}

// stretch fills s.best from the begin of text to the first place that no token spans.
func (m *unigram) stretch(text string, score float64, s *scratch) int {
	best := append(s.best[:0], bestPath{score: score})
	grow := func(n int) {
		for len(best) <= n {
			best = append(best, bestPath{from: -1})
		}
	}
	at := 0
	for {
		size := min(runeLen(text[at]), len(text)-at)
		grow(at + size)
		known := false
		node := int32(0)
		for i := at; i < len(text); i++ {
			if node = m.trie.walk(node, text[i]); node < 0 {
				break
			}
			id := m.trie.value[node]
			if id < 0 {
				continue
			}
			grow(i + 1)
			known = known || i+1-at == size
			m.relax(&best[i+1], best[at].score+m.gain(id, i+1-at), at, id)
		}
		if !known {
			m.relax(&best[at+size], best[at].score+m.low, at, m.unk)
		}
		at += size
		if at == len(best)-1 {
			break
		}
	}
	s.best = best
	return at
}

// gain is what a token adds. A user-defined symbol outweighs whatever else it could be.
func (m *unigram) gain(id int32, length int) float64 {
	if m.user != nil && m.user[id] {
		return float64(float32(length)*float32(m.high)) - 0.1
	}
	return m.score[id]
}

// relax keeps the better of two ways; of equals the first, whose last token is longer.
func (m *unigram) relax(b *bestPath, score float64, from int, id int32) {
	if m.single {
		score = float64(float32(score))
	}
	if b.from < 0 || score > b.score {
		*b = bestPath{score, int32(from), id}
	}
}

// back reads the best way to byte n of the stretch that begins at lo.
func (m *unigram) back(dst []piece, text string, lo, n int, s *scratch) []piece {
	first := len(dst)
	for at := n; at > 0; {
		b := s.best[at]
		dst = append(dst, piece{b.id, b.from + int32(lo), int32(at + lo)})
		at = int(b.from)
	}
	for i, j := first, len(dst)-1; i < j; i, j = i+1, j-1 {
		dst[i], dst[j] = dst[j], dst[i]
	}
	if m.loose {
		return dst
	}
	return m.unknowns(dst, first, text)
}

// unknowns fuses neighbouring unknown runes from piece first on, also with one before it, and
// spells them as bytes where it can.
func (m *unigram) unknowns(dst []piece, first int, text string) []piece {
	out := dst[:first]
	rest := append([]piece(nil), dst[first:]...)
	for _, p := range rest {
		switch {
		case p.id != m.unk:
			out = append(out, p)
		case m.bytes != nil:
			for _, c := range []byte(text[p.lo:p.hi]) {
				out = append(out, piece{m.bytes[c], p.lo, p.hi})
			}
		case len(out) > 0 && out[len(out)-1].id == m.unk:
			out[len(out)-1].hi = p.hi
		default:
			out = append(out, p)
		}
	}
	return out
}

// runeLen is the length of a rune by its first byte, as sentencepiece takes it.
func runeLen(b byte) int {
	switch {
	case b < 0xc0:
		return 1
	case b < 0xe0:
		return 2
	case b < 0xf0:
		return 3
	}
	return utf8.UTFMax
}

func (r *hfReader) unigram(p *hfModel) error {
	if r.bytewise {
		return errors.New("with ByteLevel: not supported")
	}
	var pieces []hfScored
	if err := json.Unmarshal(p.Vocab, &pieces); err != nil {
		return fmt.Errorf("vocab: %w", err)
	}
	m := &unigram{unk: -1, low: math.Inf(1)}
	if p.UnkID != nil {
		m.unk = *p.UnkID
	}
	if m.unk < 0 || int(m.unk) >= len(pieces) {
		return fmt.Errorf("unk_id %d is not among %d tokens", m.unk, len(pieces))
	}
	r.ids = make(map[string]int32, len(pieces))
	var entries []entry
	for id, q := range pieces {
		if q.token == "" || !finite(q.score) {
			return fmt.Errorf("vocab: token %d is %s with score %g", id, clip(q.token), q.score)
		}
		if _, ok := r.ids[q.token]; ok {
			return fmt.Errorf("vocab: token %d: %s stands there twice", id, clip(q.token))
		}
		r.ids[q.token] = int32(id)
		entries = append(entries, entry{q.token, int32(id)})
		m.score = append(m.score, q.score)
		m.low = min(m.low, q.score)
	}
	m.low -= unkPenalty
	m.trie = newTrie(entries)
	if p.ByteFallback {
		m.bytes = byteTokens(r.ids)
	}
	r.t.model = m
	return nil
}

// hfScored is ["token", score].
type hfScored struct {
	token string
	score float64
}

func (s *hfScored) UnmarshalJSON(b []byte) error {
	var list []json.RawMessage
	if err := json.Unmarshal(b, &list); err != nil {
		return err
	}
	if len(list) != 2 {
		return fmt.Errorf("%d values, want a token and its score", len(list))
	}
	if err := json.Unmarshal(list[0], &s.token); err != nil {
		return err
	}
	return json.Unmarshal(list[1], &s.score)
}
