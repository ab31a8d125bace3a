package gbdt

import "slices"

// binColumn holds bins of rows: u8, or wider where there are more than 256.
type binColumn struct {
	u8  []uint8
	u16 []uint16
	u32 []uint32
}

// makeBins makes room for rows of so many bins.
func makeBins(rows, bins int) binColumn {
	switch {
	case bins <= 1<<8:
		return binColumn{u8: make([]uint8, rows)}
	case bins <= 1<<16:
		return binColumn{u16: make([]uint16, rows)}
	}
	return binColumn{u32: make([]uint32, rows)}
}

func (c *binColumn) len() int { return len(c.u8) + len(c.u16) + len(c.u32) }

func (c *binColumn) at(i int) int {
	switch {
	case c.u8 != nil:
		return int(c.u8[i])
	case c.u16 != nil:
		return int(c.u16[i])
	}
	return int(c.u32[i])
}

func (c *binColumn) set(i, bin int) {
	switch {
	case c.u8 != nil:
		c.u8[i] = uint8(bin)
	case c.u16 != nil:
		c.u16[i] = uint16(bin)
	default:
		c.u32[i] = uint32(bin)
	}
}

// array gives the numbers as a slice.
func (c *binColumn) array() any {
	switch {
	case c.u8 != nil:
		return c.u8
	case c.u16 != nil:
		return c.u16
	}
	return c.u32
}

// featurePlace says where the bins of a feature used are.
type featurePlace struct {
	column int32 // of the layout; −1: in Dataset.sparse
	store  int32 // the column's place in Dataset.bins
	packed bool  // it has half of each byte there, from bit shift on
	shift  uint8
	alone  bool // the column holds its bins as they are
	// Otherwise numbers lo…lo+n−1 are its bins skip, skip+1, …, and any other is its most frequent one. skip is 1 where that is bin 0,
	// which needs no number of its own. Number 0 is nobody's.
	lo, n, skip uint32
}

// bin gives the bin that a number of the feature's column means.
func (p *featurePlace) bin(number int, m *binMapper) int {
	if p.alone {
		return number
	}
	if k := uint32(number) - p.lo; k < p.n {
		return int(k + p.skip)
	}
	return m.mostFreqBin
}

// bin gives the bin of a feature used in a row.
func (ds *Dataset) bin(j, row int32) int {
	p := &ds.places[j]
	number := 0
	if p.column < 0 {
		number = ds.sparse.find(row, p.lo, p.n)
	} else {
		number = ds.bins[p.store].at(int(row))
		if p.packed {
			number = number >> p.shift & 15
		}
	}
	if p.alone {
		return number
	}
	return p.bin(number, ds.mappers[ds.used[j]])
}

// set notes a number in a feature's column.
func (ds *Dataset) set(p *featurePlace, row, number int) {
	b := &ds.bins[p.store]
	if p.packed {
		b.u8[row] = b.u8[row]&^(15<<p.shift) | uint8(number)<<p.shift
	} else {
		b.set(row, number)
	}
}

// fill bins values of rows lo, lo+1, … of a feature that is alone in its column.
func fill[V float32 | float64](ds *Dataset, j int32, lo int, values []V) {
	p, m := &ds.places[j], ds.mappers[ds.used[j]]
	b := &ds.bins[p.store]
	switch {
	case p.packed:
		bins := make([]uint8, len(values))
		binValues(m, bins, values)
		for i, bin := range bins {
			b.u8[lo+i] |= bin << p.shift
		}
	case b.u8 != nil:
		binValues(m, b.u8[lo:lo+len(values)], values)
	default:
		binValues(m, b.u16[lo:lo+len(values)], values)
	}
}

// layout says which features share a column, and which have none.
type layout struct {
	columns [][]int32 // features used of each column: first those of bytes, then packed ones, then those of more than 256 bins
	packed  int       // columns of 4 bits, two in a byte
	sparse  []int32   // features whose bins are kept by row
	bins    []int     // of each column
	order   []int32   // features used in LightGBM's order, by which extra_trees seeds their generators
}

// minSparseRate is the share of rows in the most frequent bin from which on a feature is kept by row, and manySparse how many such
// features it takes: a row with few of them is faster as bytes.
const (
	minSparseRate = 0.9
	manySparse    = 32
)

// arrange decides on columns. Features of a group have a column together, unless LightGBM keeps each one's values.
func (ds *Dataset) arrange(groups []featureGroup) {
	var alone, sparse []int32
	var columns [][]int32
	l := layout{}
	for _, g := range groups {
		l.order = append(l.order, g.features...)
		if len(g.features) == 1 || g.many {
			alone = append(alone, g.features...)
		} else {
			columns = append(columns, g.features)
		}
	}
	slices.Sort(alone)
	if ds.options.IsEnableSparse {
		for _, j := range alone {
			if ds.mappers[ds.used[j]].sparseRate >= minSparseRate {
				sparse = append(sparse, j)
			}
		}
	}
	if len(sparse) >= manySparse {
		l.sparse = sparse
		alone = slices.DeleteFunc(alone, func(j int32) bool { return ds.mappers[ds.used[j]].sparseRate >= minSparseRate })
	}
	for _, j := range alone {
		l.columns = append(l.columns, []int32{j})
	}
	l.columns = append(l.columns, columns...)
	kind := func(features []int32) int {
		return boolIndex(ds.numbers(features) <= 16) + 2*boolIndex(ds.numbers(features) > 256)
	}
	for _, c := range l.columns {
		l.packed += kind(c) & 1
	}
	slices.SortStableFunc(l.columns, func(a, b []int32) int { return kind(a) - kind(b) })
	ds.layout = l
	ds.place()
}

