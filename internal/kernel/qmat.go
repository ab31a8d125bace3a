package kernel

import (
	"fmt"
	"math"

	"github.com/hanji-ml/hanji/internal/par"
)

// QFormat is a block format of weights that [QMat] multiplies by as they are. The names and bytes are ggml's
// (ggml-common.h).
type QFormat uint8

// The formats, each with the value of a weight.
const (
	Q8_0 QFormat = iota // d·q: blocks of 32, q int8, d float16
	Q4_0                // d·(q - 8): blocks of 32, q 4 bits
	Q4_K                // d·s·q - dmin·m: blocks of 256; s and m 6 bits for every 32, q 4 bits
	Q6_K                // d·s·(q - 32): blocks of 256; s int8 for every 16, q 6 bits
)

// Weights of 16 rows stand together, interleaved by four columns, so that a vector's lane is a row and four products
// of a row come from one 32-bit word:
//
//	Q8_0, for 32 columns:   d [16]float16, then 8 words [16][4]int8
//	Q4_0, for 32 columns:   d [16]float16, then 4 words [16][4]byte; column c is the lower half of word c/4, column 16+c the upper
//	Q4_K, for 256 columns:  d, dmin [16]float16, s, m [8][16]byte, then 4 × 8 words; of each 8 the lower halves are 32 columns, the upper the next
//	Q6_K, for 256 columns:  d [16]float16, s [16][16]int8, then 64 words [16][4]byte: unpacked to bytes
const (
	qRows = 16
	qUnit = 32
	qSpan = 256
)

type qLayout struct {
	columns, block, group int // of a block: columns, bytes of a row, bytes of 16 rows interleaved
	slots                 int // words that an activation keeps for every 32 columns beside its bytes and scale
	k                     bool
}

