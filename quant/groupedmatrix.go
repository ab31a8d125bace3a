package quant

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	"github.com/hanji-ml/hanji/internal/kernel"
	"github.com/hanji-ml/hanji/internal/par"
)

// GroupedMatrix is a weight in the integers of GPTQ or AWQ that products take as integers, with the inputs x rounded to 8 bits as x̂
// (32 columns share a scale):
//
//	y[t, r] = Σ_g s[r, g]·(Σ_c (q[r, c] − o)·x̂[t, c] + (o − z[r, g])·Σ_c x[t, c]),  c of group g
//
// where o, the middle of the integers, stands in for the zero z: what is left of z needs one number a group, and x there is not
// rounded. No weight is: the integers lie in blocks of Q4_0 (of 8 bits: Q8_0), whose scale is the group's. Columns are brought into
// the order of their groups, and a group that is no multiple of 32 is filled up with zeros. It is read-only and may be used by many
// goroutines.
type GroupedMatrix struct {
	rows, k int
	format  kernel.QFormat
	q       *kernel.QMat
	width   int       // columns of q
	order   []int32   // the column at each place of q, −1: none; nil: all as they are
	end     []int     // of each group in q
	rest    []float32 // [groups, rows] s·(o − z); nil: all zeros are o
	read    func(lo, hi int) (*Grouped, error)
}

// groupedRows are read at once; a multiple of 32, which no word of a checkpoint's layout crosses.
const groupedRows = 128

// NewGroupedMatrix makes a matrix [rows, k] of what read gives for rows lo to hi (multiples of 32, or the end): parts of one weight,
// with the same groups. read is kept for single rows, and must then give the same again.
func NewGroupedMatrix(rows, k int, read func(lo, hi int) (*Grouped, error)) (*GroupedMatrix, error) {
	m := &GroupedMatrix{rows: rows, k: k, read: read}
	var src []byte
	var groupOf []int32
	for lo := 0; lo < rows; lo += groupedRows {
		hi := min(lo+groupedRows, rows)
		g, err := read(lo, hi)
		if err == nil {
			err = g.check()
		}
		if err == nil && (g.Rows != hi-lo || g.Cols != k) {
			err = fmt.Errorf("rows %d to %d came as [%d %d], want [%d %d]", lo, hi, g.Rows, g.Cols, hi-lo, k)
		}
		if err != nil {
			return nil, fmt.Errorf("quant: grouped matrix: %w", err)
		}
		if lo == 0 {
			groupOf = g.GroupOf
			m.arrange(g)
			src = make([]byte, rows*m.rowBytes())
			m.rest = make([]float32, rows*g.Groups)
		} else if len(m.end) != g.Groups || !slices.Equal(groupOf, g.GroupOf) {
			return nil, fmt.Errorf("quant: grouped matrix: rows from %d on have other groups", lo)
		}
		if err := m.blocks(src[lo*m.rowBytes():], lo, g); err != nil {
			return nil, fmt.Errorf("quant: grouped matrix: %w", err)
		}
	}
	if !slices.ContainsFunc(m.rest, func(v float32) bool { return v != 0 }) {
		m.rest = nil
	}
	q, err := kernel.NewQMat(m.format, rows, m.width, src)
	if err != nil {
		return nil, fmt.Errorf("quant: grouped matrix: %w", err)
	}
	m.q = q
	return m, nil
}

// arrange finds each column's place.
func (m *GroupedMatrix) arrange(g *Grouped) {
	if m.format = kernel.Q4_0; g.Bits == 8 {
		m.format = kernel.Q8_0
	}
	columns := make([][]int32, g.Groups)
	for c, group := range g.GroupOf {
		columns[group] = append(columns[group], int32(c))
	}
	moved := false
	for _, list := range columns {
		for _, c := range list {
			moved = moved || int(c) != len(m.order)
			m.order = append(m.order, c)
		}
		for len(m.order)%32 != 0 {
			m.order = append(m.order, -1)
			moved = true
		}
		m.end = append(m.end, len(m.order))
	}
	if m.width = len(m.order); !moved {
		m.order = nil
	}
}

func (m *GroupedMatrix) blockBytes() int {
	if m.format == kernel.Q8_0 {
		return 34
	}
	return 18
}

func (m *GroupedMatrix) rowBytes() int { return m.width / 32 * m.blockBytes() }

