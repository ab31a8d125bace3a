package series

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hanji-ml/hanji/table"
)

// Names that say what a column is, without regard to case, in order of preference.
var (
	timeNames   = []string{"ds", "date", "datetime", "timestamp", "time", "month", "quarter", "year", "week", "day", "hour", "period", "step", "index", "t", "ts", "epoch"}
	idNames     = []string{"unique_id", "item_id", "series_id", "series_name", "series", "id", "item", "sku", "store", "name"}
	targetNames = []string{"y", "target", "value"}
	indexNames  = []string{"", "unnamed: 0", "index", "rownames"} // row numbers that data frames write along
)

func lookup(names []string, t *table.Table, fits func(*table.Column) bool) *table.Column {
	for _, name := range names {
		for i := range t.Columns {
			if c := &t.Columns[i]; strings.EqualFold(strings.TrimSpace(c.Name), name) && fits(c) {
				return c
			}
		}
	}
	return nil
}

// used reports whether the options give the column a role already.
func (b *builder) used(c *table.Column) bool {
	o := &b.o
	return c == b.time || slices.Contains(b.ids, c) || c.Name == o.TimeCol && o.TimeCol != "" || c.Name == o.IDCol && o.IDCol != "" ||
		slices.Contains(o.Targets, c.Name) || slices.Contains(o.PastCovariates, c.Name) ||
		slices.Contains(o.FutureCovariates, c.Name) || slices.Contains(o.Static, c.Name)
}

func (b *builder) findTime() error {
	if b.o.TimeCol != "" {
		b.time = b.t.Column(b.o.TimeCol)
		if b.time.Kind != table.Time && b.time.Kind != table.Int {
			return b.errorf("column %q holds %ss (%q), not times; give the layout of its times or another --time-col", b.time.Name, b.time.Kind, clipText(b.time.Text(0)))
		}
	} else {
		free := func(k table.Kind) func(c *table.Column) bool {
			return func(c *table.Column) bool { return c.Kind == k && !b.used(c) }
		}
		b.time = lookup(timeNames, b.t, free(table.Time))
		for i := range b.t.Columns {
			if c := &b.t.Columns[i]; b.time == nil && free(table.Time)(c) {
				b.time = c
			}
		}
		if b.time == nil {
			b.time = lookup(timeNames, b.t, free(table.Int))
		}
		switch {
		case b.time == nil:
			b.note("no column of times: the rows are taken as steps in the order of the file")
		case b.time.Kind == table.Int:
			b.note("times are the numbers in column %q", b.time.Name)
		default:
			b.note("times are in column %q", b.time.Name)
		}
	}
	if b.time == nil {
		return nil
	}
	for row := range b.t.Rows() {
		if b.time.IsMissing(row) {
			return b.at(row, "no time in column %q; fill it in or remove the row", b.time.Name)
		}
	}
	if b.time.Kind == table.Int {
		b.epoch()
	}
	return b.years()
}

// epoch turns a column of whole numbers that are seconds since 1970, or milli-, micro- or nanoseconds, into dates: all of
// them between 1990 and 2100. Counted steps do not begin at a thousand million.
func (b *builder) epoch() {
	const from, to = 631152000, 4102444800
	lo, hi := slices.Min(b.time.Ints), slices.Max(b.time.Ints)
	for i, unit := range []string{"seconds", "milliseconds", "microseconds", "nanoseconds"} {
		scale := int64(math.Pow10(3 * i))
		if lo/scale < from || hi/scale >= to {
			continue
		}
		c := table.Column{Name: b.time.Name, Kind: table.Time, Times: make([]time.Time, len(b.time.Ints))}
		for row, v := range b.time.Ints {
			c.Times[row] = time.Unix(v/scale, v%scale*(1e9/scale)).UTC()
		}
		b.note("read as %s since 1970", unit)
		b.o.TimeCol, b.time = b.time.Name, &c // see years
		return
	}
}

// years turns a column named year, or of whole numbers 1000 to 2999 with that meaning, into dates.
func (b *builder) years() error {
	if b.time.Kind != table.Int || !strings.EqualFold(strings.TrimSpace(b.time.Name), "year") {
		return nil
	}
	c := table.Column{Name: b.time.Name, Kind: table.Time, Times: make([]time.Time, len(b.time.Ints))}
	for row, y := range b.time.Ints {
		if y < 1 || y > 9999 {
			return b.at(row, "column %q: %d is no year", b.time.Name, y)
		}
		c.Times[row] = time.Date(int(y), 1, 1, 0, 0, 0, 0, time.UTC)
	}
	// The new column takes the place of the old one in messages only: used() compares names for explicit options.
	b.o.TimeCol, b.time = b.time.Name, &c
	return nil
}

// key tells the times of rows apart.
func (b *builder) key(row int) [2]int64 {
	switch {
	case b.time == nil:
		return [2]int64{int64(row)}
	case b.time.Kind == table.Int:
		return [2]int64{b.time.Ints[row]}
	}
	t := b.time.Times[row]
	return [2]int64{t.Unix(), int64(t.Nanosecond())} // UnixNano ends in the year 2262
}

