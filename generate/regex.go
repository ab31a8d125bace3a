package generate

import (
	"fmt"
	"regexp/syntax"
	"slices"
	"unicode"
	"unicode/utf8"
)

// maxPattern bounds the length of a regular expression in bytes.
const maxPattern = 64 << 10

// Regex makes a constraint of a regular expression in Go's syntax (package regexp), which the whole output must match:
// ^ and $ are understood at its ends and mean nothing. Look-ahead, back-references and word boundaries are refused.
func Regex(v *Vocabulary, pattern string) (*Constraint, error) {
	c := regexCompiler{char: runes, classes: map[string]*expr{}}
	root, err := c.compile(pattern, nil)
	if err != nil {
		return nil, err
	}
	return newConstraint(v, root, 0)
}

// regexCompiler turns a pattern into an expression.
type regexCompiler struct {
	char    func(ranges []rune) *expr // one character out of ranges, as it is written
	classes map[string]*expr          // by ranges: a class with thousands of them may come often
}

// compile takes the whole text to match if around is nil, else any part of it with around (one character) before and
// after, except where ^ or $ stands.
func (c *regexCompiler) compile(pattern string, around *expr) (*expr, error) {
	if len(pattern) > maxPattern {
		return nil, fmt.Errorf("generate: a pattern of %d bytes, the limit is %d", len(pattern), maxPattern)
	}
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("generate: pattern %.100q: %w", pattern, err)
	}
	e, err := c.anchored(re, around)
	if err != nil {
		return nil, fmt.Errorf("generate: pattern %.100q: %w", pattern, err)
	}
	return e, nil
}

// anchored understands ^ and $ at the ends of the alternatives.
func (c *regexCompiler) anchored(re *syntax.Regexp, around *expr) (*expr, error) {
	for re.Op == syntax.OpCapture {
		re = re.Sub[0]
	}
	if re.Op == syntax.OpAlternate {
		var alts []*expr
		for _, sub := range re.Sub {
			e, err := c.anchored(sub, around)
			if err != nil {
				return nil, err
			}
			alts = append(alts, e)
		}
		return alt(alts...), nil
	}
	parts := []*syntax.Regexp{re}
	if re.Op == syntax.OpConcat {
		parts = re.Sub
	}
	begin, end := false, false
	for ; len(parts) > 0 && parts[0].Op == syntax.OpBeginText; parts = parts[1:] {
		begin = true
	}
	for ; len(parts) > 0 && parts[len(parts)-1].Op == syntax.OpEndText; parts = parts[:len(parts)-1] {
		end = true
	}
	subs, err := c.list(parts)
	if err != nil {
		return nil, err
	}
	if around != nil && !begin {
		subs = slices.Insert(subs, 0, repeat(around, 0, -1))
	}
	if around != nil && !end {
		subs = append(subs, repeat(around, 0, -1))
	}
	return seq(subs...), nil
}

func (c *regexCompiler) list(res []*syntax.Regexp) ([]*expr, error) {
	var out []*expr
	for _, re := range res {
		e, err := c.expr(re)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

func (c *regexCompiler) expr(re *syntax.Regexp) (*expr, error) {
	subs, err := c.list(re.Sub)
	if err != nil {
		return nil, err
	}
	switch re.Op {
	case syntax.OpEmptyMatch:
		return empty, nil
	case syntax.OpNoMatch:
		return alt(), nil
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			subs = append(subs, c.literal(r, re.Flags&syntax.FoldCase != 0))
		}
		return seq(subs...), nil
	case syntax.OpCharClass:
		return c.class(re.Rune), nil
	case syntax.OpAnyChar:
		return c.class([]rune{0, utf8.MaxRune}), nil
	case syntax.OpAnyCharNotNL:
		return c.class([]rune{0, '\n' - 1, '\n' + 1, utf8.MaxRune}), nil
	case syntax.OpCapture:
		return subs[0], nil
	case syntax.OpConcat:
		return seq(subs...), nil
	case syntax.OpAlternate:
		return alt(subs...), nil
	case syntax.OpStar:
		return repeat(subs[0], 0, -1), nil
	case syntax.OpPlus:
		return repeat(subs[0], 1, -1), nil
	case syntax.OpQuest:
		return optional(subs[0]), nil
	case syntax.OpRepeat:
		return repeat(subs[0], re.Min, re.Max), nil
	case syntax.OpBeginText, syntax.OpEndText:
		return nil, fmt.Errorf("%s is understood at the ends of the pattern only", re)
	}
	return nil, fmt.Errorf("%s is not supported", re)
}

func (c *regexCompiler) literal(r rune, fold bool) *expr {
	ranges := []rune{r, r}
	for f := unicode.SimpleFold(r); fold && f != r; f = unicode.SimpleFold(f) {
		ranges = append(ranges, f, f)
	}
	slices.Sort(ranges)
	return c.class(ranges)
}

func (c *regexCompiler) class(ranges []rune) *expr {
	key := string(fmt.Append(nil, ranges))
	e, ok := c.classes[key]
	if !ok {
		e = c.char(ranges)
		c.classes[key] = e
	}
	return e
}
