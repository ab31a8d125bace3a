package table

import (
	"bytes"
	"fmt"
	"strconv"
)

// jsonReader reads objects into columns: one column for every key met, missing where an object lacks it.
type jsonReader struct {
	name    string
	buf     []byte
	pos     int
	line    int
	o       *Options
	missing *missingSet
	want    map[string]bool // nil: every key

	cols  []*builder
	index map[string]int
	fixed []bool // by column: a value has settled whether it holds numbers, truth values or text
	rows  int
	lines lineIndex
	key   []byte // scratch
	text  []byte // scratch
}

// maxJSONDepth bounds nesting, and with it the stack.
const maxJSONDepth = 64

// readJSON reads JSON lines, or one array of objects.
func readJSON(name string, text []byte, o *Options) (*Table, error) {
	r := &jsonReader{name: name, buf: text, line: 1, o: o, index: map[string]int{}, missing: newMissingSet(o.Missing, '.'), text: make([]byte, 0, 64)}
	if len(o.Columns) > 0 {
		r.want = make(map[string]bool, len(o.Columns))
		for _, c := range o.Columns {
			r.want[c] = true
		}
	}
	if err := r.read(); err != nil {
		return nil, err
	}
	if r.rows == 0 && !o.AllowEmpty {
		return nil, &Error{Name: name, Msg: "the file has no rows", Err: ErrEmpty}
	}
	if r.rows > 0 && len(r.cols) == 0 && r.want == nil {
		return nil, &Error{Name: name, Msg: "the objects have no keys, so there are no columns", Err: ErrEmpty}
	}
	return r.table()
}

func (r *jsonReader) table() (*Table, error) {
	names := make([]string, len(r.cols))
	for i, b := range r.cols {
		names[i] = b.name
		r.pad(b)
		if b.kind == String && !b.declared {
			b.textToTimes(r.o)
		}
		if err := b.finish(); err != nil {
			return nil, named(r.name, err)
		}
	}
	picked, err := pickColumns(r.name, names, r.o.Columns)
	if err != nil {
		return nil, err
	}
	if err := r.checkTypes(names); err != nil {
		return nil, err
	}
	t := &Table{Name: r.name, lines: r.lines}
	for _, i := range picked {
		t.Columns = append(t.Columns, r.cols[i].col)
	}
	return t, nil
}

// checkTypes reports types for keys that no object has. Keys left unread on purpose are not known here.
func (r *jsonReader) checkTypes(names []string) error {
	if r.want != nil {
		return nil
	}
	return checkTypes(r.name, names, r.o)
}

// pad adds the missing cells of the objects that lacked the key.
func (r *jsonReader) pad(b *builder) {
	for b.n < r.rows {
		b.addMissing()
	}
}

func (r *jsonReader) fail(format string, args ...any) error {
	return &Error{Name: r.name, Line: r.line, Msg: fmt.Sprintf(format, args...)}
}

// space skips white space and counts lines.
func (r *jsonReader) space() {
	for r.pos < len(r.buf) {
		switch r.buf[r.pos] {
		case '\n':
			r.line++
		case ' ', '\t', '\r':
		default:
			return
		}
		r.pos++
	}
}

// peek is the next byte, 0 at the end.
func (r *jsonReader) peek() byte {
	if r.pos < len(r.buf) {
		return r.buf[r.pos]
	}
	return 0
}

func (r *jsonReader) read() error {
	r.space()
	array := r.peek() == '['
	if array {
		r.pos++
	}
	for {
		r.space()
		switch c := r.peek(); {
		case array && c == ']':
			r.pos++
			if r.space(); r.pos < len(r.buf) {
				return r.fail("text after the end of the array")
			}
			return nil
		case c == 0 && !array:
			return nil
		case c == 0:
			return r.fail("the array is never closed; the file is cut off")
		case c != '{':
			return r.fail("%q where an object {…} should begin; give one JSON object a line", c)
		}
		if r.o.MaxRows > 0 && r.rows == r.o.MaxRows {
			return nil
		}
		r.lines.add(r.rows, r.line)
		r.rows++
		if cells := int64(r.rows) * int64(len(r.cols)); cells > r.o.MaxCells {
			return r.fail("more than %d cells; read fewer columns or rows, or raise MaxCells", r.o.MaxCells)
		}
		if err := r.object(nil, 0); err != nil {
			return err
		}
		if array {
			r.space()
			if r.peek() == ',' {
				r.pos++
				if r.space(); r.peek() == ']' {
					return r.fail("a ',' before the closing ']'")
				}
			} else if r.peek() != ']' {
				return r.fail("a ',' or ']' should follow an object of the array")
			}
		}
	}
}

