package serve

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"
)

// read takes a request's whole body, within the limits on bytes and time.
func (s *Server) read(w http.ResponseWriter, r *http.Request) ([]byte, *fault) {
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Now().Add(s.o.BodyTime)) // not there in tests without a connection
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.o.MaxBody))
	if err == nil {
		_ = c.SetReadDeadline(time.Time{}) // or the watch for the client's leaving would end with it
		return b, nil
	}
	w.Header().Set("Connection", "close") // or net/http would wait for the rest of the body
	if f := asFault(err); f != nil {
		return nil, f
	}
	return nil, faultf(http.StatusBadRequest, "invalid_body", "the body cannot be read: %v", err)
}

// decode reads a request into v, a pointer to a struct whose tags name the parameters. A parameter that is not among them is a
// fault that names it.
func decode(b []byte, v any) *fault {
	if f := checkJSON(b); f != nil {
		return f
	}
	if b = bytes.TrimSpace(b); b[0] != '{' {
		return faultf(http.StatusBadRequest, "invalid_json", "the body is no JSON object")
	}
	if f := checkNames(b, reflect.TypeOf(v).Elem(), ""); f != nil {
		return f
	}
	err := json.Unmarshal(b, v)
	var typ *json.UnmarshalTypeError
	var f *fault
	switch {
	case err == nil:
		return refused(v)
	case errors.As(err, &f):
		return f
	case errors.As(err, &typ):
		name := strings.TrimPrefix(typ.Field, "sampling.") // embedded: no part of the name
		return invalid(name, "%s is a %s, want %s", name, typ.Value, wanted(typ.Type))
	}
	return faultf(http.StatusBadRequest, "invalid_json", "the body cannot be read: %v", err)
}

// wanted is a Go type in JSON's words.
func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Float64, reflect.Float32:
		return "a number"
	}
	return "a whole number that fits"
}

// clip keeps what a client sent short enough to be said back.
func clip(s string) string {
	const most = 64
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

var (
	unmarshaler = reflect.TypeFor[json.Unmarshaler]()
	rawMessage  = reflect.TypeFor[json.RawMessage]()
)

// checkNames finds the first parameter that t does not have, at any depth that t describes. encoding/json would pass it over,
// or take it for one in other letters.
func checkNames(b []byte, t reflect.Type, path string) *fault {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == rawMessage || reflect.PointerTo(t).Implements(unmarshaler) {
		return nil
	}
	switch t.Kind() {
	case reflect.Struct:
		var object map[string]json.RawMessage
		if json.Unmarshal(b, &object) != nil {
			return nil // Unmarshal says what it should have been
		}
		fields := map[string]reflect.Type{}
		parameters(t, func(name string, f reflect.StructField) { fields[name] = f.Type })
		for _, name := range slices.Sorted(maps.Keys(object)) {
			full := name
			if path != "" {
				full = path + "." + name
			}
			typ, ok := fields[name]
			if !ok {
				return &fault{http.StatusBadRequest, clip(full), "unknown_parameter", "unknown parameter: " + clip(full)}
			}
			if f := checkNames(object[name], typ, full); f != nil {
				return f
			}
		}
	case reflect.Slice:
		var list []json.RawMessage
		if json.Unmarshal(b, &list) != nil {
			return nil
		}
		for _, raw := range list {
			if f := checkNames(raw, t.Elem(), path); f != nil {
				return f
			}
		}
	}
	return nil
}

// parameters calls f for each parameter of a request's type, with those of embedded structs.
func parameters(t reflect.Type, f func(name string, field reflect.StructField)) {
	for i := range t.NumField() {
		field := t.Field(i)
		if field.Anonymous {
			parameters(field.Type, f)
			continue
		}
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" && name != "-" {
			f(name, field)
		}
	}
}

// ignored are the parameters of a request that are there and do nothing: those whose field has the tag ignored, which says why.
func ignored(v any) []string {
	var list []string
	x := reflect.ValueOf(v).Elem()
	parameters(x.Type(), func(name string, field reflect.StructField) {
		if field.Tag.Get("ignored") == "" {
			return
		}
		if raw := x.FieldByName(field.Name).Bytes(); present(raw) {
			list = append(list, name)
		}
	})
	return list
}

// refused finds a parameter that would change the answer and cannot be done here: its field has the tag refused, which says why.
func refused(v any) (f *fault) {
	x := reflect.ValueOf(v).Elem()
	parameters(x.Type(), func(name string, field reflect.StructField) {
		if why := field.Tag.Get("refused"); why != "" && f == nil && present(x.FieldByName(field.Name).Bytes()) {
			f = &fault{http.StatusBadRequest, name, "unsupported_parameter", name + " is not supported: " + why}
		}
	})
	return f
}

// noteIgnored tells the client which of its parameters did nothing.
func noteIgnored(w http.ResponseWriter, v any) {
	if list := ignored(v); len(list) > 0 {
		w.Header().Set("X-Hanji-Ignored", strings.Join(list, ", "))
	}
}

// present tells whether a parameter was given: null is as good as not there.
func present(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }
