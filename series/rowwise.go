package series

import (
	"math"
	"strconv"

	"github.com/hanji-ml/hanji/table"
)

// rowwise tells a table of the M competitions, in which each row is a series: R writes its columns without names as V1,
// which names the series, and V2, V3, … for the steps. Short series leave their last cells empty.
func (b *builder) rowwise() bool {
	o, columns := &b.o, b.t.Columns
	if o.Layout != AutoLayout || o.TimeCol != "" || o.IDCol != "" || len(o.Targets)+len(o.PastCovariates)+len(o.FutureCovariates)+len(o.Static) > 0 || len(columns) < 3 {
		return false
	}
	for i := range columns {
		c := &columns[i]
		number := c.Kind == table.Int || c.Kind == table.Float || c.CountMissing() == c.Len()
		if c.Name != "V"+strconv.Itoa(i+1) || number == (i == 0) {
			return false
		}
	}
	return columns[0].Kind == table.String && columns[0].CountMissing() == 0
}

// buildRows makes a series of each row.
func (b *builder) buildRows() error {
	steps := make([][]float64, len(b.t.Columns)-1)
	for i := range steps {
		v, err := b.numbers(&b.t.Columns[i+1])
		if err != nil {
			return err
		}
		steps[i] = v
	}
	names, seen := &b.t.Columns[0], map[string]int{}
	shortest, longest := math.MaxInt, 0
	for row := range b.t.Rows() {
		id := names.Strings[row]
		if first, twice := seen[id]; twice {
			return b.at(row, "series %q appears twice (first at %s); rename one", clipText(id), b.place(first))
		}
		seen[id] = row
		y := make([]float64, len(steps))
		for k, v := range steps {
			y[k] = v[row]
		}
		n := observed(y)
		if n == 0 {
			return b.at(row, "series %q has no value; remove its row", clipText(id))
		}
		shortest, longest = min(shortest, n), max(longest, n)
		b.panel.Series = append(b.panel.Series, Series{ID: id, Freq: b.o.Freq, Y: y[:n:n]})
	}
	b.note("each row is a series: V1 names it, V2 to %s are its steps", b.t.Columns[len(steps)].Name)
	if shortest != longest {
		b.note("the series have %d to %d steps", shortest, longest)
	}
	return nil
}
