package tokenizer

import (
	"strings"
	"unicode"
)

// postProcessor puts special tokens around one or two sequences.
type postProcessor struct {
	single, pair []templateItem
	trims        []trim
}

// templateItem is a sequence (1 or 2) or the special tokens ids (seq 0).
type templateItem struct {
	seq    int
	ids    []int32
	typeID int32
}

// bare is what a file without a post-processor does.
func bare() postProcessor {
	return postProcessor{
		single: []templateItem{{seq: 1}},
		pair:   []templateItem{{seq: 1}, {seq: 2, typeID: 1}},
	}
}

// trim takes the spaces of byte-level tokens out of their offsets (trim_offsets of ByteLevel
// and Roberta; tokenizers/src/pre_tokenizers/byte_level.rs, process_offsets).
type trim struct{ prefixSpace bool }

func (p *postProcessor) trim(tokens []Token) {
	for _, how := range p.trims {
		for i := range tokens {
			how.apply(&tokens[i], i == 0)
		}
	}
}

func (how trim) apply(tok *Token, first bool) {
	isSpace := func(r rune) bool { return r == 'Ġ' || unicode.IsSpace(r) }
	lead := runesIn(tok.Text, strings.TrimLeftFunc(tok.Text, isSpace))
	trail := runesIn(tok.Text, strings.TrimRightFunc(tok.Text, isSpace))
	if lead == 1 && how.prefixSpace && (first || tok.Start == 0) {
		lead = 0 // a space that may have been put there; more of them were not
	}
	tok.Start, tok.End = trimmed(tok.Start, tok.End, lead, trail)
	tok.RuneStart, tok.RuneEnd = trimmed(tok.RuneStart, tok.RuneEnd, lead, trail)
}

func runesIn(s, rest string) int { return len([]rune(s)) - len([]rune(rest)) }

func trimmed(start, end, lead, trail int) (int, int) {
	start = min(start+lead, end)
	if trail > 0 && end >= trail {
		end = max(end-trail, start)
	}
	return start, end
}

// around fills a template.
func (t *Tokenizer) around(items []templateItem, a, b []Token) Input {
	var in Input
	for _, item := range items {
		switch item.seq {
		case 0:
			for _, id := range item.ids {
				in.add(Token{ID: id, Text: t.tokens[id]}, item.typeID)
			}
		case 1:
			for _, tok := range a {
				in.add(tok, item.typeID)
			}
		default:
			for _, tok := range b {
				in.add(tok, item.typeID)
			}
		}
	}
	return in
}

// extra is how many special tokens a template adds.
func extra(items []templateItem) (n int) {
	for _, item := range items {
		n += len(item.ids)
	}
	return n
}
