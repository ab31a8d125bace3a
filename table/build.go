package table

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// builder collects the cells of one column and keeps the narrowest kind that holds them all: a column of integers turns
// into one of floats in place when the first fraction comes. Only the turn to text needs the cells read again, for the
// text is gone; the builder says so with reread.
type builder struct {
	name     string
	declared bool // kind comes from Options.Types
	kind     Kind // Auto until the first value
	mark     byte // decimal mark
	missing  *missingSet
	loc      *time.Location

	col Column // collects
	n   int    // cells so far

	times timeState

	// Cells that do not fit a guessed kind. Whether they are errors or the guess was wrong is decided at the end.
	bad      int
	badLine  int
	badValue string

	zeros bool // integers like 007 were seen

	reread bool // read all cells again, as text
	last   string
	intern map[string]string
}

// timeState is what a Time column has found out about its form.
type timeState struct {
	form   timeForm
	layout bool // form comes from Options.TimeLayout
	some   bool // form is set

	// A column of 01/07/2016 is read day first until a value decides.
	dayFirst bool // decided so
	example  string
}

// missingSet is Options.Missing made quick to ask.
type missingSet struct {
	words   map[string]bool
	first   [256]bool
	longest int
	numbers []float64 // those words that are numbers, such as -999
}

func newMissingSet(words []string, mark byte) *missingSet {
	m := &missingSet{words: make(map[string]bool, len(words))}
	for _, w := range words {
		w = string(trimBlank([]byte(w)))
		m.words[w] = true
		m.longest = max(m.longest, len(w))
		if w != "" {
			m.first[w[0]] = true
			if f, ok := parseFloat([]byte(w), mark); ok && f == f {
				m.numbers = append(m.numbers, f)
			}
		}
	}
	return m
}

// has tells whether b, without surrounding blanks, means "no value".
func (m *missingSet) has(b []byte) bool {
	if len(b) > m.longest {
		return false
	}
	if len(b) > 0 && !m.first[b[0]] {
		return false
	}
	return m.words[string(b)]
}

func (m *missingSet) hasNumber(v float64) bool {
	for _, w := range m.numbers {
		if w == v {
			return true
		}
	}
	return false
}

