package chat

import (
	"errors"
	"fmt"
	"math"
	"slices"
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

type binaryExpr struct {
	op   string
	x, y expr
	line int
}

func (x binaryExpr) eval(m *machine) (any, error) {
	a, err := x.x.eval(m)
	if err != nil {
		return nil, err
	}
	b, err := x.y.eval(m)
	if err != nil {
		return nil, err
	}
	v, err := m.binary(x.op, a, b)
	return v, at(x.line, err)
}

func (m *machine) binary(op string, a, b any) (any, error) {
	if op == "~" {
		s, err := m.text(a)
		if err != nil {
			return nil, err
		}
		t, err := m.text(b)
		if err != nil {
			return nil, err
		}
		return m.join(s, t)
	}
	for _, v := range []any{a, b} {
		if u, ok := v.(undefined); ok {
			return nil, u.error()
		}
	}
	if s, ok := a.(string); ok && op == "+" {
		if t, ok := b.(string); ok {
			return m.join(s, t)
		}
	}
	if s, ok := a.([]any); ok && op == "+" {
		if t, ok := b.([]any); ok {
			return slices.Concat(s, t), m.charge(16 * (len(s) + len(t)))
		}
	}
	if op == "*" {
		if v, err, ok := m.repeat(a, b); ok {
			return v, err
		}
		if v, err, ok := m.repeat(b, a); ok {
			return v, err
		}
	}
	if x, ok := integer(a); ok {
		if y, ok := integer(b); ok {
			if v, ok, err := integers(op, x, y); ok {
				return v, err
			}
		}
	}
	x, okX := number(a)
	y, okY := number(b)
	if !okX || !okY {
		return nil, fmt.Errorf("%s %s %s cannot be calculated", typeName(a), op, typeName(b))
	}
	return floats(op, x, y)
}

func (m *machine) join(a, b string) (any, error) {
	if err := m.charge(len(a) + len(b)); err != nil {
		return nil, err
	}
	return a + b, nil
}

// repeat is text or a list times a number.
func (m *machine) repeat(a, times any) (v any, err error, ok bool) {
	n, isInt := integer(times)
	if !isInt {
		return nil, nil, false
	}
	n = max(n, 0)
	size := 0
	switch a := a.(type) {
	case string:
		size = len(a)
	case []any:
		size = 16 * len(a)
	default:
		return nil, nil, false
	}
	if size > 0 && n > int64(maxOutput/size) {
		return nil, fmt.Errorf("a text or list of more than %d bytes", maxOutput), true
	}
	if size == 0 {
		return a, nil, true
	}
	if err := m.charge(size * int(n)); err != nil {
		return nil, err, true
	}
	if s, isText := a.(string); isText {
		return strings.Repeat(s, int(n)), nil, true
	}
	return slices.Repeat(a.([]any), int(n)), nil, true
}

var errZero = errors.New("division by zero")

// integers calculates as Python does; what leaves 64 bits is an error. ok is false for what
// makes a float.
func integers(op string, x, y int64) (v any, ok bool, err error) {
	overflow := fmt.Errorf("%d %s %d leaves 64 bits", x, op, y)
	switch op {
	case "+":
		if s := x + y; (s > x) == (y > 0) {
			return s, true, nil
		}
		return nil, true, overflow
	case "-":
		if s := x - y; (s < x) == (y > 0) {
			return s, true, nil
		}
		return nil, true, overflow
	case "*":
		if x == 0 || y == 0 {
			return int64(0), true, nil
		}
		if p := x * y; p/y == x && !(x == -1 && y == math.MinInt64) && !(y == -1 && x == math.MinInt64) {
			return p, true, nil
		}
		return nil, true, overflow
	case "//", "%":
		if y == 0 {
			return nil, true, errZero
		}
		if x == math.MinInt64 && y == -1 {
			return nil, true, overflow
		}
		q, r := x/y, x%y
		if r != 0 && (r < 0) != (y < 0) {
			q, r = q-1, r+y
		}
		if op == "%" {
			return r, true, nil
		}
		return q, true, nil
	case "**":
		if y < 0 {
			return nil, false, nil
		}
		p := int64(1)
		for range y {
			if x == 0 || x == 1 {
				return x, true, nil
			}
			if x == -1 {
				return 1 - 2*(y%2), true, nil
			}
			next := p * x
			if next/x != p {
				return nil, true, overflow
			}
			p = next
		}
		return p, true, nil
	}
	return nil, false, nil
}

func floats(op string, x, y float64) (any, error) {
	switch op {
	case "+":
		return x + y, nil
	case "-":
		return x - y, nil
	case "*":
		return x * y, nil
	case "**":
		return math.Pow(x, y), nil
	}
	if y == 0 {
		return nil, errZero
	}
	switch op {
	case "//":
		return math.Floor(x / y), nil
	case "%":
		r := math.Mod(x, y)
		if r != 0 && (r < 0) != (y < 0) {
			r += y
		}
		return r, nil
	}
	return x / y, nil
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

type sliceExpr struct {
	x     expr
	parts [3]expr
	line  int
}

func (x sliceExpr) eval(m *machine) (any, error) {
	v, err := x.x.eval(m)
	if err != nil {
		return nil, err
	}
	var parts [3]*int64
	for i, p := range x.parts {
		if p == nil {
			continue
		}
		e, err := p.eval(m)
		if err != nil {
			return nil, err
		}
		n, ok := integer(e)
		if !ok && e != nil {
			return nil, at(x.line, fmt.Errorf("%s is no place to cut", typeName(e)))
		}
		if ok {
			parts[i] = &n
		}
	}
	got, err := m.slice(v, parts)
	return got, at(x.line, err)
}

func (m *machine) slice(v any, parts [3]*int64) (any, error) {
	switch v := v.(type) {
	case undefined:
		return nil, v.error()
	case string:
		if err := m.charge(4 * len(v)); err != nil {
			return nil, err
		}
		runes := []rune(v)
		at, err := sliced(len(runes), parts)
		out := make([]rune, len(at))
		for i, k := range at {
			out[i] = runes[k]
		}
		return string(out), err
	case []any:
		if err := m.charge(16 * len(v)); err != nil {
			return nil, err
		}
		at, err := sliced(len(v), parts)
		out := make([]any, len(at))
		for i, k := range at {
			out[i] = v[k]
		}
		return out, err
	}
	return nil, fmt.Errorf("%s cannot be cut", typeName(v))
}

// sliced gives the places that Python's slice takes from a sequence of n.
func sliced(n int, parts [3]*int64) ([]int, error) {
	step := int64(1)
	if parts[2] != nil {
		step = *parts[2]
	}
	if step == 0 {
		return nil, errors.New("the step of a slice is 0")
	}
	size := int64(n)
	lo, hi := int64(0), size
	if step < 0 {
		lo, hi = size-1, -1
	}
	clamp := func(p *int64, absent int64) int64 {
		if p == nil {
			return absent
		}
		i := *p
		if i < 0 {
			i += size
		}
		if step < 0 {
			return min(max(i, -1), size-1)
		}
		return min(max(i, 0), size)
	}
	lo, hi = clamp(parts[0], lo), clamp(parts[1], hi)
	var at []int
	for i := lo; (step > 0 && i < hi) || (step < 0 && i > hi); {
		at = append(at, int(i))
		if (step > 0 && i > hi-step) || (step < 0 && i < hi-step) {
			break
		}
		i += step
	}
	return at, nil
}

type arguments struct {
	plain []expr
	names []string
	named []expr
}

func (a arguments) eval(m *machine) (args []any, named map[string]any, err error) {
	for _, x := range a.plain {
		v, err := x.eval(m)
		if err != nil {
			return nil, nil, err
		}
		args = append(args, v)
	}
	for i, x := range a.named {
		v, err := x.eval(m)
		if err != nil {
			return nil, nil, err
		}
		if named == nil {
			named = map[string]any{}
		}
		if _, twice := named[a.names[i]]; twice {
			return nil, nil, fmt.Errorf("argument %s stands there twice", a.names[i])
		}
		named[a.names[i]] = v
	}
	return args, named, nil
}

type callExpr struct {
	f    expr
	args arguments
	line int
}

func (x callExpr) eval(m *machine) (any, error) { return x.with(m, nil) }

// with calls with more named arguments.
func (x callExpr) with(m *machine, more map[string]any) (any, error) {
	f, err := x.f.eval(m)
	if err != nil {
		return nil, err
	}
	if u, ok := f.(undefined); ok {
		return nil, at(x.line, u.error())
	}
	call, ok := f.(function)
	if !ok {
		return nil, at(x.line, fmt.Errorf("%s cannot be called", typeName(f)))
	}
	args, named, err := x.args.eval(m)
	if err != nil {
		return nil, at(x.line, err)
	}
	for k, v := range more {
		if named == nil {
			named = map[string]any{}
		}
		named[k] = v
	}
	if err := m.step(); err != nil {
		return nil, at(x.line, err)
	}
	v, err := call.call(m, args, named)
	return v, at(x.line, err)
}

type filterExpr struct {
	x    expr
	name string
	f    filterFunc
	args arguments
	line int
}

func (x filterExpr) eval(m *machine) (any, error) {
	v, err := x.x.eval(m)
	if err != nil {
		return nil, err
	}
	args, named, err := x.args.eval(m)
	if err == nil {
		err = m.step()
	}
	if err == nil {
		v, err = x.f(m, v, params{x.name, args, named})
	}
	return v, at(x.line, err)
}

type testExpr struct {
	x    expr
	name string
	f    testFunc
	args arguments
	not  bool
	line int
}

func (x testExpr) eval(m *machine) (any, error) {
	v, err := x.x.eval(m)
	if err != nil {
		return nil, err
	}
	args, named, err := x.args.eval(m)
	if err == nil {
		err = m.step()
	}
	var ok bool
	if err == nil {
		ok, err = x.f(m, v, params{x.name, args, named})
	}
	return ok != x.not, at(x.line, err)
}

// params are the arguments of a filter, a test or a method.
type params struct {
	of    string
	plain []any
	named map[string]any
}

// get gives argument i, which may also come by name; ok is false where it was left out.
func (p params) get(i int, name string) (v any, ok bool) {
	if i < len(p.plain) {
		return p.plain[i], true
	}
	v, ok = p.named[name]
	return v, ok
}

func (p params) text(i int, name, absent string) (string, error) {
	v, ok := p.get(i, name)
	if !ok || v == nil {
		return absent, nil
	}
	s, ok := v.(string)
	if !ok {
		return "", fmt.Errorf("%s: %s is %s, want text", p.of, name, typeName(v))
	}
	return s, nil
}

func (p params) integer(i int, name string, absent int64) (int64, error) {
	v, ok := p.get(i, name)
	if !ok || v == nil {
		return absent, nil
	}
	n, ok := integer(v)
	if !ok {
		return 0, fmt.Errorf("%s: %s is %s, want an integer", p.of, name, typeName(v))
	}
	return n, nil
}

func (p params) flag(i int, name string, absent bool) bool {
	if v, ok := p.get(i, name); ok {
		return truth(v)
	}
	return absent
}

// most checks that there are not more arguments than a function takes.
func (p params) most(n int) error {
	if len(p.plain)+len(p.named) > n {
		return fmt.Errorf("%s takes %d arguments at most, got %d", p.of, n, len(p.plain)+len(p.named))
	}
	return nil
}

// attribute of the variable loop.
func (l *loopState) attribute(name string) (any, bool) {
	n := int64(len(l.items))
	i := int64(l.i)
	switch name {
	case "index":
		return i + 1, true
	case "index0":
		return i, true
	case "revindex":
		return n - i, true
	case "revindex0":
		return n - i - 1, true
	case "first":
		return i == 0, true
	case "last":
		return i == n-1, true
	case "length":
		return n, true
	case "depth":
		return int64(l.depth), true
	case "depth0":
		return int64(l.depth - 1), true
	case "previtem":
		if i > 0 {
			return l.items[i-1], true
		}
		return undefined{"there is no previous item"}, true
	case "nextitem":
		if i+1 < n {
			return l.items[i+1], true
		}
		return undefined{"there is no next item"}, true
	case "cycle":
		return function{"cycle", func(_ *machine, args []any, _ map[string]any) (any, error) {
			if len(args) == 0 {
				return nil, errors.New("cycle needs something to go through")
			}
			return args[l.i%len(args)], nil
		}}, true
	case "changed":
		return function{"changed", func(m *machine, args []any, _ map[string]any) (any, error) {
			same, err := m.equal(l.changed, any(args))
			fresh := !l.called || !same
			l.changed, l.called = any(args), true
			return fresh, err
		}}, true
	}
	return nil, false
}
