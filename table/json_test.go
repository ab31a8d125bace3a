package table

import (
	"strings"
	"testing"
)

func TestReadJSON(t *testing.T) {
	for _, c := range []struct {
		name, in string
		o        Options
		want     string
	}{
		{"lines", `{"a":1,"b":1.5,"c":true,"d":"x","t":"2016-07-01"}` + "\n" + `{"a":2,"b":null,"c":false,"d":"y","t":null}`, Options{}, "a:int 1 2 | b:float 1.5 · | c:bool true false | d:string x y | t:time 2016-07-01 ·"},
		{"array", "[\n{\"a\":1},\n{\"a\":2}]\n", Options{}, "a:int 1 2"},
		{"union of keys", "{\"a\":1}\n{\"b\":\"x\"}\n{\"a\":3,\"c\":true}\n", Options{}, "a:int 1 · 3 | b:string · x · | c:bool · · true"},
		{"escapes", `{"a":"q\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00\ud800"}`, Options{}, "a:string q\"\\/\b\f\n\r\té😀\ufffd"},
		{"what Python writes", `{"a":NaN}` + "\n" + `{"a":Infinity}` + "\n" + `{"a":-Infinity}`, Options{}, "a:float · inf -inf"},
		{"text stays text", `{"a":"1"}` + "\n" + `{"a":"NA"}`, Options{}, "a:string 1 NA"},
		{"unless told", `{"a":"1"}` + "\n" + `{"a":"NA"}`, Options{Types: map[string]Kind{"a": Float}, Missing: []string{"NA"}}, "a:float 1 ·"},
		{"numbers as text", `{"a":7}` + "\n" + `{"a":"x"}`, Options{Types: map[string]Kind{"a": String}}, "a:string 7 x"},
		{"seconds as times", `{"a":1467331200}`, Options{Types: map[string]Kind{"a": Time}}, "a:time 1467331200"},
		{"columns", `{"a":1,"b":{"c":[1,2,{"d":"}"}]},"e":2}`, Options{Columns: []string{"e", "a"}}, "e:int 2 | a:int 1"},
		{"flattened", `{"a":{"b":{"c":1}},"d":2}`, Options{Flatten: true}, "a.b.c:int 1 | d:int 2"},
		{"nothing but null", `{"a":null,"b":1}`, Options{}, "a:float · | b:int 1"},
		{"first rows", "{\"a\":1}\n{\"a\":2}\n{x", Options{MaxRows: 2}, "a:int 1 2"},
		{"undecided text is no time if one row is not", `{"a":"2016-07-01"}` + "\n" + `{"a":"x"}`, Options{}, "a:string 2016-07-01 x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Read(strings.NewReader(c.in), "x.jsonl", c.o)
			if err != nil {
				t.Fatal(err)
			}
			if s := show(got); s != c.want {
				t.Errorf("got  %s\nwant %s", s, c.want)
			}
		})
	}
}

func TestBadJSON(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"{\"a\":1}\n{\"a\":{}}\n", `table: x.jsonl:2: column "a": an object is no cell of a table; leave it out by naming the columns to read, or set Flatten`},
		{"{\"a\":[1]}\n", `table: x.jsonl:1: column "a": an array is no cell of a table; leave it out by naming the columns to read`},
		{"{\"a\":1}\n{\"a\":\"x\"}\n", `table: x.jsonl:2: column "a": "x" is a string, the rows before hold numbers; make them alike or give the type of the column`},
		{"{\"a\":1,\"a\":2}\n", `table: x.jsonl:1: the key "a" stands twice in one object`},
		{"{\"a\":1}\n{\"a\":\n", `table: x.jsonl:3: no JSON value begins with the end of the file`},
		{"{\"a\":1 \"b\":2}\n", `table: x.jsonl:1: a ',' or '}' should follow a value, not '"'`},
		{"{\"a\":1}\nx\n", `table: x.jsonl:2: 'x' where an object {…} should begin; give one JSON object a line`},
		{"{\"a\":\"x\n\"}\n", `table: x.jsonl:1: a string is never closed`},
		{"{\"a\":\"\\x\"}\n", `table: x.jsonl:1: a backslash in a string followed by what is no escape`},
		{"[{\"a\":1},]", `table: x.jsonl:1: a ',' before the closing ']'`},
		{"[{\"a\":1}", `table: x.jsonl:2: a ',' or ']' should follow an object of the array`},
		{"[{\"a\":1}] 2", `table: x.jsonl:1: text after the end of the array`},
		{"{}\n{}", `table: x.jsonl: the objects have no keys, so there are no columns`},
		{"[]", `table: x.jsonl: the file has no rows`},
		{"{\"a\":tru}", `table: x.jsonl:1: no JSON value begins with 't'`},
		{"{\"a\":01x}", `table: x.jsonl:1: a ',' or '}' should follow a value, not 'x'`},
		{"{\"b\":" + strings.Repeat("[", 100), `table: x.jsonl:1: column "b": an array is no cell of a table; leave it out by naming the columns to read`},
	} {
		got, err := Read(strings.NewReader(c.in), "x.jsonl", Options{})
		if err == nil {
			t.Errorf("%q read as %s", c.in, show(got))
		} else if err.Error() != c.want {
			t.Errorf("%q\ngot  %s\nwant %s", c.in, err, c.want)
		}
	}
	deep := "{\"b\":" + strings.Repeat("[", 1<<20)
	if _, err := Read(strings.NewReader(deep), "x", Options{Columns: []string{"a"}}); err == nil {
		t.Error("a million open brackets were read")
	}
	if _, err := Read(strings.NewReader("{\"a\":1}\n{\"b\":1}\n{\"c\":1}\n"), "x", Options{MaxCells: 5}); err == nil {
		t.Error("nine cells were read where five are allowed")
	}
}

// FuzzJSONL: as FuzzCSV.
func FuzzJSONL(f *testing.F) {
	for _, s := range []string{`{"a":1,"b":"x\u00e9"}` + "\n" + `{"b":null}`, `[{"a":true},{"a":false}]`, `{"a":{"b":[1,-2.5e3]}}`, `{"t":"2016-07-01T00:00:00Z"}`, `{"a":NaN}`} {
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, in string, flatten bool) {
		tb, err := Read(strings.NewReader(in), "f", Options{Format: JSONL, Flatten: flatten})
		if err != nil {
			if tb != nil || strings.Contains(err.Error(), "\n") {
				t.Fatalf("error %q with table %v", err, tb)
			}
			return
		}
		checkReadsBack(t, tb)
	})
}
