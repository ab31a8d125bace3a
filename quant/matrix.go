package quant

import (
	"fmt"
	"sync"

	"github.com/hanji-ml/hanji/internal/kernel"
	"github.com/hanji-ml/hanji/internal/par"
)

// Matrix is weights [rows, k] that products take in their own format: Q4_0 to Q8_0, the K formats, IQ4_NL and IQ4_XS by
// integer products with activations rounded to 8 bits (as llama.cpp does), F16 and BF16 widened on the way, F32 as they are.
// Every other type is widened to float32 a few rows at a time, which is exact but slow. It is read-only and may be used by many
// goroutines.
type Matrix struct {
	t       Type
	rows, k int
	src     []byte // the file's blocks
	drop    func(src []byte)

	once sync.Once // interleaves at the first product: a table that is only looked up never is
	q    *kernel.QMat
	half *kernel.HalfMat
	f32  []float32
}

var qFormats = map[Type]kernel.QFormat{
	Q8_0: kernel.Q8_0, Q4_0: kernel.Q4_0, Q4_1: kernel.Q4_1, Q5_0: kernel.Q5_0, Q5_1: kernel.Q5_1, IQ4_NL: kernel.IQ4_NL,
	Q2_K: kernel.Q2_K, Q3_K: kernel.Q3_K, Q4_K: kernel.Q4_K, Q5_K: kernel.Q5_K, Q6_K: kernel.Q6_K, IQ4_XS: kernel.IQ4_XS,
}

// NewMatrix makes a matrix of rows of blocks as a GGUF file has them. src must stay as it is: single rows are read from it, and
// 16-bit floats multiplied there.
func NewMatrix(t Type, rows, k int, src []byte) (*Matrix, error) {
	size, err := t.Size([]int{rows, k})
	if err == nil && size != len(src) {
		err = fmt.Errorf("%d × %d of %s take %d bytes, not %d", rows, k, t, size, len(src))
	}
	if err != nil {
		return nil, fmt.Errorf("quant: matrix: %w", err)
	}
	m := &Matrix{t: t, rows: rows, k: k, src: src}
	switch t {
	case F16, BF16:
		if m.half, err = kernel.NewHalfMat(rows, k, kernel.Uint16s(src), t == BF16); err != nil {
			return nil, fmt.Errorf("quant: matrix: %w", err)
		}
	case F32:
		m.f32 = kernel.Float32s(src)
	}
	return m, nil
}

// OnCopy has drop called once m has a copy of its blocks, in the order of its products, and reads src only for single rows.
func (m *Matrix) OnCopy(drop func(src []byte)) { m.drop = drop }

// interleaved is the matrix of a format with integer products, nil for the others.
func (m *Matrix) interleaved() *kernel.QMat {
	f, ok := qFormats[m.t]
	if !ok {
		return nil
	}
	m.once.Do(func() {
		q, err := kernel.NewQMat(f, m.rows, m.k, m.src)
		if err != nil {
			panic(err) // sizes were checked when m was made; the system has no memory left
		}
		if m.q = q; m.drop != nil {
			m.drop(m.src)
		}
	})
	return m.q
}

// Shape is the number of rows (a layer's outputs) and of columns (its inputs).
func (m *Matrix) Shape() (rows, k int) { return m.rows, m.k }

// Type is the block format.
func (m *Matrix) Type() Type { return m.t }

// Bytes is the memory that products read.
func (m *Matrix) Bytes() int {
	if q := m.interleaved(); q != nil {
		return q.Bytes()
	}
	return len(m.src)
}

// Mul sets dst[t·ldd+r] to the product of row r with x[t·ldx …], for tokens t. It panics where a slice is too short.
func (m *Matrix) Mul(dst []float32, ldd int, x []float32, tokens, ldx int) {
	switch q := m.interleaved(); {
	case q != nil:
		a := kernel.QuantizeActs(x, tokens, m.k, ldx, qFormats[m.t])
		q.Mul(dst, ldd, a)
		a.Free()
	case m.f32 != nil:
		kernel.Gemm(tokens, m.rows, m.k, kernel.RowMajor(x, ldx), kernel.RowMajor(m.f32, m.k).T(), dst, ldd, kernel.Epilogue[float32]{})
	case m.half != nil:
		m.half.Mul(dst, ldd, x, tokens, ldx)
	default:
		m.mulWidened(dst, ldd, x, tokens, ldx)
	}
}

// widened are buffers of rows of float32.
var widened = sync.Pool{New: func() any { return new([]float32) }}

func (m *Matrix) mulWidened(dst []float32, ldd int, x []float32, tokens, ldx int) {
	const step = 64
	par.For(m.rows, step, func(lo, hi int) {
		buf := widened.Get().(*[]float32)
		defer widened.Put(buf)
		if cap(*buf) < (hi-lo)*m.k {
			*buf = make([]float32, step*m.k)
		}
		w := (*buf)[:(hi-lo)*m.k]
		m.widen(w, lo, hi)
		kernel.Gemm(tokens, hi-lo, m.k, kernel.RowMajor(x, ldx), kernel.RowMajor(w, m.k).T(), dst[lo:], ldd, kernel.Epilogue[float32]{})
	})
}

// Row writes row r to dst, which must have k elements.
func (m *Matrix) Row(dst []float32, r int) { m.widen(dst[:m.k], r, r+1) }

func (m *Matrix) widen(dst []float32, lo, hi int) {
	row := m.k / m.t.Block() * m.t.BlockBytes()
	if err := Dequantize(dst, m.src[lo*row:hi*row], m.t); err != nil {
		panic(err) // sizes were checked when m was made
	}
}
