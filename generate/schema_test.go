package generate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/mail"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// validator judges documents by a schema, from the specification's words, independently of the compiler: documents as
// encoding/json reads them, no automata.
type validator struct{ root any }

func decodeJSON(b []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	return v, err
}

// problem is "" or what is wrong with the document.
func (v validator) problem(schema, doc any) string {
	s, ok := schema.(map[string]any)
	if !ok {
		if schema == true {
			return ""
		}
		return "nothing is allowed"
	}
	if r, ok := s["$ref"].(string); ok {
		target := v.root
		for _, part := range strings.Split(r, "/")[1:] {
			part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
			if list, ok := target.([]any); ok {
				i, _ := strconv.Atoi(part)
				target = list[i]
			} else {
				target = target.(map[string]any)[part]
			}
		}
		return v.problem(target, doc)
	}
	if c, ok := s["const"]; ok && !reflect.DeepEqual(c, doc) {
		return "not the constant"
	}
	if e, ok := s["enum"].([]any); ok && !slices.ContainsFunc(e, func(x any) bool { return reflect.DeepEqual(x, doc) }) {
		return "not in enum"
	}
	for key, want := range map[string]func(fits, of int) bool{
		"anyOf": func(n, _ int) bool { return n > 0 }, "oneOf": func(n, _ int) bool { return n == 1 }, "allOf": func(n, of int) bool { return n == of },
	} {
		if list, ok := s[key].([]any); ok {
			fits := 0
			for _, x := range list {
				if v.problem(x, doc) == "" {
					fits++
				}
			}
			if !want(fits, len(list)) {
				return fmt.Sprintf("%s: fits %d of %d", key, fits, len(list))
			}
		}
	}
	if t, ok := s["type"]; ok {
		types, ok := t.([]any)
		if !ok {
			types = []any{t}
		}
		if !slices.ContainsFunc(types, func(t any) bool { return isType(doc, t.(string)) }) {
			return fmt.Sprintf("not of type %v", t)
		}
	}
	switch doc := doc.(type) {
	case map[string]any:
		return v.object(s, doc)
	case []any:
		return v.array(s, doc)
	case string:
		return stringProblem(s, doc)
	case json.Number:
		return numberProblem(s, doc)
	}
	return ""
}

func isType(doc any, name string) bool {
	switch doc := doc.(type) {
	case nil:
		return name == "null"
	case bool:
		return name == "boolean"
	case string:
		return name == "string"
	case []any:
		return name == "array"
	case map[string]any:
		return name == "object"
	case json.Number:
		f, err := doc.Float64()
		return err == nil && (name == "number" || name == "integer" && f == float64(int64(f)))
	}
	return false
}

func count(s map[string]any, key string, def int) int {
	if n, ok := s[key].(json.Number); ok {
		f, _ := n.Float64()
		return int(f)
	}
	return def
}

func (v validator) object(s, doc map[string]any) string {
	properties, declared := s["properties"].(map[string]any)
	for _, name := range asList(s["required"]) {
		if _, ok := doc[name.(string)]; !ok {
			return fmt.Sprintf("no %v", name)
		}
	}
	if n := len(doc); n > count(s, "maxProperties", 1<<30) { // repeated names count once here, so no minimum
		return "too many members"
	}
	for name, x := range doc {
		p, ok := properties[name]
		if !ok {
			if p, ok = s["additionalProperties"]; !ok {
				p = !declared
			}
		}
		if why := v.problem(p, x); why != "" {
			return fmt.Sprintf("%q: %s", name, why)
		}
	}
	return ""
}

func asList(v any) []any {
	l, _ := v.([]any)
	return l
}

func (v validator) array(s map[string]any, doc []any) string {
	if len(doc) < count(s, "minItems", 0) || len(doc) > count(s, "maxItems", 1<<30) {
		return "too few or many items"
	}
	for i, x := range doc {
		if items, ok := s["items"]; ok {
			if why := v.problem(items, x); why != "" {
				return fmt.Sprintf("item %d: %s", i, why)
			}
		}
	}
	return ""
}

