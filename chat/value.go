package chat

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Values of the template language are Go values: nil (none), bool, int64, float64, string,
// []any, *dict, *namespace, *loopState, function, undefined.

// undefined is what a name or key stands for that is not there: it prints as nothing, but
// nothing can be done with it.
type undefined struct{ what string }

func (u undefined) error() error { return fmt.Errorf("%s", u.what) }

// dict keeps its keys in order. Keys are strings or numbers.
type dict struct {
	keys []any
	at   map[any]any
}

func newDict() *dict { return &dict{at: map[any]any{}} }

func (d *dict) set(key, value any) {
	if _, ok := d.at[key]; !ok {
		d.keys = append(d.keys, key)
	}
	d.at[key] = value
}

// namespace is what {% set ns.x = … %} may write to.
type namespace struct{ at map[string]any }

// function is a global, a method or a macro.
type function struct {
	name string
	call func(m *machine, args []any, named map[string]any) (any, error)
}

// fromGo turns values of a caller, as encoding/json makes them, into the template's.
func fromGo(v any, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("a value is nested deeper than %d", maxDepth)
	}
	switch v := v.(type) {
	case nil, bool, string, int64:
		return v, nil
	case float64: // a whole number of JSON is an integer
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return int64(v), nil
		}
		return v, nil
	case json.RawMessage:
		return fromJSON(v)
	case int:
		return int64(v), nil
	case int32:
		return int64(v), nil
	case float32:
		return fromGo(float64(v), depth)
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			var err error
			if out[i], err = fromGo(e, depth+1); err != nil {
				return nil, err
			}
		}
		return out, nil
	case []string:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = e
		}
		return out, nil
	case []map[string]any:
		out := make([]any, len(v))
		for i, e := range v {
			var err error
			if out[i], err = fromGo(e, depth+1); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		d := newDict()
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys) // a Go map has no order; templates that print one want the same text each time
		for _, k := range keys {
			e, err := fromGo(v[k], depth+1)
			if err != nil {
				return nil, err
			}
			d.set(k, e)
		}
		return d, nil
	case *dict:
		return v, nil
	}
	return nil, fmt.Errorf("a value of Go type %T is not supported; give what encoding/json makes", v)
}

func truth(v any) bool {
	switch v := v.(type) {
	case nil, undefined:
		return false
	case bool:
		return v
	case int64:
		return v != 0
	case float64:
		return v != 0
	case string:
		return v != ""
	case []any:
		return len(v) > 0
	case *dict:
		return len(v.keys) > 0
	}
	return true
}

// typeName is Python's, for errors.
func typeName(v any) string {
	switch v.(type) {
	case nil:
		return "none"
	case bool:
		return "a bool"
	case int64:
		return "an integer"
	case float64:
		return "a float"
	case string:
		return "text"
	case []any:
		return "a list"
	case *dict:
		return "a dict"
	case *namespace:
		return "a namespace"
	case function:
		return "a function"
	case undefined:
		return "undefined"
	}
	return "an object"
}

func number(v any) (f float64, ok bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	}
	return 0, false
}

func integer(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	}
	return 0, false
}

// equal is Python's ==.
func (m *machine) equal(a, b any) (bool, error) {
	if err := m.step(); err != nil {
		return false, err
	}
	if x, ok := integer(a); ok {
		if y, ok := integer(b); ok {
			return x == y, nil
		}
	}
	if x, ok := number(a); ok {
		y, ok := number(b)
		return ok && x == y, nil
	}
	switch a := a.(type) {
	case nil:
		return b == nil, nil
	case undefined:
		_, ok := b.(undefined)
		return ok, nil
	case string:
		b, ok := b.(string)
		return ok && a == b, nil
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false, nil
		}
		for i := range a {
			if same, err := m.equal(a[i], b[i]); !same || err != nil {
				return false, err
			}
		}
		return true, nil
	case *dict:
		b, ok := b.(*dict)
		if !ok || len(a.keys) != len(b.keys) {
			return false, nil
		}
		for _, k := range a.keys {
			other, ok := b.at[k]
			if !ok {
				return false, nil
			}
			if same, err := m.equal(a.at[k], other); !same || err != nil {
				return false, err
			}
		}
		return true, nil
	case *namespace:
		b, ok := b.(*namespace)
		return ok && a == b, nil
	case *loopState:
		b, ok := b.(*loopState)
		return ok && a == b, nil
	}
	return false, nil
}

