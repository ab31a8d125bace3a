package kernel

import (
	"encoding/binary"
	"fmt"
	"math"
	"runtime"

	"github.com/hanji-ml/hanji/internal/mmap"
	"github.com/hanji-ml/hanji/internal/par"
)

// QFormat is a block format of weights that [QMat] multiplies by as they are. The names and bytes are ggml's
// (ggml-common.h).
type QFormat uint8

// The formats, each with the value of a weight. T is IQ4's table of 16 int8; s and m are integers.
const (
	Q8_0   QFormat = iota // d·q: blocks of 32, q int8
	Q4_0                  // d·(q - 8): blocks of 32
	Q4_1                  // d·q + m: blocks of 32
	Q5_0                  // d·(q - 16): blocks of 32
	Q5_1                  // d·q + m: blocks of 32
	IQ4_NL                // d·T[q]: blocks of 32
	Q2_K                  // d·s·q - dmin·m: blocks of 256, s and m for every 16
	Q3_K                  // d·s·(q - 4): blocks of 256, s for every 16
	Q4_K                  // d·s·q - dmin·m: blocks of 256, s and m for every 32
	Q5_K                  // d·s·q - dmin·m: blocks of 256, s and m for every 32
	Q6_K                  // d·s·(q - 32): blocks of 256, s for every 16
	IQ4_XS                // d·s·T[q]: blocks of 256, s for every 32
)

// Weights of 16 rows stand together, so that a vector's lane is a row: for every block d [16]float16, m or dmin [16]float16
// where there is one, and then for every unit of 32 columns its scales (and minima) [1 or 2][16]byte and q in planes of bits. A
// plane is words of 16 × 4 bytes; word i has of each row
//
//	8 bits    columns 4i … 4i+3
//	4 bits    columns 4i … 4i+3, and in the upper half of the bytes 16 columns further on
//	2 bits    columns 16i+4f … 16i+4f+3 in quarters f = 0 … 3 of the bytes
//	1 bit     columns 4f … 4f+3 in bits f = 0 … 7 of the bytes
//
// Four products of a row come from one 32-bit word. Bytes are as many as in the file, but for scales of 6 bits, which take 8.
const (
	qRows = 16
	qUnit = 32
	qSpan = 256
)

// qLayout is what formats differ in.
type qLayout struct {
	columns, block int  // of a block in the file: columns, bytes
	d, m           int  // where they are there; m is 0 for none
	scales, parts  int  // of a row's unit: bytes of scales and minima, parts with a scale of their own
	low, high      int  // bits in the first plane and in the second
	offset         int  // that q has too much: the activations' slots make up for it
	signed         bool // q is signed, by itself or by T; offset is what assembly makes it unsigned with
}

var qLayouts = [...]qLayout{
	Q8_0:   {qUnit, 34, 0, 0, 0, 1, 8, 0, 128, true},
	Q4_0:   {qUnit, 18, 0, 0, 0, 1, 4, 0, 8, false},
	Q4_1:   {qUnit, 20, 0, 2, 0, 1, 4, 0, 0, false},
	Q5_0:   {qUnit, 22, 0, 0, 0, 1, 4, 1, 16, false},
	Q5_1:   {qUnit, 24, 0, 2, 0, 1, 4, 1, 0, false},
	IQ4_NL: {qUnit, 18, 0, 0, 0, 1, 4, 0, 128, true},
	Q2_K:   {qSpan, 84, 80, 82, 2, 2, 2, 0, 0, false},
	Q3_K:   {qSpan, 110, 108, 0, 2, 2, 2, 1, 4, false},
	Q4_K:   {qSpan, 144, 0, 2, 2, 1, 4, 0, 0, false},
	Q5_K:   {qSpan, 176, 0, 2, 2, 1, 4, 1, 0, false},
	Q6_K:   {qSpan, 210, 208, 0, 2, 2, 4, 2, 32, false},
	IQ4_XS: {qSpan, 136, 0, 0, 1, 1, 4, 0, 128, true},
}

