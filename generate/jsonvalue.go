package generate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// jsonValue is a JSON value that keeps the order of an object's members.
type jsonValue struct {
	kind    byte   // { [ " 0 t f n, the value's first sign; 0 for every number
	text    string // of a string, or a number as it was written
	list    []*jsonValue
	keys    []string
	members map[string]*jsonValue
}

// get is a member of an object, or an element of a list by its number for $ref; nil where there is none.
func (v *jsonValue) get(key string) *jsonValue {
	if i, err := strconv.Atoi(key); err == nil && i >= 0 && i < len(v.list) {
		return v.list[i]
	}
	return v.members[key]
}

// is tells whether the value is of a JSON schema type.
func (v *jsonValue) is(name string) bool {
	switch v.kind {
	case '{':
		return name == "object"
	case '[':
		return name == "array"
	case '"':
		return name == "string"
	case '0':
		return name == "number" || name == "integer" && !strings.ContainsAny(v.text, ".eE")
	case 'n':
		return name == "null"
	}
	return name == "boolean"
}

// String writes the value without white space.
func (v *jsonValue) String() string {
	var b strings.Builder
	v.write(&b)
	return b.String()
}

func (v *jsonValue) write(b *strings.Builder) {
	switch v.kind {
	case '{':
		for i, k := range v.keys {
			b.WriteString(map[bool]string{true: "{", false: ","}[i == 0] + quoteJSON(k) + ":")
			v.members[k].write(b)
		}
		b.WriteString(map[bool]string{true: "{}", false: "}"}[len(v.keys) == 0])
	case '[':
		b.WriteByte('[')
		for i, x := range v.list {
			if i > 0 {
				b.WriteByte(',')
			}
			x.write(b)
		}
		b.WriteByte(']')
	case '"':
		b.WriteString(quoteJSON(v.text))
	case '0':
		b.WriteString(v.text)
	default:
		b.WriteString(map[byte]string{'t': "true", 'f': "false", 'n': "null"}[v.kind])
	}
}

// quoteJSON writes a string as most writers do: < and > as they are.
func quoteJSON(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(s) != nil {
		return `""`
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// pointer escapes a name for a JSON pointer (RFC 6901).
func pointer(name string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(name) }

// maxNesting bounds the depth of a schema's text.
const maxNesting = 200

func parseJSON(b []byte) (*jsonValue, error) {
	if len(b) > maxSchema {
		return nil, fmt.Errorf("%d bytes, the limit is %d", len(b), maxSchema)
	}
	if !utf8.Valid(b) {
		return nil, errors.New("not valid UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	v, err := parseValue(d, 0)
	if err != nil {
		return nil, fmt.Errorf("at byte %d: %w", d.InputOffset(), err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("at byte %d: more after the schema", d.InputOffset())
	}
	return v, nil
}

func parseValue(d *json.Decoder, depth int) (*jsonValue, error) {
	if depth > maxNesting {
		return nil, fmt.Errorf("nested deeper than %d", maxNesting)
	}
	t, err := d.Token()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case string:
		return &jsonValue{kind: '"', text: t}, nil
	case json.Number:
		return &jsonValue{kind: '0', text: t.String()}, nil
	case bool:
		return &jsonValue{kind: map[bool]byte{true: 't', false: 'f'}[t]}, nil
	case nil:
		return &jsonValue{kind: 'n'}, nil
	case json.Delim:
		return parseNested(d, t, depth)
	}
	return nil, fmt.Errorf("unexpected %v", t)
}

func parseNested(d *json.Decoder, open json.Delim, depth int) (*jsonValue, error) {
	v := &jsonValue{kind: byte(open)}
	if open == '{' {
		v.members = map[string]*jsonValue{}
	}
	for d.More() {
		var key string
		if open == '{' {
			t, err := d.Token()
			if err != nil {
				return nil, err
			}
			key = t.(string) // the decoder allows nothing else here
			if v.members[key] != nil {
				return nil, fmt.Errorf("%.100q stands twice in an object", key)
			}
		}
		x, err := parseValue(d, depth+1)
		if err != nil {
			return nil, err
		}
		if open == '{' {
			v.keys = append(v.keys, key)
			v.members[key] = x
		} else {
			v.list = append(v.list, x)
		}
	}
	_, err := d.Token() // the closing sign, or the end of the input
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return v, err
}
