package kernel

import (
	"fmt"
	"math"
	"sync"
	"unsafe"

	"github.com/hanji-ml/hanji/internal/par"
)

// HalfMat is a matrix of 16-bit floats [rows, k] that products take as it lies, in a mapped file for instance: nothing is
// copied. It is read-only and may be used by many goroutines.
type HalfMat struct {
	rows, k  int
	w        []uint16
	bfloat16 bool // else IEEE half
}

// NewHalfMat makes a matrix over w, row after row, which must stay as it is.
func NewHalfMat(rows, k int, w []uint16, bfloat16 bool) (*HalfMat, error) {
	if rows < 0 || k < 0 || len(w) != rows*k {
		return nil, fmt.Errorf("kernel: %d numbers do not make %d × %d", len(w), rows, k)
	}
	return &HalfMat{rows, k, w, bfloat16}, nil
}

// Shape is the number of rows and of columns.
func (m *HalfMat) Shape() (rows, k int) { return m.rows, m.k }

// Bytes is the memory that m looks at.
func (m *HalfMat) Bytes() int { return 2 * len(m.w) }

// halfFew is the number of tokens from which widening the weights and multiplying by Gemm is faster than streaming them for
// a few tokens at a time.
const halfFew = 12

// Mul sets dst[t·ldd+r] to the product of row r, widened exactly, with token t of x, ldx apart:
//
//	dst[t·ldd+r] = Σ w[r·k+p]·x[t·ldx+p]
//
// It panics where a slice is too short.
func (m *HalfMat) Mul(dst []float32, ldd int, x []float32, tokens, ldx int) {
	if tokens == 0 || m.rows == 0 {
		return
	}
	if tokens < 0 || tokens > 1 && (ldd < m.rows || ldx < m.k) || len(dst) < (tokens-1)*ldd+m.rows || len(x) < (tokens-1)*ldx+m.k {
		panic(fmt.Sprintf("kernel: HalfMat: %d and %d numbers, %d and %d apart, are no %d tokens of %d × %d", len(dst), len(x), ldd, ldx, tokens, m.rows, m.k))
	}
	if tokens >= halfFew {
		m.mulMany(dst, ldd, x, tokens, ldx)
		return
	}
	t := halfTasks.Get().(*halfTask)
	t.m, t.dst, t.ldd, t.x, t.tokens, t.ldx = m, dst, ldd, x, tokens, ldx
	quads := (m.rows + 3) / 4
	par.For(quads, max(1, min(16, quads/(4*par.Threads()))), t.quads)
	t.m, t.dst, t.x = nil, nil, nil
	halfTasks.Put(t)
}

// halfTask is one product on its way; its loop is bound once: a closure a call would be allocated.
type halfTask struct {
	m                *HalfMat
	dst, x           []float32
	ldd, ldx, tokens int
	quads            func(lo, hi int)
}

var halfTasks = sync.Pool{New: func() any {
	t := new(halfTask)
	t.quads = func(lo, hi int) { t.m.mulFew(t.dst, t.ldd, t.x, t.tokens, t.ldx, 4*lo, min(4*hi, t.m.rows)) }
	return t
}}

// mulFew computes rows r0…r1: whole groups of 32 columns by assembly where there is some, the others after it.
func (m *HalfMat) mulFew(dst []float32, ldd int, x []float32, tokens, ldx, r0, r1 int) {
	whole := m.k &^ 31
	for t := 0; t < tokens; {
		n, from := 0, whole
		if whole > 0 {
			n = m.some(dst[t*ldd:], ldd, x[t*ldx:], tokens-t, ldx, r0, r1, whole)
		}
		if n == 0 {
			n, from = 1, 0
		}
		for i := t; i < t+n; i++ {
			for r := r0; r < r1 && (from < m.k || m.k == 0); r++ {
				m.rest(&dst[i*ldd+r], r, x[i*ldx:][:m.k], from)
			}
		}
		t += n
	}
}

// some multiplies the first whole columns of rows r0…r1 with as many tokens as there is assembly for, and says how many: 0
// for none.
func (m *HalfMat) some(dst []float32, ldd int, x []float32, tokens, ldx, r0, r1, whole int) (n int) {
	for r := r0; r < r1 && tokens > 1 && (r1-r0)%4 == 0; r += 4 {
		n = halfDots(m.bfloat16, tokens, &dst[r], &m.w[r*m.k], &x[0], whole, ldd, m.k, ldx)
		if n == 0 {
			break
		}
	}
	if n == 0 && halfRows(m.bfloat16, &dst[r0], &m.w[r0*m.k], &x[0], whole, r1-r0, m.k-whole) {
		n = 1
	}
	return n
}

// rest adds the products from column from on; from 0 it begins the sum. It is the specification of the assembly.
func (m *HalfMat) rest(dst *float32, row int, x []float32, from int) {
	s := float32(0)
	if from > 0 {
		s = *dst
	}
	w := m.w[row*m.k:][:m.k]
	for p := from; p < len(x); p++ {
		v := f16Bits(w[p])
		if m.bfloat16 {
			v = math.Float32frombits(uint32(w[p]) << 16)
		}
		s += v * x[p]
	}
	*dst = s
}

// mulMany widens some rows at a time, which stay in L2, and leaves the product to Gemm.
func (m *HalfMat) mulMany(dst []float32, ldd int, x []float32, tokens, ldx int) {
	const step = 96
	par.For(m.rows, step, func(lo, hi int) {
		mem, buf := scratch[float32]((hi - lo) * m.k)
		defer buf.free()
		if src := m.w[lo*m.k : hi*m.k]; m.bfloat16 {
			BF16ToF32(mem, src)
		} else {
			F16ToF32(mem, src)
		}
		Gemm(tokens, hi-lo, m.k, RowMajor(x, ldx), RowMajor(mem, m.k).T(), dst[lo:], ldd, Epilogue[float32]{})
	})
}

// Uint16s looks at b as little-endian 16-bit words, without a copy where its address allows.
func Uint16s(b []byte) []uint16 {
	n := len(b) / 2
	if n == 0 {
		return nil
	}
	if uintptr(unsafe.Pointer(unsafe.SliceData(b)))%2 == 0 && littleEndian {
		return unsafe.Slice((*uint16)(unsafe.Pointer(unsafe.SliceData(b))), n)
	}
	w := make([]uint16, n)
	for i := range w {
		w[i] = uint16(b[2*i]) | uint16(b[2*i+1])<<8
	}
	return w
}

// Float32s looks at b as little-endian float32, without a copy where its address allows.
func Float32s(b []byte) []float32 {
	n := len(b) / 4
	if n == 0 {
		return nil
	}
	if uintptr(unsafe.Pointer(unsafe.SliceData(b)))%4 == 0 && littleEndian {
		return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(b))), n)
	}
	f := make([]float32, n)
	for i := range f {
		f[i] = leFloat32(b[4*i:])
	}
	return f
}

var littleEndian = func() bool { x := uint16(1); return *(*byte)(unsafe.Pointer(&x)) == 1 }()
