package chat

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// An expr is an expression.
type expr interface {
	eval(m *machine) (any, error)
}

type constExpr struct{ v any }

func (x constExpr) eval(*machine) (any, error) { return x.v, nil }

type nameExpr struct {
	name string
	line int
}

func (x nameExpr) eval(m *machine) (any, error) { return m.lookup(x.name), m.step() }

type listExpr struct{ items []expr }

func (x listExpr) eval(m *machine) (any, error) {
	out := make([]any, len(x.items))
	for i, e := range x.items {
		var err error
		if out[i], err = e.eval(m); err != nil {
			return nil, err
		}
	}
	return out, m.charge(16 * len(out))
}

type dictExpr struct {
	keys, values []expr
	line         int
}

func (x dictExpr) eval(m *machine) (any, error) {
	d := newDict()
	for i := range x.keys {
		k, err := x.keys[i].eval(m)
		if err == nil {
			k, err = key(k)
		}
		if err != nil {
			return nil, at(x.line, err)
		}
		v, err := x.values[i].eval(m)
		if err != nil {
			return nil, err
		}
		d.set(k, v)
	}
	return d, m.charge(64 * len(x.keys))
}

// key checks that a value may be a key: numbers that are equal are one.
func key(v any) (any, error) {
	switch v := v.(type) {
	case nil, string, int64:
		return v, nil
	case bool:
		n, _ := integer(v)
		return n, nil
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return int64(v), nil
		}
		return v, nil
	}
	return nil, fmt.Errorf("%s cannot be a key", typeName(v))
}

type condExpr struct{ cond, yes, no expr }

func (x condExpr) eval(m *machine) (any, error) {
	v, err := x.cond.eval(m)
	if err != nil {
		return nil, err
	}
	if truth(v) {
		return x.yes.eval(m)
	}
	if x.no == nil {
		return undefined{"the condition of an if without else was false"}, nil
	}
	return x.no.eval(m)
}

type logicExpr struct {
	x, y expr
	or   bool
}

func (x logicExpr) eval(m *machine) (any, error) {
	v, err := x.x.eval(m)
	if err != nil || truth(v) == x.or {
		return v, err
	}
	return x.y.eval(m)
}

type notExpr struct{ x expr }

func (x notExpr) eval(m *machine) (any, error) {
	v, err := x.x.eval(m)
	return !truth(v), err
}

type compareExpr struct {
	first expr
	ops   []string
	rest  []expr
}

func (x compareExpr) eval(m *machine) (any, error) {
	a, err := x.first.eval(m)
	if err != nil {
		return nil, err
	}
	for i, op := range x.ops {
		b, err := x.rest[i].eval(m)
		if err != nil {
			return nil, err
		}
		ok, err := m.relation(op, a, b)
		if !ok || err != nil {
			return false, err
		}
		a = b
	}
	return true, nil
}

func (m *machine) relation(op string, a, b any) (bool, error) {
	switch op {
	case "==":
		return m.equal(a, b)
	case "!=":
		same, err := m.equal(a, b)
		return !same, err
	case "in":
		return m.contains(b, a)
	case "not in":
		in, err := m.contains(b, a)
		return !in, err
	}
	c, err := m.compare(a, b)
	return op == "<" && c < 0 || op == "<=" && c <= 0 || op == ">" && c > 0 || op == ">=" && c >= 0, err
}

func (m *machine) contains(in, v any) (bool, error) {
	switch in := in.(type) {
	case string:
		s, ok := v.(string)
		if !ok {
			return false, fmt.Errorf("%s is sought in text: only text can be", typeName(v))
		}
		if err := m.charge(len(in)); err != nil {
			return false, err
		}
		return strings.Contains(in, s), nil
	case *dict:
		k, err := key(v)
		if err != nil {
			return false, err
		}
		_, ok := in.at[k]
		return ok, nil
	case *namespace:
		return false, fmt.Errorf("nothing can be sought in a namespace")
	}
	items, err := m.list(in)
	if err != nil {
		return false, err
	}
	for _, e := range items {
		if same, err := m.equal(e, v); same || err != nil {
			return same, err
		}
	}
	return false, nil
}

type signExpr struct {
	x     expr
	minus bool
	line  int
}

func (x signExpr) eval(m *machine) (any, error) {
	v, err := x.x.eval(m)
	if err != nil {
		return nil, err
	}
	if n, ok := integer(v); ok {
		if x.minus {
			n = -n
		}
		return n, nil
	}
	if f, ok := v.(float64); ok {
		if x.minus {
			f = -f
		}
		return f, nil
	}
	return nil, at(x.line, fmt.Errorf("%s has no sign", typeName(v)))
}

// attrExpr is x.name (dot) or x[key].
type attrExpr struct {
	x, key expr
	dot    bool
	line   int
}

func (x attrExpr) eval(m *machine) (any, error) {
	v, err := x.x.eval(m)
	if err != nil {
		return nil, err
	}
	k, err := x.key.eval(m)
	if err != nil {
		return nil, err
	}
	got, err := m.attribute(v, k, x.dot)
	return got, at(x.line, err)
}

// attribute looks for a method first where a dot stands, for a key first in brackets.
func (m *machine) attribute(v, k any, dot bool) (any, error) {
	if err := m.step(); err != nil {
		return nil, err
	}
	if u, ok := v.(undefined); ok {
		return nil, u.error()
	}
	name, named := k.(string)
	if dot {
		if f, ok := method(v, name); ok {
			return f, nil
		}
	}
	switch v := v.(type) {
	case *dict:
		if k, err := key(k); err == nil {
			if e, ok := v.at[k]; ok {
				return e, nil
			}
		}
	case *namespace:
		if e, ok := v.at[name]; ok && named {
			return e, nil
		}
	case *loopState:
		if named {
			if e, ok := v.attribute(name); ok {
				return e, nil
			}
		}
	case []any:
		if i, ok := integer(k); ok {
			if i < 0 {
				i += int64(len(v))
			}
			if i >= 0 && i < int64(len(v)) {
				return v[i], nil
			}
		}
	case string:
		if i, ok := integer(k); ok {
			return m.runeAt(v, i)
		}
	}
	if f, ok := method(v, name); ok && named {
		return f, nil
	}
	s, err := m.text(k)
	if err != nil {
		return nil, err
	}
	return undefined{fmt.Sprintf("%s has no attribute %.60q", typeName(v), s)}, nil
}

func (m *machine) runeAt(s string, i int64) (any, error) {
	if err := m.charge(len(s)); err != nil {
		return nil, err
	}
	if i < 0 {
		i += int64(utf8.RuneCountInString(s))
	}
	if i >= 0 {
		for _, r := range s {
			if i == 0 {
				return string(r), nil
			}
			i--
		}
	}
	return undefined{"text has no character there"}, nil
}