// object reads an object whose keys get prefix in front, or skips it where skip is set.
func (r *jsonReader) object(prefix []byte, depth int) error {
	if depth > maxJSONDepth {
		return r.fail("objects nested more than %d deep", maxJSONDepth)
	}
	r.pos++ // {
	for first := true; ; first = false {
		r.space()
		if r.peek() == '}' && first {
			r.pos++
			return nil
		}
		if r.peek() != '"' {
			return r.fail("a key in quotes should stand here, not %s", r.shown())
		}
		key, err := r.str(nil)
		if err != nil {
			return err
		}
		r.key = append(append(r.key[:0], prefix...), key...)
		if r.space(); r.peek() != ':' {
			return r.fail("a ':' should follow the key %q", clip(string(key)))
		}
		r.pos++
		r.space()
		if err := r.member(depth); err != nil {
			return err
		}
		r.space()
		switch r.peek() {
		case ',':
			r.pos++
		case '}':
			r.pos++
			return nil
		default:
			return r.fail("a ',' or '}' should follow a value, not %s", r.shown())
		}
	}
}

// shown is what stands at pos, for messages.
func (r *jsonReader) shown() string {
	if r.pos >= len(r.buf) {
		return "the end of the file"
	}
	return strconv.QuoteRune(rune(r.buf[r.pos]))
}

// member reads the value of r.key.
func (r *jsonReader) member(depth int) error {
	c := r.peek()
	if c == '{' && r.o.Flatten {
		prefix := append(bytes.Clone(r.key), '.')
		return r.object(prefix, depth+1)
	}
	if r.want != nil && !r.want[string(r.key)] {
		return r.skip(0)
	}
	if c == '{' || c == '[' {
		what := "an object"
		if c == '[' {
			what = "an array"
		}
		hint := "leave it out by naming the columns to read"
		if c == '{' {
			hint += ", or set Flatten"
		}
		return &Error{Name: r.name, Line: r.line, Column: string(r.key), Msg: fmt.Sprintf("%s is no cell of a table; %s", what, hint)}
	}
	i, ok := r.index[string(r.key)]
	if !ok {
		if len(r.cols) == r.o.MaxColumns {
			return r.fail("more than %d columns", r.o.MaxColumns)
		}
		i = len(r.cols)
		name := string(r.key)
		r.index[name] = i
		r.cols = append(r.cols, newBuilder(name, Auto, r.missing, '.', r.o))
		r.fixed = append(r.fixed, r.cols[i].declared)
		if int64(r.rows)*int64(len(r.cols)) > r.o.MaxCells {
			return r.fail("more than %d cells; read fewer columns or rows, or raise MaxCells", r.o.MaxCells)
		}
	}
	b := r.cols[i]
	if b.n == r.rows {
		return r.fail("the key %q stands twice in one object", clip(b.name))
	}
	for b.n < r.rows-1 {
		b.addMissing()
	}
	return named(r.name, r.value(b, i))
}

// value reads one cell.
func (r *jsonReader) value(b *builder, i int) error {
	v, err := r.scalar()
	switch {
	case err != nil:
		return err
	case v.kind == Auto:
		b.addMissing()
		return nil
	case v.is && (b.kind == Auto || b.kind == Int || b.kind == Float):
		r.fixed[i] = true
		return b.addNumber(v.num, v.text, r.line)
	}
	return r.cell(b, i, v.kind, v.text)
}

// cell adds a value of kind k; the first value of a column settles whether it holds numbers, truth values or text.
func (r *jsonReader) cell(b *builder, i int, k Kind, text []byte) error {
	if b.declared {
		if b.kind == String {
			b.addString(text)
			return nil
		}
		return b.addText(text, r.line)
	}
	if k == String && b.missing.has(trimBlank(text)) {
		b.addMissing()
		return nil
	}
	if !r.fixed[i] {
		r.fixed[i] = true
		b.become(k)
	}
	held := b.kind
	if held == Int {
		held = Float
	}
	if held != k {
		return &Error{Line: r.line, Column: b.name, Msg: fmt.Sprintf("%q is a %s, the rows before hold %ss; make them alike or give the type of the column",
			clip(string(text)), jsonName(k), jsonName(held))}
	}
	switch k {
	case String:
		b.addString(text)
		return nil
	}
	return b.addText(text, r.line)
}

func jsonName(k Kind) string {
	switch k {
	case Bool:
		return "truth value"
	case String:
		return "string"
	}
	return "number"
}

// textToTimes turns a column of strings into one of times if every string is one.
func (b *builder) textToTimes(o *Options) {
	times := newBuilder(b.name, Time, b.missing, b.mark, &Options{TimeLayout: o.TimeLayout, Location: o.Location})
	for i, s := range b.col.Strings {
		if b.col.Missing.Get(i) {
			times.addMissing()
			continue
		}
		if err := times.addTime(trimBlank([]byte(s)), 0); err != nil || times.bad > 0 {
			return
		}
	}
	if times.times.some && times.n > times.col.Missing.Count() {
		*b = *times
	}
}
