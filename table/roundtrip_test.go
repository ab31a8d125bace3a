package table

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// types gives the kinds of a table's columns, for reading it back without guessing.
func types(t *Table) map[string]Kind {
	m := map[string]Kind{}
	for i := range t.Columns {
		m[t.Columns[i].Name] = t.Columns[i].Kind
	}
	return m
}

// same compares values: instants for times, bits for floats (any NaN is missing).
func same(a, b *Table) error {
	if strings.Join(a.Names(), "\x00") != strings.Join(b.Names(), "\x00") || a.Rows() != b.Rows() {
		return fmt.Errorf("columns %q of %d rows became %q of %d", a.Names(), a.Rows(), b.Names(), b.Rows())
	}
	for i := range a.Columns {
		x, y := &a.Columns[i], &b.Columns[i]
		if x.Kind != y.Kind {
			return fmt.Errorf("column %q: %v became %v", x.Name, x.Kind, y.Kind)
		}
		for k := range x.Len() {
			equal := x.IsMissing(k) == y.IsMissing(k)
			if equal && !x.IsMissing(k) {
				switch x.Kind {
				case Int:
					equal = x.Ints[k] == y.Ints[k]
				case Float:
					equal = math.Float64bits(x.Floats[k]) == math.Float64bits(y.Floats[k])
				case Bool:
					equal = x.Bools[k] == y.Bools[k]
				case Time:
					equal = x.Times[k].Equal(y.Times[k])
				case String:
					equal = x.Strings[k] == y.Strings[k]
				}
			}
			if !equal {
				return fmt.Errorf("column %q row %d: %q became %q", x.Name, k, x.Text(k), y.Text(k))
			}
		}
	}
	return nil
}

type fataler interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// locationOf is the one zone of the naive times of a table, which a reader has to be told.
func locationOf(t *Table) *time.Location {
	for i := range t.Columns {
		c := &t.Columns[i]
		for k := range c.Times {
			if !c.IsMissing(k) && c.Times[k].Location() != time.UTC {
				return nil
			}
		}
	}
	return nil
}

// checkReadsBack writes a table in each format and reads it back. Texts that only CSV or JSON cannot hold are passed over.
func checkReadsBack(t fataler, tb *Table) {
	t.Helper()
	var buf bytes.Buffer
	if err := WriteParquet(&buf, tb); err != nil {
		if !strings.Contains(err.Error(), "does not fit a timestamp") {
			t.Fatal(err)
		}
	} else {
		got, err := Read(bytes.NewReader(buf.Bytes()), "x", Options{AllowEmpty: true, Location: locationOf(tb)})
		if err != nil {
			t.Fatalf("Parquet: %v", err)
		}
		if err := same(tb, got); err != nil {
			t.Fatalf("Parquet: %v", err)
		}
	}
	missing := false
	infinite := false
	for i := range tb.Columns {
		c := &tb.Columns[i]
		for k, s := range c.Strings {
			if !c.IsMissing(k) && newMissingSet(DefaultMissing(), '.').has(trimBlank([]byte(s))) || strings.ContainsRune(s, 0) || !validText(s) {
				missing = true
			}
		}
		if !validText(c.Name) || strings.ContainsRune(c.Name, 0) || c.Name != strings.TrimSpace(c.Name) || c.Name == "" {
			missing = true
		}
		for _, v := range c.Floats {
			infinite = infinite || math.IsInf(v, 0)
		}
	}
	if missing {
		return
	}
	buf.Reset()
	if err := WriteCSV(&buf, tb); err != nil {
		t.Fatal(err)
	}
	o := Options{Header: Yes, Types: types(tb), AllowEmpty: true, Separator: ',', Format: CSV}
	o.TimeLayout = oneLayout(tb)
	if o.TimeLayout != "several" {
		got, err := Read(bytes.NewReader(buf.Bytes()), "x", o)
		if err != nil {
			t.Fatalf("CSV: %v in %q", err, clip(buf.String()))
		}
		if err := same(tb, got); err != nil {
			t.Fatalf("CSV: %v in %q", err, clip(buf.String()))
		}
	}
	if infinite || tb.Rows() == 0 {
		return
	}
	for name, write := range map[string]func(io.Writer, *Table) error{"JSONL": WriteJSONL, "JSON": WriteJSON} {
		buf.Reset()
		if err := write(&buf, tb); err != nil {
			t.Fatal(err)
		}
		got, err := Read(bytes.NewReader(buf.Bytes()), "x", Options{Types: types(tb), TimeLayout: jsonLayout(tb)})
		if o.TimeLayout == "several" {
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v in %s", name, err, clip(buf.String()))
		}
		if err := same(tb, got); err != nil {
			t.Fatalf("%s: %v in %s", name, err, clip(buf.String()))
		}
	}
}

func validText(s string) bool { return strings.ToValidUTF8(s, "\ufffd") == s }

// oneLayout is the layout in which the times are written, if they share one; a reader needs it for 01/02/2016.
func oneLayout(t *Table) string {
	layout := ""
	for i := range t.Columns {
		if c := &t.Columns[i]; c.Kind == Time {
			f := c.writeLayout()
			if layout != "" && layout != f.layout() {
				return "several"
			}
			layout = f.layout()
		}
	}
	return layout
}

func jsonLayout(t *Table) string {
	layout := oneLayout(t)
	if f := compileLayout(layout); layout != "" && layout != "several" && (f.order == orderY || f.order == orderYMCompact || f.order >= orderUnix && f.order < orderCustom) {
		return ""
	}
	return layout
}