// slots is how many words an activation keeps for every unit beside its bytes and scale: one a part.
func (l *qLayout) slots() int { return l.parts }

// head and unit are bytes of 16 rows: before a block's units, and of each; group those of the whole block.
func (l *qLayout) head() int {
	if l.m > 0 {
		return 4 * qRows
	}
	return 2 * qRows
}
func (l *qLayout) unit() int  { return l.scales*qRows + (l.low+l.high)*qRows*qUnit/8 }
func (l *qLayout) group() int { return l.head() + l.columns/qUnit*l.unit() }

// QMat is a matrix of quantised weights [rows, k], interleaved for products. It is read-only and may be used by many
// goroutines.
type QMat struct {
	format  QFormat
	rows, k int
	data    []byte
}

// NewQMat interleaves rows of blocks as a GGUF file stores them; nothing of src is kept. k must be a multiple of the
// block's columns, and src hold exactly the rows.
func NewQMat(format QFormat, rows, k int, src []byte) (*QMat, error) {
	if int(format) >= len(qLayouts) || rows < 0 || k < 0 {
		return nil, fmt.Errorf("kernel: no quantised matrix of format %d, %d rows, %d columns", format, rows, k)
	}
	l := &qLayouts[format]
	if k%l.columns != 0 || rows*(k/l.columns)*l.block != len(src) {
		return nil, fmt.Errorf("kernel: %d bytes do not make %d × %d weights in blocks of %d (%d bytes)", len(src), rows, k, l.columns, l.block)
	}
	m := &QMat{format, rows, k, nil}
	groups, blocks, size := (rows+qRows-1)/qRows, k/l.columns, l.group()
	mem, err := mmap.Zeros(groups * blocks * size)
	if err != nil {
		return nil, fmt.Errorf("kernel: %w", err)
	}
	m.data = mem.Bytes()
	runtime.AddCleanup(m, func(mem *mmap.Map) { mem.Close() }, mem)
	par.For(groups, 8, func(lo, hi int) {
		for g := lo; g < hi; g++ {
			for b := range blocks {
				dst := m.data[(g*blocks+b)*size:][:size]
				for r := range min(qRows, rows-g*qRows) {
					l.interleave(dst, src[((g*qRows+r)*blocks+b)*l.block:][:l.block], format, r)
				}
			}
		}
	})
	return m, nil
}

// Shape is the number of rows and of columns.
func (m *QMat) Shape() (rows, k int) { return m.rows, m.k }

// Bytes is the memory that m takes.
func (m *QMat) Bytes() int { return len(m.data) }

// Mul sets dst[t·ldd+r] to the product of row r with token t of x, whose format must be m's:
//
//	for every part that has a scale, of 16 or 32 columns: dst += d·s·x.d·Σ q·x.q, and the minima likewise
//
// with the inner sum exact in integers, as llama.cpp takes it. It panics where x is for another matrix or dst too short.
func (m *QMat) Mul(dst []float32, ldd int, x *QActs) {
	if x.format != m.format || x.k != m.k {
		panic(fmt.Sprintf("kernel: QMat: activations of %d columns for format %d, weights of %d for %d", x.k, x.format, m.k, m.format))
	}
	if x.tokens == 0 || m.rows == 0 {
		return
	}
	if ldd < m.rows && x.tokens > 1 || len(dst) < (x.tokens-1)*ldd+m.rows {
		panic(fmt.Sprintf("kernel: QMat: %d numbers, %d apart, are no room for %d × %d", len(dst), ldd, x.tokens, m.rows))
	}
	if m.k == 0 {
		for t := range x.tokens {
			clear(dst[t*ldd:][:m.rows])
		}
		return
	}
	// About four chunks a thread, at most 8 groups: their weights stay in L2 while tile after tile meets them.
	groups := (m.rows + qRows - 1) / qRows
	x.m, x.dst, x.ldd = m, dst, ldd
	par.For(groups, max(1, min(8, groups/(4*par.Threads()))), x.mult)
	x.m, x.dst = nil, nil
	runtime.KeepAlive(m) // its memory goes with it
}

