package kernel

import (
	"encoding/binary"
	"math"
	"sync"

	"github.com/hanji-ml/hanji/internal/par"
)

// QActs are activations rounded to int8 for products with a [QMat] of one format: once for all matrices that read
// them. Each 32 columns share a scale, for K formats and IQ4_XS each 256: ggml's Q8_0, Q8_1 and Q8_K.
type QActs struct {
	format    QFormat
	tokens, k int
	asm       bool // tiles are cut for assembly
	tiles     []qTile
	mem       []byte

	// The call in progress, and its loops, bound once: a closure a call would be allocated.
	x, dst      []float32
	ldx, ldd    int
	m           *QMat
	round, mult func(lo, hi int)
}

// qTile is a few tokens side by side: for every 32 columns [tokens][32]int8, then [tokens]float32 scales, then slots ×
// [tokens] words, of each part: an int32 that makes up for the offset of q, or a float32 that minima are multiplied by.
type qTile struct {
	first, tokens int
	data          []byte
}

var qActsPool = sync.Pool{New: func() any {
	a := new(QActs)
	a.round, a.mult = a.roundTiles, a.mulGroups
	return a
}}

// QuantizeActs rounds tokens rows of k columns, ld apart, for products with weights of the format. Give the result
// back with Free.
func QuantizeActs(x []float32, tokens, k, ld int, format QFormat) *QActs {
	if k%qLayouts[format].columns != 0 || tokens > 0 && len(x) < (tokens-1)*ld+k {
		panic("kernel: QuantizeActs: rows do not fit into the slice, or into blocks")
	}
	l := &qLayouts[format]
	a := qActsPool.Get().(*QActs)
	a.format, a.tokens, a.k = format, tokens, k
	size := k / qUnit * (qUnit + 4 + 4*l.slots()) // a token's
	if cap(a.mem) < tokens*size {
		a.mem = make([]byte, tokens*size)
	}
	a.mem = a.mem[:tokens*size]
	a.tiles = a.tiles[:0]
	var widths []int
	widths, a.asm = qTileWidths(format)
	for t := 0; t < tokens; {
		for widths[0] > tokens-t {
			widths = widths[1:]
		}
		a.tiles = append(a.tiles, qTile{t, widths[0], a.mem[t*size:][:widths[0]*size]})
		t += widths[0]
	}
	if k == 0 {
		return a
	}
	a.x, a.ldx = x, ld
	par.For(len(a.tiles), max(1, 1<<11/k), a.round)
	a.x = nil
	return a
}

func (a *QActs) roundTiles(lo, hi int) {
	l := &qLayouts[a.format]
	for i := lo; i < hi; i++ {
		t := &a.tiles[i]
		for j := range t.tokens {
			row := a.x[(t.first+j)*a.ldx:][:a.k]
			if l.columns == qSpan {
				quantizeQ8K(t, j, row, l)
			} else {
				quantizeQ80(t, j, row, l)
			}
		}
	}
}

// Free gives the memory back; a must not be used afterwards.
func (a *QActs) Free() { qActsPool.Put(a) }

// quantizeQ80 rounds token j of a tile by 32 columns: d = max|x|/127 kept as float16, q = x·127/max|x| to the nearest, halves
// away from zero (ggml-quants.c, quantize_row_q8_0_ref). Where weights have minima, d·Σq goes with it as float16
// (quantize_row_q8_1_ref).
func quantizeQ80(t *qTile, j int, x []float32, l *qLayout) {
	offset, affine := int32(l.offset), l.m > 0
	n := t.tokens
	if quantizeQ80F32(t.data[j*qUnit:], t.data[n*qUnit+4*j:], t.data[n*(qUnit+4)+4*j:], x, n*(qUnit+8), -offset, affine) {
		return
	}
	for u, at := 0, 0; u < len(x); u, at = u+qUnit, at+n*(qUnit+8) {
		d, sum := roundQ8(t.data[at+j*qUnit:], x[u:])
		putWord(t.data[at+n*qUnit+4*j:], math.Float32bits(f16Bits(f32ToF16Bits(d))))
		slot := uint32(-offset * sum)
		if affine {
			slot = math.Float32bits(f16Bits(f32ToF16Bits(float32(sum) * d)))
		}
		putWord(t.data[at+n*(qUnit+4)+4*j:], slot)
	}
}

// quantizeQ8K rounds token j of a tile by 256 columns: with m the element of largest magnitude, q = -127·x/m to the nearest,
// halves to even, and d = -m/127 (ggml-quants.c, quantize_row_q8_K_ref).
func quantizeQ8K(t *qTile, j int, x []float32, l *qLayout) {
	n := t.tokens
	unit := n * (qUnit + 4 + 4*l.slots())
	for b := 0; b < len(x); b += qSpan {
		block := x[b : b+qSpan]
		var scale, d float32
		if m := furthest(block); m != 0 {
			scale = -127 / m
			d = 1 / scale
		}
		var sums [qSpan / 16]int32
		at := b / qUnit * unit
		if !quantizeQ8KF32(t.data[at+j*qUnit:], &sums, block, scale, unit) {
			for i, v := range block {
				r := min(int32(math.RoundToEven(float64(float32(scale*v)))), 127)
				t.data[at+i/qUnit*unit+j*qUnit+i%qUnit] = byte(r)
				sums[i/16] += r
			}
		}
		for u := 0; u < qSpan/qUnit; u, at = u+1, at+unit {
			putWord(t.data[at+n*qUnit+4*j:], math.Float32bits(d))
			for p := range l.parts {
				sum := sums[2*u+p]
				if l.parts == 1 {
					sum += sums[2*u+1]
				}
				slot := uint32(-int32(l.offset) * sum)
				if l.m > 0 {
					slot = math.Float32bits(-float32(sum) * d)
				}
				putWord(t.data[at+n*(qUnit+4+4*p)+4*j:], slot)
			}
		}
	}
}

// furthest is the first element of the largest magnitude.
func furthest(x []float32) (m float32) {
	switch hi, lo := MaxOf(x), MinOf(x); {
	case hi > -lo:
		return hi
	case hi < -lo:
		return lo
	}
	most := float32(0)
	for _, v := range x { // both signs reach as far, or something is NaN
		if a := float32(math.Abs(float64(v))); a > most {
			most, m = a, v
		}
	}
	return m
}

func putWord(b []byte, v uint32) {
	binary.LittleEndian.PutUint32(b, v)
}

// largest is max |x|.
func largest(x []float32) (most float32) {
	for _, v := range x {
		most = max(most, float32(math.Abs(float64(v))))
	}
	return most
}
