package table

import (
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/parquet-go/parquet-go/format"
)

// leaf is a flat column of the schema.
type leaf struct {
	name     string
	elem     *format.SchemaElement
	index    int // among all leaves of the schema, the order of chunks in a row group
	nested   bool
	optional bool
}

// readParquet reads a Parquet file column by column, row group by row group.
func readParquet(name string, r io.ReaderAt, size int64, o *Options) (*Table, error) {
	meta, err := readFooter(r, size)
	if err != nil {
		return nil, &Error{Name: name, Msg: "damaged Parquet file: " + err.Error(), Err: err}
	}
	leaves, err := leavesOf(meta)
	if err != nil {
		return nil, &Error{Name: name, Msg: "damaged Parquet file: " + err.Error(), Err: err}
	}
	names := make([]string, len(leaves))
	for i := range leaves {
		names[i] = leaves[i].name
	}
	if len(names) > o.MaxColumns {
		return nil, &Error{Name: name, Msg: fmt.Sprintf("more than %d columns", o.MaxColumns)}
	}
	if err := checkNames(name, names, 0); err != nil {
		return nil, err
	}
	if err := checkTypes(name, names, o); err != nil {
		return nil, err
	}
	picked, err := pickColumns(name, names, o.Columns)
	if err != nil {
		return nil, err
	}
	rows, err := rowsOf(meta, len(picked), o)
	if err != nil {
		return nil, &Error{Name: name, Msg: err.Error(), Err: err}
	}
	layouts, zones := layoutsOf(meta), zonesOf(meta)
	t := &Table{Name: name}
	budget := o.MaxBytes
	unpacker := new(unpacker)
	defer unpacker.close()
	for _, i := range picked {
		col := &parquetColumn{leaf: leaves[i], o: o, rows: rows, zone: zones[leaves[i].name]}
		if err := col.read(meta, r, size, unpacker, &budget); err != nil {
			return nil, &Error{Name: name, Column: leaves[i].name, Msg: err.Error(), Err: err}
		}
		col.out.Name = leaves[i].name
		if col.out.Kind == Time {
			if layout, ok := layouts[col.out.Name]; ok {
				col.out.Layout = layout
			}
		}
		t.Columns = append(t.Columns, col.out)
	}
	for _, i := range picked {
		if k := o.Types[leaves[i].name]; k != Auto {
			if err := t.Convert(leaves[i].name, k, *o); err != nil {
				return nil, err
			}
		}
	}
	if t.Rows() == 0 && !o.AllowEmpty {
		return nil, &Error{Name: name, Msg: "the file has no rows", Err: ErrEmpty}
	}
	return t, nil
}

// leavesOf walks the schema, a tree in depth-first order, without recursion.
func leavesOf(meta *format.FileMetaData) ([]leaf, error) {
	var leaves []leaf
	if len(meta.Schema) == 0 || meta.Schema[0].NumChildren.V < 0 {
		return nil, errors.New("it has no schema")
	}
	type open struct {
		left int
		path string
	}
	stack := []open{{left: int(meta.Schema[0].NumChildren.V)}}
	for i := 1; i < len(meta.Schema); i++ {
		e := &meta.Schema[i]
		for len(stack) > 0 && stack[len(stack)-1].left == 0 {
			stack = stack[:len(stack)-1]
		}
		if len(stack) == 0 || len(stack) > maxJSONDepth {
			return nil, errors.New("its schema is no tree")
		}
		top := &stack[len(stack)-1]
		top.left--
		path := top.path + e.Name
		if !e.Type.Valid {
			if e.NumChildren.V < 0 {
				return nil, errors.New("its schema is no tree")
			}
			stack = append(stack, open{left: int(e.NumChildren.V), path: path + "."})
			continue
		}
		leaves = append(leaves, leaf{name: path, elem: e, index: len(leaves),
			nested:   len(stack) > 1 || e.RepetitionType.V == format.Repeated && e.RepetitionType.Valid,
			optional: e.RepetitionType.Valid && e.RepetitionType.V == format.Optional})
	}
	if len(leaves) == 0 {
		return nil, errors.New("it has no columns")
	}
	return leaves, nil
}

// rowsOf is the number of rows to read, checked against the limits before anything is made of that size.
func rowsOf(meta *format.FileMetaData, columns int, o *Options) (int, error) {
	var rows int64
	for i := range meta.RowGroups {
		n := meta.RowGroups[i].NumRows
		if n < 0 || n > math.MaxInt64-rows {
			return 0, errors.New("damaged Parquet file: a row group of less than no rows")
		}
		rows += n
	}
	if o.MaxRows > 0 {
		rows = min(rows, int64(o.MaxRows))
	}
	if rows > o.MaxCells/int64(columns) {
		return 0, fmt.Errorf("%d rows of %d columns are more than %d cells; read fewer columns or rows, or raise MaxCells", rows, columns, o.MaxCells)
	}
	return int(rows), nil
}

// parquetColumn collects one column.
type parquetColumn struct {
	leaf
	o    *Options
	zone *time.Location // in which a column of instants is shown; nil: UTC
	rows int
	out  Column
	add  func(v *values, i int) error // adds stored value i
	n    int
	b    builder // shares equal strings
	text int64   // bytes of text so far
}

// read reads the column from all row groups.
func (c *parquetColumn) read(meta *format.FileMetaData, r io.ReaderAt, size int64, u *unpacker, budget *int64) error {
	if c.nested {
		return errors.New("nested and repeated columns are no part of a table; name the columns to read")
	}
	phys := physical{kind: c.elem.Type.V, width: int(c.elem.TypeLength.V)}
	if phys.kind == format.FixedLenByteArray && phys.width <= 0 {
		return errors.New("values of no length")
	}
	if err := c.choose(phys); err != nil {
		return err
	}
	for g := range meta.RowGroups {
		group := &meta.RowGroups[g]
		if c.index >= len(group.Columns) {
			return errors.New("a row group lacks it")
		}
		left := int(min(group.NumRows, int64(c.rows-c.n)))
		if left == 0 {
			continue
		}
		chunk, err := openChunk(r, size, &group.Columns[c.index].MetaData, phys, c.optional, u, budget)
		if err != nil {
			return err
		}
		inGroup := int(group.NumRows)
		for left > 0 {
			n, err := chunk.next(inGroup)
			if err != nil {
				return err
			}
			inGroup -= n
			n = min(n, left)
			if err := c.page(chunk, n); err != nil {
				return err
			}
			left -= n
		}
	}
	return nil
}

// page adds the first n cells of a page.
func (c *parquetColumn) page(chunk *chunkReader, n int) error {
	v := &chunk.vals
	k := 0
	for i := range n {
		if chunk.optional && !chunk.present[i] {
			c.missing()
			continue
		}
		if err := c.add(v, k); err != nil {
			return err
		}
		k++
		c.n++
	}
	return nil
}

// missing adds a cell without a value.
func (c *parquetColumn) missing() {
	switch c.out.Kind {
	case Int:
		c.out.Ints = append(c.out.Ints, 0)
	case Float:
		c.out.Floats = append(c.out.Floats, math.NaN())
	case Bool:
		c.out.Bools = append(c.out.Bools, false)
	case Time:
		c.out.Times = append(c.out.Times, time.Time{})
	case String:
		c.out.Strings = append(c.out.Strings, "")
	}
	if c.out.Kind != Float {
		c.out.Missing.Set(c.n)
	}
	c.n++
}
