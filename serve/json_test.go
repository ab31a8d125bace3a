package serve

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// plain is checkJSON written the obvious way: a call for each level, a set for each object.
func plain(d *json.Decoder, depth int) bool {
	t, err := d.Token()
	if err != nil {
		return false
	}
	delim, ok := t.(json.Delim)
	if !ok {
		return true
	}
	if depth == maxNesting {
		return false
	}
	seen := map[string]bool{}
	for d.More() {
		if delim == '{' {
			key, err := d.Token()
			if err != nil || seen[key.(string)] {
				return false
			}
			seen[key.(string)] = true
		}
		if !plain(d, depth+1) {
			return false
		}
	}
	_, err = d.Token()
	return err == nil
}

func FuzzJSON(f *testing.F) {
	for _, s := range []string{`{"a": {"a": [1, {"a": 2}, "b"]}, "b": "a"}`, `{"a": 1, "\u0061": 2}`, `[{"a": 1}, {"a": 1}]`, `{"a": ["x", "y"], "x": 1, "a": 2}`, `{"": {"": ""}}`, `"a"`, `{"a": "a", "b": "b"} `, `{} {}`,
		"{\"a\xff\": 1}", strings.Repeat("[", maxNesting) + strings.Repeat("]", maxNesting), strings.Repeat(`{"a":`, maxNesting+1) + "1" + strings.Repeat("}", maxNesting+1), `{"a": {"b": 1, "b": 2}}`, `[[], {}, [{}], {"a": {}, "b": []}]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		want := utf8.Valid(b) && json.Valid(b) && plain(json.NewDecoder(bytes.NewReader(b)), 0)
		if got := checkJSON(b); (got == nil) != want {
			t.Errorf("%q: %v, want it taken: %v", b, got, want)
		}
	})
}
