package generate

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

type mood string

type address struct {
	City string  `json:"city"`
	Lat  float64 `json:"lat"`
}

type person struct {
	Name    string `json:"name" description:"as in \"Kim\""`
	Age     uint8
	Mood    mood           `json:"mood" enum:"good,bad"`
	Home    *address       `json:"home"`
	Work    address        `json:"work,omitzero"`
	Friends []person       `json:"friends,omitempty"`
	Scores  map[string]int `json:"scores,omitempty"`
	Pair    [2]float32     `json:"pair"`
	Born    time.Time      `json:"born"`
	Photo   []byte         `json:"photo"`
	Extra   any            `json:"extra,omitempty" description:"anything"`
	Raw     json.RawMessage
	Level   int8
	Secret  string `json:"-"`
	hidden  int
}

// Every document of a type's schema decodes into the type, no member unknown.
func TestSchemaFor(t *testing.T) {
	v := schemaVocabulary(t)
	for _, typ := range []reflect.Type{
		reflect.TypeFor[person](), reflect.TypeFor[*person](), reflect.TypeFor[[]address](), reflect.TypeFor[map[string]bool](),
		reflect.TypeFor[int](), reflect.TypeFor[struct{ A, B bool }](),
	} {
		schema, err := SchemaFor(typ)
		if err != nil {
			t.Fatal(err)
		}
		c, err := JSONSchema(v, schema, SchemaOptions{MaxDepth: 4})
		if err != nil {
			t.Fatalf("%s: %v", schema, err)
		}
		root, _ := decodeJSON(schema)
		ended := 0
		for seed := range uint64(40) {
			text := closing(t, c, seed)
			if text == "" {
				continue
			}
			ended++
			checkDocument(t, root, string(schema), text)
			d := json.NewDecoder(strings.NewReader(text))
			d.DisallowUnknownFields()
			if err := d.Decode(reflect.New(typ).Interface()); err != nil {
				t.Errorf("%s: %s: %v", typ, text, err)
			}
		}
		if ended < 10 {
			t.Errorf("%s: only %d documents ended", typ, ended)
		}
	}
}

// What encoding/json writes of a value is a document of its type's schema.
func TestSchemaForAccepts(t *testing.T) {
	schema, err := SchemaFor(reflect.TypeFor[person]())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(schema, []byte(`"required":["name","Age","mood","home","pair","born","photo","Raw","Level"]`)) {
		t.Errorf("required is wrong in %s", schema)
	}
	c, err := JSONSchema(byteVocabulary(t), schema, SchemaOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p := person{
		Name: "Ann <a@b>", Age: 3, Mood: "good", Home: &address{"서울", 37.5}, Pair: [2]float32{1, -2.5}, Born: time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC),
		Photo: []byte("abcd"), Raw: json.RawMessage(`{"x":[1]}`), Level: -128, Scores: map[string]int{"a": 1}, hidden: 1,
	}
	p.Friends = []person{{Mood: "bad", Born: p.Born, Photo: []byte{}, Raw: json.RawMessage("1")}}
	for _, p := range []person{p, p.Friends[0]} {
		b, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		// An absent work is {} in older encoders, and omitzero leaves it out; & < > are written as \u00XX.
		if !c.Match(string(b)) {
			t.Errorf("%s is refused", b)
		}
	}
	if c.Match(`{"name":"x"}`) {
		t.Error("a person without age is accepted")
	}
}

type self []self

type decodesItself struct{}

func (*decodesItself) UnmarshalJSON([]byte) error { return nil }

func TestSchemaForErrors(t *testing.T) {
	for _, c := range []struct {
		typ  reflect.Type
		want string
	}{
		{nil, "no type"},
		{reflect.TypeFor[func()](), "no JSON is a func()"},
		{reflect.TypeFor[struct{ C chan int }](), ".C: no JSON is a chan int"},
		{reflect.TypeFor[map[int]string](), "keys of type int"},
		{reflect.TypeFor[self](), "must be a struct"},
		{reflect.TypeFor[decodesItself](), "decodes itself"},
		{reflect.TypeFor[struct{ address }](), "embedded"},
		{reflect.TypeFor[struct {
			A int `json:",string"`
		}](), "option string"},
		{reflect.TypeFor[struct {
			A int `enum:"1,2"`
		}](), "enum tag is for strings"},
	} {
		if _, err := SchemaFor(c.typ); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.typ, err, c.want)
		}
	}
}
