package quant

import (
	"encoding/binary"
	"math"
)

// IQ4_NL and IQ4_XS: four bits that stand for one of 16 values, closer together
// around 0 where weights are.
//
//	IQ4_NL  d·T[q]          d f16, 16 B, in the order of Q4_0
//	IQ4_XS  d·(sc−32)·T[q]  d, u16 of upper bits of sc, 4 B of lower, 128 B of q, 8 parts of 32

// values4 is T (ggml-common.h, kvalues_iq4nl).
var values4 = [16]int8{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}

func unpackIQ4_NL(b *block, src []byte) {
	b.d, b.scale[0] = half(binary.LittleEndian.Uint16(src)), 1
	lookUp(b.q[:32], src[2:18], &values4)
}

func unpackIQ4_XS(b *block, src []byte) {
	b.d = half(binary.LittleEndian.Uint16(src))
	high := binary.LittleEndian.Uint16(src[2:])
	for j := range 8 {
		b.scale[j] = int32(src[4+j/2]>>(j%2*4)&15|byte(high>>(2*j)&3<<4)) - 32
		lookUp(b.q[32*j:32*j+32], src[8+16*j:24+16*j], &values4)
	}
}

// lookUp is unpackNibbles through a table.
func lookUp(q []int8, src []byte, table *[16]int8) {
	lo, hi := q[:len(src)], q[len(src):2*len(src)]
	for j, v := range src {
		lo[j], hi[j] = table[v&15], table[v>>4]
	}
}

// cell4 is for numbers from one whole number to the next: the index of the value below, and where
// the next value comes closer.
type cell4 struct {
	middle float32
	below  uint8
}

// cells4 are for −127, −126, ... 112.
var cells4 = func() (cells [240]cell4) {
	for i := range cells {
		lo := 0
		for lo+2 < len(values4) && int(values4[lo+1]) <= i-127 {
			lo++
		}
		cells[i] = cell4{(float32(values4[lo]) + float32(values4[lo+1])) / 2, uint8(lo)}
	}
	return cells
}()

// closest is the index of the value nearest to x, the upper of two at the same distance.
func closest(x float32) uint8 {
	if !(x > -127) {
		return 0
	}
	if x >= 113 {
		return 15
	}
	// Values are integers, so the one below x is the one below x without its fraction; where the
	// sum rounds up to a value, that one is the closest. The sign of the difference saves a branch
	// that no processor can foresee.
	c := &cells4[min(uint8(int(x+127)), 239)]
	return c.below + 1 - uint8(math.Float32bits(x-c.middle)>>31)
}

// nonlinear finds d with x ≈ d·T[·]: scales that map the furthest element onto −127 and up to
// seven around it, each with its least-squares d (quantize_row_iq4_nl_impl). w is weights.
func nonlinear(x, w []float32) float32 {
	const around = 7
	peak := furthest(x)
	if abs(peak) < tiny {
		return 0
	}
	first := float32(values4[0])
	d := -peak / first
	lx, l2 := projectValues(x, w, 1/d)
	d = 0
	if l2 > 0 {
		d = lx / l2
	}
	best := d * lx
	for try := -around; try <= around; try++ {
		lx, l2 := projectValues(x, w, (float32(try)+first)/peak)
		if l2 > 0 && float32(lx*lx) > float32(best*l2) {
			d = lx / l2
			best = d * lx
		}
	}
	return d
}

func projectValues(x, w []float32, inverse float32) (lx, l2 float32) {
	w = w[:len(x)]
	for i, v := range x {
		l := float32(values4[closest(float32(inverse*v))])
		wl := float32(w[i] * l)
		lx += float32(wl * v)
		l2 += float32(wl * l)
	}
	return lx, l2
}

// weigh4 fills in the weights of one part: twice the mean square of the block with an importance,
// x² without.
func weigh4(w []float32, r row, mean float32) {
	if r.importance == nil {
		square(w, r.x)
		return
	}
	weigh(w, r, mean)
}

func packIQ4_NL(dst []byte, r row) {
	var w [32]float32
	var q [32]uint8
	for i := 0; i < len(r.x); i, dst = i+32, dst[18:] {
		b := r.part(i, i+32)
		weigh4(w[:], b, sumSquares(b.x)*(2.0/32))
		d := nonlinear(b.x, w[:])
		inverse := reciprocal(d)
		for j, v := range b.x {
			q[j] = closest(float32(inverse * v))
		}
		binary.LittleEndian.PutUint16(dst, toHalf(d))
		packNibbles(dst[2:18], q[:])
	}
}

func sumSquares(x []float32) (sum float32) {
	for _, v := range x {
		sum += float32(v * v)
	}
	return sum
}

func packIQ4_XS(dst []byte, r row) {
	var w [32]float32
	var q [32]uint8
	var scales [8]float32
	for i := 0; i < len(r.x); i, dst = i+super, dst[136:] {
		b := r.part(i, i+super)
		mean := sumSquares(b.x) * (2.0 / super)
		for j := range scales {
			part := b.part(32*j, 32*j+32)
			weigh4(w[:], part, mean)
			scales[j] = nonlinear(part.x, w[:])
		}
		clear(dst[:8])
		d := -furthest(scales[:]) / 32
		inverse := reciprocal(d)
		high := uint16(0)
		for j, v := range scales {
			l := clamp(nearest(float32(inverse*v)), -32, 31)
			// Unlike the K formats this one rounds elements with d as it was, not as f16.
			part := reciprocal(d * float32(l))
			for k, e := range b.x[32*j : 32*j+32] {
				q[k] = closest(float32(part * e))
			}
			packNibbles(dst[8+16*j:24+16*j], q[:])
			dst[4+j/2] |= byte(l+32) & 15 << (j % 2 * 4)
			high |= uint16(l+32) >> 4 << (2 * j)
		}
		binary.LittleEndian.PutUint16(dst, toHalf(d))
		binary.LittleEndian.PutUint16(dst[2:], high)
	}
}
