package quant

import (
	"encoding/binary"
	"math"
)

// The first formats of ggml: 32 elements with one scale d, Q*_1 with the least
// value m as well. Element j and element j+16 share a byte, the lower half
// being j's; the fifth bit of the Q5 types stands in a word of its own.
//
//	Q4_0  d·(q−8)     d f16, 16 B            Q4_1  d·q + m    d, m f16, 16 B
//	Q5_0  d·(q−16)    d, u32 of bits, 16 B   Q5_1  d·q + m    d, m, u32 of bits, 16 B
//	Q8_0  d·q         d, 32 int8             Q8_1  d·q        d, s = d·Σq f16, 32 int8

func unpackQ4_0(b *block, src []byte) {
	b.d, b.scale[0] = half(binary.LittleEndian.Uint16(src)), 1
	unpackNibbles(b.q[:32], src[2:18], 8)
}

func unpackQ4_1(b *block, src []byte) {
	b.affine(src)
	unpackNibbles(b.q[:32], src[4:20], 0)
}

func unpackQ5_0(b *block, src []byte) {
	b.d, b.scale[0] = half(binary.LittleEndian.Uint16(src)), 1
	unpackNibbles(b.q[:32], src[6:22], 0)
	addFifth(b.q[:32], src[2:6], 16)
}

func unpackQ5_1(b *block, src []byte) {
	b.affine(src)
	unpackNibbles(b.q[:32], src[8:24], 0)
	addFifth(b.q[:32], src[4:8], 0)
}

func unpackQ8_0(b *block, src []byte) {
	b.d, b.scale[0] = half(binary.LittleEndian.Uint16(src)), 1
	copyInt8(b.q[:32], src[2:34])
}

func unpackQ8_1(b *block, src []byte) {
	b.d, b.scale[0] = half(binary.LittleEndian.Uint16(src)), 1
	copyInt8(b.q[:32], src[4:36])
}

// affine reads the d and m of the _1 types: +m is −m·(−1).
func (b *block) affine(src []byte) {
	b.d, b.dmin = half(binary.LittleEndian.Uint16(src)), half(binary.LittleEndian.Uint16(src[2:]))
	b.scale[0], b.min[0] = 1, -1
}

// unpackNibbles reads 2·len(src) elements, less minus: the lower halves, then the upper.
func unpackNibbles(q []int8, src []byte, minus int8) {
	lo, hi := q[:len(src)], q[len(src):2*len(src)]
	for j, v := range src {
		lo[j], hi[j] = int8(v&15)-minus, int8(v>>4)-minus
	}
}

func packNibbles[T int8 | uint8](dst []byte, q []T) {
	lo, hi := q[:len(dst)], q[len(dst):2*len(dst)]
	for j := range dst {
		dst[j] = byte(lo[j])&15 | byte(hi[j])<<4
	}
}

// addFifth adds 16 where the element's bit is set, and takes minus from all.
func addFifth(q []int8, bits []byte, minus int8) {
	word := binary.LittleEndian.Uint32(bits)
	for j := range q {
		q[j] += int8(word>>j&1)<<4 - minus
	}
}

func packFifth[T int8 | uint8](dst []byte, q []T) {
	word := uint32(0)
	for j, v := range q {
		word |= uint32(v) >> 4 & 1 << j
	}
	binary.LittleEndian.PutUint32(dst, word)
}

func copyInt8(dst []int8, src []byte) {
	for i, v := range src[:len(dst)] {
		dst[i] = int8(v)
	}
}

func packQ4_0(dst []byte, r row) {
	eachSymmetric(dst, 18, r, 8, func(d []byte, scale float32, q []uint8) {
		binary.LittleEndian.PutUint16(d, toHalf(scale))
		packNibbles(d[2:], q)
	})
}

func packQ5_0(dst []byte, r row) {
	eachSymmetric(dst, 22, r, 16, func(d []byte, scale float32, q []uint8) {
		binary.LittleEndian.PutUint16(d, toHalf(scale))
		packFifth(d[2:], q)
		packNibbles(d[6:], q)
	})
}

func packQ4_1(dst []byte, r row) {
	eachAffine(dst, 20, r, 15, func(d []byte, scale, least float32, q []uint8) {
		binary.LittleEndian.PutUint16(d, toHalf(scale))
		binary.LittleEndian.PutUint16(d[2:], toHalf(least))
		packNibbles(d[4:], q)
	})
}

