package tokenizer

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// AddedToken is a token that is looked for in the text itself, before and beside the model.
// Its fields are those of tokenizer.json.
type AddedToken struct {
	ID         int32  `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"` // only where no word character stands beside it
	LStrip     bool   `json:"lstrip"`      // takes the white space before it
	RStrip     bool   `json:"rstrip"`      // and behind it
	Normalized bool   `json:"normalized"`  // looked for after normalisation
	Special    bool   `json:"special"`     // an instruction to the model, not text
}

// addedTokens are looked for in two rounds: in the raw text, then in what normalisation left.
type addedTokens struct{ raw, normalized matcher }

// setAdded normalises the contents of those that are looked for after normalisation; that is
// also how they are written.
func (t *Tokenizer) setAdded(list []AddedToken) {
	for _, tok := range list {
		if !tok.Normalized {
			t.added.raw.add(tok.Content, tok)
			continue
		}
		x := source(tok.Content, 0, false)
		for _, n := range t.norm {
			x = n.normalize(x)
		}
		t.added.normalized.add(x.s, tok)
		if x.s != "" {
			t.tokens[tok.ID] = x.s
		}
	}
}

// matcher finds tokens in a text: leftmost first, the longest of those that begin together.
type matcher struct {
	begins [256]bool
	nodes  map[uint64]int32 // node<<8 | byte → node; 0 is the root
	ends   map[int32]int    // node → index of tokens
	tokens []AddedToken
}

func (m *matcher) empty() bool { return len(m.tokens) == 0 }

func (m *matcher) add(content string, tok AddedToken) {
	if content == "" {
		return
	}
	if m.nodes == nil {
		m.nodes, m.ends = map[uint64]int32{}, map[int32]int{}
	}
	m.begins[content[0]] = true
	node := int32(0)
	for i := range len(content) {
		key := uint64(node)<<8 | uint64(content[i])
		next, ok := m.nodes[key]
		if !ok {
			next = int32(len(m.nodes) + 1)
			m.nodes[key] = next
		}
		node = next
	}
	m.ends[node] = len(m.tokens)
	m.tokens = append(m.tokens, tok)
}

// longest gives the token that begins at s[0] and its length; nil where there is none.
func (m *matcher) longest(s string) (tok *AddedToken, n int) {
	node := int32(0)
	for i := range len(s) {
		next, ok := m.nodes[uint64(node)<<8|uint64(s[i])]
		if !ok {
			break
		}
		node = next
		if k, ok := m.ends[node]; ok {
			tok, n = &m.tokens[k], i+1
		}
	}
	return tok, n
}

// each calls f for every stretch of s in order: with id −1 for one between tokens. verbatim
// passes over special tokens. The rules, and the order in which they are tried, are those of
// tokenizers/src/tokenizer/added_vocabulary.rs, find_matches.
func (m *matcher) each(s string, verbatim bool, f func(id int32, lo, hi int)) {
	from := 0
	if !m.empty() {
		for i := 0; i < len(s); {
			if !m.begins[s[i]] {
				i++
				continue
			}
			tok, n := m.longest(s[i:])
			if tok == nil {
				i++
				continue
			}
			lo, hi := i, i+n
			i = hi
			if lo < from || verbatim && tok.Special || tok.SingleWord && (endsWithWord(s[:lo]) || beginsWithWord(s[hi:])) {
				continue
			}
			if tok.LStrip {
				lo = max(from, len(strings.TrimRightFunc(s[:lo], unicode.IsSpace)))
			}
			if tok.RStrip {
				hi = len(s) - len(strings.TrimLeftFunc(s[hi:], unicode.IsSpace))
			}
			if from < lo {
				f(-1, from, lo)
			}
			f(tok.ID, lo, hi)
			from = hi
		}
	}
	if from < len(s) {
		f(-1, from, len(s))
	}
}

func endsWithWord(s string) bool {
	r, _ := utf8.DecodeLastRuneInString(s)
	return s != "" && isWord(r)
}

func beginsWithWord(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return s != "" && isWord(r)
}

// isWord is \w of the reference's regular expressions (Unicode TR 18, Annex C).
func isWord(r rune) bool {
	return r == '_' || unicode.In(r, unicode.L, unicode.M, unicode.Nd, unicode.Nl, unicode.Pc, unicode.Other_Alphabetic, unicode.Join_Control)
}

// vocabularySize gives one more than the largest id. An id far beyond the number of tokens is
// refused: it would make us allocate what the file does not hold.
func vocabularySize(ids map[string]int32, added []AddedToken) (int, error) {
	n := len(ids) + len(added)
	most := int32(4*n + 1<<16)
	largest := int32(-1)
	check := func(token string, id int32) error {
		if id < 0 || id > most {
			return fmt.Errorf("token %s has id %d; with %d tokens ids go up to %d", clip(token), id, n, most)
		}
		largest = max(largest, id)
		return nil
	}
	for token, id := range ids {
		if err := check(token, id); err != nil {
			return 0, err
		}
	}
	for _, a := range added {
		if err := check(a.Content, a.ID); err != nil {
			return 0, err
		}
	}
	return int(largest) + 1, nil
}

// sortAdded puts added tokens in the order of their ids.
func sortAdded(list []AddedToken) {
	slices.SortStableFunc(list, func(a, b AddedToken) int { return int(a.ID) - int(b.ID) })
}

// clip quotes a name for an error, shortened.
func clip(s string) string {
	if len(s) > 60 {
		s = s[:57] + "..."
	}
	return fmt.Sprintf("%q", s)
}