// blocks writes the integers of rows from first on as blocks of Q4_0 or Q8_0, and what is left of their zeros.
func (m *GroupedMatrix) blocks(dst []byte, first int, g *Grouped) error {
	for i, s := range g.Scale {
		if half(toHalf(s)) != s {
			return fmt.Errorf("the scale of row %d, group %d is %v, which is no float16", i/g.Groups, i%g.Groups, s)
		}
	}
	middle := 1 << (g.Bits - 1)
	for i, z := range g.Zero {
		m.rest[i%g.Groups*m.rows+first+i/g.Groups] = g.Scale[i] * (float32(middle) - z)
	}
	shift := 8 - middle // into the integers of Q4_0, whose middle is 8
	par.For(g.Rows, max(1, 1<<14/max(1, m.width)), func(lo, hi int) {
		var q [32]byte
		for r := lo; r < hi; r++ {
			row := dst[r*m.rowBytes():]
			group := 0
			for at := 0; at < m.width; at += 32 {
				for at >= m.end[group] {
					group++
				}
				for i := range q {
					c := at + i
					if m.order != nil {
						c = int(m.order[c])
					}
					if q[i] = byte(middle); c >= 0 { // nothing: x is 0 there too
						q[i] = g.Q[r*g.Cols+c]
					}
				}
				binary.LittleEndian.PutUint16(row, toHalf(g.Scale[r*g.Groups+group]))
				if m.format == kernel.Q8_0 {
					for i, v := range q {
						row[2+i] = byte(int(v) - 128)
					}
				} else {
					for i := range 16 {
						row[2+i] = byte(int(q[i])+shift) | byte(int(q[i+16])+shift)<<4
					}
				}
				row = row[m.blockBytes():]
			}
		}
	})
	return nil
}

// Shape is the number of rows (a layer's outputs) and of columns (its inputs).
func (m *GroupedMatrix) Shape() (rows, k int) { return m.rows, m.k }

// Bytes is the memory that products read.
func (m *GroupedMatrix) Bytes() int { return m.q.Bytes() + 4*len(m.rest) + 4*len(m.order) }

// groupedInputs are a product's inputs in the order of the columns, and their sums over groups.
type groupedInputs struct{ x, sums []float32 }

var groupedPool = sync.Pool{New: func() any { return new(groupedInputs) }}

// Mul sets dst[t·ldd+r] to the product of row r with x[t·ldx …], for tokens t. It panics where a slice is too short.
func (m *GroupedMatrix) Mul(dst []float32, ldd int, x []float32, tokens, ldx int) {
	in := groupedPool.Get().(*groupedInputs)
	if m.order != nil {
		x, ldx = in.gather(m.order, x, tokens, ldx), m.width
	}
	a := kernel.QuantizeActs(x, tokens, m.width, ldx, m.format)
	m.q.Mul(dst, ldd, a)
	a.Free()
	if m.rest != nil {
		m.addRest(dst, ldd, in, x, tokens, ldx)
	}
	groupedPool.Put(in)
}

// addRest adds what the middle of the integers leaves of the zeros: for each token the same sums in the same order, however many come
// with it.
func (m *GroupedMatrix) addRest(dst []float32, ldd int, in *groupedInputs, x []float32, tokens, ldx int) {
	groups := len(m.end)
	in.sums = slices.Grow(in.sums[:0], tokens*groups)[:tokens*groups]
	sums := in.sums
	if tokens*groups*m.rows < 1<<21 { // not worth a closure on the heap
		for t := range tokens {
			m.addRestOf(dst[t*ldd:][:m.rows], sums[t*groups:][:groups], x[t*ldx:])
		}
		return
	}
	par.For(tokens, 1, func(lo, hi int) {
		for t := lo; t < hi; t++ {
			m.addRestOf(dst[t*ldd:][:m.rows], sums[t*groups:][:groups], x[t*ldx:])
		}
	})
}

func (m *GroupedMatrix) addRestOf(y, sums, x []float32) {
	at := 0
	for g, end := range m.end {
		sums[g] = kernel.Sum(x[at:end])
		at = end
	}
	for g, s := range sums {
		kernel.Axpy(y, s, m.rest[g*m.rows:][:m.rows])
	}
}

// gather brings the columns of x into order.
func (in *groupedInputs) gather(order []int32, x []float32, tokens, ldx int) []float32 {
	n := len(order)
	in.x = slices.Grow(in.x[:0], tokens*n)[:tokens*n]
	for t := range tokens {
		from, to := x[t*ldx:], in.x[t*n:][:n]
		for i, c := range order {
			if to[i] = 0; c >= 0 {
				to[i] = from[c]
			}
		}
	}
	return in.x
}

// Row writes row r to dst, which must have k elements. It unpacks the row and its neighbours anew.
func (m *GroupedMatrix) Row(dst []float32, r int) {
	lo := r &^ 31
	g, err := m.read(lo, min(lo+32, m.rows))
	if err != nil {
		panic(err) // it was read when m was made
	}
	r -= lo
	for c, group := range g.GroupOf {
		i := r*g.Groups + int(group)
		dst[c] = (float32(g.Q[r*g.Cols+c]) - g.Zero[i]) * g.Scale[i]
	}
}
