package forecast

import (
	"fmt"
	"math"

	"github.com/hanji-ml/hanji/table"
)

// FromTable takes every numeric column of a wide table as a channel, in the file's order; the one column of times (or
// text) beside them is left out. Missing values and columns of anything else are errors.
func FromTable(t *table.Table, name string) (*Matrix, error) {
	m := &Matrix{T: t.Rows()}
	var columns [][]float64
	for i := range t.Columns {
		c := &t.Columns[i]
		switch c.Kind {
		case table.Float, table.Int:
			v, err := c.AsFloats()
			if err != nil {
				return nil, fmt.Errorf("forecast: %s: %w", name, err)
			}
			for r, x := range v {
				if math.IsNaN(x) || math.IsInf(x, 0) {
					return nil, fmt.Errorf("forecast: %s:%d: column %q has no value; fill the gap first", name, t.LineOf(r), c.Name)
				}
			}
			columns = append(columns, v)
			m.Names = append(m.Names, c.Name)
		case table.Time:
		default:
			if i > 0 {
				return nil, fmt.Errorf("forecast: %s: column %q is %v, not numbers; leave it out", name, c.Name, c.Kind)
			}
		}
	}
	if m.C = len(columns); m.C == 0 {
		return nil, fmt.Errorf("forecast: %s: no numeric column", name)
	}
	m.X = make([]float64, m.T*m.C)
	for c, v := range columns {
		for r, x := range v {
			m.X[r*m.C+c] = x
		}
	}
	return m, nil
}
