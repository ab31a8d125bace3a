package golden

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Float is a float64 that also reads the fixtures' text for what JSON has no
// number for: "nan", "inf", "-inf" (any case, "Infinity" too), and null as NaN.
type Float float64

// UnmarshalJSON implements json.Unmarshaler.
func (f *Float) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*f = Float(math.NaN())
		return nil
	}
	text := strings.Trim(string(b), `"`)
	if v, ok := nonFinite(text); ok {
		*f = Float(v)
		return nil
	}
	return json.Unmarshal(b, (*float64)(f))
}

func nonFinite(text string) (float64, bool) {
	switch strings.ToLower(text) {
	case "nan":
		return math.NaN(), true
	case "inf", "infinity", "+inf", "+infinity":
		return math.Inf(1), true
	case "-inf", "-infinity":
		return math.Inf(-1), true
	}
	return 0, false
}

// Floats returns the number, or the nested lists of numbers, at path (as for
// Raw), flat; the test fails if there is anything else.
func (c *Case) Floats(path string) []float64 {
	c.t.Helper()
	raw := c.Raw(path)
	if raw == nil {
		c.t.Fatalf("golden: %s/%s has no %q", c.Area, c.Name, path)
	}
	v, err := valuesOf(raw)
	if err == nil && v.f == nil && v.len() > 0 {
		err = fmt.Errorf("holds text")
	}
	if err != nil {
		c.t.Fatalf("golden: %s/%s: %s: %v", c.Area, c.Name, path, err)
	}
	return v.f
}

// values is anything Check takes, flat: numbers (f, and i as well where all are
// integers), or text. JSON lists of only "nan" and "inf" are both.
type values struct {
	f      []float64
	i      []int64
	text   []string
	shape  []int
	shaped bool // shape was given, not made up from the length
}

func (v values) len() int { return max(len(v.f), len(v.text)) }

func (v values) show(i int) string {
	if v.i != nil {
		return strconv.FormatInt(v.i[i], 10)
	}
	return strconv.FormatFloat(v.f[i], 'g', 9, 64)
}

func valuesOf(x any) (values, error) {
	switch x := x.(type) {
	case Tensor:
		return values{f: x.F64, i: x.I64, shape: x.Shape, shaped: true}, nil
	case json.RawMessage:
		return valuesOfJSON(x)
	case []float64:
		return values{f: x, shape: []int{len(x)}}, nil
	case []float32:
		return floats(x), nil
	case []Float:
		return floats(x), nil
	case float64:
		return values{f: []float64{x}}, nil
	case float32:
		return values{f: []float64{float64(x)}}, nil
	case Float:
		return values{f: []float64{float64(x)}}, nil
	case []int:
		return ints(x), nil
	case []int8:
		return ints(x), nil
	case []int16:
		return ints(x), nil
	case []int32:
		return ints(x), nil
	case []int64:
		return ints(x), nil
	case []uint8:
		return ints(x), nil
	case []uint16:
		return ints(x), nil
	case []uint32:
		return ints(x), nil
	case int:
		return scalar(ints([]int{x})), nil
	case int32:
		return scalar(ints([]int32{x})), nil
	case int64:
		return scalar(ints([]int64{x})), nil
	case bool:
		return scalar(bools([]bool{x})), nil
	case []bool:
		return bools(x), nil
	case string:
		return values{text: []string{x}}, nil
	case []string:
		return values{text: x, shape: []int{len(x)}}, nil
	}
	return values{}, fmt.Errorf("%T is no type that golden compares", x)
}

func scalar(v values) values { v.shape = nil; return v }

func floats[T ~float32 | ~float64](x []T) values {
	v := values{f: make([]float64, len(x)), shape: []int{len(x)}}
	for i := range x {
		v.f[i] = float64(x[i])
	}
	return v
}

func ints[T int | int8 | int16 | int32 | int64 | uint8 | uint16 | uint32](x []T) values {
	v := values{f: make([]float64, len(x)), i: make([]int64, len(x)), shape: []int{len(x)}}
	for i := range x {
		v.f[i], v.i[i] = float64(x[i]), int64(x[i])
	}
	return v
}

func bools(x []bool) values {
	n := make([]uint8, len(x))
	for i, b := range x {
		if b {
			n[i] = 1
		}
	}
	return ints(n)
}

// valuesOfJSON flattens nested lists.
func valuesOfJSON(raw json.RawMessage) (values, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var x any
	if err := dec.Decode(&x); err != nil {
		return values{}, err
	}
	v := values{i: []int64{}, text: []string{}, f: []float64{}, shape: shapeOf(x)}
	if err := v.add(x); err != nil {
		return values{}, err
	}
	n := 1
	for _, d := range v.shape {
		n *= d
	}
	if n != v.len() { // ragged
		v.shape = []int{v.len()}
	}
	return v, nil
}

// shapeOf follows the first element down.
func shapeOf(x any) []int {
	list, ok := x.([]any)
	if !ok {
		return nil
	}
	if len(list) == 0 {
		return []int{0}
	}
	return append([]int{len(list)}, shapeOf(list[0])...)
}

// add appends one JSON value to every reading (float, integer, text) that all
// values so far allow; a reading that an element rules out becomes nil.
func (v *values) add(x any) error {
	f, i, s := math.NaN(), int64(0), ""
	asFloat, asInt, asText := true, false, false
	switch x := x.(type) {
	case []any:
		for _, e := range x {
			if err := v.add(e); err != nil {
				return err
			}
		}
		return nil
	case map[string]any:
		return fmt.Errorf("an object where a value was expected")
	case nil: // a float that is not finite
	case bool:
		asInt = true
		if f = 0; x {
			f, i = 1, 1
		}
	case json.Number:
		var err error
		if f, err = x.Float64(); err != nil {
			return err
		}
		if i, err = x.Int64(); err == nil {
			asInt = true
		}
	case string:
		f, asFloat = nonFinite(x)
		s, asText = x, true
	}
	v.f, v.i, v.text = keep(v.f, f, asFloat), keep(v.i, i, asInt), keep(v.text, s, asText)
	if v.f == nil && v.text == nil {
		return fmt.Errorf("numbers and text in one list")
	}
	return nil
}

func keep[T any](list []T, x T, ok bool) []T {
	if !ok || list == nil {
		return nil
	}
	return append(list, x)
}
