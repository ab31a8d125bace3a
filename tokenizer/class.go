package tokenizer

import (
	"sync"
	"unicode"
	"unicode/utf8"
)

// The kinds of rune that the published split patterns tell apart.
const (
	other  = iota // [^\s\p{L}\p{N}]; a byte that is not UTF-8 too
	letter        // \p{L}
	number        // \p{N}
	space         // \s, Unicode's White_Space
)

// classes holds the kind of every rune of planes 0 to 3, where all letters, numbers and spaces lie.
const classes = 0x40000

var classTable = sync.OnceValue(func() *[classes]uint8 {
	t := new([classes]uint8)
	fill := func(table *unicode.RangeTable, class uint8) {
		for _, r := range table.R16 {
			for c := rune(r.Lo); c <= rune(r.Hi); c += rune(r.Stride) {
				t[c] = class
			}
		}
		for _, r := range table.R32 {
			for c := rune(r.Lo); c <= rune(r.Hi) && c < classes; c += rune(r.Stride) {
				t[c] = class
			}
		}
	}
	fill(unicode.L, letter)
	fill(unicode.N, number)
	fill(unicode.White_Space, space)
	return t
})

// Runes by case, for o200k: what may stand before the small letters of a word, and these.
// Letters without case and marks may be either.
const (
	large = 1 << iota // [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]
	small             // [\p{Ll}\p{Lm}\p{Lo}\p{M}]
)

var caseTable = sync.OnceValue(func() *[classes]uint8 {
	t := new([classes]uint8)
	for bits, tables := range map[uint8][]*unicode.RangeTable{
		large: {unicode.Lu, unicode.Lt, unicode.Lm, unicode.Lo, unicode.M},
		small: {unicode.Ll, unicode.Lm, unicode.Lo, unicode.M},
	} {
		for _, table := range tables {
			for _, r := range table.R16 {
				for c := rune(r.Lo); c <= rune(r.Hi); c += rune(r.Stride) {
					t[c] |= bits
				}
			}
			for _, r := range table.R32 {
				for c := rune(r.Lo); c <= rune(r.Hi) && c < classes; c += rune(r.Stride) {
					t[c] |= bits
				}
			}
		}
	}
	return t
})

// classAt gives the kind and the length in bytes of the rune at s[i]; other and 0 at the end.
func (c *classifier) classAt(s string, i int) (class uint8, size int) {
	if i >= len(s) {
		return other, 0
	}
	if b := s[i]; b < utf8.RuneSelf {
		return c.table[b], 1
	}
	r, size := utf8.DecodeRuneInString(s[i:])
	if r >= classes || size == 1 {
		return other, size
	}
	return c.table[r], size
}

// classifier keeps the table at hand, so that the splitters do not ask for it at every word.
type classifier struct{ table *[classes]uint8 }

func newClassifier() classifier { return classifier{classTable()} }

// run gives the end of the run of one kind that begins at or before i.
func (c *classifier) run(s string, i int, class uint8) int {
	for i < len(s) {
		got, size := c.classAt(s, i)
		if got != class {
			break
		}
		i += size
	}
	return i
}