// compare orders numbers, texts and lists; −1, 0 or 1.
func (m *machine) compare(a, b any) (int, error) {
	if err := m.step(); err != nil {
		return 0, err
	}
	if x, ok := integer(a); ok {
		if y, ok := integer(b); ok {
			return cmpOf(x, y), nil
		}
	}
	if x, ok := number(a); ok {
		if y, ok := number(b); ok {
			return cmpOf(x, y), nil
		}
	}
	switch x := a.(type) {
	case string:
		if y, ok := b.(string); ok {
			return strings.Compare(x, y), nil
		}
	case []any:
		y, ok := b.([]any)
		if !ok {
			break
		}
		for i := range min(len(x), len(y)) {
			if c, err := m.compare(x[i], y[i]); c != 0 || err != nil {
				return c, err
			}
		}
		return cmpOf(len(x), len(y)), nil
	}
	if u, ok := a.(undefined); ok {
		return 0, u.error()
	}
	if u, ok := b.(undefined); ok {
		return 0, u.error()
	}
	return 0, fmt.Errorf("%s and %s cannot be ordered", typeName(a), typeName(b))
}

func cmpOf[T int | int64 | float64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// text is Python's str().
func (m *machine) text(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case undefined:
		return "", nil
	}
	var w strings.Builder
	err := m.repr(&w, v, 0)
	return w.String(), err
}

// repr is Python's repr().
func (m *machine) repr(w *strings.Builder, v any, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("a value is nested deeper than %d", maxDepth)
	}
	if err := m.charge(w.Len()/64 + 8); err != nil { // what is written again and again must not be free
		return err
	}
	switch v := v.(type) {
	case nil:
		w.WriteString("None")
	case bool:
		if v {
			w.WriteString("True")
		} else {
			w.WriteString("False")
		}
	case int64:
		w.WriteString(strconv.FormatInt(v, 10))
	case float64:
		w.WriteString(pyFloat(v))
	case string:
		if err := m.charge(len(v)); err != nil {
			return err
		}
		w.WriteString(pyQuote(v))
	case []any:
		w.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				w.WriteString(", ")
			}
			if err := m.repr(w, e, depth+1); err != nil {
				return err
			}
		}
		w.WriteByte(']')
	case *dict:
		w.WriteByte('{')
		for i, k := range v.keys {
			if i > 0 {
				w.WriteString(", ")
			}
			if err := m.repr(w, k, depth+1); err != nil {
				return err
			}
			w.WriteString(": ")
			if err := m.repr(w, v.at[k], depth+1); err != nil {
				return err
			}
		}
		w.WriteByte('}')
	case undefined:
		w.WriteString("Undefined")
	default:
		return fmt.Errorf("%s cannot be written as text", typeName(v))
	}
	return nil
}

// pyFloat is Python's repr of a float.
func pyFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		format = 'e'
	}
	s := strconv.FormatFloat(f, format, -1, 64)
	if format == 'f' && !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// pyQuote is Python's repr of a str.
func pyQuote(s string) string {
	quote := byte('\'')
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = '"'
	}
	var w strings.Builder
	w.WriteByte(quote)
	for _, r := range s {
		switch {
		case r == rune(quote) || r == '\\':
			w.WriteByte('\\')
			w.WriteRune(r)
		case r == '\n':
			w.WriteString(`\n`)
		case r == '\r':
			w.WriteString(`\r`)
		case r == '\t':
			w.WriteString(`\t`)
		case r < ' ' || r == 0x7f || 0x80 <= r && r < 0xa0:
			fmt.Fprintf(&w, `\x%02x`, r)
		case r < utf8.RuneSelf || strconv.IsPrint(r):
			w.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&w, `\U%08x`, r)
		default:
			fmt.Fprintf(&w, `\u%04x`, r)
		}
	}
	w.WriteByte(quote)
	return w.String()
}

// list gives what a value iterates over.
func (m *machine) list(v any) ([]any, error) {
	switch v := v.(type) {
	case []any:
		return v, nil
	case undefined:
		return nil, nil
	case string:
		if err := m.charge(len(v)); err != nil {
			return nil, err
		}
		var out []any
		for _, r := range v {
			out = append(out, string(r))
		}
		return out, nil
	case *dict:
		return v.keys, m.charge(len(v.keys))
	}
	return nil, fmt.Errorf("%s cannot be gone through", typeName(v))
}
