package tokenizer

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A preTokenizer cuts texts into words. Rules are those of tokenizers/src/pre_tokenizers.
type preTokenizer interface{ split(words []text) []text }

// What becomes of a match when a text is split at it (SplitDelimiterBehavior).
type behavior int

const (
	removed behavior = iota
	isolated
	mergedWithPrevious
	mergedWithNext
	contiguous
)

var behaviors = map[string]behavior{
	"Removed": removed, "Isolated": isolated, "MergedWithPrevious": mergedWithPrevious,
	"MergedWithNext": mergedWithNext, "Contiguous": contiguous,
}

// split cuts at the matches of a pattern.
type split struct {
	pattern  pattern
	behavior behavior
	invert   bool
}

func (p split) split(words []text) []text {
	var out []text
	for _, w := range words {
		out = p.one(out, w)
	}
	return out
}

func (p split) one(out []text, w text) []text {
	type part struct {
		lo, hi int
		drop   bool
	}
	var parts []part
	was := false // the stretch before was a match
	p.pattern.each(w.s, func(lo, hi int, match bool) {
		match = match != p.invert
		join := false
		switch p.behavior {
		case mergedWithPrevious:
			join = match && !was
		case mergedWithNext:
			join = was && !match
		case contiguous:
			join = match == was
		}
		if join && len(parts) > 0 {
			parts[len(parts)-1].hi = hi
		} else {
			parts = append(parts, part{lo, hi, match && p.behavior == removed})
		}
		was = match
	})
	for _, q := range parts {
		if !q.drop && q.lo < q.hi {
			out = append(out, w.slice(q.lo, q.hi))
		}
	}
	return out
}

// byteLevel only adds the space before a text: bytes stay bytes here, and are spelled as runes
// in the vocabulary alone.
type byteLevel struct{}

func (byteLevel) split(words []text) []text {
	for i, w := range words {
		if !strings.HasPrefix(w.s, " ") {
			words[i] = prepend{" "}.normalize(w)
		}
	}
	return words
}

// metaspace writes a replacement for spaces, and puts one before the text.
type metaspace struct {
	replacement string
	scheme      string // always, first, never
	cut         bool
}

func (p metaspace) split(words []text) []text {
	var out []text
	for _, w := range words {
		w = replace{literal(" "), p.replacement}.normalize(w)
		if p.scheme == "always" || p.scheme == "first" && w.first {
			if !strings.HasPrefix(w.s, p.replacement) {
				w = prepend{p.replacement}.normalize(w)
			}
		}
		if !p.cut {
			out = append(out, w)
			continue
		}
		out = split{pattern: literal(p.replacement), behavior: mergedWithNext}.one(out, w)
	}
	return out
}

// bertWords cuts at white space, which goes, and around punctuation, which stays.
type bertWords struct{}

func (bertWords) split(words []text) []text {
	var out []text
	for _, w := range words {
		lo := 0
		end := func(i int) {
			if lo < i {
				out = append(out, w.slice(lo, i))
			}
		}
		for i := 0; i < len(w.s); {
			r, size := rune(w.s[i]), 1
			if r >= utf8.RuneSelf {
				r, size = utf8.DecodeRuneInString(w.s[i:])
			}
			switch {
			case r < utf8.RuneSelf && asciiWord[r]:
			case isSpace(r):
				end(i)
				lo = i + size
			case isPunctuation(r):
				end(i)
				out = append(out, w.slice(i, i+size))
				lo = i + size
			}
			i += size
		}
		end(len(w.s))
	}
	return out
}

// asciiWord holds the letters and digits, which are most of most texts.
var asciiWord = func() (is [utf8.RuneSelf]bool) {
	for c := range is {
		is[c] = '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
	}
	return is
}()

func isPunctuation(r rune) bool {
	if r < 0x80 {
		return '!' <= r && r <= '/' || ':' <= r && r <= '@' || '[' <= r && r <= '`' || '{' <= r && r <= '~'
	}
	return unicode.Is(unicode.P, r)
}

// isNumeric is the reference's char::is_numeric: general category N.
func isNumeric(r rune) bool { return unicode.Is(unicode.N, r) }

// whitespace is \w+|[^\w\s]+, all else dropped.
type whitespace struct{}

func (whitespace) each(s string, f func(lo, hi int, match bool)) {
	kind := func(r rune) int {
		switch {
		case isWord(r):
			return 1
		case unicode.IsSpace(r):
			return 0
		}
		return 2
	}
	lo, was := 0, -1
	for i, r := range s {
		k := kind(r)
		if k != was && was >= 0 {
			f(lo, i, was > 0)
			lo = i
		}
		was = k
	}
	if was >= 0 {
		f(lo, len(s), was > 0)
	}
}
