package tokenizer

import (
	"unicode"
	"unicode/utf8"
)

// A splitter gives the length of the first word of s, which is not empty: at least 1.
// Splitters never look back, so a text is cut by calling them again and again.
type splitter interface{ next(s string) int }

// The split patterns that published tokenizers name, in the spellings in use. They need
// look-ahead, which Go's regexp lacks, and are most of the work of encoding: so they are
// written out by hand below.
var knownSplits = map[string]func() splitter{
	// GPT-2: openai/gpt-2 src/encoder.py; the second is tiktoken's spelling (openai_public.py).
	`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`:      func() splitter { return gpt2Split{newClassifier()} },
	`'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`:         func() splitter { return gpt2Split{newClassifier()} },
	`'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s`: func() splitter { return gpt2Split{newClassifier()} },
	// cl100k (GPT-3.5, GPT-4) as first published, and Llama 3.
	`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`:   func() splitter { return llama3Split{newClassifier(), 3, false} },
	`'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+`:         func() splitter { return llama3Split{newClassifier(), 3, false} },
	`'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s`: func() splitter { return llama3Split{newClassifier(), 3, true} },
	// o200k (GPT-4o), also of Llama 4: words end where small letters meet a capital.
	`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`: func() splitter { return newO200kSplit() },
	// Qwen 2: numbers fall apart into digits.
	`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`: func() splitter { return llama3Split{newClassifier(), 1, false} },
}

// gpt2Split is 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
type gpt2Split struct{ classifier }

func (p gpt2Split) next(s string) int {
	if s[0] == '\'' {
		if n := contraction(s, false); n > 0 {
			return n
		}
	}
	i := 0
	if s[0] == ' ' {
		i = 1
	}
	class, size := p.classAt(s, i)
	if size == 0 || class == space {
		return p.spaces(s)
	}
	return p.run(s, i+size, class)
}

// spaces is \s+(?!\S)|\s+: a run of white space leaves its last rune to the word behind it,
// unless that is all there is.
func (c *classifier) spaces(s string) int {
	end, last := 0, 0
	for end < len(s) {
		class, size := c.classAt(s, end)
		if class != space {
			if last > 0 {
				return last
			}
			return end
		}
		last, end = end, end+size
	}
	return end
}

// llama3Split is (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
// with digits in the place of 3.
type llama3Split struct {
	classifier
	digits int
	tail   bool // \s++$ before \s*[\r\n]: the white space at the end of a text is one word
}

func (p llama3Split) next(s string) int {
	if s[0] == '\'' {
		if n := contraction(s, true); n > 0 {
			return n
		}
	}
	class, size := p.classAt(s, 0)
	switch class {
	case letter:
		return p.run(s, size, letter)
	case number:
		end := size
		for range p.digits - 1 {
			class, size := p.classAt(s, end)
			if class != number || size == 0 {
				break
			}
			end += size
		}
		return end
	}
	next, nextSize := p.classAt(s, size)
	switch {
	case next == letter && s[0] != '\r' && s[0] != '\n':
		return p.run(s, size+nextSize, letter)
	case class == other:
		return newlines(s, p.run(s, size, other))
	case s[0] == ' ' && next == other && nextSize > 0:
		return newlines(s, p.run(s, size+nextSize, other))
	}
	return p.lines(s, p.tail)
}

// lines is \s*[\r\n]+|\s+(?!\S)|\s+: white space up to its last line break, if it has one.
// tail puts \s++$ before that.
func (c *classifier) lines(s string, tail bool) int {
	end, last, line := 0, 0, 0
	for end < len(s) {
		class, size := c.classAt(s, end)
		if class != space {
			break
		}
		last, end = end, end+size
		if b := s[last]; b == '\r' || b == '\n' {
			line = end
		}
	}
	switch {
	case end == len(s) && (tail || line == 0):
		return end
	case line > 0:
		return line
	case last > 0: // \s+(?!\S) leaves a rune to the word behind
		return last
	}
	return end
}

func newlines(s string, i int) int {
	for i < len(s) && (s[i] == '\r' || s[i] == '\n') {
		i++
	}
	return i
}

// o200kSplit is knownSplits' pattern of o200k.
type o200kSplit struct {
	classifier
	cases *[classes]uint8
}

func newO200kSplit() splitter { return o200kSplit{newClassifier(), caseTable()} }

func (p o200kSplit) next(s string) int {
	class, size := p.classAt(s, 0)
	if class == number {
		end := size
		for range 2 {
			if class, size := p.classAt(s, end); class == number && size > 0 {
				end += size
			}
		}
		return end
	}
	if end := p.word(s, class, size); end > 0 {
		if end < len(s) && s[end] == '\'' {
			end += contraction(s[end:], true)
		}
		return end
	}
	from := 0
	if s[0] == ' ' {
		from = 1
	}
	if end := p.run(s, from, other); end > from {
		for end < len(s) && (s[end] == '\r' || s[end] == '\n' || s[end] == '/') {
			end++
		}
		return end
	}
	return p.lines(s, false)
}

// word is the first two alternatives; 0 where neither matches. One rune that is no letter,
// number or line break may come before the letters, if that makes a word.
func (p o200kSplit) word(s string, class uint8, size int) int {
	starts := []int{0}
	if class != letter && s[0] != '\r' && s[0] != '\n' {
		starts = []int{size, 0}
	}
	for _, from := range starts {
		if end := p.small(s, from); end > 0 {
			return end
		}
	}
	for _, from := range starts {
		if end := p.runCase(s, from, large); end > from {
			return end
		}
	}
	return 0
}

// small is [large]*[small]+ from a place on. If no small letter follows the run of large ones,
// the run gives back what follows its last rune that may be either.
func (p o200kSplit) small(s string, from int) int {
	either, at := 0, from
	for at < len(s) {
		bits, size := p.caseAt(s, at)
		if bits&large == 0 {
			break
		}
		at += size
		if bits&small != 0 {
			either = at
		}
	}
	if end := p.runCase(s, at, small); end > at {
		return end
	}
	return either
}

func (p o200kSplit) runCase(s string, i int, bit uint8) int {
	for i < len(s) {
		bits, size := p.caseAt(s, i)
		if bits&bit == 0 {
			break
		}
		i += size
	}
	return i
}

func (p o200kSplit) caseAt(s string, i int) (bits uint8, size int) {
	if b := s[i]; b < utf8.RuneSelf {
		return p.cases[b], 1
	}
	r, size := utf8.DecodeRuneInString(s[i:])
	if r >= classes {
		if unicode.Is(unicode.M, r) { // the variation selectors of plane 14
			return large | small, size
		}
		return 0, size
	}
	if size == 1 {
		return 0, size
	}
	return p.cases[r], size
}

// contraction gives the length of 's 't 're 've 'm 'll 'd at the begin of s, or 0.
func contraction(s string, fold bool) int {
	if len(s) < 2 {
		return 0
	}
	lower := func(b byte) byte {
		if fold && 'A' <= b && b <= 'Z' {
			b += 'a' - 'A'
		}
		return b
	}
	a := lower(s[1])
	switch a {
	case 's', 't', 'm', 'd':
		return 2
	}
	if len(s) < 3 {
		return 0
	}
	b := lower(s[2])
	switch {
	case a == 'r' && b == 'e', a == 'v' && b == 'e', a == 'l' && b == 'l':
		return 3
	case fold && a == 0xc5 && b == 0xbf: // ſ, the long s, is s without case
		return 3
	}
	return 0
}
