package table

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
)

// show writes a table as kinds and cells, so that a test can say all of it in a line.
func show(t *Table) string {
	var b strings.Builder
	for i := range t.Columns {
		c := &t.Columns[i]
		fmt.Fprintf(&b, "%s:%s", c.Name, c.Kind)
		for k := range c.Len() {
			text := c.Text(k)
			if c.IsMissing(k) {
				text = "·"
			}
			b.WriteByte(' ')
			b.WriteString(text)
		}
		b.WriteString(" | ")
	}
	return strings.TrimSuffix(b.String(), " | ")
}

func TestReadCSV(t *testing.T) {
	for _, c := range []struct {
		name, in string
		o        Options
		want     string
	}{
		{"kinds", "a,b,c,d,e\n1,1.5,true,2016-07-01,x\n2,,false,,\n", Options{}, "a:int 1 2 | b:float 1.5 · | c:bool true false | d:time 2016-07-01 · | e:string x ·"},
		{"no final line break, CRLF", "a,b\r\n1,x\r\n2,y", Options{}, "a:int 1 2 | b:string x y"},
		{"carriage returns alone", "a,b\r1,x\r2,y\r", Options{}, "a:int 1 2 | b:string x y"},
		{"UTF-8 mark", "\ufeffa,b\n1,2\n", Options{}, "a:int 1 | b:int 2"},
		{"UTF-16 little-endian", "\xff\xfea\x00,\x00b\x00\n\x001\x00,\x00\x3d\xd8\x00\xde\n\x00", Options{}, "a:int 1 | b:string 😀"},
		{"UTF-16 big-endian", "\xfe\xff\x00a\x00\n\x001\x00\n", Options{}, "a:int 1"},
		{"quotes", "a,b\n\"x, y\",1\n\"say \"\"hi\"\"\",2\n\"two\nlines\",3\n\"\"\"\",4\n", Options{}, "a:string x, y say \"hi\" two\nlines \" | b:int 1 2 3 4"},
		{"quoted numbers and missing", "a,b\n\"1\",\"NA\"\n\"2\",\"3\"\n", Options{}, "a:int 1 2 | b:int · 3"},
		{"quote inside a field", "a,b\n5\" pipe,1\n", Options{}, "a:string 5\" pipe | b:int 1"},
		{"no quotes", "a\tb\n\"open\t1\n", Options{NoQuotes: true}, "a:string \"open | b:int 1"},
		{"blank lines", "a,b\n\n1,2\n\r\n\n3,4\n\n", Options{}, "a:int 1 3 | b:int 2 4"},
		{"semicolons and decimal comma", "a;b\n1,5;x\n2,25;y\n", Options{}, "a:float 1.5 2.25 | b:string x y"},
		{"semicolons and points", "a;b\n1.5;x\n2;y\n", Options{}, "a:float 1.5 2 | b:string x y"},
		{"thousands are no decimals", "a\tb\n1,234\tx\n5,678\ty\n", Options{}, "a:string 1,234 5,678 | b:string x y"},
		{"missing as spreadsheets and data frames write it", "a,b\nn/a,#N/A\n1,2\n<NA>,--\n", Options{}, "a:int · 1 · | b:int · 2 ·"},
		{"dates with the names of their parts", "날짜,y\n2023년 1월 5일,1\n2023년 12월 31일,2\n", Options{}, "날짜:time 2023년 1월 5일 2023년 12월 31일 | y:int 1 2"},
		{"tabs", "a\tb\n1\tx,y\n", Options{}, "a:int 1 | b:string x,y"},
		{"bars", "a|b\n1|2\n", Options{}, "a:int 1 | b:int 2"},
		{"separator given", "a:b\n1:2\n", Options{Separator: ':'}, "a:int 1 | b:int 2"},
		{"no header", "1,2\n3,4\n", Options{}, "column1:int 1 3 | column2:int 2 4"},
		{"no header, names in front", "H1,605,586\nH2,3,4\n", Options{}, "column1:string H1 H2 | column2:int 605 3 | column3:int 586 4"},
		{"numbers in the header", "date,0,1\n2016-07-01,1.5,2\n", Options{}, "date:time 2016-07-01 | 0:float 1.5 | 1:int 2"},
		{"header by force", "0,1\n1.5,2\n", Options{Header: Yes}, "0:float 1.5 | 1:int 2"},
		{"no header by force", "a,b\n1,2\n", Options{Header: No}, "column1:string a 1 | column2:string b 2"},
		{"a header that opens like another format", "ID3,ORC\n1,2\n", Options{}, "ID3:int 1 | ORC:int 2"},
		{"text only", "a,b\nx,y\n", Options{}, "a:string x | b:string y"},
		{"a name is missing", ",b\n0,x\n1,y\n", Options{}, "column1:int 0 1 | b:string x y"},
		{"names are trimmed", "a, b\n1, 2\n", Options{}, "a:int 1 | b:int 2"},
		{"blanks around numbers, not in text", "a,b\n 1 , x\n2, y\n", Options{}, "a:int 1 2 | b:string  x  y"},
		{"missing words", "a,b\n1,NA\n-,N/A\n?,nan\nNaN,null\nNULL,None\n, 7\n", Options{}, "a:int 1 · · · · · | b:int · · · · · 7"},
		{"own missing words", "a,b\n-999,x\n2,none\n-999.0,\n", Options{Missing: []string{"-999", "none"}}, "a:int · 2 · | b:string x · "},
		{"nothing in a column", "a,b\n1,\n2,NA\n", Options{}, "a:int 1 2 | b:float · ·"},
		{"integers turn into floats", "a\n1\n\n2\n3.5\n", Options{}, "a:float 1 2 3.5"},
		{"and past 64 bits", "a\n1\n9223372036854775808\n-9223372036854775808\n", Options{}, "a:float 1 9.223372036854776e+18 -9.223372036854776e+18"},
		{"extremes of int", "a\n9223372036854775807\n-9223372036854775808\n", Options{}, "a:int 9223372036854775807 -9223372036854775808"},
		{"names made of digits", "id,y\n007,1\n012,2\n", Options{}, "id:string 007 012 | y:int 1 2"},
		{"numbers and words", "a\n1\nx\n2\ny\n", Options{}, "a:string 1 x 2 y"},
		{"infinity", "a\n1\ninf\n-Infinity\n", Options{}, "a:float 1 inf -inf"},
		{"truth values", "a\ntrue\nFalse\nTRUE\n\"\"\n", Options{}, "a:bool true false true ·"},
		{"almost truth values", "a\ntrue\nfalse\nmaybe\n", Options{}, "a:string true false maybe"},
		{"columns in the order wanted", "a,b,c\n1,x,3\n", Options{Columns: []string{"c", "a"}}, "c:int 3 | a:int 1"},
		{"types", "a,b,c,d\n1,1,1,2\n", Options{Types: map[string]Kind{"a": String, "b": Float, "c": Bool}}, "a:string 1 | b:float 1 | c:bool true | d:int 2"},
		{"whole floats as integers", "a\n1.0\n2e3\n", Options{Types: map[string]Kind{"a": Int}}, "a:int 1 2000"},
		{"first rows", "a\n1\n2\nx\n", Options{MaxRows: 2}, "a:int 1 2"},
		{"one column with a gap", "a\n1\n\"\"\n3\n", Options{}, "a:int 1 · 3"},
		{"empty but allowed", "a,b\n", Options{AllowEmpty: true}, "a:float | b:float"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Read(strings.NewReader(c.in), "x.csv", c.o)
			if err != nil {
				t.Fatal(err)
			}
			if s := show(got); s != c.want {
				t.Errorf("got  %s\nwant %s", s, c.want)
			}
		})
	}
}

