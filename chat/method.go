package chat

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// methodFunc is a method of text, lists or dicts: Python's of that name, where it changes nothing.
type methodFunc func(m *machine, v any, p params) (any, error)

// method finds a method by its name.
func method(v any, name string) (any, bool) {
	var table map[string]methodFunc
	switch v.(type) {
	case string:
		table = textMethods
	case *dict:
		table = dictMethods
	case []any:
		table = listMethods
	default:
		return nil, false
	}
	f, ok := table[name]
	if !ok {
		return nil, false
	}
	return function{name, func(m *machine, args []any, named map[string]any) (any, error) {
		if s, ok := v.(string); ok {
			if err := m.charge(len(s)); err != nil {
				return nil, err
			}
		}
		return f(m, v, params{name, args, named})
	}}, true
}

// simple makes a method of a function on text alone.
func simple(f func(string) any) methodFunc {
	return func(_ *machine, v any, p params) (any, error) { return f(v.(string)), p.most(0) }
}

var textMethods = map[string]methodFunc{
	"upper":      simple(func(s string) any { return strings.ToUpper(s) }),
	"lower":      simple(func(s string) any { return strings.ToLower(s) }),
	"title":      simple(func(s string) any { return titled(s) }),
	"capitalize": simple(func(s string) any { return capitalized(s) }),
	"isdigit":    simple(func(s string) any { return all(s, unicode.IsDigit) }),
	"isnumeric":  simple(func(s string) any { return all(s, unicode.IsNumber) }),
	"isalpha":    simple(func(s string) any { return all(s, unicode.IsLetter) }),
	"isspace":    simple(func(s string) any { return all(s, unicode.IsSpace) }),
	"isalnum": simple(func(s string) any {
		return all(s, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) })
	}),
	"isupper":      simple(func(s string) any { return s != strings.ToLower(s) && s == strings.ToUpper(s) }),
	"islower":      simple(func(s string) any { return s != strings.ToUpper(s) && s == strings.ToLower(s) }),
	"strip":        stripped(true, true),
	"lstrip":       stripped(true, false),
	"rstrip":       stripped(false, true),
	"split":        splitMethod,
	"rsplit":       rsplitMethod,
	"splitlines":   splitLines,
	"replace":      replaceMethod,
	"startswith":   affix(strings.HasPrefix),
	"endswith":     affix(strings.HasSuffix),
	"removeprefix": trimmed(strings.TrimPrefix),
	"removesuffix": trimmed(strings.TrimSuffix),
	"find":         finder(strings.Index, false),
	"rfind":        finder(strings.LastIndex, false),
	"index":        finder(strings.Index, true),
	"count": func(_ *machine, v any, p params) (any, error) {
		sub, err := p.text(0, "sub", "")
		if sub == "" {
			return int64(utf8.RuneCountInString(v.(string)) + 1), err
		}
		return int64(strings.Count(v.(string), sub)), err
	},
	"join": func(m *machine, v any, p params) (any, error) {
		items, _ := p.get(0, "iterable")
		return joined(m, items, v.(string), true)
	},
}

func all(s string, is func(rune) bool) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return !is(r) }) < 0
}

// titled begins each run of letters with a capital.
func titled(s string) string {
	inWord := false
	return strings.Map(func(r rune) rune {
		was := inWord
		inWord = unicode.IsLetter(r)
		if inWord && was {
			return unicode.ToLower(r)
		}
		return unicode.ToTitle(r)
	}, s)
}

func capitalized(s string) string {
	r, size := utf8.DecodeRuneInString(s)
	if size == 0 {
		return s
	}
	return string(unicode.ToTitle(r)) + strings.ToLower(s[size:])
}

func stripped(left, right bool) methodFunc {
	return func(_ *machine, v any, p params) (any, error) {
		chars, err := p.text(0, "chars", "")
		if err == nil {
			err = p.most(1)
		}
		s := v.(string)
		drop := unicode.IsSpace
		if chars != "" {
			drop = func(r rune) bool { return strings.ContainsRune(chars, r) }
		}
		if left {
			s = strings.TrimLeftFunc(s, drop)
		}
		if right {
			s = strings.TrimRightFunc(s, drop)
		}
		return s, err
	}
}

func anys(parts []string) []any {
	out := make([]any, len(parts))
	for i, s := range parts {
		out[i] = s
	}
	return out
}

func splitMethod(m *machine, v any, p params) (any, error) {
	sep, most, err := splitArguments(p)
	if err != nil {
		return nil, err
	}
	if err := m.charge(16 * len(v.(string))); err != nil {
		return nil, err
	}
	if sep == "" {
		var out []any
		rest := strings.TrimLeftFunc(v.(string), unicode.IsSpace)
		for rest != "" {
			at := strings.IndexFunc(rest, unicode.IsSpace)
			if at < 0 || most >= 0 && int64(len(out)) == most {
				out = append(out, strings.TrimRightFunc(rest, unicode.IsSpace))
				break
			}
			out = append(out, rest[:at])
			rest = strings.TrimLeftFunc(rest[at:], unicode.IsSpace)
		}
		return out, nil
	}
	if most < 0 {
		return anys(strings.Split(v.(string), sep)), nil
	}
	return anys(strings.SplitN(v.(string), sep, int(min(most, maxOutput))+1)), nil
}