// mulGroups multiplies groups lo…hi of 16 rows with all tokens.
func (a *QActs) mulGroups(lo, hi int) {
	m, l := a.m, &qLayouts[a.format]
	blocks, size := m.k/l.columns, l.group()
	var edge [8 * qRows]float32
	for i := range a.tiles {
		t := &a.tiles[i]
		for g := lo; g < hi; g++ {
			w := m.data[g*blocks*size:][:blocks*size]
			rest := m.rows - g*qRows
			out, ld := a.dst[t.first*a.ldd+g*qRows:], a.ldd
			if rest < qRows {
				out, ld = edge[:], qRows
			}
			if !a.asm || !qmul(m.format, t.tokens, out, ld, w, t.data, blocks) {
				qmulGeneric(m.format, t.tokens, out, ld, w, t.data, blocks)
			}
			if rest < qRows {
				for j := range t.tokens {
					copy(a.dst[(t.first+j)*a.ldd+g*qRows:][:rest], edge[j*qRows:])
				}
			}
		}
	}
}

// qmulGeneric is the specification of the tile functions: 16 rows by a tile of tokens.
func qmulGeneric(format QFormat, tokens int, dst []float32, ld int, w, x []byte, blocks int) {
	l := &qLayouts[format]
	size, head, unit := l.group(), l.head(), l.unit()
	stride := tokens * (qUnit + 4 + 4*l.slots())
	for t := range tokens {
		acc, x := dst[t*ld:][:qRows], x
		clear(acc)
		for b := range blocks {
			w := w[b*size:][:size]
			for at := head; at < size; at, x = at+unit, x[stride:] {
				xd := leFloat32(x[tokens*qUnit+4*t:])
				for p := range l.parts {
					slot := leWord(x[tokens*(qUnit+4+4*p)+4*t:])
					for r := range acc {
						d, m := leFloat16(w[2*r:]), float32(0)
						if l.m > 0 {
							m = leFloat16(w[2*qRows+2*r:])
						}
						d, m = scaleOf(format, w[at:], p, r, d, m)
						sum := l.dot(format, w[at+l.scales*qRows:][:unit-l.scales*qRows], x[t*qUnit:][:qUnit], p, r)
						switch {
						case l.m > 0:
							acc[r] += float32(d*xd) * float32(sum)
							acc[r] += m * math.Float32frombits(slot)
						case l.signed:
							acc[r] += float32(d*xd) * float32(sum)
						default:
							acc[r] += float32(d*xd) * float32(sum+int32(slot))
						}
					}
				}
			}
		}
	}
}

// scaleOf is scale and minimum of a part of a unit, whose scales come first in w.
func scaleOf(format QFormat, w []byte, part, r int, d, m float32) (s, least float32) {
	b := w[part*qRows+r]
	switch format {
	case Q3_K, Q6_K, IQ4_XS:
		return d * float32(int8(b)), 0
	case Q2_K:
		return d * float32(b&15), m * float32(b>>4)
	case Q4_K, Q5_K:
		return d * float32(b), m * float32(w[qRows+r])
	}
	return d, m
}

// dot is the integer product of a row's part of a unit with its columns of x.
func (l *qLayout) dot(format QFormat, planes, x []byte, part, r int) (s int32) {
	n := qUnit / l.parts
	for c := part * n; c < (part+1)*n; c++ {
		q := int32(l.element(planes, r, c))
		switch {
		case format == Q8_0:
			q = int32(int8(q))
		case l.signed:
			q = int32(values4[q])
		}
		s += q * int32(int8(x[c]))
	}
	return s
}

// values4 is T (ggml-common.h, kvalues_iq4nl).
var values4 = [16]int8{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}

func leWord(b []byte) uint32     { return binary.LittleEndian.Uint32(b) }
func leFloat32(b []byte) float32 { return math.Float32frombits(leWord(b)) }
func leFloat16(b []byte) float32 { return f16Bits(binary.LittleEndian.Uint16(b)) }
