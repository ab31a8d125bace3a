package chat

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
)

// tojson is transformers' filter: Python's json.dumps without escaping what is not ASCII.
func tojson(m *machine, v any, p params) (any, error) {
	j := jsonWriter{m: m, ascii: p.flag(0, "ensure_ascii", false), item: ", ", colon: ": "}
	if with, ok := p.get(1, "indent"); ok && with != nil {
		pad, isText := with.(string)
		if n, isInt := integer(with); !isText && isInt && n >= 0 && n <= 100 {
			pad = strings.Repeat(" ", int(n))
		} else if !isText {
			return nil, fmt.Errorf("tojson: indent is 0 to 100, or text")
		}
		j.pad, j.lines, j.item = pad, true, ","
	}
	if with, ok := p.get(2, "separators"); ok && with != nil {
		both, _ := with.([]any)
		if len(both) != 2 || !isA[string](both[0]) || !isA[string](both[1]) {
			return nil, fmt.Errorf("tojson: separators are two texts")
		}
		j.item, j.colon = both[0].(string), both[1].(string)
	}
	j.sort = p.flag(3, "sort_keys", false)
	err := j.value(v, 0)
	return j.w.String(), err
}

type jsonWriter struct {
	m           *machine
	w           strings.Builder
	ascii, sort bool
	lines       bool
	pad         string
	item, colon string
}

func (j *jsonWriter) value(v any, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("tojson: nested deeper than %d", maxDepth)
	}
	if err := j.m.charge(16 + depth*len(j.pad)); err != nil {
		return err
	}
	if j.w.Len() > maxOutput {
		return fmt.Errorf("a text of more than %d bytes", maxOutput)
	}
	switch v := v.(type) {
	case nil:
		j.w.WriteString("null")
	case bool:
		fmt.Fprint(&j.w, v)
	case int64:
		fmt.Fprint(&j.w, v)
	case float64:
		switch {
		case math.IsNaN(v):
			j.w.WriteString("NaN")
		case math.IsInf(v, 1):
			j.w.WriteString("Infinity")
		case math.IsInf(v, -1):
			j.w.WriteString("-Infinity")
		default:
			j.w.WriteString(pyFloat(v))
		}
	case string:
		return j.text(v)
	case []any:
		return j.inside("[", "]", len(v), depth, func(i int) error { return j.value(v[i], depth+1) })
	case *dict:
		keys := v.keys
		if j.sort {
			var err error
			if keys, err = j.m.sorted(keys, false, func(k any) (any, error) { return k, nil }); err != nil {
				return err
			}
		}
		return j.inside("{", "}", len(keys), depth, func(i int) error {
			k, err := j.key(keys[i])
			if err == nil {
				err = j.text(k)
			}
			if err != nil {
				return err
			}
			j.w.WriteString(j.colon)
			return j.value(v.at[keys[i]], depth+1)
		})
	default:
		return fmt.Errorf("tojson: %s cannot be written", typeName(v))
	}
	return nil
}

func (j *jsonWriter) key(k any) (string, error) {
	switch k := k.(type) {
	case string:
		return k, nil
	case nil:
		return "null", nil
	}
	return j.m.text(k)
}

func (j *jsonWriter) inside(open, shut string, n, depth int, each func(i int) error) error {
	j.w.WriteString(open)
	for i := range n {
		if i > 0 {
			j.w.WriteString(j.item)
		}
		j.newline(depth + 1)
		if err := each(i); err != nil {
			return err
		}
	}
	if n > 0 {
		j.newline(depth)
	}
	j.w.WriteString(shut)
	return nil
}

func (j *jsonWriter) newline(depth int) {
	if j.lines {
		j.w.WriteByte('\n')
		j.w.WriteString(strings.Repeat(j.pad, depth))
	}
}

var jsonEscapes = map[rune]string{'"': `\"`, '\\': `\\`, '\n': `\n`, '\r': `\r`, '\t': `\t`, '\b': `\b`, '\f': `\f`}

func (j *jsonWriter) text(s string) error {
	j.w.WriteByte('"')
	for _, r := range s {
		switch esc, ok := jsonEscapes[r]; {
		case ok:
			j.w.WriteString(esc)
		case r < ' ' || r > '~' && j.ascii && r <= 0xffff:
			fmt.Fprintf(&j.w, `\u%04x`, r)
		case r > 0xffff && j.ascii:
			fmt.Fprintf(&j.w, `\u%04x\u%04x`, 0xd800+(r-0x10000)>>10, 0xdc00+(r-0x10000)&0x3ff)
		default:
			j.w.WriteRune(r)
		}
	}
	j.w.WriteByte('"')
	return j.m.charge(len(s))
}

// fromJSON reads a value with the order of its keys, which templates print.
func fromJSON(b []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	v, err := nextValue(dec, 0)
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON value")
	}
	return v, nil
}

func nextValue(dec *json.Decoder, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("JSON is nested deeper than %d", maxDepth)
	}
	tok, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch tok := tok.(type) {
	case json.Number:
		if n, err := tok.Int64(); err == nil {
			return n, nil
		}
		return tok.Float64()
	case json.Delim:
		if tok == '[' {
			list := []any{}
			for dec.More() {
				v, err := nextValue(dec, depth+1)
				if err != nil {
					return nil, err
				}
				list = append(list, v)
			}
			_, err := dec.Token()
			return list, err
		}
		d := newDict()
		for dec.More() {
			k, err := dec.Token()
			if err != nil {
				return nil, err
			}
			v, err := nextValue(dec, depth+1)
			if err != nil {
				return nil, err
			}
			d.set(k, v)
		}
		_, err := dec.Token()
		return d, err
	}
	return tok, nil
}
