package table

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// scalar is a value that is neither object nor array. Kind Auto stands for null.
type scalar struct {
	kind Kind
	text []byte
	num  number
	is   bool // num holds the number
}

// scalar reads one.
func (r *jsonReader) scalar() (scalar, error) {
	rest := r.buf[r.pos:]
	switch c := r.peek(); c {
	case '"':
		text, err := r.str(r.text[:0])
		return scalar{kind: String, text: text}, err
	case 'n', 't', 'f', 'N', 'I':
		return r.word()
	default:
		if bytes.HasPrefix(rest, []byte("-Infinity")) {
			r.pos += len("-Infinity")
			return scalar{kind: Float, text: []byte("-inf")}, nil
		}
		x, n := scanNumber(rest, '.')
		if n == 0 || c == '+' || c == '.' {
			return scalar{}, r.fail("no JSON value begins with %s", r.shown())
		}
		r.pos += n
		x.zeros = false
		return scalar{Float, rest[:n], x, true}, nil
	}
}

// word reads null, true, false and what Python writes for numbers that JSON has not.
func (r *jsonReader) word() (scalar, error) {
	rest := r.buf[r.pos:]
	for _, w := range []struct {
		word string
		kind Kind
		text string
	}{{"null", Auto, ""}, {"true", Bool, "true"}, {"false", Bool, "false"}, {"NaN", Auto, ""}, {"Infinity", Float, "inf"}} {
		if bytes.HasPrefix(rest, []byte(w.word)) {
			r.pos += len(w.word)
			return scalar{kind: w.kind, text: []byte(w.text)}, nil
		}
	}
	return scalar{}, r.fail("no JSON value begins with %s", r.shown())
}

// skip reads over a value that is not wanted.
func (r *jsonReader) skip(depth int) error {
	if depth > maxJSONDepth {
		return r.fail("values nested more than %d deep", maxJSONDepth)
	}
	open := r.peek()
	if open != '{' && open != '[' {
		_, err := r.scalar()
		return err
	}
	closing := open + 2 // '[' + 2 = ']', '{' + 2 = '}'
	r.pos++
	for first := true; ; first = false {
		r.space()
		if first && r.peek() == closing {
			r.pos++
			return nil
		}
		if open == '{' {
			if r.peek() != '"' {
				return r.fail("a key in quotes should stand here, not %s", r.shown())
			}
			if _, err := r.str(r.text[:0]); err != nil {
				return err
			}
			if r.space(); r.peek() != ':' {
				return r.fail("a ':' should follow a key")
			}
			r.pos++
			r.space()
		}
		if err := r.skip(depth + 1); err != nil {
			return err
		}
		r.space()
		c := r.peek()
		r.pos++
		if c == closing {
			return nil
		}
		if c != ',' {
			r.pos--
			return r.fail("a ',' or %q should follow a value, not %s", closing, r.shown())
		}
	}
}

// str reads a string; its text lies in the file or, with escapes, behind dst, and is valid until the next call.
func (r *jsonReader) str(dst []byte) ([]byte, error) {
	start := r.pos + 1
	i := start
	for i < len(r.buf) && r.buf[i] != '"' && r.buf[i] != '\\' && r.buf[i] >= ' ' {
		i++
	}
	if i < len(r.buf) && r.buf[i] == '"' {
		r.pos = i + 1
		return r.buf[start:i], nil
	}
	out := append(dst, r.buf[start:i]...)
	for {
		if i >= len(r.buf) || r.buf[i] == '\n' {
			return nil, r.fail("a string is never closed")
		}
		c := r.buf[i]
		i++
		switch {
		case c == '"':
			r.pos = i
			if dst != nil {
				r.text = out
			}
			return out, nil
		case c < ' ' && c != '\t':
			return nil, r.fail("a control character in a string; write \\u%04x", c)
		case c != '\\':
			out = append(out, c)
			continue
		}
		var ok bool
		if out, i, ok = unescape(out, r.buf, i); !ok {
			return nil, r.fail("a backslash in a string followed by what is no escape")
		}
	}
}

// unescape reads what follows a backslash at b[i-1].
func unescape(out, b []byte, i int) ([]byte, int, bool) {
	if i >= len(b) {
		return out, i, false
	}
	c := b[i]
	i++
	switch c {
	case '"', '\\', '/':
		return append(out, c), i, true
	case 'b':
		return append(out, '\b'), i, true
	case 'f':
		return append(out, '\f'), i, true
	case 'n':
		return append(out, '\n'), i, true
	case 'r':
		return append(out, '\r'), i, true
	case 't':
		return append(out, '\t'), i, true
	case 'u':
	default:
		return out, i, false
	}
	u, ok := hex4(b, i)
	if !ok {
		return out, i, false
	}
	i += 4
	if utf16.IsSurrogate(u) {
		low, ok := rune(0), false
		if i+1 < len(b) && b[i] == '\\' && b[i+1] == 'u' {
			low, ok = hex4(b, i+2)
		}
		pair := utf16.DecodeRune(u, low)
		if ok && pair != utf8.RuneError {
			i += 6
		}
		u = pair // half a pair becomes the replacement character, as in encoding/json
	}
	return utf8.AppendRune(out, u), i, true
}

func hex4(b []byte, i int) (rune, bool) {
	if i+4 > len(b) {
		return 0, false
	}
	v, err := strconv.ParseUint(string(b[i:i+4]), 16, 32)
	return rune(v), err == nil
}
