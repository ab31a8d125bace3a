package chat

import (
	"fmt"
)

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

// applied is what a filter or a test is applied to, with its arguments.
type applied struct {
	x    expr
	name string
	args arguments
	line int
}

func (a applied) operands(m *machine) (v any, p params, err error) {
	if v, err = a.x.eval(m); err != nil {
		return nil, p, err
	}
	args, named, err := a.args.eval(m)
	if err == nil {
		err = m.step()
	}
	return v, params{a.name, args, named}, at(a.line, err)
}

type filterExpr struct {
	applied
	f filterFunc
}

func (x filterExpr) eval(m *machine) (any, error) {
	v, p, err := x.operands(m)
	if err != nil {
		return nil, err
	}
	v, err = x.f(m, v, p)
	return v, at(x.line, err)
}

type testExpr struct {
	applied
	f   testFunc
	not bool
}

func (x testExpr) eval(m *machine) (any, error) {
	v, p, err := x.operands(m)
	if err != nil {
		return nil, err
	}
	ok, err := x.f(m, v, p)
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
