package tokenizer

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

// compilePattern makes a pattern of a tokenizer's regular expression, which is written for
// Oniguruma: by hand for the published split patterns, else on Go's regexp, with \s, \d and \w
// meaning Unicode's as they do there. What Go's regexp lacks is an error, with one exception:
// the ending |\s+(?!\S)|\s+ that most split patterns share.
func compilePattern(source string) (pattern, error) {
	if known, ok := knownSplits[source]; ok {
		return cutting{known()}, nil
	}
	return goPattern(source)
}

// goPattern is compilePattern without those by hand.
func goPattern(source string) (pattern, error) {
	rest, spaces := source, false
	for _, ending := range []string{`|\s+(?!\S)|\s+`, `|\s+(?!\S)|\s`} {
		if s, ok := strings.CutSuffix(source, ending); ok {
			rest, spaces = s, true
			break
		}
	}
	translated, err := translate(rest)
	if err == nil && spaces {
		translated = "(?:" + translated + ")|([" + whiteSpace + "]+)"
	}
	var re *regexp.Regexp
	if err == nil {
		re, err = regexp.Compile(translated)
	}
	if bad := new(syntax.Error); errors.As(err, &bad) { // whose text may be of several lines
		err = fmt.Errorf("%s: %s", bad.Code, clip(bad.Expr))
	}
	if err != nil {
		return nil, fmt.Errorf("pattern %q is neither a known split pattern nor one of Go's regexp: %w", shorten(source), err)
	}
	if spaces {
		return spacesLast{re, re.NumSubexp()}, nil
	}
	return expression{re}, nil
}

func shorten(s string) string {
	if len(s) > 200 {
		return s[:197] + "..."
	}
	return s
}

// whiteSpace is Unicode's White_Space as the inside of a class.
const whiteSpace = `\t-\r \x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}`

const wordRunes = `\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}`

// translate widens \s, \d and \w to Unicode.
func translate(source string) (string, error) {
	var w strings.Builder
	inClass := false
	for i := 0; i < len(source); i++ {
		c := source[i]
		switch {
		case c == '\\' && i+1 < len(source):
			i++
			s, err := escape(source[i], inClass)
			if err != nil {
				return "", err
			}
			w.WriteString(s)
			continue
		case c == '[' && !inClass:
			inClass = true
		case c == '[' && inClass && !strings.HasPrefix(source[i:], "[:"):
			return "", errors.New("a class within a class")
		case c == '&' && inClass && strings.HasPrefix(source[i:], "&&"):
			return "", errors.New("an intersection of classes")
		case c == ']':
			inClass = false
		}
		w.WriteByte(c)
	}
	return w.String(), nil
}

func escape(c byte, inClass bool) (string, error) {
	class := map[byte]string{'s': whiteSpace, 'd': `\p{Nd}`, 'w': wordRunes, 'S': whiteSpace, 'D': `\p{Nd}`, 'W': wordRunes}[c]
	switch {
	case class == "":
		return `\` + string(c), nil
	case c >= 'a' && inClass:
		return class, nil
	case c >= 'a':
		return "[" + class + "]", nil
	case inClass:
		return "", fmt.Errorf(`\%c inside a class`, c)
	}
	return "[^" + class + "]", nil
}

// spacesLast is an expression that ends in |\s+(?!\S)|\s+, which stands in group last as \s+:
// a run of white space before something else leaves it its last rune.
type spacesLast struct {
	re   *regexp.Regexp
	last int
}

func (p spacesLast) each(s string, f func(lo, hi int, match bool)) {
	from := 0
	for from < len(s) {
		m := p.re.FindStringSubmatchIndex(s[from:])
		if m == nil {
			break
		}
		lo, hi := from+m[0], from+m[1]
		if m[2*p.last] >= 0 && hi < len(s) {
			if _, size := utf8.DecodeLastRuneInString(s[lo:hi]); lo < hi-size {
				hi -= size
			}
		}
		if lo == hi { // an empty match cuts nothing here
			break
		}
		if from < lo {
			f(from, lo, false)
		}
		f(lo, hi, true)
		from = hi
	}
	if from < len(s) {
		f(from, len(s), false)
	}
}
