package chat

import (
	"errors"
	"fmt"
	"strings"
)

// testFunc is a test of jinja2/tests.py: {% if x is defined %}.
type testFunc func(m *machine, v any, p params) (bool, error)

func plain(f func(v any) bool) testFunc {
	return func(_ *machine, v any, p params) (bool, error) { return f(v), p.most(0) }
}

func related(op string) testFunc {
	return func(m *machine, v any, p params) (bool, error) {
		if len(p.plain) != 1 {
			return false, fmt.Errorf("test %s needs something to compare with", p.of)
		}
		return m.relation(op, v, p.plain[0])
	}
}

func isA[T any](v any) bool {
	_, ok := v.(T)
	return ok
}

var testTable = map[string]testFunc{
	"defined":   plain(func(v any) bool { return !isA[undefined](v) }),
	"undefined": plain(isA[undefined]),
	"none":      plain(func(v any) bool { return v == nil }),
	"boolean":   plain(isA[bool]),
	"true":      plain(func(v any) bool { return v == true }),
	"false":     plain(func(v any) bool { return v == false }),
	"string":    plain(isA[string]),
	"integer":   plain(isA[int64]),
	"float":     plain(isA[float64]),
	"number":    plain(func(v any) bool { _, ok := number(v); return ok }),
	"mapping":   plain(isA[*dict]),
	"callable":  plain(isA[function]),
	"sequence":  plain(func(v any) bool { return isA[string](v) || isA[[]any](v) || isA[*dict](v) || isA[undefined](v) }),
	"iterable":  plain(func(v any) bool { return isA[string](v) || isA[[]any](v) || isA[*dict](v) || isA[undefined](v) }),
	"lower":     plain(func(v any) bool { s, ok := v.(string); return ok && s == strings.ToLower(s) && s != strings.ToUpper(s) }),
	"upper":     plain(func(v any) bool { s, ok := v.(string); return ok && s == strings.ToUpper(s) && s != strings.ToLower(s) }),
	"odd":       remainder(2, 1),
	"even":      remainder(2, 0),
	"divisibleby": func(m *machine, v any, p params) (bool, error) {
		n, err := p.integer(0, "num", 0)
		if err == nil && n == 0 {
			err = errors.New("divisibleby: the number is 0")
		}
		if err != nil {
			return false, err
		}
		return remainder(n, 0)(m, v, params{of: p.of})
	},
	"in":          related("in"),
	"eq":          related("=="),
	"equalto":     related("=="),
	"==":          related("=="),
	"ne":          related("!="),
	"!=":          related("!="),
	"lt":          related("<"),
	"lessthan":    related("<"),
	"<":           related("<"),
	"le":          related("<="),
	"<=":          related("<="),
	"gt":          related(">"),
	"greaterthan": related(">"),
	">":           related(">"),
	"ge":          related(">="),
	">=":          related(">="),
	"sameas": func(m *machine, v any, p params) (bool, error) {
		other, _ := p.get(0, "other")
		if isA[bool](v) != isA[bool](other) || (v == nil) != (other == nil) {
			return false, nil
		}
		return m.equal(v, other)
	},
}

func remainder(by, is int64) testFunc {
	return func(_ *machine, v any, p params) (bool, error) {
		n, ok := integer(v)
		if !ok {
			return false, fmt.Errorf("test %s: %s is no integer", p.of, typeName(v))
		}
		return ((n%by)+by)%by == is, p.most(0)
	}
}