// A guess from the first rows must hold for a column that changes far behind them.
func TestLateChanges(t *testing.T) {
	var b strings.Builder
	b.WriteString("id,n,x,w\n")
	for i := range 1000 {
		id, n, w := fmt.Sprint(i), fmt.Sprint(i), fmt.Sprint(i)
		if i == 900 {
			n = "900.5"
		}
		if i == 500 {
			id = "0500"
		}
		if i%4 == 3 && i > 300 {
			w = "w" + w
		}
		fmt.Fprintf(&b, "%s,%s,,%s\n", id, n, w)
	}
	got, err := Read(strings.NewReader(b.String()), "x.csv", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if k := got.Column("n").Kind; k != Float || got.Column("n").Floats[900] != 900.5 || got.Column("n").Floats[899] != 899 {
		t.Errorf("n is %v", k)
	}
	if c := got.Column("id"); c.Kind != String || c.Strings[500] != "0500" || c.Strings[999] != "999" {
		t.Errorf("id is %v", c.Kind)
	}
	if c := got.Column("w"); c.Kind != String || c.Strings[3] != "3" || c.Strings[999] != "w999" {
		t.Errorf("w is %v", c.Kind)
	}
	if c := got.Column("x"); c.Kind != Float || c.CountMissing() != 1000 || !math.IsNaN(c.Floats[0]) {
		t.Errorf("x is %v", c.Kind)
	}
}

func TestLines(t *testing.T) {
	got, err := Read(strings.NewReader("a,b\n1,x\n\n2,\"two\nlines\"\n3,y\n4,\"\r\n\"\n5,z\n"), "x.csv", Options{})
	if err != nil {
		t.Fatal(err)
	}
	for row, want := range []int{2, 4, 6, 7, 9} {
		if line := got.LineOf(row); line != want {
			t.Errorf("row %d: line %d, want %d", row, line, want)
		}
	}
	if w := got.Where(1); w != "x.csv:4" {
		t.Errorf("Where says %s", w)
	}
	if w := (&Table{Name: "x.parquet"}).Where(1); w != "x.parquet: row 2" {
		t.Errorf("Where says %s", w)
	}
}

func TestConvert(t *testing.T) {
	tb, err := Read(strings.NewReader("year,x,s\n1949,1.5,7\n\n1950,2,closed\n1951,,abc\n"), "x.csv", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := tb.Convert("year", Time, Options{}); err != nil {
		t.Fatal(err)
	}
	if err := tb.Convert("x", String, Options{}); err != nil {
		t.Fatal(err)
	}
	const want = `table: x.csv:5: column "s": "abc" is not a number; fix the cell or give --missing abc`
	if err := tb.Convert("s", Float, Options{Missing: []string{"closed"}}); err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
	if err := tb.Convert("z", Float, Options{}); err == nil || err.Error() != `table: x.csv: no column "z"; there are year, x, s` {
		t.Errorf("got %v", err)
	}
	if s := show(tb); s != "year:time 1949 1950 1951 | x:string 1.5 2 · | s:string 7 closed abc" {
		t.Error(s)
	}
	if err := tb.Convert("s", Float, Options{Missing: []string{"closed", "abc"}}); err != nil || show(tb) != "year:time 1949 1950 1951 | x:string 1.5 2 · | s:float 7 · ·" {
		t.Error(err, show(tb))
	}
}

// sales is a file of 5000 numbers whose line 4,812 holds cell.
func sales(cell string) string {
	var b strings.Builder
	b.WriteString("date,OT\n")
	for i := 2; i <= 5001; i++ {
		v := "1.5"
		if i == 4812 {
			v = cell
		}
		b.WriteString("2016-07-01," + v + "\n")
	}
	return b.String()
}

func TestBadInput(t *testing.T) {
	asFloat := Options{Types: map[string]Kind{"b": Float}}
	for _, c := range []struct {
		name, file, in string
		o              Options
		want           string
	}{
		{"text among numbers", "sales.csv", sales("abc"), Options{}, `table: sales.csv:4812: column "OT": "abc" is not a number; fix the cell or give --missing abc`},
		{"text that a shell would cut", "sales.csv", sales("n a"), Options{}, `table: sales.csv:4812: column "OT": "n a" is not a number; fix the cell or give --missing "n a"`},
		{"text in a column said to be numbers", "x.csv", "a,b\n1,x\n2,y\n", asFloat, `table: x.csv:2: column "b": "x" is not a number; fix the cell or give --missing x`},
		{"lines inside quotes count", "x.csv", "a,b\n\"1\n2\n3\",1\nz,x\n", asFloat, `table: x.csv:5: column "b": "x" is not a number; fix the cell or give --missing x`},
		{"half a number", "x.csv", "b\n1.5\n", Options{Types: map[string]Kind{"b": Int}}, `table: x.csv:2: column "b": "1.5" is not a whole number; fix the cell or give --missing 1.5`},
		{"no truth value", "x.csv", "b\nmaybe\n", Options{Types: map[string]Kind{"b": Bool}}, `table: x.csv:2: column "b": "maybe" is neither true nor false; fix the cell or give --missing maybe`},
		{"no time", "x.csv", "b\nnoon\n", Options{Types: map[string]Kind{"b": Time}}, `table: x.csv:2: column "b": "noon" is not a time; fix the cell or give --time-format`},
		{"a field too few", "x.csv", "a,b,c\n1,2,3\n4,5\n", Options{}, `table: x.csv:3: 2 fields here, the header has 3; add the missing ones`},
		{"a field too many", "x.csv", "a,b\n1,2\n3,4,5\n", Options{}, `table: x.csv:3: 3 fields here, the header has 2; quote fields that contain ','`},
		{"without a header", "x.csv", "1,2\n3,4\n5\n", Options{}, `table: x.csv:3: 1 field here, the first row has 2; add the missing ones`},
		{"two columns of one name", "x.csv", "a,OT,b,OT\n1,2,3,4\n", Options{}, `table: x.csv:1: columns 2 and 4 are both named "OT"; rename one`},
		{"an open quote", "x.csv", "a,b\n1,\"x\n2,y\n", Options{}, `table: x.csv:2: a quote opened here is never closed; close it or set NoQuotes`},
		{"text behind a quote", "x.csv", "a,b\n1,\"x\"y\n", Options{}, `table: x.csv:2: text after the closing quote of "x"; double quotes inside a quoted field ("") or set NoQuotes`},
		{"no such column", "x.csv", "a,b\n1,2\n", Options{Columns: []string{"c"}}, `table: x.csv: no column "c"; there are a, b`},
		{"type of no column", "x.csv", "a,b\n1,2\n", Options{Types: map[string]Kind{"c": Int}}, `table: x.csv: no column "c"; there are a, b`},
		{"empty", "x.csv", "", Options{}, `table: x.csv: the file is empty`},
		{"blank", "x.csv", "\n \n", Options{}, `table: x.csv: the file is empty`},
		{"header only", "x.csv", "a,b\n", Options{}, `table: x.csv: the file has a header and no rows`},
		{"JPEG", "x.jpg", "\xff\xd8\xff\xe0\x00\x10JFIF", Options{}, `table: x.jpg: this is a JPEG image, not a table; give CSV, TSV, JSONL or Parquet`},
		{"PNG named CSV", "x.csv", "\x89PNG\r\n\x1a\n\x00", Options{}, `table: x.csv: this is a PNG image, not a table; give CSV, TSV, JSONL or Parquet`},
		{"PDF", "x.pdf", "%PDF-1.7\n", Options{}, `table: x.pdf: this is a PDF document, not a table; give CSV, TSV, JSONL or Parquet`},
		{"Excel", "x.xlsx", "PK\x03\x04\x14\x00", Options{}, `table: x.xlsx: this is a zip archive (.xlsx and .npz are too), not a table; give CSV, TSV, JSONL or Parquet`},
		{"binary", "x.bin", "abc\n\x01\x00\x02", Options{}, `table: x.bin:2: this is a binary file (it holds a NUL byte), not a table; give CSV, TSV, JSONL or Parquet`},
		{"Korean in CP949", "x.csv", "\xb3\xaf\xc2\xa5,y\n2023-01-01,1\n", Options{}, `table: x.csv:1: the text is not UTF-8 (byte 0xb3); save it as UTF-8, or convert it: iconv -f CP949 -t UTF-8 for Korean, CP1252 for western Windows`},
		{"Latin-1 further down", "x.csv", "name,y\nfür,1\ngr\xfc\xdfe,2\n", Options{}, `table: x.csv:3: the text is not UTF-8 (byte 0xfc); save it as UTF-8, or convert it: iconv -f CP949 -t UTF-8 for Korean, CP1252 for western Windows`},
		{"LFS pointer", "x.csv", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n", Options{}, `table: x.csv: this is a Git LFS pointer, not a table; run git lfs pull`},
		{"odd UTF-16", "x.csv", "\xff\xfea\x00b", Options{}, `table: x.csv: UTF-16 text of an odd number of bytes; the file is cut off or damaged`},
		{"too many bytes", "x.csv", "a\n1\n2\n3\n", Options{MaxBytes: 5}, `table: x.csv: more than 5 bytes of content; raise MaxBytes or split the file`},
		{"too many cells", "x.csv", "a\n1\n2\n3\n", Options{MaxCells: 2}, `table: x.csv:4: more than 2 cells; read fewer columns or rows, or raise MaxCells`},
		{"too many columns", "x.csv", "a,b,c\n1,2,3\n", Options{MaxColumns: 2}, `table: x.csv:1: more than 2 columns`},
		{"damaged gzip", "x.gz", "\x1f\x8b\x08\x00", Options{}, `table: x.gz: damaged gzip data: unexpected EOF`},
		{"bad options", "x.csv", "a\n", Options{Separator: '"', Decimal: ';'}, "table: separator '\"' cannot part fields\ntable: decimal mark ';'; give '.' or ','"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Read(strings.NewReader(c.in), c.file, c.o)
			if err == nil {
				t.Fatalf("read as %s", show(got))
			}
			if err.Error() != c.want {
				t.Errorf("got  %s\nwant %s", err, c.want)
			}
		})
	}
	_, err := Read(strings.NewReader(""), "x", Options{})
	if !errors.Is(err, ErrEmpty) {
		t.Errorf("%v is not ErrEmpty", err)
	}
	var e *Error
	if _, err = Read(strings.NewReader(sales("abc")), "s", Options{}); !errors.As(err, &e) || e.Line != 4812 || e.Column != "OT" {
		t.Errorf("%#v does not name the place", err)
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(dir, Options{}); err == nil || err.Error() != "table: "+dir+": this is a directory; name a file in it" {
		t.Errorf("directory: %v", err)
	}
	if _, err := Open(dir+"/none.csv", Options{}); err == nil || !strings.HasPrefix(err.Error(), "table: open ") {
		t.Errorf("missing file: %v", err)
	}
}

// FuzzCSV: no text may crash the reader, and a table that was read reads back the same from what is written.
func FuzzCSV(f *testing.F) {
	for _, s := range []string{"a,b\n1,x\n2,\"y\"\"z\"\n", "a;b\n1,5;2016-07-01 00:00\n", "\xff\xfea\x00\n\x001\x00", "1\t2\n", "when\n01/02/2016\n13/02/2016\n",
		"a\n\"\"\nNaN\n007\n", "a,b\r\n\"x\r\ny\",\r\n", "t\n2016-07-01T00:00:00+02:00\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		tb, err := Read(strings.NewReader(string(in)), "f", Options{Format: CSV})
		if err != nil {
			if tb != nil || strings.Contains(err.Error(), "\n") {
				t.Fatalf("error %q with table %v", err, tb)
			}
			return
		}
		checkReadsBack(t, tb)
	})
}
