package table

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strconv"
	"time"
)

// Kind is the type of a column's values.
type Kind uint8

const (
	Auto   Kind = iota // only in Options.Types: find the kind from the values
	Int                // Column.Ints, missing cells marked in Column.Missing
	Float              // Column.Floats, missing cells are NaN
	Bool               // Column.Bools, missing cells marked in Column.Missing
	Time               // Column.Times, missing cells marked in Column.Missing
	String             // Column.Strings, missing cells marked in Column.Missing
)

var kindNames = [...]string{"auto", "int", "float", "bool", "time", "string"}

// String gives the lower-case name of k, the one UnmarshalText reads.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// MarshalText gives the name of k.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads auto, int, float, bool, time or string.
func (k *Kind) UnmarshalText(b []byte) error {
	i := slices.Index(kindNames[:], string(b))
	if i < 0 {
		return fmt.Errorf("table: no column type %q; give int, float, bool, time or string", b)
	}
	*k = Kind(i)
	return nil
}

// Column is one named column. Exactly the slice named by Kind is in use, with one value for every row.
//
// A missing Float is NaN and nothing else marks it; every other kind marks missing cells in Missing and holds the
// zero value there. IsMissing asks either way.
type Column struct {
	Name string
	Kind Kind

	Ints    []int64
	Floats  []float64
	Bools   []bool
	Times   []time.Time
	Strings []string

	// Missing marks the missing cells of every kind but Float. The zero value marks none.
	Missing Bitmap

	// Layout is the form in which the times of a Time column were read and will be written: a Go layout or one of
	// the words of Options.TimeLayout. Empty: the shortest of date, minutes, seconds and fractions that loses
	// nothing, RFC 3339 where a time has a zone other than UTC.
	Layout string
}

// Len is the number of cells.
func (c *Column) Len() int {
	switch c.Kind {
	case Int:
		return len(c.Ints)
	case Float:
		return len(c.Floats)
	case Bool:
		return len(c.Bools)
	case Time:
		return len(c.Times)
	case String:
		return len(c.Strings)
	}
	return 0
}

// IsMissing tells whether cell i holds no value.
func (c *Column) IsMissing(i int) bool {
	if c.Kind == Float {
		return math.IsNaN(c.Floats[i])
	}
	return c.Missing.Get(i)
}

// CountMissing is the number of cells without a value.
func (c *Column) CountMissing() int {
	if c.Kind != Float {
		return c.Missing.Count()
	}
	n := 0
	for _, v := range c.Floats {
		if v != v {
			n++
		}
	}
	return n
}

// Text is cell i as it would be written to CSV; a missing cell is "".
func (c *Column) Text(i int) string {
	if c.Kind == String {
		return c.Strings[i]
	}
	return string(c.appendText(nil, i))
}

// appendText adds the text of cell i to b. Time columns without a layout pay for finding one on every call;
// writers fix the layout first (see writeLayout).
func (c *Column) appendText(b []byte, i int) []byte {
	if c.IsMissing(i) {
		return b
	}
	switch c.Kind {
	case Int:
		return strconv.AppendInt(b, c.Ints[i], 10)
	case Float:
		return appendFloat(b, c.Floats[i])
	case Bool:
		return strconv.AppendBool(b, c.Bools[i])
	case Time:
		layout := c.Layout
		if layout == "" {
			layout = layoutFor(c.Times[i : i+1])
		}
		f := compileLayout(layout)
		return f.appendTime(b, c.Times[i])
	}
	return append(b, c.Strings[i]...)
}

// AsFloats gives the values of an Int, Float or Bool column as numbers, NaN where missing. A Float column's own slice
// is returned, not a copy. Other kinds are an error that shows the first value. Integers past 2^53 are rounded.
func (c *Column) AsFloats() ([]float64, error) {
	switch c.Kind {
	case Float:
		return c.Floats, nil
	case Int:
		out := make([]float64, len(c.Ints))
		for i, v := range c.Ints {
			out[i] = float64(v)
		}
		c.nanWhereMissing(out)
		return out, nil
	case Bool:
		out := make([]float64, len(c.Bools))
		for i, v := range c.Bools {
			if v {
				out[i] = 1
			}
		}
		c.nanWhereMissing(out)
		return out, nil
	}
	for i := range c.Len() {
		if !c.IsMissing(i) {
			return nil, fmt.Errorf("table: column %q holds %ss (%q), not numbers", c.Name, c.Kind, clip(c.Text(i)))
		}
	}
	out := make([]float64, c.Len())
	for i := range out {
		out[i] = math.NaN()
	}
	return out, nil
}

func (c *Column) nanWhereMissing(out []float64) {
	for i := range out {
		if c.Missing.Get(i) {
			out[i] = math.NaN()
		}
	}
}

