package chat

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// filterFunc is a filter of jinja2/filters.py.
type filterFunc func(m *machine, v any, p params) (any, error)

// filterTable names every filter there is. The filter map finds others through the machine.
var filterTable = map[string]filterFunc{
	"trim": func(m *machine, v any, p params) (any, error) {
		return ofText(m, v, func(s string) (any, error) { return stripped(true, true)(m, s, p) })
	},
	"upper":      textFilter(strings.ToUpper),
	"lower":      textFilter(strings.ToLower),
	"title":      textFilter(titleFilter),
	"capitalize": textFilter(capitalized),
	"string":     textFilter(func(s string) string { return s }),
	"safe":       textFilter(func(s string) string { return s }),
	"escape":     textFilter(escaper.Replace),
	"e":          textFilter(escaper.Replace),
	"replace": func(m *machine, v any, p params) (any, error) {
		return ofText(m, v, func(s string) (any, error) { return replaceMethod(m, s, p) })
	},
	"indent": indentFilter,
	"tojson": tojson,
	"length": lengthFilter,
	"count":  lengthFilter,
	"first":  func(m *machine, v any, p params) (any, error) { return end(m, v, p, func(int) int { return 0 }) },
	"last":   func(m *machine, v any, p params) (any, error) { return end(m, v, p, func(n int) int { return n - 1 }) },
	"list": func(m *machine, v any, p params) (any, error) {
		items, err := m.list(v)
		return items, err
	},
	"join": func(m *machine, v any, p params) (any, error) {
		sep, err := p.text(0, "d", "")
		if err != nil {
			return nil, err
		}
		if name, ok := p.get(1, "attribute"); ok && name != nil {
			if v, err = mapped(m, v, name); err != nil {
				return nil, err
			}
		}
		return joined(m, v, sep, false)
	},
	"default": defaultFilter,
	"d":       defaultFilter,
	"reverse": func(m *machine, v any, p params) (any, error) {
		items, err := m.list(v)
		items = slices.Clone(items)
		slices.Reverse(items)
		if _, ok := v.(string); ok && err == nil {
			return joined(m, any(items), "", true)
		}
		return items, err
	},
	"sort":     sortFilter,
	"unique":   uniqueFilter,
	"dictsort": dictsort,
	"items": func(m *machine, v any, p params) (any, error) {
		if _, ok := v.(undefined); ok {
			return []any(nil), nil
		}
		d, ok := v.(*dict)
		if !ok {
			return nil, fmt.Errorf("items: %s has none", typeName(v))
		}
		return pairs(m, d)
	},
	"map":        mapFilter,
	"select":     func(m *machine, v any, p params) (any, error) { return chosen(m, v, p, false, true) },
	"reject":     func(m *machine, v any, p params) (any, error) { return chosen(m, v, p, false, false) },
	"selectattr": func(m *machine, v any, p params) (any, error) { return chosen(m, v, p, true, true) },
	"rejectattr": func(m *machine, v any, p params) (any, error) { return chosen(m, v, p, true, false) },
	"int":        intFilter,
	"float":      floatFilter,
	"abs":        absFilter,
	"round":      roundFilter,
	"sum":        sumFilter,
	"min":        func(m *machine, v any, p params) (any, error) { return extreme(m, v, -1) },
	"max":        func(m *machine, v any, p params) (any, error) { return extreme(m, v, 1) },
	"wordcount": func(m *machine, v any, p params) (any, error) {
		return ofText(m, v, func(s string) (any, error) { return int64(len(strings.Fields(s))), nil })
	},
}

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "'", "&#39;", `"`, "&#34;")

// ofText works on a value as text, which most filters of text do with any.
func ofText(m *machine, v any, f func(string) (any, error)) (any, error) {
	s, err := m.text(v)
	if err == nil {
		err = m.charge(len(s))
	}
	if err != nil {
		return nil, err
	}
	return f(s)
}

func textFilter(f func(string) string) filterFunc {
	return func(m *machine, v any, p params) (any, error) {
		if err := p.most(0); err != nil {
			return nil, err
		}
		return ofText(m, v, func(s string) (any, error) {
			s = f(s)
			return s, m.charge(len(s))
		})
	}
}

// titleFilter begins a word behind white space, a hyphen or an opening bracket; Python's
// method also does behind an apostrophe.
func titleFilter(s string) string {
	begin := true
	return strings.Map(func(r rune) rune {
		was := begin
		begin = unicode.IsSpace(r) || strings.ContainsRune("-({[<", r)
		if was {
			return unicode.ToUpper(r)
		}
		return unicode.ToLower(r)
	}, s)
}

func indentFilter(m *machine, v any, p params) (any, error) {
	with, ok := p.get(0, "width")
	if !ok {
		with = int64(4)
	}
	pad, isText := with.(string)
	if !isText {
		n, ok := integer(with)
		if !ok || n < 0 || n > 1000 {
			return nil, errors.New("indent: width is 0 to 1000, or text")
		}
		pad = strings.Repeat(" ", int(n))
	}
	first, blank := p.flag(1, "first", false), p.flag(2, "blank", false)
	return ofText(m, v, func(s string) (any, error) {
		lines := strings.Split(s, "\n")
		if err := m.charge(len(s) + len(lines)*len(pad)); err != nil {
			return nil, err
		}
		for i, line := range lines {
			if (i > 0 || first) && (line != "" || blank) {
				lines[i] = pad + line
			}
		}
		return strings.Join(lines, "\n"), nil
	})
}

func lengthFilter(m *machine, v any, p params) (any, error) {
	if s, ok := v.(string); ok {
		return int64(utf8.RuneCountInString(s)), m.charge(len(s))
	}
	items, err := m.list(v)
	if err != nil {
		return nil, fmt.Errorf("%s: %s has none", p.of, typeName(v))
	}
	return int64(len(items)), nil
}

func end(m *machine, v any, p params, at func(n int) int) (any, error) {
	items, err := m.list(v)
	if err != nil {
		return nil, err
	}
	if len(items) == 0 {
		return undefined{p.of + " of an empty list"}, nil
	}
	return items[at(len(items))], nil
}

// joined puts items together as text; strict wants them to be text, as Python's method does.
func joined(m *machine, v any, sep string, strict bool) (any, error) {
	items, err := m.list(v)
	if err != nil {
		return nil, err
	}
	var w strings.Builder
	for i, e := range items {
		s, ok := e.(string)
		if !ok {
			if strict {
				return nil, fmt.Errorf("join: item %d is %s, want text", i, typeName(e))
			}
			if s, err = m.text(e); err != nil {
				return nil, err
			}
		}
		if i > 0 {
			w.WriteString(sep)
		}
		w.WriteString(s)
		if err := m.charge(len(s) + len(sep)); err != nil {
			return nil, err
		}
		if w.Len() > maxOutput {
			return nil, fmt.Errorf("a text of more than %d bytes", maxOutput)
		}
	}
	return w.String(), nil
}

func defaultFilter(_ *machine, v any, p params) (any, error) {
	_, gone := v.(undefined)
	if gone || p.flag(1, "boolean", false) && !truth(v) {
		v, ok := p.get(0, "default_value")
		if !ok {
			return "", nil
		}
		return v, nil
	}
	return v, nil
}
