package table

import (
	"errors"
	"fmt"
)

// csvReader reads separated text, already decompressed and in UTF-8, in one pass: numbers straight from the bytes,
// other cells through the column's builder.
type csvReader struct {
	scanner
	o     *Options
	d     *dialect
	cols  []*builder // by place in the file; nil where the column is not wanted
	rows  int
	start scanner // where the rows begin
	lines lineIndex
}

// readCSV reads text that ends with a line break.
func readCSV(name string, buf []byte, o *Options) (*Table, error) {
	d, err := sniffDialect(name, buf, o)
	if err != nil {
		return nil, err
	}
	picked, err := pickColumns(name, d.names, o.Columns)
	if err != nil {
		return nil, err
	}
	if err := checkTypes(name, d.names, o); err != nil {
		return nil, err
	}
	r := &csvReader{scanner: scanner{name: name, buf: buf, sep: d.sep, quotes: !o.NoQuotes, line: 1}, o: o, d: d}
	missing := newMissingSet(missingWords(o), d.mark)
	r.cols = make([]*builder, len(d.names))
	for _, i := range picked {
		r.cols[i] = newBuilder(d.names[i], d.kinds[i], missing, d.mark, o)
		if o.MaxRows == 0 && int64(d.rows) <= o.MaxCells/int64(len(d.names)) {
			r.cols[i].reserve(d.rows)
		}
	}
	if d.header {
		if _, err := r.row(len(d.names)); err != nil {
			return nil, err
		}
	}
	r.start = r.scanner
	if err := r.fill(true); err != nil {
		return nil, err
	}
	if err := r.finish(); err != nil {
		return nil, err
	}
	t := &Table{Name: name, lines: r.lines}
	for _, i := range picked {
		t.Columns = append(t.Columns, r.cols[i].col)
	}
	if r.rows == 0 && !o.AllowEmpty {
		return nil, &Error{Name: name, Msg: "the file has a header and no rows", Err: ErrEmpty}
	}
	return t, nil
}

// checkTypes reports types given for columns that are not there.
func checkTypes(file string, names []string, o *Options) error {
	for _, n := range sortedKeys(o.Types) {
		if _, err := pickColumns(file, names, []string{n}); err != nil {
			return err
		}
	}
	return nil
}

// newBuilder starts a column of a guessed kind, or the one the options declare.
func newBuilder(name string, guess Kind, missing *missingSet, mark byte, o *Options) *builder {
	b := &builder{name: name, kind: guess, mark: mark, missing: missing, loc: o.Location}
	if k := o.Types[name]; k != Auto {
		b.kind, b.declared = k, true
	}
	if o.TimeLayout != "" {
		b.times = timeState{form: compileLayout(o.TimeLayout), layout: true, some: true}
	}
	return b
}

// fill reads all rows into the columns that are not nil. first tells that lines are to be noted.
func (r *csvReader) fill(first bool) error {
	cols := r.cols
	maxRows := r.o.MaxRows
	if most := int(min(r.o.MaxCells/int64(max(1, len(cols))), 1<<62)); maxRows == 0 || maxRows > most {
		maxRows = most
	}
	rows := 0
	for r.pos < len(r.buf) {
		if len(cols) > 1 && r.blankLine() {
			continue
		}
		if len(cols) == 1 && r.blankLine() {
			// A blank line is no row in a file of one column either: encoding/csv and pandas agree, and writers quote
			// an empty cell ("") for this reason.
			continue
		}
		if rows == maxRows {
			if r.o.MaxRows == 0 || rows < r.o.MaxRows {
				return &Error{Name: r.name, Line: r.line, Msg: fmt.Sprintf("more than %d cells; read fewer columns or rows, or raise MaxCells", r.o.MaxCells)}
			}
			break
		}
		if first {
			r.lines.add(rows, r.line)
		}
		if err := r.fillRow(); err != nil {
			return err
		}
		rows++
	}
	r.rows = rows
	return nil
}

// fillRow reads one row.
func (r *csvReader) fillRow() error {
	cols, sep := r.cols, r.sep
	begin := r.line
	for i := 0; ; i++ {
		if i == len(cols) {
			return r.ragged(i, begin)
		}
		b := cols[i]
		if b != nil && (b.kind == Float || b.kind == Int) {
			// Read the number and look whether the field ends there: no search for the separator, no second look.
			rest := r.buf[r.pos:]
			if x, n := scanNumber(rest, b.mark); n > 0 && (rest[n] == sep || rest[n] == '\n') {
				r.pos += n + 1
				if err := b.addNumber(x, rest[:n], begin); err != nil {
					return r.located(err)
				}
				if rest[n] == sep {
					continue
				}
				r.line++
				if i+1 != len(cols) {
					return r.short(i+1, begin)
				}
				return nil
			}
		}
		line := r.line
		text, last, err := r.field()
		if err != nil {
			return err
		}
		if b != nil {
			if err := b.addText(text, line); err != nil {
				return r.located(err)
			}
		}
		if last {
			if i+1 != len(cols) {
				return r.short(i+1, begin)
			}
			return nil
		}
	}
}

// ragged reports a row with more fields than columns; it counts on to say how many.
func (r *csvReader) ragged(n, line int) error {
	for {
		_, last, err := r.field()
		if err != nil {
			return err
		}
		n++
		if last {
			return r.short(n, line)
		}
	}
}

// short reports a row of n fields where there should be another number of them.
func (r *csvReader) short(n, line int) error {
	like := "first row"
	if r.d.header {
		like = "header"
	}
	todo := "add the missing ones"
	if n > len(r.cols) {
		todo = fmt.Sprintf("quote fields that contain %q", r.sep)
	}
	return &Error{Name: r.name, Line: line, Msg: fmt.Sprintf("%s here, the %s has %d; %s", plural(n, "field"), like, len(r.cols), todo)}
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// located adds the file to an error of a builder.
func (r *csvReader) located(err error) error { return named(r.name, err) }

func named(file string, err error) error {
	var e *Error
	if errors.As(err, &e) && e.Name == "" {
		e.Name = file
	}
	return err
}

// finish ends every column and reads those again, together, that turned out to be text.
func (r *csvReader) finish() error {
	again := make([]*builder, len(r.cols))
	some := false
	for i, b := range r.cols {
		if b == nil {
			continue
		}
		if err := b.finish(); err != nil {
			return r.located(err)
		}
		if b.reread {
			again[i] = &builder{name: b.name, kind: String, missing: b.missing, mark: b.mark, loc: b.loc}
			some = true
		}
	}
	if !some {
		return nil
	}
	all := r.cols
	r.cols = again
	r.scanner = r.start
	if err := r.fill(false); err != nil {
		return err
	}
	for i, b := range again {
		if b != nil {
			if err := b.finish(); err != nil {
				return r.located(err)
			}
			all[i] = b
		}
	}
	r.cols = all
	return nil
}
