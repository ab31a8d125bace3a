package series

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/hanji-ml/hanji/table"
)

// group sorts the rows by series, in order of first appearance.
func (b *builder) group() error {
	if len(b.ids) == 0 {
		all := make([]int, b.t.Rows())
		for i := range all {
			all[i] = i
		}
		b.keys, b.rows = []string{""}, [][]int{all}
		return nil
	}
	at := map[string]int{}
	for row := range b.t.Rows() {
		for _, c := range b.ids {
			if c.IsMissing(row) {
				return b.at(row, "no id in column %q; fill it in or remove the row", c.Name)
			}
		}
		id := b.id(b.ids, row)
		k, known := at[id]
		if !known {
			k = len(b.keys)
			at[id] = k
			b.keys, b.rows = append(b.keys, id), append(b.rows, nil)
		}
		b.rows[k] = append(b.rows[k], row)
	}
	return nil
}

// before compares the times of two rows.
func (b *builder) before(x, y int) int {
	switch {
	case b.time == nil:
		return cmp.Compare(x, y)
	case b.time.Kind == table.Int:
		return cmp.Compare(b.time.Ints[x], b.time.Ints[y])
	}
	return b.time.Times[x].Compare(b.time.Times[y])
}

// order puts the rows of each series in order of time and refuses times that appear twice.
func (b *builder) order() error {
	sorted := 0
	for k, rows := range b.rows {
		if !slices.IsSortedFunc(rows, b.before) {
			if sorted++; sorted == 1 {
				i := 1
				for b.before(rows[i-1], rows[i]) <= 0 {
					i++
				}
				b.note("%s: %s comes after %s: rows were sorted by time", b.t.Where(rows[i]), b.timeText(rows[i]), b.timeText(rows[i-1]))
			}
			slices.SortStableFunc(rows, b.before)
		}
		for i := 1; i < len(rows); i++ {
			if b.before(rows[i-1], rows[i]) != 0 {
				continue
			}
			of, advice := "", "give --id-col"
			if b.keys[k] != "" {
				of, advice = fmt.Sprintf(" in series %q", clipText(b.keys[k])), "give another --id-col"
			}
			return b.at(rows[i], "%s appears twice%s (first at %s); remove one or %s", b.timeText(rows[i]), of, b.place(rows[i-1]), advice)
		}
	}
	return nil
}

// place says where a row is, within the same file.
func (b *builder) place(row int) string {
	if line := b.t.LineOf(row); line > 0 {
		return fmt.Sprintf("line %d", line)
	}
	return fmt.Sprintf("row %d", row+1)
}

func (b *builder) timeText(row int) string {
	if b.time.Kind == table.Int {
		return fmt.Sprint(b.time.Ints[row])
	}
	return stampText(b.time.Times[row])
}

func (b *builder) dated() bool { return b.time != nil && b.time.Kind == table.Time }

// frequency finds the frequency of each series: the longest decides, the others differ in weekday or phase only.
func (b *builder) frequency() error {
	b.freqs = make([]Freq, len(b.rows))
	if !b.dated() {
		return nil
	}
	common := b.o.Freq
	if common.Unit == NoUnit {
		longest := 0
		for k, rows := range b.rows {
			if len(rows) > len(b.rows[longest]) {
				longest = k
			}
		}
		stamps := b.stamps(b.rows[longest])
		f, err := InferFreq(stamps)
		if errors.Is(err, ErrIrregular) {
			return b.irregular(b.rows[longest])
		}
		if err != nil {
			return b.errorf("%s", trimPrefix(err))
		}
		common = f
		b.clocks(common)
		b.note("frequency %s, found from %d stamps", f, len(stamps))
	}
	for k, rows := range b.rows {
		b.freqs[k] = common.standing(b.time.Times[rows[0]])
		if b.o.Freq.Unit != NoUnit {
			b.freqs[k] = common
		}
	}
	return nil
}