func packQ5_1(dst []byte, r row) {
	eachAffine(dst, 24, r, 31, func(d []byte, scale, least float32, q []uint8) {
		binary.LittleEndian.PutUint16(d, toHalf(scale))
		binary.LittleEndian.PutUint16(d[2:], toHalf(least))
		packFifth(d[4:], q)
		packNibbles(d[8:], q)
	})
}

// eachSymmetric finds d and 0 ≤ q < 2·levels for every block of a row, x ≈ d·(q−levels). Without
// importance the element furthest from 0 becomes q = 0, and the rest are rounded.
func eachSymmetric(dst []byte, size int, r row, levels int, write func(d []byte, scale float32, q []uint8)) {
	var q [32]uint8
	var w [32]float32
	mean := meanSquare(r)
	for i := 0; i < len(r.x); i += 32 {
		b := r.part(i, i+32)
		var scale float32
		if b.importance != nil {
			weigh(w[:], b, mean)
			scale = symmetric(q[:], b.x, w[:], levels)
		} else {
			scale = furthest(b.x) / float32(-levels)
			inverse := reciprocal(scale)
			for j, v := range b.x {
				q[j] = truncate(float32(v*inverse)+(float32(levels)+0.5), 2*levels-1)
			}
		}
		write(dst[:size], scale, q[:])
		dst = dst[size:]
	}
}

// eachAffine finds d, m and 0 ≤ q ≤ levels for every block of a row, x ≈ d·q + m. Without
// importance m and m + levels·d are the least and the greatest element.
func eachAffine(dst []byte, size int, r row, levels int, write func(d []byte, scale, least float32, q []uint8)) {
	var q [32]uint8
	var w [32]float32
	mean := meanSquare(r)
	for i := 0; i < len(r.x); i += 32 {
		b := r.part(i, i+32)
		var scale, least float32
		if b.importance != nil {
			weigh(w[:], b, mean)
			scale, least = affine(q[:], b.x, w[:], levels, fine)
		} else {
			var greatest float32
			least, greatest = extremes(b.x)
			scale = (greatest - least) / float32(levels)
			inverse := reciprocal(scale)
			for j, v := range b.x {
				q[j] = truncate(float32((v-least)*inverse)+0.5, levels)
			}
		}
		write(dst[:size], scale, least, q[:])
		dst = dst[size:]
	}
}

func packQ8_0(dst []byte, r row) {
	for x := r.x; len(x) > 0; x, dst = x[32:], dst[34:] {
		scale := abs(furthest(x[:32])) / 127
		binary.LittleEndian.PutUint16(dst, toHalf(scale))
		roundTo127(dst[2:34], x, reciprocal(scale))
	}
}

// packQ8_1 also stores what Q4_1 and Q5_1 need to multiply their m with.
func packQ8_1(dst []byte, r row) {
	for x := r.x; len(x) > 0; x, dst = x[32:], dst[36:] {
		scale := abs(furthest(x[:32])) / 127
		binary.LittleEndian.PutUint16(dst, toHalf(scale))
		sum := roundTo127(dst[4:36], x, reciprocal(scale))
		binary.LittleEndian.PutUint16(dst[2:], toHalf(float32(sum)*scale))
	}
}

// roundTo127 stores round(x·inverse), ties away from zero, and returns the sum.
func roundTo127(dst []byte, x []float32, inverse float32) (sum int) {
	if inverse > math.MaxFloat32 { // a scale below 2⁻¹²⁸ has no reciprocal
		clear(dst)
		return 0
	}
	for i := range dst {
		v := float32(x[i] * inverse)
		r := v + shift - shift // ties to even, which the difference, being exact, corrects
		switch d := v - r; {
		case d == 0.5 && v > 0:
			r++
		case d == -0.5 && v < 0:
			r--
		}
		dst[i] = byte(int8(r))
		sum += int(r)
	}
	return sum
}

// furthest is the element furthest from 0, the first of several; 0 for none but zeros.
func furthest(x []float32) (v float32) {
	for _, e := range x {
		if abs(e) > abs(v) {
			v = e
		}
	}
	return v
}

func extremes(x []float32) (least, greatest float32) {
	least, greatest = x[0], x[0]
	for _, v := range x {
		if v < least {
			least = v
		}
		if v > greatest {
			greatest = v
		}
	}
	return least, greatest
}

// reciprocal is 1/v, and 0 for 0.
func reciprocal(v float32) float32 {
	if v == 0 {
		return 0
	}
	return 1 / v
}

// truncate drops the fraction; what a scale without a reciprocal makes of an element is held
// within 0 to most too.
func truncate(v float32, most int) uint8 {
	if !(v > 0) {
		return 0
	}
	if v >= float32(most) {
		return uint8(most)
	}
	return uint8(v)
}
