package quant

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/hanji-ml/hanji/internal/kernel"
	"github.com/hanji-ml/hanji/internal/par"
)

// Int8Matrix is a weight of 8-bit integers, w[r, c] = q[r, c]·scale[r], that products take as integers with the inputs rounded as
// for Q8_0. It is read-only and may be used by many goroutines.
type Int8Matrix struct {
	rows, k, width int
	q              *kernel.QMat
	scale          []float32
	src            []byte
}

// NewInt8Matrix makes a matrix [rows, k] of integers, row after row, and a scale for each row. src must stay as it is: single rows
// are read from it.
func NewInt8Matrix(rows, k int, src []byte, scale []float32) (*Int8Matrix, error) {
	if rows < 0 || k < 0 || len(src) != rows*k || len(scale) != rows {
		return nil, fmt.Errorf("quant: int8 matrix: %d bytes and %d scales are no [%d %d]", len(src), len(scale), rows, k)
	}
	m := &Int8Matrix{rows: rows, k: k, width: (k + 31) &^ 31, scale: scale, src: src}
	blocks := m.width / 32
	data := make([]byte, rows*blocks*34)
	par.For(rows, max(1, 1<<14/max(1, k)), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			row := src[r*k : (r+1)*k]
			for b := range blocks {
				dst := data[(r*blocks+b)*34:][:34]
				binary.LittleEndian.PutUint16(dst, 0x3c00) // 1: the row's scale comes after the sum
				copy(dst[2:], row[32*b:])
			}
		}
	})
	q, err := kernel.NewQMat(kernel.Q8_0, rows, m.width, data)
	if err != nil {
		return nil, fmt.Errorf("quant: int8 matrix: %w", err)
	}
	m.q = q
	return m, nil
}

// Shape is the number of rows (a layer's outputs) and of columns (its inputs).
func (m *Int8Matrix) Shape() (rows, k int) { return m.rows, m.k }

// Bytes is the memory that products read.
func (m *Int8Matrix) Bytes() int { return m.q.Bytes() + 4*len(m.scale) }

// Mul sets dst[t·ldd+r] to the product of row r with x[t·ldx …], for tokens t. It panics where a slice is too short.
func (m *Int8Matrix) Mul(dst []float32, ldd int, x []float32, tokens, ldx int) {
	in := groupedPool.Get().(*groupedInputs)
	if m.width != m.k {
		in.x = slices.Grow(in.x[:0], tokens*m.width)[:tokens*m.width]
		for t := range tokens {
			clear(in.x[t*m.width+copy(in.x[t*m.width:(t+1)*m.width], x[t*ldx:][:m.k]) : (t+1)*m.width])
		}
		x, ldx = in.x, m.width
	}
	a := kernel.QuantizeActs(x, tokens, m.width, ldx, kernel.Q8_0)
	m.q.Mul(dst, ldd, a)
	a.Free()
	groupedPool.Put(in)
	for t := range tokens {
		row := dst[t*ldd:][:m.rows]
		for r, s := range m.scale {
			row[r] *= s
		}
	}
}

// Row writes row r to dst, which must have k elements.
func (m *Int8Matrix) Row(dst []float32, r int) {
	for c, v := range m.src[r*m.k : (r+1)*m.k] {
		dst[c] = float32(int8(v)) * m.scale[r]
	}
}

// Int8Rows stores w, rows of cols, as AbsmaxRows does, for Int8Matrix; with perTensor all rows share the largest one's scale.
// Numbers that are not finite are an error.
func Int8Rows(w []float32, cols int, perTensor bool) (q []int8, scale []float32, err error) {
	if cols <= 0 || len(w)%cols != 0 {
		return nil, nil, fmt.Errorf("quant: int8: %d weights are no rows of %d", len(w), cols)
	}
	for i, v := range w {
		if v-v != 0 {
			return nil, nil, fmt.Errorf("quant: int8: weight [%d %d] is %v; was the model saved after it diverged?", i/cols, i%cols, v)
		}
	}
	q, scale = make([]int8, len(w)), make([]float32, len(w)/cols)
	AbsmaxRows(q, scale, w, cols)
	if !perTensor || len(w) == 0 {
		return q, scale, nil
	}
	most := slices.Max(scale)
	for i, v := range w {
		if q[i] = 0; most > 0 {
			q[i] = int8(math.RoundToEven(float64(v) / float64(most)))
		}
	}
	for r := range scale {
		scale[r] = most
	}
	return q, scale, nil
}
