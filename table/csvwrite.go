package table

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// WriteCSV writes t with a header, separated by commas. Floats are written with the fewest digits that read back
// exactly, times in the form they were read where that loses nothing (see Column.Layout). A missing cell is empty, so
// that an empty text reads back as missing.
func WriteCSV(w io.Writer, t *Table) error { return writeSeparated(w, t, ',') }

// WriteTSV is WriteCSV with tabs.
func WriteTSV(w io.Writer, t *Table) error { return writeSeparated(w, t, '\t') }

func writeSeparated(w io.Writer, t *Table, sep byte) error {
	if err := t.writable(); err != nil {
		return err
	}
	bw := bufio.NewWriterSize(w, 1<<16)
	var buf []byte
	for i := range t.Columns {
		if i > 0 {
			buf = append(buf, sep)
		}
		buf = appendField(buf, t.Columns[i].Name, sep, len(t.Columns) == 1)
	}
	buf = append(buf, '\n')
	layouts := t.timeForms()
	for row := range t.Rows() {
		for i := range t.Columns {
			c := &t.Columns[i]
			if i > 0 {
				buf = append(buf, sep)
			}
			switch {
			case c.IsMissing(row):
				if len(t.Columns) == 1 {
					buf = append(buf, '"', '"') // a blank line would be no row
				}
			case c.Kind == String:
				buf = appendField(buf, c.Strings[row], sep, true)
			case c.Kind == Time:
				buf = appendTimeField(buf, &layouts[i], c, row, sep)
			default:
				buf = c.appendText(buf, row)
			}
		}
		buf = append(buf, '\n')
		if _, err := bw.Write(buf); err != nil {
			return fmt.Errorf("table: writing CSV: %w", err)
		}
		buf = buf[:0]
	}
	if _, err := bw.Write(buf); err != nil {
		return fmt.Errorf("table: writing CSV: %w", err)
	}
	if err := bw.Flush(); err != nil {
		return fmt.Errorf("table: writing CSV: %w", err)
	}
	return nil
}

// timeForms finds the form of every Time column, by place.
func (t *Table) timeForms() []timeForm {
	forms := make([]timeForm, len(t.Columns))
	for i := range t.Columns {
		if t.Columns[i].Kind == Time {
			forms[i] = t.Columns[i].writeLayout()
		}
	}
	return forms
}

// appendTimeField quotes the few forms that hold a comma (Jul 1, 2016).
func appendTimeField(buf []byte, f *timeForm, c *Column, row int, sep byte) []byte {
	if f.order != orderMonDY && f.order != orderCustom && !f.comma {
		return f.appendTime(buf, c.Times[row])
	}
	return appendField(buf, string(f.appendTime(nil, c.Times[row])), sep, false)
}

// appendField writes a text, quoted where it must be.
func appendField(buf []byte, s string, sep byte, quoteEmpty bool) []byte {
	if s == "" {
		if quoteEmpty {
			buf = append(buf, '"', '"')
		}
		return buf
	}
	if !mustQuote(s, sep) {
		return append(buf, s...)
	}
	buf = append(buf, '"')
	for i := range len(s) {
		if s[i] == '"' {
			buf = append(buf, '"')
		}
		buf = append(buf, s[i])
	}
	return append(buf, '"')
}

// mustQuote also quotes what other readers would trim or take for another separator or a byte order mark.
func mustQuote(s string, sep byte) bool {
	first, last := s[0], s[len(s)-1]
	if first == ' ' || last == ' ' || strings.HasPrefix(s, "\ufeff") {
		return true
	}
	for i := range len(s) {
		switch c := s[i]; c {
		case sep, '"', '\n', '\r', '\t', ';', '|', ',':
			return true
		}
	}
	return false
}
