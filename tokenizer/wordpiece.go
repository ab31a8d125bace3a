package tokenizer

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// wordPiece takes the longest token at each place of a word, else the word is unknown
// (Devlin et al., BERT, 2019; google-research/bert tokenization.py, WordpieceTokenizer).
type wordPiece struct {
	begin, inside *trie
	unk           int32
	maxRunes      int // a longer word is unknown
}

func newWordPiece(ids map[string]int32, prefix string, unk int32, maxRunes int) *wordPiece {
	var begin, inside []entry
	for token, id := range ids {
		begin = append(begin, entry{token, id})
		if rest := token; len(rest) >= len(prefix) && rest[:len(prefix)] == prefix {
			inside = append(inside, entry{rest[len(prefix):], id})
		}
	}
	return &wordPiece{newTrie(begin), newTrie(inside), unk, maxRunes}
}

func (m *wordPiece) ids(dst []int32, word string, s *scratch) []int32 {
	s.pieces = m.pieces(s.pieces[:0], word, s)
	for _, p := range s.pieces {
		dst = append(dst, p.id)
	}
	return dst
}

func (m *wordPiece) pieces(dst []piece, word string, _ *scratch) []piece {
	n := len(dst)
	unknown := func() []piece { return append(dst[:n], piece{m.unk, 0, int32(len(word))}) }
	if len(word) > m.maxRunes && utf8.RuneCountInString(word) > m.maxRunes {
		return unknown()
	}
	for lo := 0; lo < len(word); {
		t := m.begin
		if lo > 0 {
			t = m.inside
		}
		id, end := int32(-1), lo
		node := int32(0)
		for i := lo; i < len(word); i++ {
			if node = t.walk(node, word[i]); node < 0 {
				break
			}
			if v := t.value[node]; v >= 0 {
				id, end = v, i+1
			}
		}
		if id < 0 {
			return unknown()
		}
		dst = append(dst, piece{id, int32(lo), int32(end)})
		lo = end
	}
	return dst
}

// wordLevel takes words whole.
type wordLevel struct {
	vocab map[string]int32
	unk   int32
}

func (m *wordLevel) id(word string) int32 {
	if id, ok := m.vocab[word]; ok {
		return id
	}
	return m.unk
}

func (m *wordLevel) ids(dst []int32, word string, _ *scratch) []int32 {
	return append(dst, m.id(word))
}

func (m *wordLevel) pieces(dst []piece, word string, _ *scratch) []piece {
	return append(dst, piece{m.id(word), 0, int32(len(word))})
}

func (r *hfReader) wordPiece(p *hfModel) error {
	if err := r.vocab(p); err != nil {
		return err
	}
	unk, err := r.unknownToken(p)
	if err == nil && unk < 0 {
		err = errors.New("no unk_token")
	}
	if err != nil {
		return err
	}
	prefix, most := "##", 100
	if p.Prefix != nil {
		prefix = *p.Prefix
	}
	if p.MaxChars != nil {
		most = *p.MaxChars
	}
	if most < 0 {
		return fmt.Errorf("max_input_chars_per_word is %d", most)
	}
	r.t.model = newWordPiece(r.ids, prefix, unk, most)
	return nil
}

func (r *hfReader) wordLevel(p *hfModel) error {
	if err := r.vocab(p); err != nil {
		return err
	}
	unk, err := r.unknownToken(p)
	if err == nil && unk < 0 {
		err = errors.New("no unk_token")
	}
	r.t.model = &wordLevel{r.ids, unk}
	return err
}
