package chat

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

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