func stringProblem(s map[string]any, doc string) string {
	if n := utf8.RuneCountInString(doc); n < count(s, "minLength", 0) || n > count(s, "maxLength", 1<<30) {
		return "too short or long"
	}
	if p, ok := s["pattern"].(string); ok && !regexp.MustCompile(p).MatchString(doc) {
		return "does not match"
	}
	var err error
	switch s["format"] {
	case "date":
		_, err = time.Parse(time.DateOnly, doc)
	case "date-time":
		_, err = time.Parse(time.RFC3339, doc)
	case "time":
		_, err = time.Parse(time.RFC3339, "2000-01-01T"+doc)
	case "ipv4":
		_, err = netip.ParseAddr(doc)
	case "email":
		_, err = mail.ParseAddress(doc)
	case "uuid":
		if !regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`).MatchString(doc) {
			return "no uuid"
		}
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func numberProblem(s map[string]any, doc json.Number) string {
	x, err := doc.Float64()
	if err != nil {
		return err.Error()
	}
	for key, ok := range map[string]func(limit float64) bool{
		"minimum": func(l float64) bool { return x >= l }, "maximum": func(l float64) bool { return x <= l },
		"exclusiveMinimum": func(l float64) bool { return x > l }, "exclusiveMaximum": func(l float64) bool { return x < l },
	} {
		if n, there := s[key].(json.Number); there {
			if l, _ := n.Float64(); !ok(l) {
				return fmt.Sprintf("%v is beyond %s %v", doc, key, l)
			}
		}
	}
	return ""
}

var schemas = []string{
	`{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer","minimum":0,"maximum":130},"ok":{"type":"boolean"}},"required":["name","age"]}`,
	`{"type":"object","properties":{"a":{"type":"null"},"b":{"type":"number"},"c":{"const":"x\n\"<é>"}}}`,
	`{"properties":{"tags":{"items":{"enum":["red","green","blue",1,null,{"k":[1, 2]},[]]},"minItems":1,"maxItems":3},"nested":{"type":"object","properties":{"deep":{"type":["string","null"],"maxLength":4}},"required":["deep"]}},"required":["nested"]}`,
	`{"$defs":{"node":{"type":"object","properties":{"value":{"type":"integer"},"next":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]}},"required":["value","next"]}},"$ref":"#/$defs/node"}`,
	`{"type":"object","properties":{"children":{"type":"array","items":{"$ref":"#"},"maxItems":2}},"required":["children"]}`,
	`{"oneOf":[{"type":"object","properties":{"kind":{"const":"circle"},"r":{"type":"number","minimum":0}},"required":["kind","r"]},{"type":"object","properties":{"kind":{"const":"square"},"side":{"type":"number","exclusiveMinimum":0,"maximum":10}},"required":["kind","side"]}]}`,
	`{"type":"array","items":{"type":"string","pattern":"^[a-z]{2,4}-\\d+$"},"minItems":2,"maxItems":4}`,
	`{"type":"array","items":{"type":"string","pattern":"\"|\\\\|\\n"},"maxItems":2}`,
	`{"type":"string","minLength":2,"maxLength":5}`,
	`{"type":"object","additionalProperties":{"type":"integer"},"maxProperties":3,"minProperties":1}`,
	`{"type":"object","properties":{"ab":{"type":"string","maxLength":2},"abc":{"type":"null"},"é\"":true},"additionalProperties":{"type":"boolean"},"required":["ab"]}`,
	`{"type":"object"}`, `{}`, `true`, `{"type":"array"}`, `{"type":"array","maxItems":0}`, `{"type":"array","items":false}`,
	`{"type":"object","properties":{"d":{"format":"date"},"t":{"format":"time"},"dt":{"format":"date-time"},"u":{"format":"uuid"},"i":{"format":"ipv4"},"e":{"format":"email"}},"required":["d","t","dt","u","i","e"]}`,
	`{"type":"array","items":{"anyOf":[{"type":"integer","minimum":-17,"maximum":1234},{"type":"integer","exclusiveMinimum":995,"exclusiveMaximum":1003},{"type":"integer","maximum":-99},{"type":"integer","minimum":10}]},"maxItems":6}`,
	`{"type":"array","items":{"anyOf":[{"type":"number","minimum":-17,"maximum":12},{"type":"number","exclusiveMinimum":-1,"exclusiveMaximum":0},{"type":"number","maximum":-99},{"type":"number","exclusiveMinimum":99,"maximum":100},{"type":"number","minimum":5,"maximum":5}]},"maxItems":6}`,
	`{"allOf":[{"type":"boolean","title":"t"}],"description":"d"}`,
	`{"type":["integer","number","null"]}`, `{"const":1.50}`, `{"enum":["a","ab","abc","b",""],"type":"string"}`,
}

func schemaVocabulary(t testing.TB) *Vocabulary {
	return byteVocabulary(t, `{"`, `":`, `": `, `", "`, `"}`, `"}}`, `","`, `{}`, `[]`, `[{`, `}]`, `null`, `true`, `false`, `]}`, "\n", "\n  ", "  ", "name", "kind",
		`"kind": "circle`, "ab", "abc", "12", "00", "0.", "-1", "한", "글", "\xed\x95", `\"`, `\n`, `\u00`, "circle", "20", "é", `"next":`, `value`, "children")
}

// Whatever the logits say, the document is valid JSON and valid by the schema; and nearly all documents end.
func TestSchemaWalk(t *testing.T) {
	v := schemaVocabulary(t)
	for _, schema := range schemas {
		root, err := decodeJSON([]byte(schema))
		if err != nil {
			t.Fatalf("%s: %v", schema, err)
		}
		for _, compact := range []bool{false, true} {
			c, err := JSONSchema(v, []byte(schema), SchemaOptions{MaxDepth: 5, Compact: compact})
			if err != nil {
				t.Errorf("%s: %v", schema, err)
				continue
			}
			if !compact {
				allAlive(t, c, 1500)
			}
			ended := 0
			const walks = 40
			for seed := range uint64(walks) {
				r := closing(t, c, seed)
				if r == "" {
					continue
				}
				ended++
				checkDocument(t, root, schema, r)
				if compact && strings.Contains(strings.ReplaceAll(r, `"`, ""), "\n") {
					t.Errorf("%s: white space in %q", schema, r)
				}
				if !c.Match(r) || c.Match(r+"x") || c.Match(" "+r) {
					t.Errorf("%s: Match is wrong about %q", schema, r)
				}
			}
			if ended < walks/2 {
				t.Errorf("%s: only %d of %d documents ended", schema, ended, walks)
			}
		}
	}
}

func checkDocument(t testing.TB, root any, schema, text string) {
	t.Helper()
	if !json.Valid([]byte(text)) {
		t.Errorf("%s: %q is no JSON", schema, text)
		return
	}
	doc, err := decodeJSON([]byte(text))
	if err != nil {
		t.Errorf("%s: %q: %v", schema, text, err)
		return
	}
	if why := (validator{root}).problem(root, doc); why != "" {
		t.Errorf("%s: %s: %s", schema, text, why)
	}
}

// closing walks with random choices among all allowed tokens, leaning more and more to signs that close something, and
// gives "" if the document did not end all the same.
func closing(t testing.TB, c *Constraint, seed uint64) string {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	m := c.matcher()
	var b []byte
	for i := range 600 {
		set, err := c.allowed(m.at)
		if err != nil {
			t.Fatal(err)
		}
		if m.at.accept && (set.n == 0 || r.IntN(4) == 0) {
			return string(b)
		}
		if set.n == 0 {
			t.Fatalf("dead end after %q", b)
		}
		id := nth(set, r.IntN(set.n))
		if i > 20 && r.IntN(2) == 0 {
			for _, closer := range `"]}0` {
				if set.bits[closer/64]>>(closer%64)&1 != 0 {
					id = closer
					break
				}
			}
		}
		b = append(b, c.v.Text(id)...)
		if err := m.advance(id); err != nil {
			t.Fatal(err)
		}
	}
	return ""
}

// The same through Sequence, with drawn logits and filters that get in the way.
func TestSchemaStream(t *testing.T) {
	v := schemaVocabulary(t)
	ended := 0
	for _, schema := range schemas {
		root, _ := decodeJSON([]byte(schema))
		c, err := JSONSchema(v, []byte(schema), SchemaOptions{MaxDepth: 3})
		if err != nil {
			t.Fatal(err)
		}
		for seed := range uint64(3) {
			r := walk(t, c, seed, Options{MaxTokens: 300, NoRepeatNGram: 2, TopK: 10, PromptLookup: 4})
			if r.Finish == FinishStop {
				ended++
				checkDocument(t, root, schema, r.Text)
			}
		}
	}
	if ended < len(schemas) {
		t.Errorf("only %d documents ended", ended)
	}
}

// Numbers at and beyond their bounds, one by one.
func TestNumberBounds(t *testing.T) {
	v := byteVocabulary(t)
	for _, s := range []struct{ schema, yes, no string }{
		{`{"type":"integer","minimum":7,"maximum":112}`, "7 8 9 10 99 100 112", "6 113 0 -7 07 1000 7.0"},
		{`{"type":"integer","exclusiveMinimum":-3,"exclusiveMaximum":3}`, "-2 -1 0 1 2", "-3 3 -0 00"},
		{`{"type":"integer","minimum":-120,"maximum":-7}`, "-7 -10 -99 -120", "-6 -121 7 0 -0"},
		{`{"type":"integer"}`, "0 -1 999999999999999", "-0 01 1.0 1e3 1000000000000000"},
		{`{"type":"number","minimum":0}`, "0 0.0 0.5 12.25 999999999999999", "-0 -1 -0.5 1e3"},
		{`{"type":"number","exclusiveMinimum":0,"maximum":2}`, "0.1 0.01 1 1.9 2 2.0 2.00", "0 0.0 2.1 2.01 -1"},
		{`{"type":"number","minimum":-2,"exclusiveMaximum":0}`, "-2 -2.0 -1.5 -0.5 -0.01", "0 -0 -0.0 -2.1 0.5"},
		{`{"type":"number","minimum":-1,"maximum":1}`, "-1 -0.5 0 0.5 1 1.0", "-1.1 1.1 2 -0"},
		{`{"type":"number","minimum":3,"maximum":3}`, "3 3.0", "3.1 2 4"},
		{`{"type":"number"}`, "0 -0 1.5 -2e10 3.25E-7 1e+2", "01 1. .5 1e 1e100 +1"},
		{`{"type":"integer","minimum":1e3,"maximum":1.2e3}`, "1000 1200", "999 1201"},
	} {
		c, err := JSONSchema(v, []byte(s.schema), SchemaOptions{})
		if err != nil {
			t.Errorf("%s: %v", s.schema, err)
			continue
		}
		for _, x := range strings.Fields(s.yes) {
			if !c.Match(x) {
				t.Errorf("%s refuses %s", s.schema, x)
			}
		}
		for _, x := range strings.Fields(s.no) {
			if c.Match(x) {
				t.Errorf("%s accepts %s", s.schema, x)
			}
		}
	}
}

// What a person would write is accepted: order, white space, optional members.
func TestSchemaAccepts(t *testing.T) {
	v := byteVocabulary(t)
	for _, s := range []struct {
		schema  string
		yes, no []string
	}{
		{schemas[0], []string{`{"name": "x", "age": 3}`, "{\n  \"name\": \"x\",\n  \"age\": 3,\n  \"ok\": true\n}", `{"name":"\u00e9\\","age":0}`},
			[]string{`{"age": 3, "name": "x"}`, `{"name": "x"}`, `{"name":"x","age":131}`, `{"name":"x","age":1,"z":1}`, `{"name":"x","age":1,}`, `{"name":"\ud800","age":1}`}},
		{schemas[1], []string{`{}`, `{"a": null}`, `{"b": 1}`, `{"a":null,"c":"x\n\"<é>"}`}, []string{`{,"b":1}`, `{"b":1,"a":null}`, `{"a"}`}},
		{schemas[10], []string{`{"ab":"x","z":true}`, `{"ab":"","abc":null,"abcd":false,"a":true,"":true,"é":false}`},
			[]string{`{"ab":"x","ab":true}`, `{"ab":"x","abc":true}`, `{"ab":"x","a\u0062c":true}`, `{"z":true,"ab":"x"}`}},
		{`{"type":"object"}`, []string{`{"a":{"b":[1,"x",null,{}]}}`, `{ }`}, []string{`[]`, `{"a":}`}},
		{schemas[7], []string{`["\""]`, `["a\\b"]`, `["\n"]`}, []string{`["a"]`, `["\t"]`}},
	} {
		c, err := JSONSchema(v, []byte(s.schema), SchemaOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range s.yes {
			if !c.Match(x) {
				t.Errorf("%s refuses %s", s.schema, x)
			}
		}
		for _, x := range s.no {
			if c.Match(x) {
				t.Errorf("%s accepts %s", s.schema, x)
			}
		}
	}
}

func TestSchemaErrors(t *testing.T) {
	v := byteVocabulary(t)
	for schema, want := range map[string]string{
		``:                 "unexpected EOF",
		`{`:                "unexpected EOF",
		`{} {}`:            "more after the schema",
		`{"type":"string"`: "unexpected EOF",
		`{"a":1,"a":2}`:    `"a" stands twice`,
		"\"\xff\"":         "UTF-8",
		`false`:            "want an object or true",
		`{"type":"strin"}`: `type "strin": want one of object, array`,
		`{"type":[]}`:      "type is empty",
		`{"not":{}}`:       `at /: "not" is not supported`,
		`{"type":"array","items":{"type":"integer","multipleOf":3}}`:         `at /items: "multipleOf" is not supported beside "type"`,
		`{"type":"object","properties":{"a/b":{"typ":1}}}`:                   `at /properties/a~1b: "typ" is not supported`,
		`{"type":"object","properties":{"a":{}},"required":["b"]}`:           `"b" is not among the properties`,
		`{"type":"object","properties":{"a":false},"required":["a"]}`:        "want an object or true",
		`{"type":"object","required":["b"]}`:                                 `"b" is not among the properties`,
		`{"$ref":"http://x/y"}`:                                              "only this document",
		`{"$ref":"#/a/b"}`:                                                   "leads nowhere",
		`{"$ref":"#"}`:                                                       "nothing satisfies",
		`{"type":"object","properties":{"x":{"$ref":"#"}},"required":["x"]}`: "nothing satisfies",
		`{"oneOf":[{"type":"integer"},{"type":"number"}]}`:                   "alternatives 0 and 1 may fit",
		`{"oneOf":[]}`:                                              "want a list of schemas",
		`{"allOf":[{},{}]}`:                                         "allOf of 2",
		`{"enum":[]}`:                                               "want a list of values",
		`{"enum":[1,"a"],"type":"string"}`:                          "value 1 is of no type",
		`{"type":"string","minLength":-1}`:                          "minLength is -1",
		`{"type":"string","minLength":3,"maxLength":2}`:             "minLength is 3, more than maxLength 2",
		`{"type":"string","pattern":"("}`:                           "missing closing",
		`{"type":"string","pattern":"a","minLength":3}`:             "only one is supported",
		`{"type":"string","format":"iri"}`:                          `format "iri" is not supported`,
		`{"type":"integer","minimum":3,"maximum":2}`:                "no number lies between",
		`{"type":"number","exclusiveMinimum":3,"maximum":3}`:        "no number lies between",
		`{"type":"number","minimum":0.5}`:                           "want a whole number",
		`{"type":"number","minimum":1.00000000000000000001}`:        "want a whole number",
		`{"type":"number","minimum":1e300}`:                         "beyond the 15 digits",
		`{"type":"array","items":false,"minItems":1}`:               "items is false",
		`{"type":"array","items":3}`:                                "at /items: want an object",
		strings.Repeat(`{"items":`, 300) + strings.Repeat("}", 300): "nested deeper than 200",
		strings.Repeat(" ", 2<<20):                                  "the limit is",
	} {
		_, err := JSONSchema(v, []byte(schema), SchemaOptions{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.100s: %v, want %q", schema, err, want)
		}
	}
	_, err := JSONSchema(v, []byte(`{"properties":{"a":{"not":{}},"b":{"if":{}},"c":{"format":"x"}}}`), SchemaOptions{})
	for _, want := range []string{"/properties/a", "/properties/b", "/properties/c"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not reported in %v", want, err)
		}
	}
	if _, err := JSONSchema(v, []byte(`{"type":"integer","minimum":-1e300,"maximum":1e300}`), SchemaOptions{}); err != nil {
		t.Errorf("bounds beyond all numbers: %v", err)
	}
	// Large but sane.
	var enum strings.Builder
	for i := range 20000 {
		fmt.Fprintf(&enum, `,"value-%d"`, i)
	}
	c, err := JSONSchema(v, []byte(`{"enum":[`+enum.String()[1:]+`]}`), SchemaOptions{})
	if err != nil || !c.Match(`"value-19999"`) || c.Match(`"value-20000"`) {
		t.Errorf("an enum of 20000: %v", err)
	}
	c, err = JSONSchema(v, []byte(`{"type":"array","items":{"type":"array","items":{"type":"string","maxLength":100000},"maxItems":1000000},"minItems":1000}`), SchemaOptions{})
	if err != nil || c.Match(`[["a"]]`) || !c.Match("["+strings.Repeat(`["a"],`, 999)+`["a"]]`) {
		t.Errorf("large counts: %v", err)
	}
}

// What oneOf takes, and what it must refuse: a document that fits two alternatives, if only in another order or
// under another validator's defaults.
func TestOneOf(t *testing.T) {
	v := byteVocabulary(t)
	for alternatives, ok := range map[string]bool{
		`{"type":"string"},{"type":"null"},{"type":"integer"}`:                  true,
		`{"type":"integer"},{"type":"number"}`:                                  false,
		`{"type":"integer","maximum":3},{"type":"number","minimum":4}`:          true,
		`{"type":"integer","maximum":3},{"type":"number","minimum":3}`:          false,
		`{"type":"number","maximum":3},{"type":"number","exclusiveMinimum":3}`:  true,
		`{"const":1},{"const":1.0}`:                                             false,
		`{"const":{"a":1,"b":2}},{"const":{"b":2,"a":1}}`:                       false,
		`{"const":"a"},{"enum":["b","c"]},{"const":null}`:                       true,
		`{"const":"a"},{"type":"string","maxLength":0}`:                         false, // true, but not proved
		`{"items":{}},{"type":"null"}`:                                          false, // without a type null fits both
		`{"type":"object","properties":{"a":{"type":"null"}}},{"type":"array"}`: true,
		`{"type":"object","properties":{"a":{"type":"null"},"b":{"type":"null"}},"required":["a","b"]},{"type":"object","properties":{"b":{"type":"null"},"a":{"type":"null"}},"required":["a","b"]}`:      false,
		`{"type":"object","properties":{"a":{"type":"null"}},"required":["a"]},{"type":"object","properties":{"b":{"type":"null"}},"required":["b"]}`:                                                      true,
		`{"type":"object","properties":{"a":{"type":"null"}},"required":["a"]},{"type":"object","properties":{"b":{"type":"null"}}}`:                                                                       false,
		`{"type":"object","properties":{"a":{"type":"null"}},"required":["a"]},{"type":"object","properties":{"a":{"type":"null"},"b":{"type":"null"}},"required":["a","b"]}`:                              false,
		`{"type":"object","properties":{"a":{"type":"null"}},"required":["a"],"additionalProperties":false},{"type":"object","properties":{"a":{"type":"null"},"b":{"type":"null"}},"required":["a","b"]}`: true,
		`{"type":"object","properties":{"k":{"const":"x"}},"required":["k"]},{"type":"object","properties":{"k":{"const":"y"}}}`:                                                                           true,
		`{"type":"object","properties":{"k":{"const":"x"}}},{"type":"object","properties":{"k":{"const":"y"}}}`:                                                                                            false,
		`{"$ref":"#/$defs/x"},{"anyOf":[{"type":"null"},{"allOf":[{"$ref":"#/$defs/y"}]}]}`:                                                                                                                true,
		`{"$ref":"#/$defs/x"},{"$ref":"#/$defs/x"}`: false,
		`true,{"type":"null"}`:                      false,
	} {
		schema := `{"oneOf":[` + alternatives + `],"$defs":{"x":{"type":"string"},"y":{"type":"boolean"}}}`
		_, err := JSONSchema(v, []byte(schema), SchemaOptions{})
		if ok != (err == nil) || err != nil && !strings.Contains(err.Error(), "may fit the same document") {
			t.Errorf("%s: %v", alternatives, err)
		}
	}
}

func FuzzSchema(f *testing.F) {
	for _, s := range schemas {
		f.Add([]byte(s), uint64(1))
	}
	f.Add([]byte(`{"type":"object","properties":{"a":{"$ref":"#/properties/b"},"b":{"type":["null","string"],"pattern":"a|^b"}}}`), uint64(2))
	f.Add([]byte(`{"oneOf":[{"type":"null"},{"$ref":"#/$defs/x"}],"$defs":{"x":{"items":{"$ref":"#"}}}}`), uint64(3))
	v := byteVocabulary(f, `{"`, `":`, `"}`)
	f.Fuzz(func(t *testing.T, schema []byte, seed uint64) {
		if len(schema) > 1000 {
			return
		}
		c, err := JSONSchema(v, schema, SchemaOptions{MaxDepth: 3})
		if err != nil {
			return
		}
		r := rand.New(rand.NewPCG(seed, 2))
		m := c.matcher()
		var b []byte
		for range 60 {
			set, err := c.allowed(m.at)
			if err != nil {
				return
			}
			if set.n == 0 {
				if !m.at.accept {
					t.Fatalf("%s: a dead end after %q", schema, b)
				}
				break
			}
			id := nth(set, r.IntN(set.n))
			b = append(b, v.Text(id)...)
			if err := m.advance(id); err != nil {
				if err == errAmbiguous {
					return
				}
				t.Fatal(err)
			}
		}
		if !m.at.accept {
			return
		}
		if !json.Valid(b) {
			t.Fatalf("%s: %q is no JSON", schema, b)
		}
		root, err := decodeJSON(schema)
		if err != nil {
			t.Fatal(err)
		}
		checkDocument(t, root, string(schema), string(b))
	})
}
