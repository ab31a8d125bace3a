package quant

import (
	"encoding/binary"
	"math"
)

// Types of −1, 0 and 1 (BitNet b1.58, arXiv:2402.17764), and of one and two bits.
//
//	TQ1_0  d·(q−1)  48 B of five q each, 4 B of four q each, d f16
//	TQ2_0  d·(q−1)  64 B of two-bit fields, d
//	Q1_0   ±d       d f16, 16 B: bit set is +d; 128 elements
//	Q2_0   d·(q−1)  d f16, 16 B of two-bit fields in order; 64 elements
//
// Five base-3 digits of a TQ1_0 byte are stored as a fraction of 256: digit n is
// the carry of the byte times 3, n+1 times.

// groups1 are TQ1_0's runs of bytes: byte m of a run holds elements m, m+bytes, m+2·bytes, ... of it.
var groups1 = []struct{ bytes, digits int }{{32, 5}, {16, 5}, {4, 4}}

func unpackTQ1_0(b *block, src []byte) {
	b.d, b.scale[0] = half(binary.LittleEndian.Uint16(src[52:])), 1
	q := b.q[:]
	for _, g := range groups1 {
		for m, v := range src[:g.bytes] {
			for n := range g.digits {
				q[n*g.bytes+m] = int8(int(v)*3>>8) - 1
				v *= 3
			}
		}
		src, q = src[g.bytes:], q[g.bytes*g.digits:]
	}
}

func packTQ1_0(dst []byte, r row) {
	for x := r.x; len(x) > 0; {
		d := abs(furthest(x[:super]))
		inverse := reciprocal(d)
		binary.LittleEndian.PutUint16(dst[52:], toHalf(d))
		for _, g := range groups1 {
			for m := range g.bytes {
				v := 0
				for n := range 5 {
					v *= 3
					if n < g.digits {
						v += ternary(x[n*g.bytes+m], inverse)
					}
				}
				dst[m] = byte((v*256 + 242) / 243)
			}
			dst, x = dst[g.bytes:], x[g.bytes*g.digits:]
		}
		dst = dst[2:]
	}
}

// ternary is 0, 1 or 2 for −1, 0 and 1.
func ternary(v, inverse float32) int {
	q := math.Round(float64(float32(v * inverse)))
	return int(max(-1, min(q, 1))) + 1
}

func unpackTQ2_0(b *block, src []byte) {
	b.d, b.scale[0] = half(binary.LittleEndian.Uint16(src[64:])), 1
	unpackTwoBits(b.q[:], src[:64])
	for i := range b.q {
		b.q[i]--
	}
}

func packTQ2_0(dst []byte, r row) {
	var q [super]uint8
	for x := r.x; len(x) > 0; x, dst = x[super:], dst[66:] {
		d := abs(furthest(x[:super]))
		inverse := reciprocal(d)
		for i, v := range x[:super] {
			q[i] = uint8(ternary(v, inverse))
		}
		packTwoBits(dst[:64], q[:])
		binary.LittleEndian.PutUint16(dst[64:], toHalf(d))
	}
}

func unpackQ1_0(b *block, src []byte) {
	b.d, b.scale[0] = half(binary.LittleEndian.Uint16(src)), 1
	for i := range 128 {
		b.q[i] = int8(src[2+i/8]>>(i%8)&1)*2 - 1
	}
}

func packQ1_0(dst []byte, r row) {
	for x := r.x; len(x) > 0; x, dst = x[128:], dst[18:] {
		clear(dst[:18])
		var sum float32
		for i, v := range x[:128] {
			sum += abs(v)
			if v >= 0 {
				dst[2+i/8] |= 1 << (i % 8)
			}
		}
		binary.LittleEndian.PutUint16(dst, toHalf(sum/128))
	}
}

func unpackQ2_0(b *block, src []byte) {
	b.d, b.scale[0] = half(binary.LittleEndian.Uint16(src)), 1
	for i := range 64 {
		b.q[i] = int8(src[2+i/4]>>(i%4*2)&3) - 1
	}
}