var qLayouts = [...]qLayout{
	Q8_0: {qUnit, 34, 32 + 512, 1, false},
	Q4_0: {qUnit, 18, 32 + 256, 1, false},
	Q4_K: {qSpan, 144, 64 + 256 + 2048, 1, true},
	Q6_K: {qSpan, 210, 32 + 256 + 4096, 2, true},
}

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
	l := qLayouts[format]
	if k%l.columns != 0 || rows*(k/l.columns)*l.block != len(src) {
		return nil, fmt.Errorf("kernel: %d bytes do not make %d × %d weights in blocks of %d (%d bytes)", len(src), rows, k, l.columns, l.block)
	}
	m := &QMat{format, rows, k, nil}
	groups, blocks := (rows+qRows-1)/qRows, k/l.columns
	m.data = make([]byte, groups*blocks*l.group)
	par.For(groups, 8, func(lo, hi int) {
		for g := lo; g < hi; g++ {
			for b := range blocks {
				dst := m.data[(g*blocks+b)*l.group:][:l.group]
				for r := range min(qRows, rows-g*qRows) {
					interleave(format, dst, src[((g*qRows+r)*blocks+b)*l.block:][:l.block], r)
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

// interleave puts a row's block into its place among 16.
func interleave(format QFormat, dst, src []byte, r int) {
	switch format {
	case Q8_0, Q4_0:
		copy(dst[2*r:], src[:2])
		putWords(dst[32:], src[2:], r)
	case Q4_K:
		copy(dst[2*r:], src[:2])
		copy(dst[32+2*r:], src[2:4])
		for j := range 8 {
			s, m := scaleK4(src[4:16], j)
			dst[64+j*qRows+r], dst[192+j*qRows+r] = s, m
		}
		putWords(dst[320:], src[16:], r)
	case Q6_K: // ql [128], qh [64], scales [16], d
		ql, qh := src[:128], src[128:192]
		copy(dst[2*r:], src[208:210])
		for j, s := range src[192:208] {
			dst[32+j*qRows+r] = s
		}
		var q [qSpan]byte
		for h := range 2 {
			for c := range 32 {
				lo, hi, two := ql[h*64+c], ql[h*64+32+c], qh[h*32+c]
				q[h*128+c] = lo&15 | two&3<<4
				q[h*128+32+c] = hi&15 | two>>2&3<<4
				q[h*128+64+c] = lo>>4 | two>>4&3<<4
				q[h*128+96+c] = hi>>4 | two>>6<<4
			}
		}
		putWords(dst[288:], q[:], r)
	}
}

func putWords(dst, src []byte, r int) {
	for i := 0; i < len(src); i += 4 {
		copy(dst[i*qRows+4*r:][:4], src[i:i+4])
	}
}

// scaleK4 is scale and minimum j of the 12 bytes that hold eight of each in 6 bits (ggml-quants.c, get_scale_min_k4).
func scaleK4(b []byte, j int) (s, m byte) {
	if j < 4 {
		return b[j] & 63, b[j+4] & 63
	}
	return b[j+4]&15 | b[j-4]>>6<<4, b[j+4]>>4 | b[j]>>6<<4
}

// Mul sets dst[t·ldd+r] to the product of row r with token t of x, whose format must be m's:
//
//	for every 32 columns (16 for Q6_K): dst += d·s·x.d·Σ q·x.q, and the minima likewise
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
}

// mulGroups multiplies groups lo…hi of 16 rows with all tokens.
func (a *QActs) mulGroups(lo, hi int) {
	m, l := a.m, qLayouts[a.format]
	blocks := m.k / l.columns
	var edge [8 * qRows]float32
	for i := range a.tiles {
		t := &a.tiles[i]
		for g := lo; g < hi; g++ {
			w := m.data[g*blocks*l.group:][:blocks*l.group]
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
	l := qLayouts[format]
	unit := tokens * (qUnit + 4 + 4*l.slots)
	for t := range tokens {
		acc := dst[t*ld:][:qRows]
		clear(acc)
		for b := range blocks {
			w := w[b*l.group:][:l.group]
			for u := range l.columns / qUnit {
				a := x[(b*l.columns/qUnit+u)*unit:][:unit]
				q := a[t*qUnit:][:qUnit]
				d := leFloat32(a[tokens*qUnit+4*t:])
				for r := range acc {
					switch format {
					case Q8_0:
						acc[r] += leFloat16(w[2*r:]) * d * float32(dotWords(w[32:], q, r, 0, 0xff, true))
					case Q4_0:
						s := dotWords(w[32:], q[:16], r, 0, 15, false) + dotWords(w[32:], q[16:], r, 4, 15, false)
						acc[r] += leFloat16(w[2*r:]) * d * float32(s+int32(leWord(a[tokens*(qUnit+4)+4*t:])))
					case Q4_K:
						s := dotWords(w[320+u/2*512:], q, r, 4*(u%2), 15, false)
						acc[r] += leFloat16(w[2*r:]) * float32(w[64+u*qRows+r]) * d * float32(s)
						acc[r] += leFloat16(w[32+2*r:]) * float32(w[192+u*qRows+r]) * leFloat32(a[tokens*(qUnit+4)+4*t:])
					case Q6_K:
						for h := range 2 {
							s := dotWords(w[288+(2*u+h)*256:], q[16*h:][:16], r, 0, 63, false)
							s += int32(leWord(a[tokens*(qUnit+4+4*h)+4*t:]))
							acc[r] += leFloat16(w[2*r:]) * float32(int8(w[32+(2*u+h)*qRows+r])) * d * float32(s)
						}
					}
				}
			}
		}
	}
}

// dotWords is the integer product of row r's words with the columns of q.
func dotWords(w, q []byte, r, shift int, mask byte, signed bool) (s int32) {
	for c, x := range q {
		b := w[c/4*64+4*r+c%4] >> shift & mask
		if signed {
			s += int32(int8(b)) * int32(int8(x))
		} else {
			s += int32(b) * int32(int8(x))
		}
	}
	return s
}

func leWord(b []byte) uint32 {
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}
func leFloat32(b []byte) float32 { return math.Float32frombits(leWord(b)) }
func leFloat16(b []byte) float32 { return f16Bits(uint16(b[0]) | uint16(b[1])<<8) }
