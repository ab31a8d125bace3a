package chat

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

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