func splitArguments(p params) (sep string, most int64, err error) {
	if v, ok := p.get(0, "sep"); ok && v == "" {
		return "", 0, errors.New("split: the separator is empty")
	}
	if sep, err = p.text(0, "sep", ""); err != nil {
		return "", 0, err
	}
	most, err = p.integer(1, "maxsplit", -1)
	return sep, most, err
}

func rsplitMethod(m *machine, v any, p params) (any, error) {
	sep, most, err := splitArguments(p)
	if err != nil {
		return nil, err
	}
	if sep == "" || most < 0 {
		return splitMethod(m, v, params{p.of, p.plain[:min(1, len(p.plain))], p.named})
	}
	if err := m.charge(16 * len(v.(string))); err != nil {
		return nil, err
	}
	var out []any
	rest := v.(string)
	for int64(len(out)) < most {
		at := strings.LastIndex(rest, sep)
		if at < 0 {
			break
		}
		out = append(out, rest[at+len(sep):])
		rest = rest[:at]
	}
	out = append(out, rest)
	slices.Reverse(out)
	return out, nil
}

func splitLines(m *machine, v any, p params) (any, error) {
	s := strings.ReplaceAll(strings.ReplaceAll(v.(string), "\r\n", "\n"), "\r", "\n")
	if err := m.charge(16 * len(s)); err != nil {
		return nil, err
	}
	if p.flag(0, "keepends", false) {
		return anys(strings.SplitAfter(s, "\n")), errors.New("splitlines: keepends is not supported")
	}
	if s == "" {
		return []any(nil), nil
	}
	return anys(strings.Split(strings.TrimSuffix(s, "\n"), "\n")), nil
}

func replaceMethod(m *machine, v any, p params) (any, error) {
	old, err := p.text(0, "old", "")
	if err != nil {
		return nil, err
	}
	by, err := p.text(1, "new", "")
	if err != nil {
		return nil, err
	}
	most, err := p.integer(2, "count", -1)
	if err != nil {
		return nil, err
	}
	s := v.(string)
	n := strings.Count(s, old)
	if most >= 0 && int64(n) > most {
		n = int(most)
	}
	if len(by) > 0 && n > maxOutput/len(by) {
		return nil, fmt.Errorf("a text of more than %d bytes", maxOutput)
	}
	if err := m.charge(len(s) + n*len(by)); err != nil {
		return nil, err
	}
	return strings.Replace(s, old, by, n), nil
}

func affix(has func(s, part string) bool) methodFunc {
	return func(m *machine, v any, p params) (any, error) {
		part, _ := p.get(0, "prefix")
		parts, ok := part.([]any)
		if !ok {
			parts = []any{part}
		}
		for _, part := range parts {
			s, ok := part.(string)
			if !ok {
				return nil, fmt.Errorf("%s: %s, want text", p.of, typeName(part))
			}
			if has(v.(string), s) {
				return true, m.step()
			}
		}
		return false, p.most(1)
	}
}

func trimmed(f func(s, part string) string) methodFunc {
	return func(_ *machine, v any, p params) (any, error) {
		part, err := p.text(0, "prefix", "")
		return f(v.(string), part), err
	}
}

// finder counts in characters, as Python does.
func finder(f func(s, part string) int, must bool) methodFunc {
	return func(_ *machine, v any, p params) (any, error) {
		part, err := p.text(0, "sub", "")
		if err == nil {
			err = p.most(1)
		}
		i := f(v.(string), part)
		if i < 0 && must && err == nil {
			err = fmt.Errorf("index: %.40q is not there", part)
		}
		if i > 0 {
			i = utf8.RuneCountInString(v.(string)[:i])
		}
		return int64(i), err
	}
}

var dictMethods = map[string]methodFunc{
	"keys": func(m *machine, v any, p params) (any, error) {
		d := v.(*dict)
		return slices.Clone(d.keys), m.charge(16 * len(d.keys))
	},
	"values": func(m *machine, v any, p params) (any, error) {
		d := v.(*dict)
		out := make([]any, len(d.keys))
		for i, k := range d.keys {
			out[i] = d.at[k]
		}
		return out, m.charge(16 * len(out))
	},
	"items": func(m *machine, v any, p params) (any, error) { return pairs(m, v.(*dict)) },
	"get": func(_ *machine, v any, p params) (any, error) {
		k, _ := p.get(0, "key")
		k, err := key(k)
		if err != nil {
			return nil, err
		}
		if e, ok := v.(*dict).at[k]; ok {
			return e, nil
		}
		absent, _ := p.get(1, "default")
		return absent, p.most(2)
	},
}

func pairs(m *machine, d *dict) (any, error) {
	out := make([]any, len(d.keys))
	for i, k := range d.keys {
		out[i] = []any{k, d.at[k]}
	}
	return out, m.charge(48 * len(out))
}

var listMethods = map[string]methodFunc{
	"count": func(m *machine, v any, p params) (any, error) {
		want, _ := p.get(0, "value")
		n := int64(0)
		for _, e := range v.([]any) {
			same, err := m.equal(e, want)
			if err != nil {
				return nil, err
			}
			if same {
				n++
			}
		}
		return n, nil
	},
	"index": func(m *machine, v any, p params) (any, error) {
		want, _ := p.get(0, "value")
		for i, e := range v.([]any) {
			if same, err := m.equal(e, want); same || err != nil {
				return int64(i), err
			}
		}
		return nil, errors.New("index: it is not in the list")
	},
}
