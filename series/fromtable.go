package series

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/hanji-ml/hanji/table"
)

// Layout is how a table holds series.
type Layout uint8

const (
	AutoLayout Layout = iota // long if the time stamps repeat or an id column is named, else wide
	Long                     // one row for each series and time: an id column and a time column
	Wide                     // one row for each time: every target column is a series
)

var layoutNames = [...]string{"auto", "long", "wide"}

// String is the lower-case name of l.
func (l Layout) String() string {
	if int(l) < len(layoutNames) {
		return layoutNames[l]
	}
	return fmt.Sprintf("layout(%d)", uint8(l))
}

// Options says which columns of a table are what. The zero value finds everything out; [Panel.Notes] tells what was
// found.
type Options struct {
	// TimeCol is the column of time stamps, or of whole numbers that count the steps. Default: a column of times named
	// ds, date, datetime, time, timestamp, month, …; else the first column of times; else whole numbers of such a name;
	// else the rows are numbered.
	TimeCol string
	// IDCol is the column that names the series of a long table. Default, if time stamps repeat: unique_id, item_id,
	// series_id, id, series, …; else the first text column that tells the rows of one time apart; else all of them.
	IDCol string
	// Targets are the columns to forecast. Default: y, target or value if there is one, else every numeric column that
	// is nothing else.
	Targets []string
	// PastCovariates are numeric columns known up to the last observation, FutureCovariates those known ahead: rows after
	// the last target value hold their future. Without them rows after the last value of every target are the steps to
	// forecast (Series.Horizon), too.
	PastCovariates, FutureCovariates []string
	// Static are columns that are constant within a series.
	Static []string
	// Freq is the distance of the stamps. Default (zero): [InferFreq], of the longest series.
	Freq Freq
	// Layout of the table. Default: found from the time stamps.
	Layout Layout
	// FillGaps puts NaN where time stamps are missing, and a note with the count. Default: a gap is an error.
	FillGaps bool
	// Horizon is the number of steps after the last observation for which future covariates must be there. Default (0):
	// not checked.
	Horizon int
}

// FromTable turns a table into series. What is wrong is reported with the line of the file and what to do: stamps that
// appear twice, do not fit the frequency or are missing, columns without a value, text in a column of numbers, future
// covariates not given. Rows that are out of order are sorted, with a note. The table is not written to.
func FromTable(t *table.Table, o Options) (*Panel, error) {
	b := &builder{t: t, o: o, panel: &Panel{Name: t.Name}}
	if b.panel.Name == "" {
		b.panel.Name = "table"
	}
	if t.Rows() == 0 {
		return nil, fmt.Errorf("series: %s: no rows", b.panel.Name)
	}
	steps := []func() error{b.named, b.findTime, b.findID, b.findTargets, b.group, b.order, b.frequency, b.build}
	if b.rowwise() {
		steps = []func() error{b.buildRows}
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, err
		}
	}
	if o.Horizon > 0 {
		if err := b.panel.CheckFuture(o.Horizon); err != nil {
			return nil, err
		}
	}
	return b.panel, nil
}

// builder holds what FromTable knows so far.
type builder struct {
	t     *table.Table
	o     Options
	panel *Panel

	time    *table.Column   // of times or whole numbers; nil: rows are numbered
	ids     []*table.Column // empty: one group
	targets []*table.Column
	keys    []string // id of each group
	rows    [][]int  // rows of each group, by time
	freqs   []Freq   // of each group
}

func (b *builder) note(format string, args ...any) {
	b.panel.Notes = append(b.panel.Notes, fmt.Sprintf(format, args...))
}

func (b *builder) errorf(format string, args ...any) error {
	return fmt.Errorf("series: %s: "+format, append([]any{b.panel.Name}, args...)...)
}

// at is errorf with the line of a row.
func (b *builder) at(row int, format string, args ...any) error {
	return fmt.Errorf("series: %s: "+format, append([]any{b.t.Where(row)}, args...)...)
}

// named reports every column of the options that the table lacks, and every one asked for twice.
func (b *builder) named() error {
	var errs []error
	role := map[string]string{}
	check := func(what string, names ...string) {
		for _, n := range names {
			switch {
			case n == "":
			case b.t.Column(n) == nil:
				errs = append(errs, b.errorf("no column %q (%s); there are %s", clipText(n), what, b.columns()))
			case role[n] != "":
				errs = append(errs, b.errorf("column %q is asked for as %s and as %s", clipText(n), role[n], what))
			default:
				role[n] = what
			}
		}
	}
	check("time column", b.o.TimeCol)
	check("id column", b.o.IDCol)
	check("target", b.o.Targets...)
	check("past covariate", b.o.PastCovariates...)
	check("future covariate", b.o.FutureCovariates...)
	check("static column", b.o.Static...)
	if b.o.Horizon < 0 {
		errs = append(errs, b.errorf("horizon %d is below 0", b.o.Horizon))
	}
	return errors.Join(errs...)
}

func (b *builder) columns() string {
	names := b.t.Names()
	if len(names) > 20 {
		names = append(slices.Clone(names[:20]), "…")
	}
	return strings.Join(names, ", ")
}

// numbers are the values of a column that must be numeric.
func (b *builder) numbers(c *table.Column) ([]float64, error) {
	if c.Kind == table.String || c.Kind == table.Time {
		for row := range c.Len() {
			if !c.IsMissing(row) && !numeric(c.Text(row)) {
				return nil, b.at(row, "column %q: %q is no number; correct it or leave the column out", c.Name, clipText(c.Text(row)))
			}
		}
	}
	v, err := c.AsFloats()
	if err != nil {
		return nil, b.errorf("%w", err)
	}
	for row, x := range v {
		if math.IsInf(x, 0) {
			return nil, b.at(row, "column %q: %v is no finite number", c.Name, x)
		}
	}
	return v, nil
}

// CheckFuture reports the steps, up to h after the last observation, at which a future covariate has no value: the first
// few by series and date, and how many there are. Without future covariates there is nothing to check.
func (p *Panel) CheckFuture(h int) error {
	const show = 5
	var missing []string
	n := 0
	for i := range p.Series {
		s := &p.Series[i]
		for step := len(s.Y); step < len(s.Y)+h; step++ {
			var names []string
			for _, c := range s.Future {
				if step >= len(c.Values) || math.IsNaN(c.Values[step]) {
					names = append(names, c.Name)
				}
			}
			if len(names) == 0 {
				continue
			}
			if n++; n <= show {
				missing = append(missing, fmt.Sprintf("%s at %s (%s)", s.title(), s.stamp(step), strings.Join(names, ", ")))
			}
		}
	}
	if n == 0 {
		return nil
	}
	if n > show {
		missing = append(missing, "…")
	}
	return fmt.Errorf("series: %s: future covariates are missing for %d rows of the next %d steps: %s; add these rows, with the target left empty",
		p.Name, n, h, strings.Join(missing, "; "))
}

// stamp is the time of step i for messages.
func (s *Series) stamp(i int) string {
	if s.Freq.Unit == NoUnit {
		return fmt.Sprintf("step %d", i+1)
	}
	return stampText(s.Time(i))
}

// stampText writes a time as short as it can be said.
func stampText(t time.Time) string {
	switch {
	case t.Nanosecond() != 0:
		return t.Format("2006-01-02 15:04:05.999999999")
	case t.Second() != 0:
		return t.Format("2006-01-02 15:04:05")
	case t.Hour() != 0 || t.Minute() != 0:
		return t.Format("2006-01-02 15:04")
	}
	return t.Format("2006-01-02")
}
