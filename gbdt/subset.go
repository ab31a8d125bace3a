package gbdt

import "fmt"

// Subset gives the data set of some rows, ascending, with the same bins. Of a data set with queries they must be whole
// queries.
func (ds *Dataset) Subset(rows []int) (*Dataset, error) {
	if len(rows) == 0 {
		return nil, fmt.Errorf("gbdt: subset: no rows")
	}
	for i, r := range rows {
		if r < 0 || r >= ds.rows || i > 0 && r <= rows[i-1] {
			return nil, fmt.Errorf("gbdt: subset: row %d at position %d: want rows in 0..%d, ascending", r, i, ds.rows-1)
		}
	}
	group, err := ds.wholeQueries(rows)
	if err != nil {
		return nil, err
	}
	v := *ds
	v.rows, v.label, v.weight, v.queries, v.qWeight, v.init = len(rows), pick(ds.label, rows), pick(ds.weight, rows), nil, nil, nil
	for k := range len(ds.init) / ds.rows {
		v.init = append(v.init, pick(ds.init[k*ds.rows:(k+1)*ds.rows], rows)...)
	}
	v.position = pick(ds.position, rows)
	v.columns, v.bins = make([]Column, len(ds.columns)), make([]binColumn, len(ds.bins))
	for j, c := range ds.columns {
		if stride := max(c.Stride, 1); c.Len() > 0 {
			at := make([]int, len(rows))
			for i, r := range rows {
				at[i] = r * stride
			}
			c.Values, c.Float32, c.Stride = pick(c.Values, at), pick(c.Float32, at), 1
		}
		v.columns[j] = c
	}
	for j, b := range ds.bins {
		v.bins[j] = binColumn{pick(b.u8, rows), pick(b.u16, rows), pick(b.u32, rows)}
	}
	if ds.sparse != nil {
		v.sparse = ds.sparse.subset(rows)
	}
	return &v, v.setGroups(group)
}

// wholeQueries gives the sizes of the queries that rows are made of; nil if there are none.
func (ds *Dataset) wholeQueries(rows []int) (group []int, err error) {
	for q, at := 0, 0; q+1 < len(ds.queries) && at < len(rows); q++ {
		lo, hi := int(ds.queries[q]), int(ds.queries[q+1])
		n := 0
		for at+n < len(rows) && rows[at+n] < hi {
			n++
		}
		if n != 0 && n != hi-lo {
			return nil, fmt.Errorf("gbdt: subset: it holds %d of the %d rows of query %d, want all or none", n, hi-lo, q)
		}
		if n > 0 {
			group = append(group, n)
		}
		at += n
	}
	return group, nil
}

func pick[T any](v []T, rows []int) []T {
	if v == nil {
		return nil
	}
	out := make([]T, len(rows))
	for i, r := range rows {
		out[i] = v[r]
	}
	return out
}
