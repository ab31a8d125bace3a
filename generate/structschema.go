package generate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// SchemaFor writes the JSON schema of a Go type, for [JSONSchema]: every document of it is one that encoding/json
// decodes into the type.
//
// Names, "-", omitempty and omitzero are read from json tags as encoding/json does; a field with one of the last two
// need not be there. A pointer may be null. A time.Time is a date-time, an any whatever JSON holds, a map any names. The tag
// enum:"red,green" lists the values of a string, description:"…" says what it is for. Channels, functions, complex
// numbers, interfaces with methods, types that decode themselves and the option ",string" are refused.
//
//	type answer struct {
//		City  string   `json:"city"`
//		Mood  string   `json:"mood" enum:"good,bad"`
//		Notes []string `json:"notes,omitempty"`
//	}
//	schema, err := generate.SchemaFor(reflect.TypeFor[answer]())
func SchemaFor(t reflect.Type) ([]byte, error) {
	if t == nil {
		return nil, fmt.Errorf("generate: no type to make a schema of")
	}
	w := structWriter{names: map[reflect.Type]string{}}
	root, err := w.schema(t, t.String())
	if err != nil {
		return nil, err
	}
	if len(w.defs) == 0 {
		return root, nil
	}
	return with(root, "$defs", object(w.defs...)), nil
}

// structWriter collects the named structs, which may hold themselves.
type structWriter struct {
	names map[reflect.Type]string
	defs  []any // name, schema, name, schema, …
	depth int
}

// maxTypes bounds the types that stand in each other: structs end by reference, but there is type T []T.
const maxTypes = 200

var (
	timeType        = reflect.TypeFor[time.Time]()
	rawType         = reflect.TypeFor[json.RawMessage]()
	unmarshalerType = reflect.TypeFor[json.Unmarshaler]()
	textType        = reflect.TypeFor[interface{ UnmarshalText([]byte) error }]()
)

func (w *structWriter) schema(t reflect.Type, at string) (json.RawMessage, error) {
	if w.depth++; w.depth > maxTypes {
		return nil, fmt.Errorf("generate: %.100s: types nested deeper than %d; a recursive one must be a struct", at, maxTypes)
	}
	defer func() { w.depth-- }()
	switch {
	case t == timeType:
		return object("type", "string", "format", "date-time"), nil
	case t == rawType:
		return object(), nil
	case t.Kind() != reflect.Pointer && (reflect.PointerTo(t).Implements(unmarshalerType) || reflect.PointerTo(t).Implements(textType)):
		return nil, fmt.Errorf("generate: %s: %s decodes itself; write its schema by hand", at, t)
	}
	switch t.Kind() {
	case reflect.Bool:
		return object("type", "boolean"), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if t.Bits() == 64 {
			return object("type", "integer"), nil // its 15 digits fit
		}
		top := int64(1)<<(t.Bits()-1) - 1
		return object("type", "integer", "minimum", -top-1, "maximum", top), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		if t.Bits() == 64 {
			return object("type", "integer", "minimum", 0), nil
		}
		return object("type", "integer", "minimum", 0, "maximum", int64(1)<<t.Bits()-1), nil
	case reflect.Float32:
		return object("type", "number", "minimum", -int64(largestWhole), "maximum", int64(largestWhole)), nil // no exponent: none overflows
	case reflect.Float64:
		return object("type", "number"), nil
	case reflect.String:
		return object("type", "string"), nil
	case reflect.Pointer:
		x, err := w.schema(t.Elem(), at)
		return object("anyOf", []json.RawMessage{x, object("type", "null")}), err
	case reflect.Interface:
		if t.NumMethod() == 0 {
			return object(), nil
		}
	case reflect.Slice, reflect.Array:
		return w.list(t, at)
	case reflect.Map:
		if t.Key().Kind() != reflect.String {
			return nil, fmt.Errorf("generate: %s: a map with keys of type %s; want string", at, t.Key())
		}
		x, err := w.schema(t.Elem(), at+"[]")
		return object("type", "object", "additionalProperties", x), err
	case reflect.Struct:
		return w.reference(t, at)
	}
	return nil, fmt.Errorf("generate: %s: no JSON is a %s", at, t)
}

