package table

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"unicode/utf8"
)

// WriteJSONL writes t as one JSON object a line. Missing cells are null, times strings, floats the fewest digits that
// read back exactly. An infinite number is an error: JSON has none.
func WriteJSONL(w io.Writer, t *Table) error { return writeJSON(w, t, "", "\n", "\n") }

// WriteJSON writes t as one JSON array of objects, otherwise like WriteJSONL.
func WriteJSON(w io.Writer, t *Table) error { return writeJSON(w, t, "[\n", ",\n", "\n]\n") }

func writeJSON(w io.Writer, t *Table, open, between, end string) error {
	if err := t.writable(); err != nil {
		return err
	}
	bw := bufio.NewWriterSize(w, 1<<16)
	keys := make([][]byte, len(t.Columns))
	for i := range keys {
		keys[i] = append(appendQuoted(nil, t.Columns[i].Name), ':')
	}
	forms := t.timeForms()
	for i := range forms {
		// Numbers such as seconds since 1970 would come back as text.
		if f := &forms[i]; f.order == orderY || f.order == orderYMCompact || f.order >= orderUnix && f.order < orderCustom {
			*f = compileLayout(layoutFor(t.Columns[i].Times))
		}
	}
	buf := []byte(open)
	for row := range t.Rows() {
		if row > 0 {
			buf = append(buf, between...)
		}
		buf = append(buf, '{')
		for i := range t.Columns {
			if i > 0 {
				buf = append(buf, ',')
			}
			buf = append(buf, keys[i]...)
			var err error
			if buf, err = appendJSON(buf, &t.Columns[i], row, &forms[i]); err != nil {
				return err
			}
		}
		buf = append(buf, '}')
		if _, err := bw.Write(buf); err != nil {
			return fmt.Errorf("table: writing JSON: %w", err)
		}
		buf = buf[:0]
	}
	if t.Rows() > 0 || open != "" {
		buf = append(buf, end...)
	}
	if _, err := bw.Write(buf); err != nil {
		return fmt.Errorf("table: writing JSON: %w", err)
	}
	if err := bw.Flush(); err != nil {
		return fmt.Errorf("table: writing JSON: %w", err)
	}
	return nil
}

func appendJSON(buf []byte, c *Column, row int, f *timeForm) ([]byte, error) {
	switch {
	case c.IsMissing(row):
		return append(buf, "null"...), nil
	case c.Kind == String:
		return appendQuoted(buf, c.Strings[row]), nil
	case c.Kind == Time:
		return appendQuoted(buf, string(f.appendTime(nil, c.Times[row]))), nil
	case c.Kind == Float && math.IsInf(c.Floats[row], 0):
		return buf, fmt.Errorf("table: column %q, row %d: JSON has no infinite numbers; write CSV or Parquet", c.Name, row+1)
	case c.Kind == Float && c.Floats[row] == math.Trunc(c.Floats[row]):
		n := len(buf)
		buf = c.appendText(buf, row)
		for _, ch := range buf[n:] {
			if ch == 'e' {
				return buf, nil
			}
		}
		return append(buf, ".0"...), nil // so that a column of whole floats stays one of floats
	}
	return c.appendText(buf, row), nil
}

const hexDigits = "0123456789abcdef"

// appendQuoted writes a JSON string. Bytes that are no UTF-8 become the replacement character.
func appendQuoted(buf []byte, s string) []byte {
	buf = append(buf, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			buf = append(buf, '\\', c)
		case c == '\n':
			buf = append(buf, '\\', 'n')
		case c == '\t':
			buf = append(buf, '\\', 't')
		case c < ' ':
			buf = append(buf, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		case c < utf8.RuneSelf:
			buf = append(buf, c)
		default:
			r, n := utf8.DecodeRuneInString(s[i:])
			buf = utf8.AppendRune(buf, r)
			i += n
			continue
		}
		i++
	}
	return append(buf, '"')
}
