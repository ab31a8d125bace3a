package generate

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// jsonText holds the expressions of JSON's own grammar (RFC 8259), with what it leaves endless bounded: white space, and
// the digits of a number. Strings and lists end when the model ends them.
type jsonText struct {
	space     *expr // between signs
	char      *expr // one character of a string as it is written
	integer   *expr
	anyNumber *expr
	any       *expr // any value; a reference, so the levels of it count
	classes   map[string]*expr
}

// plainChars are the characters that a string may hold as they are.
var plainChars = without([]rune{0x20, utf8.MaxRune}, '"', '\\')

func newJSONText(compact bool) *jsonText {
	j := &jsonText{space: empty, classes: map[string]*expr{}}
	if !compact {
		j.space = alt(empty, text(" "), seq(text("\n"), repeat(oneOf("  \t\t"), 0, 16)))
	}
	hex := oneOf("09afAF")
	j.char = alt(
		runes(plainChars),
		seq(text(`\`), oneOf(`""\\//bbffnnrrtt`)),
		// no half of a surrogate pair, which is no character
		seq(text(`\u`), alt(seq(oneOf("09acefACEF"), hex, hex, hex), seq(oneOf("ddDD"), oneOf("07"), hex, hex))),
	)
	digit := oneOf("09")
	digits := func(most int) *expr { return repeat(digit, 1, most) }
	whole := seq(oneOf("19"), repeat(digit, 0, 14))
	j.integer = alt(text("0"), seq(optional(text("-")), whole))
	j.anyNumber = seq(optional(text("-")), alt(text("0"), whole), optional(seq(text("."), digits(15))),
		optional(seq(oneOf("eeEE"), optional(oneOf("++--")), digits(2))))
	j.any = ref(nil)
	j.any.subs[0] = alt(
		text("null"), text("true"), text("false"), j.anyNumber, j.string(0, -1),
		j.brackets(j.listed(j.any, 0, -1)),
		j.braces(j.listed(j.member(j.string(0, -1), j.any), 0, -1)),
	)
	return j
}

// string is a string of least to most characters.
func (j *jsonText) string(least, most int) *expr {
	return seq(text(`"`), repeat(j.char, least, most), text(`"`))
}

func (j *jsonText) member(key, value *expr) *expr { return seq(key, text(":"), j.space, value) }

// listed is least to most (-1: any number) of x with commas between and, where there is one, space at the end.
func (j *jsonText) listed(x *expr, least, most int) *expr {
	if most == 0 {
		return empty
	}
	rest := most - 1
	if most < 0 {
		rest = -1
	}
	some := seq(x, repeat(seq(text(","), j.space, x), max(least-1, 0), rest), j.space)
	if least > 0 {
		return some
	}
	return alt(some, empty)
}

func (j *jsonText) brackets(inside *expr) *expr { return seq(text("["), j.space, inside, text("]")) }
func (j *jsonText) braces(inside *expr) *expr   { return seq(text("{"), j.space, inside, text("}")) }

// jsonRunes is one character out of ranges, as a JSON string writes it.
func jsonRunes(ranges []rune) *expr {
	var plain []rune
	var alts []*expr
	for i := 0; i+1 < len(ranges); i += 2 {
		lo, hi := ranges[i], ranges[i+1]
		for r := lo; r <= min(hi, '\\'); r++ {
			if !inRanges(plainChars, r) {
				alts = append(alts, text(strings.Trim(quoteJSON(string(r)), `"`)))
				if r == '"' {
					alts[len(alts)-1] = text(`\"`)
				}
			}
		}
		plain = append(plain, lo, hi)
	}
	var kept []rune
	for i := 0; i+1 < len(plainChars); i += 2 {
		for k := 0; k+1 < len(plain); k += 2 {
			if lo, hi := max(plain[k], plainChars[i]), min(plain[k+1], plainChars[i+1]); lo <= hi {
				kept = append(kept, lo, hi)
			}
		}
	}
	return alt(append(alts, runes(kept))...)
}

func inRanges(ranges []rune, r rune) bool {
	for i := 0; i+1 < len(ranges); i += 2 {
		if ranges[i] <= r && r <= ranges[i+1] {
			return true
		}
	}
	return false
}

func firstRune(s string) (rune, int) { return utf8.DecodeRuneInString(s) }

// magnitude is a number without sign from lo to hi, 0 ≤ lo ≤ hi; an open end is not in it.
func magnitude(lo int64, loOpen bool, hi int64, hiOpen, whole bool) *expr {
	if whole {
		if loOpen {
			lo++
		}
		if hiOpen {
			hi--
		}
		return wholeRange(lo, hi)
	}
	digit := oneOf("09")
	fraction := seq(text("."), repeat(digit, 1, 15))
	zeros := optional(seq(text("."), repeat(text("0"), 1, 15)))
	above := seq(text("."), repeat(digit, 0, 14), oneOf("19")) // not zero
	var alts []*expr
	if !loOpen && (lo < hi || !hiOpen) {
		alts = append(alts, seq(wholeRange(lo, lo), zeros))
	}
	if lo < hi {
		alts = append(alts, seq(wholeRange(lo, lo), above), seq(wholeRange(lo+1, hi-1), optional(fraction)))
		if !hiOpen {
			alts = append(alts, seq(wholeRange(hi, hi), zeros))
		}
	}
	return alt(alts...)
}

// wholeRange is a whole number from lo to hi, 0 ≤ lo; the empty set where lo > hi.
func wholeRange(lo, hi int64) *expr {
	var alts []*expr
	for lo <= hi {
		a := strconv.FormatInt(lo, 10)
		b := strings.Repeat("9", len(a))
		last, err := strconv.ParseInt(b, 10, 64)
		if err != nil || last > hi {
			last, b = hi, strconv.FormatInt(hi, 10)
		}
		alts = append(alts, sameLength(a, b))
		lo = last + 1
	}
	return alt(alts...)
}

// sameLength is the digits from a to b, which are as long.
func sameLength(a, b string) *expr {
	if a == b {
		return text(a)
	}
	n := len(a) - 1
	if a[1:] == strings.Repeat("0", n) && b[1:] == strings.Repeat("9", n) {
		return seq(oneOf(a[:1]+b[:1]), repeat(oneOf("09"), n, n))
	}
	if a[0] == b[0] {
		return seq(text(a[:1]), sameLength(a[1:], b[1:]))
	}
	alts := []*expr{
		seq(text(a[:1]), sameLength(a[1:], strings.Repeat("9", n))),
		seq(text(b[:1]), sameLength(strings.Repeat("0", n), b[1:])),
	}
	if a[0]+1 < b[0] {
		alts = append(alts, seq(oneOf(string([]byte{a[0] + 1, b[0] - 1})), repeat(oneOf("09"), n, n)))
	}
	return alt(alts...)
}
