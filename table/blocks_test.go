package table

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

// testBlock is the size of blocks in tests: small enough for many of them.
const testBlock = 256

// readBlocks puts the blocks of a text together again.
func readBlocks(t testing.TB, r io.Reader, o Options) (*Table, error) {
	t.Helper()
	b, err := newBlockReader(r, "x.csv", o, testBlock)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	var all *Table
	for {
		k, err := b.Next()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		n, err := k.Rows()
		if err != nil {
			return nil, err
		}
		p, err := k.Table()
		if err != nil {
			return nil, err
		}
		if p.Rows() != n {
			t.Errorf("%d rows counted, %d read", n, p.Rows())
		}
		if all == nil {
			all = p
			continue
		}
		for i := range p.Columns {
			a, c := &all.Columns[i], &p.Columns[i]
			if a.Kind != c.Kind {
				return nil, fmt.Errorf("column %d is %v, then %v", i, a.Kind, c.Kind)
			}
			a.Floats, a.Strings = append(a.Floats, c.Floats...), append(a.Strings, c.Strings...)
		}
	}
}

// Blocks of a text hold what the whole of it does, with quoted line breaks, blank lines and CRLF at their seams.
func TestBlockReader(t *testing.T) {
	for _, c := range []struct{ line, first string }{
		{"%d,%d.5,some text\n", ""}, {"%d;%d.25;\"more; \"\"of\nit\"\r\n\r\n", "a;b;c\n"}, {"%d\t%d.125\t\n", "\xef\xbb\xbfa\tb\tc\n\n"},
	} {
		var b bytes.Buffer
		b.WriteString(c.first)
		for i := 0; b.Len() < 50*testBlock; i++ {
			fmt.Fprintf(&b, c.line, i, i%1000)
		}
		text := bytes.TrimRight(b.Bytes(), "\r\n")
		want, err := Read(bytes.NewReader(text), "x.csv", Options{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := readBlocks(t, bytes.NewReader(text), Options{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range want.Columns {
			x, err := want.Columns[i].AsFloats()
			if err == nil {
				if fmt.Sprint(x[:9], x[len(x)-9:], len(x)) != fmt.Sprint(got.Columns[i].Floats[:9], got.Columns[i].Floats[len(x)-9:], len(got.Columns[i].Floats)) {
					t.Errorf("column %d of %q differs", i, c.line)
				}
			} else if strings.Join(want.Columns[i].Strings, "|") != strings.Join(got.Columns[i].Strings, "|") {
				t.Errorf("text column of %q differs", c.line)
			}
		}
	}
}

// Errors name the line of the file, not of the block.
func TestBlockReaderErrors(t *testing.T) {
	rows := strings.Repeat("1,2,3\n", testBlock)
	n := strings.Count(rows, "\n")
	for bad, want := range map[string]string{
		"1,2\n":         fmt.Sprintf("x.csv:%d: 2 fields here, the first row has 3", n+1),
		"1,x,3\n":       fmt.Sprintf(`x.csv:%d: column "column2": "x" is not a number`, n+1),
		"1,\"2,3\n":     fmt.Sprintf("x.csv:%d: a quote opened here is never closed", n+1),
		"1,\"2\"2,3\n":  fmt.Sprintf("x.csv:%d: text after the closing quote", n+1),
		"1,\x00,3\n":    fmt.Sprintf("x.csv:%d: this is a binary file", n+1),
		"1,\xff\xfe3\n": fmt.Sprintf("x.csv:%d: the text is not UTF-8", n+1),
	} {
		_, err := readBlocks(t, strings.NewReader(rows+bad+"4,5,6\n"), Options{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", bad, err, want)
		}
	}
	for text, want := range map[string]string{"": "is empty", " \n\n": "is empty", `{"a":1}`: "only CSV and TSV", "PAR1": "only CSV and TSV", "\xff\xfe1\x00": "only CSV and TSV",
		"\x89PNG\r\n\x1a\n": "PNG image"} {
		if _, err := readBlocks(t, strings.NewReader(text), Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
	if _, err := readBlocks(t, strings.NewReader(strings.Repeat("1", 9<<20)), Options{MaxBytes: 1 << 20}); err == nil || !strings.Contains(err.Error(), "more than 1048576 bytes") {
		t.Errorf("a row without an end: %v", err)
	}
}

// FuzzBlockReader: blocks give the rows that reading at once gives, or both fail.
func FuzzBlockReader(f *testing.F) {
	for _, s := range []string{"1,2\n3,4\n", "a;b\r\n1;\"x\ny\"\r\n\r\n", "a\n1\n\n", "1\r2\r", "\"\"\"\",1\n", "true\nfalse\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		o := Options{Format: CSV, MaxBytes: 1 << 20}
		want, err := Read(bytes.NewReader(b), "x.csv", o)
		got, err2 := readBlocks(t, bytes.NewReader(b), o)
		if err != nil || err2 != nil {
			var e *Error
			if err2 != nil && !errors.As(err2, &e) {
				t.Errorf("error %v is not of a place", err2)
			}
			return
		}
		if want.Rows() != got.Rows() || len(want.Columns) != len(got.Columns) {
			t.Errorf("%d × %d, want %d × %d", got.Rows(), len(got.Columns), want.Rows(), len(want.Columns))
		}
	})
}