// clocks takes the offsets off stamps of days or longer steps that change them, as a clock does for daylight saving: by
// the calendar such steps are equal, in hours they are not. Times of a named zone know its calendar.
func (b *builder) clocks(f Freq) {
	first, changes := b.time.Times[0], false
	_, offset := first.Zone()
	for _, t := range b.time.Times {
		_, o := t.Zone()
		changes = changes || o != offset
		if name := t.Location().String(); name != "" && name != "UTC" {
			return
		}
	}
	if !changes || f.Unit < Day {
		return
	}
	c := table.Column{Name: b.time.Name, Kind: table.Time, Times: make([]time.Time, len(b.time.Times))}
	for row, t := range b.time.Times {
		c.Times[row] = time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
	}
	b.note("offsets of the times change: steps are counted by the calendar, without them")
	b.o.TimeCol, b.time = b.time.Name, &c // see years
}

func (b *builder) stamps(rows []int) []time.Time {
	out := make([]time.Time, len(rows))
	for i, row := range rows {
		out[i] = b.time.Times[row]
	}
	return out
}

// irregular names the first distance that differs from the most common one.
func (b *builder) irregular(rows []int) error {
	count := map[time.Duration]int{}
	var usual time.Duration
	stamps := b.stamps(rows)
	for i := 1; i < len(stamps); i++ {
		d := stamps[i].Sub(stamps[i-1])
		if count[d]++; count[d] > count[usual] {
			usual = d
		}
	}
	for i := 1; i < len(stamps); i++ {
		if d := stamps[i].Sub(stamps[i-1]); d != usual {
			return b.at(rows[i], "%s is %v after %s, where most distances are %v: %w; resample the data, or give --freq if it is known",
				stampText(stamps[i]), d, b.place(rows[i-1]), usual, ErrIrregular)
		}
	}
	return b.at(rows[0], "every distance is %v: %w; give --freq", usual, ErrIrregular)
}

func trimPrefix(err error) string {
	const prefix = "series: "
	s := err.Error()
	if len(s) > len(prefix) && s[:len(prefix)] == prefix {
		return s[len(prefix):]
	}
	return s
}

// positions is the step of each row of series k, counted from its first, and the number of steps.
func (b *builder) positions(k int) (at []int, n int, err error) {
	rows := b.rows[k]
	at = make([]int, len(rows))
	gap := -1
	for i, row := range rows {
		exact := true
		switch {
		case b.time == nil:
			at[i] = i
		case b.dated():
			at[i], exact = b.freqs[k].Steps(b.time.Times[rows[0]], b.time.Times[row])
		default:
			at[i], exact = b.numbered(k, row)
		}
		if !exact || i > 0 && at[i] <= at[i-1] {
			return nil, 0, b.at(row, "%s is not a whole number of steps of %s after %s (%s); correct it or give another --freq",
				b.timeText(row), b.freqs[k], b.timeText(rows[0]), b.place(rows[0]))
		}
		if i > 0 && at[i] != at[i-1]+1 && gap < 0 {
			gap = i
		}
	}
	n = at[len(at)-1] + 1
	if gap < 0 {
		return at, n, nil
	}
	missing := n - len(rows)
	if !b.o.FillGaps {
		return nil, 0, b.at(rows[gap], "%d step(s) are missing before %s (after %s); %d in the whole series: add the rows or give --fill-gaps",
			at[gap]-at[gap-1]-1, b.timeText(rows[gap]), b.place(rows[gap-1]), missing)
	}
	if limit := max(1_000_000, 100*len(rows)); n > limit {
		return nil, 0, b.at(rows[gap], "filling the gaps of %d rows would make %d steps; is the frequency %s right? give --freq", len(rows), n, b.freqs[k])
	}
	return at, n, nil
}

// numbered is the step of a row whose time is a whole number: steps are as far apart as the first two.
func (b *builder) numbered(k, row int) (int, bool) {
	first, step := b.time.Ints[b.rows[k][0]], int64(1)
	if len(b.rows[k]) > 1 {
		step = b.time.Ints[b.rows[k][1]] - first
	}
	d := b.time.Ints[row] - first
	if step <= 0 || d < 0 || d/step > maxRows32 { // overflow of distant numbers, or too far to be a step
		return 0, d == 0
	}
	return int(d / step), d%step == 0
}

const maxRows32 = math.MaxInt32 // steps beyond this are no series

