package tokenizer

import (
	"strings"
	"unicode"
	"unicode/utf8"
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

func (p *postProcessor) trim(text string, tokens []Token) {
	for _, how := range p.trims {
		for i := range tokens {
			how.apply(text, &tokens[i], i == 0)
		}
	}
}

func (how trim) apply(text string, tok *Token, first bool) {
	isSpace := func(r rune) bool { return r == 'Ġ' || unicode.IsSpace(r) }
	lead := runesIn(tok.Text, strings.TrimLeftFunc(tok.Text, isSpace))
	trail := runesIn(tok.Text, strings.TrimRightFunc(tok.Text, isSpace))
	if lead == 1 && how.prefixSpace && (first || tok.RuneStart == 0) {
		lead = 0 // a space that may have been put there; more of them were not
	}
	start, end := min(tok.RuneStart+lead, tok.RuneEnd), tok.RuneEnd
	if trail > 0 && end >= trail {
		end = max(end-trail, start)
	}
	// The spaces need not be in the text, so bytes are counted again: by whole runes.
	for ; tok.RuneStart < start; tok.RuneStart++ {
		_, size := utf8.DecodeRuneInString(text[tok.Start:])
		tok.Start += size
	}
	for ; tok.RuneEnd > end; tok.RuneEnd-- {
		_, size := utf8.DecodeLastRuneInString(text[:tok.End])
		tok.End -= size
	}
}

func runesIn(s, rest string) int {
	return utf8.RuneCountInString(s) - utf8.RuneCountInString(rest)
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
