package chat

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// globals are the functions that a template may call.
func globals(o Options) map[string]any {
	return map[string]any{
		"raise_exception": function{"raise_exception", func(m *machine, args []any, _ map[string]any) (any, error) {
			if len(args) != 1 {
				return nil, errors.New("raise_exception takes a message")
			}
			s, err := m.text(args[0])
			if err != nil {
				return nil, err
			}
			return nil, &RaisedError{s}
		}},
		"namespace": function{"namespace", newNamespace},
		"range":     function{"range", rangeOf},
		"dict": function{"dict", func(_ *machine, args []any, named map[string]any) (any, error) {
			if len(args) > 0 {
				return nil, errors.New("dict takes named values only")
			}
			return fromGo(map[string]any(named), 0)
		}},
		"strftime_now": function{"strftime_now", func(_ *machine, args []any, _ map[string]any) (any, error) {
			format, ok := "", false
			if len(args) == 1 {
				format, ok = args[0].(string)
			}
			if !ok {
				return nil, errors.New("strftime_now takes a format")
			}
			now := o.Now
			if now.IsZero() {
				now = time.Now()
			}
			return strftime(now, format)
		}},
	}
}

func newNamespace(_ *machine, args []any, named map[string]any) (any, error) {
	ns := &namespace{map[string]any{}}
	for _, a := range args {
		d, ok := a.(*dict)
		if !ok {
			return nil, fmt.Errorf("namespace takes a dict, got %s", typeName(a))
		}
		for _, k := range d.keys {
			if name, ok := k.(string); ok {
				ns.at[name] = d.at[k]
			}
		}
	}
	for name, v := range named {
		ns.at[name] = v
	}
	return ns, nil
}

func rangeOf(m *machine, args []any, named map[string]any) (any, error) {
	if len(args) < 1 || len(args) > 3 || len(named) > 0 {
		return nil, errors.New("range takes one to three integers")
	}
	var n [3]int64
	for i, a := range args {
		var ok bool
		if n[i], ok = integer(a); !ok {
			return nil, fmt.Errorf("range: %s is no integer", typeName(a))
		}
	}
	lo, hi, step := n[0], n[1], n[2]
	switch len(args) {
	case 1:
		lo, hi, step = 0, n[0], 1
	case 2:
		step = 1
	}
	if step == 0 {
		return nil, errors.New("range: the step is 0")
	}
	var out []any
	for i := lo; step > 0 && i < hi || step < 0 && i > hi; i += step {
		if len(out) == maxRange {
			return nil, fmt.Errorf("range of more than %d numbers", maxRange)
		}
		out = append(out, i)
		if next := i + step; (next > i) != (step > 0) {
			break
		}
	}
	return out, m.charge(16 * len(out))
}

// strftime knows the codes that templates use.
func strftime(t time.Time, format string) (string, error) {
	layouts := map[byte]string{
		'Y': "2006", 'y': "06", 'm': "01", 'd': "02", 'H': "15", 'I': "03", 'M': "04", 'S': "05", 'p': "PM",
		'B': "January", 'b': "Jan", 'A': "Monday", 'a': "Mon", 'Z': "MST", 'z': "-0700", 'j': "002", 'e': "_2",
		'F': "2006-01-02", 'T': "15:04:05", 'D': "01/02/06", 'R': "15:04",
	}
	short := map[byte]string{'d': "2", 'm': "1", 'I': "3", 'M': "4", 'S': "5"}
	var w strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			w.WriteByte(format[i])
			continue
		}
		i++
		table := layouts
		if format[i] == '-' && i+1 < len(format) {
			i++
			table = short
		}
		layout, ok := table[format[i]]
		switch {
		case ok:
			w.WriteString(t.Format(layout))
		case format[i] == '%':
			w.WriteByte('%')
		default:
			return "", fmt.Errorf("strftime_now: code %%%c is not supported", format[i])
		}
	}
	return w.String(), nil
}