// narrow is how many columns have at most 256 bins, and bytes how many of these have a byte a row.
func (l *layout) narrow() int {
	n := len(l.columns)
	for n > 0 && l.bins[n-1] > 256 {
		n--
	}
	return n
}

func (l *layout) bytes() int { return l.narrow() - l.packed }

// stores is how many columns there are where two packed ones are one, and store the place of one among them.
func (l *layout) stores() int { return len(l.columns) - l.packed/2 }

func (l *layout) store(column int) int {
	switch i := column - l.bytes(); {
	case i <= 0:
		return column
	case i < l.packed:
		return column - i + i/2
	}
	return column - l.packed/2
}

// arrangeAlone gives each feature a place of its own: validation data loses no value, as in LightGBM (Dataset::CreateValid).
func (ds *Dataset) arrangeAlone() {
	groups := make([]featureGroup, len(ds.used))
	for j := range groups {
		groups[j].features = []int32{int32(j)}
	}
	ds.arrange(groups)
}

// countNumbers notes how many bins each column has.
func (ds *Dataset) countNumbers() {
	ds.layout.bins = make([]int, len(ds.layout.columns))
	for c, features := range ds.layout.columns {
		ds.layout.bins[c] = ds.numbers(features)
	}
}

// numbers is how many bins a column of features has.
func (ds *Dataset) numbers(features []int32) int {
	if len(features) == 1 {
		return ds.mappers[ds.used[features[0]]].numBin
	}
	return ds.numbersTogether(features)
}

// numbersTogether is the same where one feature would not be alone.
func (ds *Dataset) numbersTogether(features []int32) int {
	n := 1
	for _, j := range features {
		m := ds.mappers[ds.used[j]]
		n += m.numBin - boolIndex(m.mostFreqBin == 0)
	}
	return n
}

// place makes the places of all features and room for their bins.
func (ds *Dataset) place() {
	l := &ds.layout
	ds.places = make([]featurePlace, len(ds.used))
	ds.countNumbers()
	ds.bins = make([]binColumn, l.stores())
	bytes := l.bytes()
	for c, features := range l.columns {
		p := featurePlace{column: int32(c), store: int32(l.store(c)), alone: len(features) == 1}
		if i := c - bytes; i >= 0 && i < l.packed {
			p.packed, p.shift = true, uint8(i%2*4)
		}
		if ds.bins[p.store].len() == 0 {
			ds.bins[p.store] = makeBins(ds.rows, l.bins[c])
		}
		if p.alone {
			ds.places[features[0]] = p
		} else {
			ds.number(p, features)
		}
	}
	if l.sparse != nil {
		ds.sparse = &sparseRows{numbers: ds.number(featurePlace{column: -1}, l.sparse)}
	}
}

// number gives the features of a column numbers for their bins and returns one more than the last.
func (ds *Dataset) number(column featurePlace, features []int32) int {
	at := uint32(1)
	for _, j := range features {
		m, p := ds.mappers[ds.used[j]], column
		if p.lo = at; m.mostFreqBin == 0 {
			p.skip = 1
		}
		p.n = uint32(m.numBin) - p.skip
		at += p.n
		ds.places[j] = p
	}
	return int(at)
}

// put notes the bin of a feature that is not alone: the last one of a row counts.
func (ds *Dataset) put(j int32, row, bin int, piece *sparsePiece) {
	p := &ds.places[j]
	number := p.lo + uint32(bin) - p.skip
	switch {
	case bin == ds.mappers[ds.used[j]].mostFreqBin:
	case p.column < 0:
		piece.add(row, number)
	default:
		ds.set(p, row, int(number))
	}
}

// Which values of a feature are binned.
const (
	allValues = iota
	zeroValues
	otherValues
)

// putValues bins values of rows lo, lo+1, … of a feature that is not alone. Values lie stride apart.
func putValues[V float32 | float64](ds *Dataset, j int32, lo int, values []V, stride, which int, piece *sparsePiece) {
	m := ds.mappers[ds.used[j]]
	skipZero := which == otherValues || m.defaultBin == m.mostFreqBin
	for i, row := 0, lo; i < len(values); i, row = i+stride, row+1 {
		v := values[i]
		if v == 0 && skipZero || which != allValues && isZero(float64(v)) != (which == zeroValues) {
			continue
		}
		ds.put(j, row, m.bin(float64(v)), piece)
	}
}

// zerosLast are the features that are not alone and for which zero is worth noting, in LightGBM's order: where it reads a file,
// it notes their zeros behind all other values of a row (Dataset::FinishOneRow).
func (ds *Dataset) zerosLast() []int32 {
	var out []int32
	for _, j := range ds.layout.order {
		if m := ds.mappers[ds.used[j]]; !ds.places[j].alone && m.defaultBin != m.mostFreqBin {
			out = append(out, j)
		}
	}
	return out
}
