package chat

import (
	"errors"
	"fmt"
)

type forNode struct {
	names     []string
	over      expr
	filter    expr
	body      []node
	otherwise []node
	line      int
}

// loopState is the variable loop.
type loopState struct {
	items   []any
	i       int
	depth   int
	changed any
	called  bool
}

func (n forNode) run(m *machine) (jump, error) {
	v, err := n.over.eval(m)
	if err != nil {
		return onward, at(n.line, err)
	}
	items, err := m.list(v)
	if err != nil {
		return onward, at(n.line, err)
	}
	if n.filter != nil {
		if items, err = n.kept(m, items); err != nil {
			return onward, at(n.line, err)
		}
	}
	if len(items) == 0 {
		return m.run(n.otherwise)
	}
	loop := &loopState{items: items, depth: 1}
	if outer, ok := m.lookup("loop").(*loopState); ok {
		loop.depth = outer.depth + 1
	}
	up := m.frame
	for i, item := range items {
		loop.i = i
		j, err := n.turn(m, up, loop, item)
		if err != nil {
			return onward, at(n.line, err)
		}
		if j == breaks {
			break
		}
	}
	return onward, nil
}

func (n forNode) turn(m *machine, up *frame, loop *loopState, item any) (jump, error) {
	defer m.push(up)()
	if loop != nil {
		m.set("loop", loop)
	}
	if err := m.bind(n.names, item); err != nil {
		return onward, err
	}
	return m.run(n.body)
}

// kept gives the items for which the loop's filter holds; loop then counts only those.
func (n forNode) kept(m *machine, items []any) ([]any, error) {
	var out []any
	up := m.frame
	for _, item := range items {
		restore := m.push(up)
		err := m.bind(n.names, item)
		var v any
		if err == nil {
			v, err = n.filter.eval(m)
		}
		restore()
		if err != nil {
			return nil, err
		}
		if truth(v) {
			out = append(out, item)
		}
	}
	return out, nil
}

// bind gives names the values of a loop's item or an assignment.
func (m *machine) bind(names []string, v any) error {
	if len(names) == 1 {
		m.set(names[0], v)
		return nil
	}
	items, err := m.list(v)
	if err != nil {
		return err
	}
	if len(items) != len(names) {
		return fmt.Errorf("%d values for %d names", len(items), len(names))
	}
	for i, name := range names {
		m.set(name, items[i])
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