func (w *structWriter) list(t reflect.Type, at string) (json.RawMessage, error) {
	if t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8 { // base64
		return object("type", "string", "pattern", `^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$`), nil
	}
	x, err := w.schema(t.Elem(), at+"[]")
	if t.Kind() == reflect.Array {
		return object("type", "array", "items", x, "minItems", t.Len(), "maxItems", t.Len()), err
	}
	return object("type", "array", "items", x), err
}

// reference writes a struct once, under $defs.
func (w *structWriter) reference(t reflect.Type, at string) (json.RawMessage, error) {
	if _, ok := w.names[t]; ok {
		return w.refs(t), nil
	}
	name := t.Name()
	for n := 2; name == "" || slices.Contains(w.defined(), name); n++ {
		name = fmt.Sprint(t.Name(), n)
	}
	w.names[t] = name
	slot := len(w.defs)
	w.defs = append(w.defs, name, json.RawMessage("null"))
	x, err := w.fields(t, at)
	w.defs[slot+1] = x
	return w.refs(t), err
}

func (w *structWriter) defined() []string {
	var names []string
	for i := 0; i < len(w.defs); i += 2 {
		names = append(names, w.defs[i].(string))
	}
	return names
}

func (w *structWriter) refs(t reflect.Type) json.RawMessage {
	if name, ok := w.names[t]; ok {
		return object("$ref", "#/$defs/"+pointer(name))
	}
	return nil
}

func (w *structWriter) fields(t reflect.Type, at string) (json.RawMessage, error) {
	var properties []any
	required := []string{}
	for _, f := range reflect.VisibleFields(t) {
		if f.Anonymous || len(f.Index) > 1 {
			return nil, fmt.Errorf("generate: %s: embedded fields are not supported; write them out", at)
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "-" && options == "" {
			continue
		}
		if name == "" {
			name = f.Name
		}
		where := at + "." + f.Name
		flags := strings.Split(options, ",")
		if slices.Contains(flags, "string") {
			return nil, fmt.Errorf("generate: %s: the json option string is not supported", where)
		}
		x, err := w.schema(f.Type, where)
		if err != nil {
			return nil, err
		}
		if values, ok := f.Tag.Lookup("enum"); ok {
			if f.Type.Kind() != reflect.String {
				return nil, fmt.Errorf("generate: %s: the enum tag is for strings", where)
			}
			x = object("enum", strings.Split(values, ","))
		}
		if d, ok := f.Tag.Lookup("description"); ok {
			x = with(x, "description", d)
		}
		properties = append(properties, name, x)
		if !slices.Contains(flags, "omitempty") && !slices.Contains(flags, "omitzero") {
			required = append(required, name)
		}
	}
	return object("type", "object", "properties", object(properties...), "required", required), nil
}

// object writes a JSON object of names and values in order.
func object(members ...any) json.RawMessage {
	var b bytes.Buffer
	b.WriteByte('{')
	for i := 0; i+1 < len(members); i += 2 {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(quoteJSON(members[i].(string)))
		b.WriteByte(':')
		v, err := json.Marshal(members[i+1])
		if err != nil { // a RawMessage that an error left empty: the error is on its way
			v = []byte("null")
		}
		b.Write(v)
	}
	b.WriteByte('}')
	return b.Bytes()
}

// with is a JSON object with one member more.
func with(o json.RawMessage, name string, value any) json.RawMessage {
	more := object(name, value)
	if len(o) == len("{}") {
		return more
	}
	return slices.Concat(o[:len(o)-1], []byte(","), more[1:])
}
