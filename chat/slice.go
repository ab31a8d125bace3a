package chat

import (
	"errors"
	"fmt"
)

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
		if err := m.charge(16 * len(v)); err != nil {
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
