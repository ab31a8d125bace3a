package serve

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"unicode/utf8"
)

// maxNesting bounds how deep a request's JSON may be nested; a schema of tools has some ten levels.
const maxNesting = 100

// checkJSON holds a body to one value of JSON in UTF-8 without names that come twice in an object, whose meaning would
// depend on the reader, and without deep nesting.
func checkJSON(b []byte) *fault {
	bad := func(format string, args ...any) *fault {
		return faultf(http.StatusBadRequest, "invalid_json", format, args...)
	}
	if len(bytes.TrimSpace(b)) == 0 {
		return bad("the body is empty, want a JSON object")
	}
	if !utf8.Valid(b) {
		return bad("the body is not UTF-8")
	}
	if !json.Valid(b) {
		var v json.RawMessage
		return bad("the body is no JSON: %v", json.Unmarshal(b, &v))
	}
	in := nesting{seen: map[name]struct{}{}}
	for d := json.NewDecoder(bytes.NewReader(b)); ; {
		t, err := d.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return bad("the body is no JSON: %v", err)
		}
		switch t := t.(type) {
		case json.Delim:
			if t == '}' || t == ']' {
				in.close()
			} else if in.open(t == '{'); len(in.levels) > maxNesting {
				return bad("the body is nested deeper than %d levels", maxNesting)
			}
		case string:
			if in.key() && in.twice(t) {
				return &fault{http.StatusBadRequest, clip(t), "invalid_json", "the body names " + clip(t) + " twice in one object"}
			}
		default:
			in.value()
		}
	}
}

// nesting is where a walk over JSON has come to. The names of all open objects stand in one set, so that memory does not grow
// with the number of objects.
type nesting struct {
	levels  []level
	names   []name
	seen    map[name]struct{}
	objects int
}

type level struct {
	object int  // its number, from 1; 0: a list
	key    bool // a name comes next
	names  int  // of the objects around it
}

type name struct {
	object int
	text   string
}

func (n *nesting) top() *level {
	if len(n.levels) == 0 {
		return &level{}
	}
	return &n.levels[len(n.levels)-1]
}

// value notes that one has come: what follows it in an object is a name.
func (n *nesting) value() {
	if l := n.top(); l.object > 0 {
		l.key = true
	}
}

// key tells whether the text that has come is a name, and not a value.
func (n *nesting) key() bool {
	if l := n.top(); l.key {
		l.key = false
		return true
	}
	n.value()
	return false
}

func (n *nesting) twice(text string) bool {
	k := name{n.top().object, text}
	_, there := n.seen[k]
	n.seen[k] = struct{}{}
	n.names = append(n.names, k)
	return there
}

func (n *nesting) open(object bool) {
	n.value()
	l := level{names: len(n.names), key: object}
	if object {
		n.objects++
		l.object = n.objects
	}
	n.levels = append(n.levels, l)
}

func (n *nesting) close() {
	from := n.top().names
	for _, k := range n.names[from:] {
		delete(n.seen, k)
	}
	n.names = n.names[:from]
	n.levels = n.levels[:len(n.levels)-1]
}