// check reports a column whose slice and kind disagree.
func (c *Column) check(rows int) error {
	if c.Kind < Int || c.Kind > String {
		return fmt.Errorf("table: column %q has no kind", c.Name)
	}
	if n := c.Len(); n != rows {
		return fmt.Errorf("table: column %q has %d values, the first column %d", c.Name, n, rows)
	}
	return nil
}

// Table is a list of columns of equal length. It is plain data: reading it from several goroutines is safe.
type Table struct {
	Name    string // file name for messages; "" for a table made in memory
	Columns []Column

	lines lineIndex
}

// New makes a table of columns. Columns of different length, without a kind, or two of one name are an error.
func New(columns ...Column) (*Table, error) {
	t := &Table{Columns: columns}
	if err := t.check(); err != nil {
		return nil, err
	}
	return t, nil
}

func (t *Table) check() error {
	seen := make(map[string]bool, len(t.Columns))
	for i := range t.Columns {
		c := &t.Columns[i]
		if err := c.check(t.Rows()); err != nil {
			return err
		}
		if seen[c.Name] {
			return fmt.Errorf("table: two columns named %q; rename one", c.Name)
		}
		seen[c.Name] = true
	}
	return nil
}

// Rows is the number of rows.
func (t *Table) Rows() int {
	if len(t.Columns) == 0 {
		return 0
	}
	return t.Columns[0].Len()
}

// Column gives the column of that name, or nil.
func (t *Table) Column(name string) *Column {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return &t.Columns[i]
		}
	}
	return nil
}

// Convert makes the column of that name one of kind k, as if Options.Types had asked for it: integers become times
// (1949, 20160701, seconds since 1970; see Options.TimeLayout), texts numbers, anything text. Of o, Missing, TimeLayout
// and Location count, Missing only for texts. The first cell that does not fit is an error naming its line; the table
// is then unchanged.
func (t *Table) Convert(name string, k Kind, o Options) error {
	c := t.Column(name)
	switch {
	case c == nil:
		return &Error{Name: t.Name, Msg: noColumn(name, t.Names())}
	case k == Auto || k == c.Kind:
		return nil
	}
	o.Types = map[string]Kind{name: k}
	if c.Kind != String {
		o.Missing = []string{} // a number is a number
	}
	b := newBuilder(name, Auto, newMissingSet(missingWords(&o), '.'), '.', &o)
	file := t.Name
	form := timeForm{}
	if c.Kind == Time {
		form = c.writeLayout()
	}
	var text []byte
	for i := range c.Len() {
		if c.IsMissing(i) {
			b.addMissing()
			continue
		}
		if text = text[:0]; c.Kind == Time {
			text = form.appendTime(text, c.Times[i])
		} else {
			text = c.appendText(text, i)
		}
		line := t.LineOf(i)
		if line == 0 {
			file = t.Where(i)
		}
		if err := b.addText(text, line); err != nil {
			return named(file, err)
		}
	}
	if err := b.finish(); err != nil {
		return named(t.Name, err)
	}
	*c = b.col
	return nil
}

// Names lists the column names in order.
func (t *Table) Names() []string {
	names := make([]string, len(t.Columns))
	for i := range t.Columns {
		names[i] = t.Columns[i].Name
	}
	return names
}

// LineOf is the line of the file, counted from 1, on which row (from 0) begins; line breaks inside quotes count.
// It is 0 where the table has no lines: Parquet, or made in memory.
func (t *Table) LineOf(row int) int { return t.lines.at(row) }

// Where names a row for a message: "sales.csv:4812", or "sales.parquet: row 4811" (from 1) where there are no lines.
func (t *Table) Where(row int) string {
	name := t.Name
	if name == "" {
		name = "table"
	}
	if line := t.LineOf(row); line > 0 {
		return name + ":" + strconv.Itoa(line)
	}
	return name + ": row " + strconv.Itoa(row+1)
}

// lineIndex maps rows to lines. Rows nearly always follow each other line by line, so only the rows that break the
// run (after a blank line, or a quoted line break) are kept.
type lineIndex struct {
	rows, lines []int // from row rows[k] on, line = lines[k] + (row - rows[k])
}

// add records the line of the next row; rows come in order.
func (x *lineIndex) add(row, line int) {
	if k := len(x.rows) - 1; k >= 0 && x.lines[k]+row-x.rows[k] == line {
		return
	}
	x.rows = append(x.rows, row)
	x.lines = append(x.lines, line)
}

func (x *lineIndex) at(row int) int {
	k := sort.SearchInts(x.rows, row+1) - 1
	if k < 0 {
		return 0
	}
	return x.lines[k] + row - x.rows[k]
}