// build lays every series on its grid.
func (b *builder) build() error {
	targets, err1 := b.read(b.targets)
	past, err2 := b.read(b.byName(b.o.PastCovariates))
	future, err3 := b.read(b.byName(b.o.FutureCovariates))
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	g := grid{builder: b, targets: targets, past: past, future: future, shortest: math.MaxInt}
	for k := range b.rows {
		if err := g.add(k); err != nil {
			return err
		}
	}
	if g.filled > 0 {
		b.note("%d missing step(s) were filled with NaN", g.filled)
	}
	if g.ahead > 0 {
		b.note("%d row(s) at the end have no value: the forecast begins there", g.ahead)
	}
	if g.shortest != g.longest {
		b.note("the series have %d to %d steps", g.shortest, g.longest)
	}
	return nil
}

// grid is a table's numbers on their way to the steps of series.
type grid struct {
	*builder
	targets, past, future []numbers
	filled                int // steps without a row
	ahead                 int // rows after the last value, of the group with most
	shortest, longest     int
}

type numbers struct {
	name   string
	values []float64
}

func (b *builder) read(columns []*table.Column) ([]numbers, error) {
	var out []numbers
	for _, c := range columns {
		v, err := b.numbers(c)
		if err != nil {
			return nil, err
		}
		out = append(out, numbers{c.Name, v})
	}
	return out, nil
}

// lay puts the values of rows at their steps, of n.
func lay(values []float64, rows, at []int, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = math.NaN()
	}
	for i, row := range rows {
		out[at[i]] = values[row]
	}
	return out
}

// add makes a series of each target of group k.
func (g *grid) add(k int) error {
	rows := g.rows[k]
	at, n, err := g.positions(k)
	if err != nil {
		return err
	}
	g.filled += n - len(rows)
	columns := make([][]float64, len(g.targets))
	end := 0 // one after the last step at which a target is known
	for i, c := range g.targets {
		columns[i] = lay(c.values, rows, at, n)
		known := observed(columns[i])
		if known == 0 {
			return g.at(rows[0], "series %q has no value in column %q; remove its rows", clipText(g.keys[k]), c.name)
		}
		end = max(end, known)
	}
	s := Series{Freq: g.freqs[k], Group: g.keys[k]}
	if len(g.future) == 0 {
		s.Horizon = n - end
		g.ahead = max(g.ahead, n-end)
	}
	if g.dated() {
		s.Start = g.time.Times[rows[0]]
	}
	for _, c := range g.past {
		s.Past = append(s.Past, Covariate{c.name, lay(c.values, rows, at, n)[:end:end]})
	}
	for _, c := range g.future {
		s.Future = append(s.Future, Covariate{c.name, lay(c.values, rows, at, n)})
	}
	if s.Static, err = g.static(rows); err != nil {
		return err
	}
	g.shortest, g.longest = min(g.shortest, end), max(g.longest, end)
	for i, c := range g.targets {
		channel := s
		channel.ID, channel.Y = g.seriesID(k, c.name, len(g.targets)), columns[i][:end:end]
		if len(g.targets) == 1 {
			channel.Group = ""
		} else if channel.Group == "" {
			channel.Group = g.panel.Name
		}
		g.panel.Series = append(g.panel.Series, channel)
	}
	return nil
}

func (b *builder) seriesID(k int, target string, targets int) string {
	switch {
	case b.keys[k] == "":
		return target
	case targets == 1:
		return b.keys[k]
	}
	return b.keys[k] + "/" + target
}

func (b *builder) byName(names []string) []*table.Column {
	var out []*table.Column
	for _, n := range names {
		out = append(out, b.t.Column(n))
	}
	return out
}

// observed is one after the last value that is not NaN.
func observed(y []float64) int {
	n := len(y)
	for n > 0 && math.IsNaN(y[n-1]) {
		n--
	}
	return n
}

// static reads the columns that are constant within the rows.
func (b *builder) static(rows []int) ([]Attribute, error) {
	var out []Attribute
	for _, c := range b.byName(b.o.Static) {
		text := c.Text(rows[0])
		for _, row := range rows {
			if c.Text(row) != text {
				return nil, b.at(row, "static column %q changes from %q to %q within a series; make it a covariate", c.Name, clipText(text), clipText(c.Text(row)))
			}
		}
		a := Attribute{c.Name, math.NaN(), text}
		if c.Kind != table.String && c.Kind != table.Time {
			v, err := b.numbers(c)
			if err != nil {
				return nil, err
			}
			a.Value = v[rows[0]]
		}
		out = append(out, a)
	}
	return out, nil
}
