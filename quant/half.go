package quant

import (
	"encoding/binary"
	"math"
)

// half widens an IEEE 754 binary16, which is how blocks store their scales.
func half(h uint16) float32 {
	sign := uint32(h>>15) << 31
	exp, man := uint32(h>>10&0x1f), uint32(h&0x3ff)
	switch exp {
	case 0: // zero and subnormal: man × 2^-24, exact in float32
		return math.Float32frombits(math.Float32bits(float32(man)*0x1p-24) | sign)
	case 0x1f:
		return math.Float32frombits(sign | 0xff<<23 | man<<13)
	}
	return math.Float32frombits(sign | (exp+127-15)<<23 | man<<13)
}

// toHalf rounds to binary16, to nearest with ties to even; too large becomes ±Inf.
func toHalf(v float32) uint16 {
	b := math.Float32bits(v)
	sign, mag := uint16(b>>16)&0x8000, b&0x7fffffff
	switch {
	case mag > 0x7f800000:
		return sign | 0x7e00
	case mag >= 0x477ff000: // 65520, halfway to the first number binary16 lacks
		return sign | 0x7c00
	case mag < 0x38800000: // below 2^-14: a multiple of 2^-24, rounded where ½ makes float32 round
		return sign | uint16(math.Float32bits(math.Float32frombits(mag)+0.5)-0x3f000000)
	}
	mag += 0xfff + mag>>13&1
	return sign | uint16(mag>>13-(127-15)<<10)
}

// nearest rounds to the nearest integer, ties to even, as the reference does: the sum with
// 1.5·2²³ has the integer in its lower bits. Beyond ±2²² it gives some number within ±2²²,
// the reference's own.
func nearest(v float32) int {
	return int(math.Float32bits(v+0x1.8p23)&0x7fffff) - 0x400000
}

func clamp(v, lo, hi int) int { return max(lo, min(v, hi)) }

func abs(v float32) float32 { return math.Float32frombits(math.Float32bits(v) &^ (1 << 31)) }

func sqrt(v float32) float32 { return float32(math.Sqrt(float64(v))) }

func putFloat(dst []byte, v float32) { binary.LittleEndian.PutUint32(dst, math.Float32bits(v)) }
func getFloat(src []byte) float32    { return math.Float32frombits(binary.LittleEndian.Uint32(src)) }
