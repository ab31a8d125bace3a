package chat

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
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

// mapped takes an attribute, "a.b" or a number, of every item.
func mapped(m *machine, v any, name any) ([]any, error) {
	items, err := m.list(v)
	if err != nil {
		return nil, err
	}
	out := make([]any, len(items))
	for i, e := range items {
		if out[i], err = m.path(e, name); err != nil {
			return nil, err
		}
	}
	return out, m.charge(16 * len(out))
}

// path follows dots, with keys before methods.
func (m *machine) path(v, name any) (any, error) {
	s, ok := name.(string)
	if !ok {
		return m.attribute(v, name, false)
	}
	for part := range strings.SplitSeq(s, ".") {
		var k any = part
		if n, err := strconv.ParseInt(part, 10, 64); err == nil && part[0] != '+' {
			k = n
		}
		var err error
		if v, err = m.attribute(v, k, false); err != nil {
			return nil, err
		}
	}
	return v, nil
}

func mapFilter(m *machine, v any, p params) (any, error) {
	if name, ok := p.named["attribute"]; ok {
		out, err := mapped(m, v, name)
		if absent, ok := p.named["default"]; ok {
			for i, e := range out {
				if _, gone := e.(undefined); gone {
					out[i] = absent
				}
			}
		}
		return out, err
	}
	name, err := p.text(0, "filter", "")
	if err != nil {
		return nil, err
	}
	f, ok := m.filters[name]
	if !ok {
		return nil, fmt.Errorf("map: filter %.40q is not supported", name)
	}
	items, err := m.list(v)
	if err != nil {
		return nil, err
	}
	out := make([]any, len(items))
	for i, e := range items {
		if out[i], err = f(m, e, params{name, p.plain[1:], p.named}); err != nil {
			return nil, err
		}
	}
	return out, m.charge(16 * len(out))
}

// chosen is select, reject and those by attribute: items that pass a test, or are true.
func chosen(m *machine, v any, p params, byAttr, want bool) (any, error) {
	items, err := m.list(v)
	if err != nil {
		return nil, err
	}
	rest := p.plain
	var attr any
	if byAttr {
		if len(rest) == 0 {
			return nil, fmt.Errorf("%s needs an attribute", p.of)
		}
		attr, rest = rest[0], rest[1:]
	}
	test := func(_ *machine, v any, _ params) (bool, error) { return truth(v), nil }
	name := ""
	if len(rest) > 0 {
		var ok bool
		if name, ok = rest[0].(string); ok {
			test, ok = testTable[name]
		}
		if !ok {
			return nil, fmt.Errorf("%s: test %.40q is not supported", p.of, name)
		}
		rest = rest[1:]
	}
	out := []any{}
	for _, e := range items {
		x := e
		if byAttr {
			if x, err = m.path(e, attr); err != nil {
				return nil, err
			}
		}
		ok, err := test(m, x, params{name, rest, p.named})
		if err != nil {
			return nil, err
		}
		if ok == want {
			out = append(out, e)
		}
	}
	return out, m.charge(16 * len(items))
}

// sortKey folds case unless asked not to.
func sortKey(v any, caseSensitive bool) any {
	if s, ok := v.(string); ok && !caseSensitive {
		return strings.ToLower(s)
	}
	return v
}

func sortFilter(m *machine, v any, p params) (any, error) {
	items, err := m.list(v)
	if err != nil {
		return nil, err
	}
	attr, byAttr := p.get(2, "attribute")
	return m.sorted(items, p.flag(0, "reverse", false), func(e any) (any, error) {
		if byAttr && attr != nil {
			var err error
			if e, err = m.path(e, attr); err != nil {
				return nil, err
			}
		}
		return sortKey(e, p.flag(1, "case_sensitive", false)), nil
	})
}

func (m *machine) sorted(items []any, reverse bool, by func(any) (any, error)) ([]any, error) {
	type keyed struct{ key, item any }
	list := make([]keyed, len(items))
	for i, e := range items {
		k, err := by(e)
		if err != nil {
			return nil, err
		}
		list[i] = keyed{k, e}
	}
	var failed error
	slices.SortStableFunc(list, func(a, b keyed) int {
		if failed != nil {
			return 0
		}
		c, err := m.compare(a.key, b.key)
		if err != nil {
			failed = err
		}
		if reverse {
			return -c
		}
		return c
	})
	out := make([]any, len(list))
	for i, k := range list {
		out[i] = k.item
	}
	return out, failed
}

