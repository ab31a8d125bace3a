package tokenizer

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// A normalizer changes text before it is cut. Rules and alignments are those of
// tokenizers/src/normalizers.
type normalizer interface{ normalize(t text) text }

// unicodeForm is NFC, NFD, NFKC or NFKD.
type unicodeForm struct{ form norm.Form }

// decomposition is the form whose runes a composed rune is made of.
func (n unicodeForm) decomposition() norm.Form {
	if n.form == norm.NFKC || n.form == norm.NFKD {
		return norm.NFKD
	}
	return norm.NFD
}

func (n unicodeForm) normalize(t text) text {
	if n.form.IsNormalString(t.s) {
		return t
	}
	if t.at == nil {
		return text{s: n.form.String(t.s), first: t.first}
	}
	w := t.builder()
	for i := 0; i < len(t.s); {
		size := n.form.NextBoundaryInString(t.s[i:], true)
		n.segment(w, t, i, i+size)
		i += size
	}
	return w.text()
}

// segment normalises the bytes lo to hi, which nothing outside takes part in. A rune of the
// result stands for the first rune that it is made of; the reference counts runes one by one
// in their new order, so marks that change places stand for each other's.
func (n unicodeForm) segment(w *builder, t text, lo, hi int) {
	apart := n.decomposition()
	type mark struct {
		class uint8
		fresh bool // the first of what its rune was made of
	}
	var marks []mark
	var sources []int
	for i, r := range t.s[lo:hi] {
		sources = append(sources, lo+i)
		for j, d := range apart.String(string(r)) {
			marks = append(marks, mark{apart.PropertiesString(string(d)).CCC(), j == 0})
		}
	}
	for from := 0; from < len(marks); { // canonical order: runs of marks by class
		to := from + 1
		for to < len(marks) && marks[to].class > 0 {
			to++
		}
		run := marks[from:to]
		if run[0].class == 0 {
			run = run[1:]
		}
		slices.SortStableFunc(run, func(a, b mark) int { return int(a.class) - int(b.class) })
		from = to
	}
	taken := 0
	for _, r := range n.form.String(t.s[lo:hi]) {
		k := min(utf8.RuneCountInString(apart.String(string(r))), len(marks))
		fresh := 0
		for _, m := range marks[:k] {
			if m.fresh {
				fresh++
			}
		}
		marks = marks[k:]
		at := taken
		if fresh == 0 {
			at--
		}
		w.rune(t, sources[max(0, min(at, len(sources)-1))], r)
		taken += fresh
	}
}

type lowercase struct{}

func (lowercase) normalize(t text) text {
	w := t.builder()
	for i, r := range t.s {
		if r == 'İ' { // the only rune whose lower case is two (SpecialCasing.txt)
			w.put(t, i, "i\u0307")
			continue
		}
		w.rune(t, i, unicode.ToLower(r)) // rune by rune, so that Σ never becomes ς
	}
	return w.text()
}

// stripAccents drops marks, of all kinds.
type stripAccents struct{}

func (stripAccents) normalize(t text) text {
	return t.filter(func(r rune) bool { return !unicode.Is(unicode.M, r) })
}

func (t text) filter(keep func(rune) bool) text {
	w := t.builder()
	for i := 0; i < len(t.s); {
		r, size := utf8.DecodeRuneInString(t.s[i:])
		if keep(r) {
			w.keep(t, i, i+size)
		}
		i += size
	}
	return w.text()
}

// strip drops white space at the ends.
type strip struct{ left, right bool }

func (n strip) normalize(t text) text {
	lo, hi := 0, len(t.s)
	if n.left {
		lo = hi - len(strings.TrimLeftFunc(t.s, unicode.IsSpace))
	}
	if n.right {
		hi = lo + len(strings.TrimRightFunc(t.s[lo:], unicode.IsSpace))
	}
	u := t.slice(lo, hi)
	u.first = t.first
	return u
}

// prepend puts a string before a text that is not empty.
type prepend struct{ s string }

func (n prepend) normalize(t text) text {
	if t.s == "" || n.s == "" {
		return t
	}
	w := t.builder()
	w.put(t, 0, n.s)
	w.keep(t, 0, len(t.s))
	return w.text()
}

// replace writes content for every match; what it writes stands for the last byte of the match.
type replace struct {
	pattern pattern
	content string
}

func (n replace) normalize(t text) text {
	if p, ok := n.pattern.(literal); ok && t.at == nil {
		return text{s: strings.ReplaceAll(t.s, string(p), n.content), first: t.first}
	}
	w := t.builder()
	n.pattern.each(t.s, func(lo, hi int, match bool) {
		switch {
		case !match:
			w.keep(t, lo, hi)
		case lo < hi:
			w.put(t, hi-1, n.content)
		}
	})
	return w.text()
}

// maxContent bounds what one match, or the begin of a text, may become.
const maxContent = 1024

// maxGrowth is how many times longer a text may get by replacements.
const maxGrowth = 256

