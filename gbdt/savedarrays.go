package gbdt

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// arrays calls do with each array of the file, in order. lengths are of the sparse rows.
func (ds *Dataset) arrays(h *savedHeader, lengths []int32, do func(any) error) error {
	list := []any{ds.label}
	if h.Weights {
		list = append(list, ds.weight)
	}
	list = append(list, ds.queries, ds.init, ds.position)
	for i := range ds.bins {
		list = append(list, ds.bins[i].array())
	}
	if ds.sparse != nil {
		list = append(list, lengths, ds.sparse.list.array())
	}
	for i := range h.Columns {
		switch h.Columns[i].Values {
		case 4:
			list = append(list, packed(ds.columns[i].Float32, ds.columns[i].Stride))
		case 8:
			list = append(list, packed(ds.columns[i].Values, ds.columns[i].Stride))
		}
	}
	for _, v := range list {
		if err := do(v); err != nil {
			return err
		}
	}
	return nil
}

// packed gives the values of a column without what lies between them.
func packed[T any](v []T, stride int) []T {
	if stride <= 1 {
		return v
	}
	out := make([]T, 0, len(v)/stride+1)
	for i := 0; i < len(v); i += stride {
		out = append(out, v[i])
	}
	return out
}

// arrayPiece is how many numbers are converted at a time.
const arrayPiece = 1 << 13

func writeArray(w io.Writer, v any) error {
	return eachPiece(v, func(piece any, size int) error {
		buf, err := binary.Append(make([]byte, 0, size), binary.LittleEndian, piece)
		if err != nil {
			return err
		}
		_, err = w.Write(buf)
		return err
	})
}

func readArray(r io.Reader, v any) error {
	return eachPiece(v, func(piece any, size int) error {
		buf := make([]byte, size)
		if _, err := io.ReadFull(r, buf); err != nil {
			return err
		}
		_, err := binary.Decode(buf, binary.LittleEndian, piece)
		return err
	})
}

func eachPiece(v any, do func(piece any, size int) error) error {
	switch v := v.(type) {
	case []uint8:
		return pieces(v, do)
	case []uint16:
		return pieces(v, do)
	case []uint32:
		return pieces(v, do)
	case []int32:
		return pieces(v, do)
	case []float32:
		return pieces(v, do)
	case []float64:
		return pieces(v, do)
	}
	panic(fmt.Sprintf("gbdt: no array of a data set is %T", v))
}

func pieces[T any](v []T, do func(piece any, size int) error) error {
	for len(v) > 0 {
		n := min(len(v), arrayPiece)
		if err := do(v[:n], binary.Size(v[:n])); err != nil {
			return err
		}
		v = v[n:]
	}
	return nil
}

// arraySize is the bytes that the arrays take. takeHeader has bounded what is added up here.
func (ds *Dataset) arraySize(h *savedHeader) int64 {
	n := int64(h.Rows)
	size := 4*n + 4*int64(h.Queries) + 8*int64(h.InitScores)
	if h.Weights {
		size += 4 * n
	}
	if h.Positions > 0 {
		size += 4 * n
	}
	for c, bins := range ds.layout.bins {
		if i := c - ds.layout.bytes(); i < 0 || i >= ds.layout.packed || i%2 == 0 { // two of 4 bits are one
			size += n * binSize(bins)
		}
	}
	if h.Sparse != nil {
		size += 4*n + h.Entries*binSize(ds.numbersTogether(h.Sparse))
	}
	for i := range h.Columns {
		size += n * int64(h.Columns[i].Values)
	}
	return size
}

// binSize is how many bytes each bin of so many takes.
func binSize(bins int) int64 {
	switch {
	case bins <= 1<<8:
		return 1
	case bins <= 1<<16:
		return 2
	}
	return 4
}

// makeArrays makes room for all arrays, of which it returns the lengths of sparse rows.
func (ds *Dataset) makeArrays(h *savedHeader) (lengths []int32) {
	ds.label = make([]float32, h.Rows)
	if h.Weights {
		ds.weight = make([]float32, h.Rows)
	}
	if h.Queries > 0 {
		ds.queries = make([]int32, h.Queries)
	}
	if h.InitScores > 0 {
		ds.init = make([]float64, h.InitScores)
	}
	if h.Positions > 0 {
		ds.position = make([]int32, h.Rows)
	}
	ds.place()
	if ds.sparse != nil {
		ds.sparse.start = make([]int, 1, h.Rows+1)
		ds.sparse.list = makeBins(int(h.Entries), ds.sparse.numbers)
		lengths = make([]int32, h.Rows)
	}
	ds.raw = h.Linear && h.Raw
	for i := range h.Columns {
		switch h.Columns[i].Values {
		case 4:
			ds.columns[i].Float32 = make([]float32, h.Rows)
		case 8:
			ds.columns[i].Values = make([]float64, h.Rows)
		}
	}
	return lengths
}

// checkArrays finds numbers that no data set has: a file can be wrong and have the right checksum.
func (ds *Dataset) checkArrays() error {
	for i, v := range ds.label {
		if v != v {
			return fmt.Errorf("the label of row %d is %v", i, v)
		}
	}
	for i, v := range ds.weight {
		if !(v >= 0) {
			return fmt.Errorf("the weight of row %d is %v, want 0 or more", i, v)
		}
	}
	for i, v := range ds.init {
		if v != v || math.IsInf(v, 0) {
			return fmt.Errorf("initial score %d is %v", i, v)
		}
	}
	for i, v := range ds.position {
		if v < 0 || int(v) >= ds.positions {
			return fmt.Errorf("the position of row %d is %d of %d", i, v, ds.positions)
		}
	}
	for c, features := range ds.layout.columns {
		if m, bins := ds.largest(&ds.places[features[0]]), ds.layout.bins[c]; m >= bins {
			f := ds.used[features[0]]
			return fmt.Errorf("the bins of column %d (%s), and of those bundled with it, go up to %d of %d", f, clip(ds.names[f]), m, bins)
		}
	}
	if ds.sparse != nil {
		if err := ds.sparse.check(); err != nil {
			return err
		}
	}
	var group []int
	for i := 1; i < len(ds.queries); i++ {
		group = append(group, int(ds.queries[i])-int(ds.queries[i-1]))
	}
	if group != nil && ds.queries[0] != 0 {
		return fmt.Errorf("the first query begins with row %d", ds.queries[0])
	}
	return ds.setGroups(group)
}

// largest gives the largest number in a feature's column.
func (ds *Dataset) largest(p *featurePlace) int {
	b := &ds.bins[p.store]
	if !p.packed {
		return max(largest(b.u8), largest(b.u16), largest(b.u32))
	}
	m := 0
	for _, x := range b.u8 {
		m = max(m, int(x>>p.shift&15))
	}
	return m
}

func largest[T uint8 | uint16 | uint32](v []T) int {
	var m T
	for _, x := range v {
		m = max(m, x)
	}
	return int(m)
}