func uniqueFilter(m *machine, v any, p params) (any, error) {
	items, err := m.list(v)
	if err != nil {
		return nil, err
	}
	seen := map[any]bool{}
	out := []any{}
	for _, e := range items {
		k, err := key(sortKey(e, p.flag(0, "case_sensitive", false)))
		if err != nil {
			return nil, err
		}
		if !seen[k] {
			seen[k] = true
			out = append(out, e)
		}
	}
	return out, m.charge(32 * len(items))
}

func dictsort(m *machine, v any, p params) (any, error) {
	d, ok := v.(*dict)
	if !ok {
		return nil, fmt.Errorf("dictsort: %s is no dict", typeName(v))
	}
	by, err := p.text(1, "by", "key")
	if err != nil || by != "key" && by != "value" {
		return nil, errors.New(`dictsort: by is "key" or "value"`)
	}
	all, err := pairs(m, d)
	if err != nil {
		return nil, err
	}
	return m.sorted(all.([]any), p.flag(2, "reverse", false), func(e any) (any, error) {
		pair := e.([]any)
		if by == "value" {
			return sortKey(pair[1], p.flag(0, "case_sensitive", false)), nil
		}
		return sortKey(pair[0], p.flag(0, "case_sensitive", false)), nil
	})
}

func intFilter(_ *machine, v any, p params) (any, error) {
	absent, err := p.integer(0, "default", 0)
	if err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case string:
		s := strings.TrimFunc(v, unicode.IsSpace)
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return n, nil
		}
		if f, err := strconv.ParseFloat(s, 64); err == nil && math.Abs(f) < 1<<62 {
			return int64(f), nil
		}
	case float64:
		if math.Abs(v) < 1<<62 {
			return int64(v), nil
		}
	default:
		if n, ok := integer(v); ok {
			return n, nil
		}
	}
	return absent, nil
}

func floatFilter(_ *machine, v any, p params) (any, error) {
	if f, ok := number(v); ok {
		return f, nil
	}
	if s, ok := v.(string); ok {
		if f, err := strconv.ParseFloat(strings.TrimFunc(s, unicode.IsSpace), 64); err == nil {
			return f, nil
		}
	}
	if absent, ok := p.get(0, "default"); ok {
		return absent, nil
	}
	return 0.0, nil
}

func absFilter(_ *machine, v any, _ params) (any, error) {
	if n, ok := integer(v); ok {
		return max(n, -n), nil
	}
	if f, ok := v.(float64); ok {
		return math.Abs(f), nil
	}
	return nil, fmt.Errorf("abs: %s is no number", typeName(v))
}

func roundFilter(_ *machine, v any, p params) (any, error) {
	f, ok := number(v)
	if !ok {
		return nil, fmt.Errorf("round: %s is no number", typeName(v))
	}
	digits, err := p.integer(0, "precision", 0)
	if err != nil || digits < -300 || digits > 300 {
		return nil, errors.New("round: precision is -300 to 300")
	}
	how, err := p.text(1, "method", "common")
	if err != nil {
		return nil, err
	}
	scale := math.Pow(10, float64(digits))
	switch how {
	case "common":
		return math.RoundToEven(f*scale) / scale, nil
	case "ceil":
		return math.Ceil(f*scale) / scale, nil
	case "floor":
		return math.Floor(f*scale) / scale, nil
	}
	return nil, errors.New("round: method is common, ceil or floor")
}

func sumFilter(m *machine, v any, p params) (any, error) {
	if name, ok := p.get(0, "attribute"); ok && name != nil {
		items, err := mapped(m, v, name)
		if err != nil {
			return nil, err
		}
		v = items
	}
	items, err := m.list(v)
	if err != nil {
		return nil, err
	}
	total, ok := p.get(1, "start")
	if !ok {
		total = int64(0)
	}
	for _, e := range items {
		if total, err = m.binary("+", total, e); err != nil {
			return nil, err
		}
	}
	return total, nil
}

func extreme(m *machine, v any, sign int) (any, error) {
	items, err := m.list(v)
	if err != nil {
		return nil, err
	}
	if len(items) == 0 {
		return undefined{"no item, so none is the extreme one"}, nil
	}
	best := items[0]
	for _, e := range items[1:] {
		c, err := m.compare(sortKey(e, false), sortKey(best, false))
		if err != nil {
			return nil, err
		}
		if c*sign > 0 {
			best = e
		}
	}
	return best, nil
}