// checkGrowth refuses replacements that feed each other, so that a small file cannot make a
// large text of a small one: forty times a → aa would.
func checkGrowth(steps []normalizer) error {
	for i, n := range steps {
		r, ok := n.(replace)
		if !ok {
			if p, ok := n.(prepend); ok && len(p.s) > maxContent {
				return fmt.Errorf("a Prepend of %d bytes, the limit is %d", len(p.s), maxContent)
			}
			continue
		}
		if len(r.content) > maxContent {
			return fmt.Errorf("a Replace by %d bytes, the limit is %d", len(r.content), maxContent)
		}
		t := text{s: r.content}
		if p, ok := r.pattern.(literal); ok {
			t.s = string(p)
			t = r.normalize(t)
		}
		most := maxGrowth * max(16, len(t.s))
		for _, n := range steps[i+1:] {
			if t = n.normalize(t); len(t.s) > most {
				return fmt.Errorf("replacements make %s more than %d times as long", clip(r.content), maxGrowth)
			}
		}
	}
	return nil
}

// nmt is the clean-up of the nmt_nfkc rule without its NFKC.
type nmt struct{}

func (nmt) normalize(t text) text {
	w := t.builder()
	for i, r := range t.s {
		switch {
		case 1 <= r && r <= 8, r == 0xb, 0xe <= r && r <= 0x1f, r == 0x7f, r == 0x8f, r == 0x9f:
		case r == 9, r == 10, r == 12, r == 13, r == 0x1680, 0x200b <= r && r <= 0x200f,
			r == 0x2028, r == 0x2029, r == 0x2581, r == 0xfeff, r == 0xfffd:
			w.rune(t, i, ' ')
		default:
			w.rune(t, i, r)
		}
	}
	return w.text()
}

// bert is BertNormalizer (tokenizers/src/normalizers/bert.rs).
type bert struct{ clean, chinese, strip, lower bool }

func (n bert) normalize(t text) text {
	if isASCII(t.s) {
		return n.ascii(t)
	}
	if n.clean {
		w := t.builder()
		for i, r := range t.s {
			switch {
			case r == '\t', r == '\n', r == '\r':
				w.rune(t, i, ' ')
			case r == utf8.RuneError, unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs):
			case unicode.IsSpace(r):
				w.rune(t, i, ' ')
			default:
				w.rune(t, i, r)
			}
		}
		t = w.text()
	}
	if n.chinese {
		w := t.builder()
		for i, r := range t.s {
			if isChinese(r) {
				w.put(t, i, " "+string(r)+" ")
				continue
			}
			w.rune(t, i, r)
		}
		t = w.text()
	}
	if n.strip {
		t = unicodeForm{norm.NFD}.normalize(t)
		t = t.filter(func(r rune) bool { return !unicode.Is(unicode.Mn, r) })
	}
	if n.lower {
		t = lowercase{}.normalize(t)
	}
	return t
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// ascii does in one pass all that there is to do to ASCII.
func (n bert) ascii(t text) text {
	b := make([]byte, 0, len(t.s))
	var at []span
	for i := range len(t.s) {
		c := t.s[i]
		switch {
		case n.clean && (c == '\t' || c == '\n' || c == '\r'):
			c = ' '
		case n.clean && (c < ' ' || c == 0x7f):
			continue
		case n.lower && 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		}
		b = append(b, c)
		if t.at != nil {
			at = append(at, t.at[i])
		}
	}
	u := text{s: string(b), first: t.first}
	if t.at != nil {
		u.at = append([]span{}, at...)
	}
	return u
}

// isChinese is _is_chinese_char of google-research/bert's tokenization.py: CJK ideographs,
// neither Hangul nor Kana.
func isChinese(r rune) bool {
	return 0x4e00 <= r && r <= 0x9fff || 0x3400 <= r && r <= 0x4dbf ||
		0x20000 <= r && r <= 0x2a6df || 0x2a700 <= r && r <= 0x2b73f ||
		0x2b740 <= r && r <= 0x2b81f || 0x2b920 <= r && r <= 0x2ceaf ||
		0xf900 <= r && r <= 0xfaff || 0x2f800 <= r && r <= 0x2fa1f
}

// A pattern finds matches in a text.
type pattern interface {
	// each calls f for every stretch of s in order, with or without a match; matches may be empty.
	each(s string, f func(lo, hi int, match bool))
}

type literal string

func (p literal) each(s string, f func(lo, hi int, match bool)) {
	from := 0
	for p != "" {
		i := strings.Index(s[from:], string(p))
		if i < 0 {
			break
		}
		if i > 0 {
			f(from, from+i, false)
		}
		f(from+i, from+i+len(p), true)
		from += i + len(p)
	}
	if from < len(s) {
		f(from, len(s), false)
	}
}

type expression struct{ re *regexp.Regexp }

func (p expression) each(s string, f func(lo, hi int, match bool)) {
	from := 0
	for _, m := range p.re.FindAllStringIndex(s, -1) {
		if from < m[0] {
			f(from, m[0], false)
		}
		f(m[0], m[1], true)
		from = m[1]
	}
	if from < len(s) {
		f(from, len(s), false)
	}
}

// cutting is a splitter as a pattern: all is match.
type cutting struct{ splitter }

func (p cutting) each(s string, f func(lo, hi int, match bool)) {
	for lo := 0; lo < len(s); {
		n := p.next(s[lo:])
		f(lo, lo+n, true)
		lo += n
	}
}

// predicate matches single runes.
type predicate func(rune) bool

func (p predicate) each(s string, f func(lo, hi int, match bool)) {
	from := 0
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if p(r) {
			if from < i {
				f(from, i, false)
			}
			f(i, i+size, true)
			from = i + size
		}
		i += size
	}
	if from < len(s) {
		f(from, len(s), false)
	}
}
