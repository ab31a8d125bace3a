package main

import (
	"fmt"
	"math"
	"reflect"
	"strings"

	"github.com/hanji-ml/hanji/gguf"
)

// shownElements is how many elements of an array are shown: a vocabulary has a hundred thousand.
const shownElements = 8

// arrayInfo stands for an array of more elements than are shown.
type arrayInfo struct {
	Count int    `json:"count"`
	Type  string `json:"type"`
	First any    `json:"first"`
}

func (c *contents) readGGUF(path string) error {
	f, err := gguf.OpenModel(path)
	if err != nil {
		return err
	}
	defer f.Close()
	c.Metadata = map[string]any{}
	for _, kv := range f.Metadata() {
		c.Metadata[kv.Key] = shorten(kv.Value)
	}
	for _, name := range f.Names() {
		t, _ := f.Tensor(name)
		c.count(tensorInfo{t.Name, t.Type.String(), t.Shape, len(t.Data)}, t.Len())
	}
	if c.Values > 0 {
		c.Bits = 8 * float64(c.Bytes) / float64(c.Values)
	}
	return nil
}

// shorten makes a value fit for JSON and for a line: arrays are cut, and a float that JSON has no
// number for becomes text.
func shorten(value any) any {
	v := reflect.ValueOf(value)
	if v.Kind() != reflect.Slice {
		return finite(value)
	}
	first := make([]any, min(v.Len(), shownElements))
	for i := range first {
		first[i] = finite(v.Index(i).Interface())
	}
	if v.Len() <= shownElements {
		return first
	}
	return arrayInfo{v.Len(), v.Type().Elem().String(), first}
}

func finite(value any) any {
	if v := reflect.ValueOf(value); v.CanFloat() && (math.IsInf(v.Float(), 0) || math.IsNaN(v.Float())) {
		return fmt.Sprint(value)
	}
	return value
}

// metadataText is a value of the metadata on one line.
func metadataText(value any) string {
	switch v := value.(type) {
	case arrayInfo:
		return fmt.Sprintf("%s %d of type %s", listText(v.First.([]any), " ..."), v.Count, v.Type)
	case []any:
		return listText(v, "")
	}
	return clip(fmt.Sprint(value))
}

func listText(list []any, more string) string {
	parts := make([]string, len(list))
	for i, v := range list {
		parts[i] = clip(fmt.Sprint(v))
		if _, ok := v.(string); ok {
			parts[i] = fmt.Sprintf("%q", parts[i])
		}
	}
	return "[" + strings.Join(parts, " ") + more + "]"
}