func trimBlank(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// reserve makes room for n cells of the kind guessed.
func (b *builder) reserve(n int) {
	switch b.kind {
	case Float:
		b.col.Floats = make([]float64, 0, n)
	case Int:
		b.col.Ints = make([]int64, 0, n)
	case Time:
		b.col.Times = make([]time.Time, 0, n)
	case String:
		b.col.Strings = make([]string, 0, n)
	}
}

// addMissing adds a cell without a value.
func (b *builder) addMissing() {
	switch b.kind {
	case Float:
		b.col.Floats = append(b.col.Floats, math.NaN())
	case Int:
		b.col.Ints = append(b.col.Ints, 0)
	case Bool:
		b.col.Bools = append(b.col.Bools, false)
	case Time:
		b.col.Times = append(b.col.Times, time.Time{})
	case String:
		b.col.Strings = append(b.col.Strings, "")
	}
	if b.kind != Float && b.kind != Auto {
		b.col.Missing.Set(b.n)
	}
	b.n++
}

// become turns the column into kind k when there is none yet or when Int widens to Float.
func (b *builder) become(k Kind) {
	if b.kind == Int && k == Float {
		fs, _ := (&Column{Kind: Int, Ints: b.col.Ints, Missing: b.col.Missing}).AsFloats()
		b.col.Floats, b.col.Ints, b.col.Missing = fs, nil, Bitmap{}
		b.kind = Float
		return
	}
	n := b.n
	b.kind, b.n = k, 0
	for range n {
		b.addMissing()
	}
}

// addNumber adds a number that scanNumber read from text. Missing numbers (-999) are looked up here.
func (b *builder) addNumber(x number, text []byte, line int) error {
	if len(b.missing.numbers) > 0 && b.missing.hasNumber(x.float64(text, b.mark)) {
		b.addMissing()
		return nil
	}
	if b.kind == Float {
		b.col.Floats = append(b.col.Floats, x.float64(text, b.mark))
		b.n++
		return nil
	}
	b.zeros = b.zeros || x.zeros
	v, ok := x.int64()
	switch {
	case b.kind == Auto && ok:
		b.become(Int)
	case b.kind == Auto:
		b.become(Float)
	}
	if b.kind == Int && ok {
		b.col.Ints = append(b.col.Ints, v)
		b.n++
		return nil
	}
	if b.kind == Int && b.declared {
		f := x.float64(text, b.mark)
		if f != math.Trunc(f) || math.Abs(f) >= 1<<63 {
			return b.reject(text, line)
		}
		b.col.Ints = append(b.col.Ints, int64(f))
		b.n++
		return nil
	}
	if b.kind == Int {
		b.become(Float)
	}
	b.col.Floats = append(b.col.Floats, x.float64(text, b.mark))
	b.n++
	return nil
}

// addText adds a cell of whatever kind from its text.
func (b *builder) addText(raw []byte, line int) error {
	text := trimBlank(raw)
	if b.missing.has(text) {
		b.addMissing()
		return nil
	}
	switch b.kind {
	case Auto:
		k := guessCell(text, b.mark, b.loc)
		if k == Int || k == Float {
			break
		}
		b.become(k)
		return b.addText(raw, line)
	case Bool:
		if v, ok := b.parseBool(text); ok {
			b.col.Bools = append(b.col.Bools, v)
			b.n++
			return nil
		}
		return b.reject(text, line)
	case Time:
		return b.addTime(text, line)
	case String:
		b.addString(raw)
		return nil
	}
	if x, n := scanNumber(text, b.mark); n > 0 && n == len(text) {
		return b.addNumber(x, text, line)
	}
	f, ok := parseFloat(text, b.mark) // inf, nan
	if !ok || b.kind == Int && b.declared {
		return b.reject(text, line)
	}
	if b.missing.hasNumber(f) {
		b.addMissing()
		return nil
	}
	if b.kind != Float {
		b.become(Float)
	}
	b.col.Floats = append(b.col.Floats, f)
	b.n++
	return nil
}

// addString adds the text itself. Ids come in runs and words come again, so equal texts share memory.
func (b *builder) addString(raw []byte) {
	if string(raw) != b.last || b.last == "" {
		s, ok := b.intern[string(raw)]
		if !ok {
			s = string(raw)
			if b.intern == nil {
				b.intern = make(map[string]string)
			}
			if len(b.intern) < 4096 {
				b.intern[s] = s
			}
		}
		b.last = s
	}
	b.col.Strings = append(b.col.Strings, b.last)
	b.n++
}

func (b *builder) parseBool(text []byte) (v, ok bool) {
	switch {
	case equalFold(text, "true"):
		return true, true
	case equalFold(text, "false"):
		return false, true
	case !b.declared:
		return false, false
	case equalFold(text, "1"), equalFold(text, "yes"), equalFold(text, "y"), equalFold(text, "t"):
		return true, true
	case equalFold(text, "0"), equalFold(text, "no"), equalFold(text, "n"), equalFold(text, "f"):
		return false, true
	}
	return false, false
}

// addTime adds a time and widens the form of the column by it.
func (b *builder) addTime(text []byte, line int) error {
	s := &b.times
	if !s.some {
		s.form = timeForm{order: guessOrder(text, b.declared)}
	}
	if s.layout || s.form.order == orderCustom {
		t, f, ok := s.form.parse(text, b.loc)
		if !ok || f.order != s.form.order {
			return b.reject(text, line)
		}
		b.pushTime(t)
		return nil
	}
	wish := s.form.order
	if wish == orderDMY && !s.dayFirst {
		wish = orderNone
	}
	t, f, ok := detectTime(text, wish, b.loc)
	if ok && f.order == orderMDY && s.some && s.form.order == orderDMY && !s.dayFirst {
		// The first value whose second number can be no month: all before were month first as well.
		b.swapDayMonth()
	}
	if ok && s.some {
		f, ok = joinForms(s.form, f)
	}
	if !ok {
		return b.reject(text, line)
	}
	if s.form = f; !s.some {
		s.some, s.example = true, string(text)
	}
	if f.order == orderDMY && t.Day() > 12 {
		s.dayFirst = true
	}
	b.pushTime(t)
	return nil
}

func (b *builder) pushTime(t time.Time) {
	b.col.Times = append(b.col.Times, t)
	b.n++
}

// swapDayMonth rereads all times so far, whose days are 12 or less, month first.
func (b *builder) swapDayMonth() {
	for i, t := range b.col.Times {
		if !b.col.Missing.Get(i) {
			h, m, s := t.Clock()
			b.col.Times[i] = time.Date(t.Year(), time.Month(t.Day()), int(t.Month()), h, m, s, t.Nanosecond(), t.Location())
		}
	}
	b.times.form.order = orderMDY
}

// guessOrder tells the order for numbers that are times only because a Time column was asked for.
func guessOrder(text []byte, declared bool) dateOrder {
	if !declared {
		return orderNone
	}
	x, n := scanNumber(text, '.')
	if n == 0 || n != len(text) {
		return orderNone
	}
	digits := leadingDigits(text)
	switch {
	case digits == 4 && x.whole:
		return orderY
	case digits == 6 && x.whole && x.mant >= 100001 && x.mant%100 >= 1 && x.mant%100 <= 12:
		return orderYMCompact
	case digits == 8 && x.whole:
		return orderCompact
	case x.mant < 1e11 || !x.whole:
		return orderUnix
	case x.mant < 1e14:
		return orderUnixMilli
	case x.mant < 1e17:
		return orderUnixMicro
	}
	return orderUnixNano
}

// reject notes a cell that does not fit. It is an error at once in a declared column; in a guessed one the end decides.
func (b *builder) reject(text []byte, line int) error {
	if b.bad == 0 {
		b.badLine, b.badValue = line, string(text)
	}
	b.bad++
	if b.declared {
		return b.badError()
	}
	b.addMissing()
	return nil
}

// badError names the first cell that does not fit and what to do.
func (b *builder) badError() *Error {
	v := strconv.Quote(clip(b.badValue))
	arg := v
	if s := b.badValue; len(v) == len(s)+2 && !strings.ContainsAny(s, " '$&;|<>()*?!#") {
		arg = s
	}
	e := &Error{Line: b.badLine, Column: b.name}
	switch b.kind {
	case Int:
		e.Msg = fmt.Sprintf("%s is not a whole number; fix the cell or give --missing %s", v, arg)
		if !b.declared {
			e.Msg = fmt.Sprintf("%s is not a number; fix the cell or give --missing %s", v, arg)
		}
	case Bool:
		e.Msg = fmt.Sprintf("%s is neither true nor false; fix the cell or give --missing %s", v, arg)
	case Time:
		e.Msg = fmt.Sprintf("%s is not a time; fix the cell or give --time-format", v)
		if s := &b.times; s.some {
			e.Msg = fmt.Sprintf("%s is not a time of the form %s; fix the cell or give --time-format", v, s.form.layout())
		}
	default:
		e.Msg = fmt.Sprintf("%s is not a number; fix the cell or give --missing %s", v, arg)
	}
	return e
}

// mostly is the share of fitting cells from which on a misfit is an error in the file and not in the guess.
const mostly = 0.9

// finish ends the column. It is a problem if some cells do not fit or the order of day and month stays open. With
// reread set the cells are wanted again, as text.
func (b *builder) finish() error {
	good := b.n - b.col.countMissingOf(b.kind)
	switch {
	case b.bad > 0 && b.kind != Bool && float64(good) >= mostly*float64(good+b.bad):
		return b.badError()
	case b.bad > 0:
		b.reread = true
		return nil
	case b.kind == Int && b.zeros && !b.declared:
		b.reread = true
		return nil
	}
	if b.kind == Auto {
		b.become(Float) // a column without a value is one of NaN, the kind that goes with everything
	}
	if b.kind == Time {
		if s := &b.times; !s.layout && s.form.order == orderDMY && !s.dayFirst && good > 0 {
			return &Error{Column: b.name, Msg: fmt.Sprintf("%q may name the day or the month first and no row decides; "+
				"give --time-format %s (day first) or %s (month first)", s.example, s.form.layout(), s.form.monthFirst())}
		}
		b.col.Layout = b.times.form.layout()
	}
	b.col.Name, b.col.Kind = b.name, b.kind
	return nil
}

// monthFirst spells the form with month and day exchanged.
func (f timeForm) monthFirst() string {
	f.order = orderMDY
	return f.layout()
}

// countMissingOf is CountMissing of a column whose kind is not set yet.
func (c *Column) countMissingOf(k Kind) int {
	if k == Float {
		return (&Column{Kind: Float, Floats: c.Floats}).CountMissing()
	}
	return c.Missing.Count()
}

// guessCell tells the kind of a single text that is not missing.
func guessCell(text []byte, mark byte, loc *time.Location) Kind {
	if x, n := scanNumber(text, mark); n > 0 && n == len(text) {
		if x.whole {
			return Int
		}
		return Float
	}
	if _, ok := parseFloat(text, mark); ok {
		return Float
	}
	if equalFold(text, "true") || equalFold(text, "false") {
		return Bool
	}
	if _, _, ok := detectTime(text, orderNone, loc); ok {
		return Time
	}
	return String
}