func (b *builder) findID() error {
	if b.o.Layout == Wide {
		if b.o.IDCol != "" {
			return b.errorf("a wide table has no id column; leave out %q or the layout", b.o.IDCol)
		}
		b.note("wide: every target column is a series")
		return nil
	}
	if b.o.IDCol != "" {
		b.ids = []*table.Column{b.t.Column(b.o.IDCol)}
		return nil
	}
	text := func(c *table.Column) bool { return (c.Kind == table.String || c.Kind == table.Int) && !b.used(c) }
	repeats := !b.distinct(nil)
	named := lookup(idNames, b.t, text)
	if !repeats {
		// Nothing asks for ids: a column plainly called so still names the series.
		if named = lookup(idNames[:3], b.t, text); named != nil && (b.o.Layout == Long || b.time != nil) {
			b.ids = []*table.Column{named}
			b.note("long: series are named by column %q", named.Name)
			return nil
		}
		if b.o.Layout == Long {
			return b.errorf("the layout is long, but no column names the series; give --id-col")
		}
		b.note("wide: no time appears twice, so every target column is a series")
		return nil
	}
	var candidates []*table.Column
	if named != nil {
		candidates = append(candidates, named)
	}
	var texts []*table.Column
	for i := range b.t.Columns {
		c := &b.t.Columns[i]
		switch {
		case b.used(c):
		case c.Kind == table.String:
			candidates, texts = append(candidates, c), append(texts, c)
		case c.Kind == table.Int && slices.Contains(idNames, strings.ToLower(c.Name)): // store and item numbers
			texts = append(texts, c)
		}
	}
	for _, c := range candidates {
		if b.distinct([]*table.Column{c}) {
			b.ids = []*table.Column{c}
			b.note("long: times repeat, series are named by column %q", c.Name)
			return nil
		}
	}
	if len(texts) > 1 && b.distinct(texts) {
		b.ids = texts
		var names []string
		for _, c := range texts {
			names = append(names, c.Name)
		}
		b.note("long: times repeat, series are named by columns %s", strings.Join(names, ", "))
		return nil
	}
	if named != nil { // whichever row appears twice is reported under it
		b.ids = []*table.Column{named}
	}
	return nil
}

// id is the name of the row's series.
func (b *builder) id(ids []*table.Column, row int) string {
	if len(ids) == 1 {
		return ids[0].Text(row)
	}
	parts := make([]string, len(ids))
	for i, c := range ids {
		parts[i] = c.Text(row)
	}
	return strings.Join(parts, "/")
}

// distinct reports whether no two rows share time and id.
func (b *builder) distinct(ids []*table.Column) bool {
	type place struct {
		id string
		at [2]int64
	}
	seen := make(map[place]struct{}, b.t.Rows())
	for row := range b.t.Rows() {
		p := place{b.id(ids, row), b.key(row)}
		if _, twice := seen[p]; twice {
			return false
		}
		seen[p] = struct{}{}
	}
	return true
}

func (b *builder) findTargets() error {
	for _, name := range b.o.Targets {
		b.targets = append(b.targets, b.t.Column(name))
	}
	if len(b.targets) > 0 {
		return b.empty(b.targets)
	}
	free := func(c *table.Column) bool {
		return (c.Kind == table.Int || c.Kind == table.Float) && !b.used(c)
	}
	if c := lookup(targetNames, b.t, free); c != nil {
		b.targets = []*table.Column{c}
		b.note("the target is column %q", c.Name)
		return b.empty(b.targets)
	}
	var names []string
	for i := range b.t.Columns {
		c := &b.t.Columns[i]
		switch {
		case b.used(c) || b.counter(c):
		case free(c) || c.CountMissing() == c.Len():
			b.targets, names = append(b.targets, c), append(names, c.Name)
		case c.Kind == table.String:
			if err := b.spoiled(c); err != nil {
				return err
			}
		}
	}
	if len(b.targets) == 0 {
		return b.noNumbers()
	}
	if len(names) > 8 {
		names = append(names[:8:8], "…")
	}
	b.note("%d target column(s): %s", len(b.targets), strings.Join(names, ", "))
	return b.empty(b.targets)
}

// noNumbers says why there is nothing to forecast: mostly a currency, a percent sign or marks between thousands.
func (b *builder) noNumbers() error {
	for i := range b.t.Columns {
		c := &b.t.Columns[i]
		if c.Kind != table.String || b.used(c) {
			continue
		}
		for row := range c.Len() {
			if !c.IsMissing(row) && strings.ContainsAny(c.Strings[row], "0123456789") {
				return b.at(row, "no column of numbers to forecast; column %q holds texts such as %q: write plain numbers, or give --target", c.Name, clipText(c.Strings[row]))
			}
		}
	}
	return b.errorf("no column of numbers to forecast; there are %s: give --target", b.columns())
}

// empty names the columns that hold nothing.
func (b *builder) empty(columns []*table.Column) error {
	for _, c := range columns {
		if c.CountMissing() == c.Len() {
			return b.errorf("column %q has no value; remove it or name the columns to forecast with --target", c.Name)
		}
	}
	return nil
}

// counter reports whether c is a row number that a data frame wrote along.
func (b *builder) counter(c *table.Column) bool {
	if c.Kind != table.Int || !slices.ContainsFunc(indexNames, func(n string) bool { return strings.EqualFold(n, strings.TrimSpace(c.Name)) }) {
		return false
	}
	for i := 1; i < len(c.Ints); i++ {
		if c.Ints[i] != c.Ints[i-1]+1 {
			return false
		}
	}
	return true
}

// spoiled reports the first text in a column that is numbers for the most part.
func (b *builder) spoiled(c *table.Column) error {
	first, numbers, texts := -1, 0, 0
	for row := range c.Len() {
		switch {
		case c.IsMissing(row):
		case numeric(c.Strings[row]):
			numbers++
		default:
			if texts++; first < 0 {
				first = row
			}
		}
	}
	if texts == 0 || numbers <= texts {
		return nil
	}
	return b.at(first, "column %q: %q is no number, like %d others of the column are; correct it, or name the columns to forecast with --target",
		c.Name, clipText(c.Strings[first]), numbers)
}

func numeric(s string) bool {
	_, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	return err == nil
}