func drawTable(t *rapid.T) *Table {
	rows := rapid.IntRange(0, 12).Draw(t, "rows")
	tb := &Table{}
	for i := range rapid.IntRange(1, 5).Draw(t, "columns") {
		c := Column{Name: fmt.Sprintf("c%d%s", i, rapid.StringMatching(`[ ,"x]?[a-zé]`).Draw(t, "name")), Kind: Kind(rapid.IntRange(1, 5).Draw(t, "kind"))}
		for row := range rows {
			gone := rapid.IntRange(0, 4).Draw(t, "missing") == 0
			if gone && c.Kind != Float {
				c.Missing.Set(row)
			}
			switch c.Kind {
			case Int:
				c.Ints = append(c.Ints, pick(gone, rapid.Int64().Draw(t, "int")))
			case Float:
				v := rapid.Float64().Draw(t, "float")
				if gone {
					v = math.NaN()
				}
				c.Floats = append(c.Floats, v)
			case Bool:
				c.Bools = append(c.Bools, pick(gone, rapid.Bool().Draw(t, "bool")))
			case Time:
				// Years in which nanoseconds fit a Parquet timestamp.
				at := time.Unix(rapid.Int64Range(-8e9, 8e9).Draw(t, "sec"), rapid.SampledFrom([]int64{0, 0, 1e6, 1}).Draw(t, "ns")).UTC()
				c.Times = append(c.Times, pick(gone, at))
			case String:
				s := rapid.StringN(1, 8, 40).Filter(func(s string) bool {
					return !newMissingSet(DefaultMissing(), '.').has(trimBlank([]byte(s))) && !strings.ContainsRune(s, 0)
				}).Draw(t, "text")
				c.Strings = append(c.Strings, pick(gone, s))
			}
		}
		tb.Columns = append(tb.Columns, c)
	}
	return tb
}

func pick[T any](gone bool, v T) T {
	var zero T
	if gone {
		return zero
	}
	return v
}

func TestWrittenReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { checkReadsBack(t, drawTable(t)) })
}

// Real files: what they hold, and that every format holds it too without being told the kinds.
func TestPublicFiles(t *testing.T) {
	for _, c := range []struct {
		path       string
		rows, cols int
		first      string // kinds of the first columns
		last       string // last row, first columns
	}{
		{"ett/ETTh1.csv", 17420, 8, "time float float", "2018-06-26 19:00:00 10.11400032043457 3.5499999523162837"},
		{"ltsf/exchange_rate.csv", 7588, 9, "time float float", "2010/10/10 0:00 0.720825 1.233905"},
		{"ltsf/national_illness.csv", 966, 8, "time float float", "2020-06-30 00:00:00 0.963716 1.01376"},
		{"classic/AirPassengers.csv", 144, 2, "time int", "1960-12 432"},
		{"classic/australian_tourism.csv", 36, 96, "int int int", "69544 31845 22758"},
		{"classic/monthly-milk-incomplete.csv", 155, 2, "time int", "1975-12 843"},
		{"m4/Hourly-train.csv", 414, 961, "string float float", "H414 15 13"},
		{"m4/Hourly-test.csv", 414, 49, "string float float", "H414 15 12"},
		{"lightgbm/regression/regression.train", 7000, 29, "int float float", "1 1.04 -0.803"},
	} {
		t.Run(c.path, func(t *testing.T) {
			tb, err := Open(sharedFile(t, filepath.FromSlash(c.path)), Options{})
			if err != nil {
				t.Fatal(err)
			}
			var kinds, last []string
			for i := range min(3, len(tb.Columns)) {
				kinds = append(kinds, tb.Columns[i].Kind.String())
				last = append(last, tb.Columns[i].Text(tb.Rows()-1))
			}
			if tb.Rows() != c.rows || len(tb.Columns) != c.cols || strings.Join(kinds, " ") != c.first || strings.Join(last, " ") != c.last {
				t.Errorf("got %d×%d, %v, %q", tb.Rows(), len(tb.Columns), kinds, last)
			}
			dir := t.TempDir()
			for _, ending := range []string{".csv", ".tsv", ".csv.gz", ".parquet", ".jsonl.zst", ".json", ".parquet.gz"} {
				path := filepath.Join(dir, "t"+ending)
				if err := WriteFile(path, tb); err != nil {
					t.Fatal(err)
				}
				o := Options{}
				if c.path == "lightgbm/regression/regression.train" {
					o.Header = Yes
				}
				got, err := Open(path, o)
				if err != nil {
					t.Fatal(err)
				}
				if err := same(tb, got); err != nil {
					t.Errorf("%s: %v", ending, err)
				}
				if got.Columns[0].Layout != tb.Columns[0].Layout {
					t.Errorf("%s: times of the form %s became %s", ending, tb.Columns[0].Layout, got.Columns[0].Layout)
				}
			}
		})
	}
}

func TestWriteFile(t *testing.T) {
	tb, err := New(Column{Name: "x", Kind: Float, Floats: []float64{1, math.Inf(1)}})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := WriteFile(filepath.Join(dir, "x.xlsx"), tb); err == nil || !strings.Contains(err.Error(), "no format of that ending") {
		t.Errorf("unknown ending: %v", err)
	}
	if err := WriteFile(dir, tb); err == nil {
		t.Error("a directory was written")
	}
	path := filepath.Join(dir, "x.json")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(path, tb); err == nil || err.Error() != `table: column "x", row 2: JSON has no infinite numbers; write CSV or Parquet` {
		t.Errorf("infinity in JSON: %v", err)
	}
	if b, _ := os.ReadFile(path); string(b) != "old" {
		t.Errorf("a failed write left %q", b)
	}
	if names, _ := os.ReadDir(dir); len(names) != 1 {
		t.Errorf("a failed write left %v", names)
	}
	if _, err := New(Column{Name: "a", Kind: Int, Ints: []int64{1}}, Column{Name: "b", Kind: Int}); err == nil {
		t.Error("columns of different length made a table")
	}
}
