package gguf

import (
	"errors"
	"fmt"
	"math"
	"reflect"
)

// KV is one entry of a file's metadata. Value is a bool, string, uint8, int8,
// uint16, int16, uint32, int32, uint64, int64, float32 or float64, or a slice of
// one of these; its Go type is the type in the file.
type KV struct {
	Key   string
	Value any
}

// Metadata are the entries in the order of the file; no key stands twice in
// what a File gives. The getters take any width of number and any length, and
// name the key in their errors: a model's hyper-parameters are read with them,
// and what a file says is not to be believed.
type Metadata []KV

// ErrNoKey is what a getter's error wraps where the key is missing, which may
// mean a default rather than damage.
var ErrNoKey = errors.New("no such key")

// Get returns the value as it is in the file.
func (m Metadata) Get(key string) (any, bool) {
	for i := range m {
		if m[i].Key == key {
			return m[i].Value, true
		}
	}
	return nil, false
}

// Text returns a string.
func (m Metadata) Text(key string) (string, error) { return one(m, key, "a string", asText) }

// Bool returns a bool.
func (m Metadata) Bool(key string) (bool, error) { return one(m, key, "a bool", asBool) }

// Int returns an integer of any width that an int64 holds.
func (m Metadata) Int(key string) (int64, error) { return one(m, key, "an integer", asInt) }

// Float returns a float of either width, or an integer as float.
func (m Metadata) Float(key string) (float64, error) { return one(m, key, "a number", asFloat) }

// Texts returns an array of strings. Where the file's own array has that type
// already it is returned as it is and must not be written to; so for the others.
func (m Metadata) Texts(key string) ([]string, error) { return many(m, key, "strings", asText) }

// Bools returns an array of bools.
func (m Metadata) Bools(key string) ([]bool, error) { return many(m, key, "bools", asBool) }

// Ints returns an array of integers of any width that an int64 holds.
func (m Metadata) Ints(key string) ([]int64, error) { return many(m, key, "integers", asInt) }

// Floats returns an array of numbers of any type as float64.
func (m Metadata) Floats(key string) ([]float64, error) { return many(m, key, "numbers", asFloat) }

func one[T any](m Metadata, key, want string, as func(any) (T, bool)) (T, error) {
	v, ok := m.Get(key)
	if !ok {
		var zero T
		return zero, fmt.Errorf("gguf: key %q: %w", key, ErrNoKey)
	}
	x, ok := as(v)
	if !ok {
		return x, fmt.Errorf("gguf: key %q is %s, want %s", key, describe(v), want)
	}
	return x, nil
}

func many[T any](m Metadata, key, want string, as func(any) (T, bool)) ([]T, error) {
	v, ok := m.Get(key)
	if !ok {
		return nil, fmt.Errorf("gguf: key %q: %w", key, ErrNoKey)
	}
	if list, ok := v.([]T); ok {
		return list, nil
	}
	list := reflect.ValueOf(v)
	if list.Kind() != reflect.Slice {
		return nil, fmt.Errorf("gguf: key %q is %s, want an array of %s", key, describe(v), want)
	}
	out := make([]T, list.Len())
	for i := range out {
		if out[i], ok = as(list.Index(i).Interface()); !ok {
			return nil, fmt.Errorf("gguf: key %q is %s, want an array of %s", key, describe(v), want)
		}
	}
	return out, nil
}

func asText(v any) (string, bool) { s, ok := v.(string); return s, ok }
func asBool(v any) (bool, bool)   { b, ok := v.(bool); return b, ok }

func asInt(v any) (int64, bool) {
	x := reflect.ValueOf(v)
	switch {
	case x.CanInt():
		return x.Int(), true
	case x.CanUint() && x.Uint() <= math.MaxInt64:
		return int64(x.Uint()), true
	}
	return 0, false
}

func asFloat(v any) (float64, bool) {
	x := reflect.ValueOf(v)
	switch {
	case x.CanFloat():
		return x.Float(), true
	case x.CanInt():
		return float64(x.Int()), true
	case x.CanUint():
		return float64(x.Uint()), true
	}
	return 0, false
}

// describe names a value's type, and the value where it is short.
func describe(v any) string {
	switch kind := reflect.ValueOf(v); kind.Kind() {
	case reflect.Slice:
		return fmt.Sprintf("an array of %d %ss", kind.Len(), kind.Type().Elem())
	case reflect.String:
		return fmt.Sprintf("the string %q", clip(v.(string)))
	}
	return fmt.Sprintf("%v (%T)", v, v)
}
