package forecast

import (
	"strconv"
	"time"

	"github.com/hanji-ml/hanji/table"
)

// Table is the forecast in rows, series after series: unique_id, ds, mean, and a column q0.1 … for each quantile. ds is
// the time stamp, or, where some series has none, the number of the step, counted from 1 at the first observation.
func (r *Result) Table() *table.Table {
	n, dated := 0, true
	for i := range r.Series {
		n += len(r.Series[i].Mean)
		dated = dated && r.Series[i].Time != nil
	}
	id := table.Column{Name: "unique_id", Kind: table.String, Strings: make([]string, 0, n)}
	ds := table.Column{Name: "ds", Kind: table.Int}
	if dated {
		ds.Kind, ds.Times = table.Time, make([]time.Time, 0, n)
	}
	numbers := make([]table.Column, 1+len(r.Quantiles))
	numbers[0] = table.Column{Name: "mean", Kind: table.Float, Floats: make([]float64, 0, n)}
	for i, q := range r.Quantiles {
		numbers[1+i] = table.Column{Name: "q" + strconv.FormatFloat(q, 'g', -1, 64), Kind: table.Float, Floats: make([]float64, 0, n)}
	}
	for i := range r.Series {
		s := &r.Series[i]
		for k := range s.Mean {
			id.Strings = append(id.Strings, s.ID)
			if dated {
				ds.Times = append(ds.Times, s.Time[k])
			} else {
				ds.Ints = append(ds.Ints, int64(s.First+k+1))
			}
		}
		numbers[0].Floats = append(numbers[0].Floats, s.Mean...)
		for q := range s.Quantiles {
			numbers[1+q].Floats = append(numbers[1+q].Floats, s.Quantiles[q]...)
		}
	}
	t, err := table.New(append([]table.Column{id, ds}, numbers...)...)
	if err != nil { // columns of equal length and different names
		panic(err)
	}
	return t
}
