package quant

import "math"

// Four-bit floats, E2M1 (0, ½, 1, 1½, 2, 3, 4, 6 and their negatives), with a
// scale that is a small float itself.
//
//	MXFP4  2^(e−127)·v  u8 e, 16 B in the order of Q4_0 (OCP Microscaling 1.0)
//	NVFP4  d·v          4 d as unsigned E4M3, one for 16 elements, 4 × 8 B
//
// The tables hold 2·v, and the scales are halved.

var values2 = [16]int8{0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12}

func unpackMXFP4(b *block, src []byte) {
	b.d, b.scale[0] = mxScale(src[0]), 1
	lookUp(b.q[:32], src[1:17], &values2)
}

// mxScale is half of 2^(e−127). Unlike in the standard 255 is no NaN.
func mxScale(e byte) float32 { return float32(math.Ldexp(1, int(e)-128)) }

func packMXFP4(dst []byte, r row) {
	for x := r.x; len(x) > 0; x, dst = x[32:], dst[17:] {
		dst[0] = 0
		if peak := abs(furthest(x[:32])); peak > 0 {
			// The exponent of the largest becomes that of 4 to 6. The reference takes a rounded
			// logarithm, which a number just below a power of two passes for that power.
			dst[0] = byte(clamp(int(math.Floor(float64(float32(math.Log2(float64(peak))))))-2+127, 0, 255))
		}
		packFP4(dst[1:17], x, mxScale(dst[0]))
	}
}

// packFP4 stores 2·len(dst) elements, each as the first of the closest values.
func packFP4(dst []byte, x []float32, scale float32) {
	for j := range dst {
		dst[j] = closestFP4(x[j], scale) | closestFP4(x[j+len(dst)], scale)<<4
	}
}

func closestFP4(x, scale float32) byte {
	best, least := 0, abs(x)
	for i, v := range values2 {
		if d := abs(float32(float32(v)*scale) - x); d < least {
			best, least = i, d
		}
	}
	return byte(best)
}

// unpackNVFP4 keeps the four scales as integers: a quarter of E4M3's smallest step is 2^-10 of
// the unit, and half of 448 is 2^10·224 of those.
func unpackNVFP4(b *block, src []byte) {
	b.d = 0x1p-10
	for s, e := range src[:4] {
		b.scale[s] = e4m3(e)
		lookUp(b.q[16*s:16*s+16], src[4+8*s:12+8*s], &values2)
	}
}

// e4m3 is an unsigned E4M3 in units of 2⁻⁹; 0x7f, the standard's NaN, is 0.
func e4m3(b byte) int32 {
	exp, man := b>>3&15, int32(b&7)
	switch {
	case b == 0x7f:
		return 0
	case exp == 0:
		return man
	}
	return (8 + man) << (exp - 1)
}

func packNVFP4(dst []byte, r row) {
	for x := r.x; len(x) > 0; x, dst = x[64:], dst[36:] {
		for s := range 4 {
			part := x[16*s : 16*s+16]
			dst[s] = toE4M3(abs(furthest(part)) / 6)
			packFP4(dst[4+8*s:12+8*s], part, float32(e4m3(dst[s]))*0x1p-10)
		}
	}
}

// toE4M3 rounds a number ≥ 0, halves upward, to at most 448.
func toE4M3(v float32) byte {
	const top = 0x7e
	b := math.Float32bits(min(v, 448))
	exp := int(b>>23) - 127 + 7
	switch {
	case exp <= 0:
		return byte(min(int(float32(v*512)+0.5), 7))
	case exp >= 15:
		return top // the reference gives up the binade from 256 on
	}
	// A carry out of the mantissa goes into the exponent.
	rounded := exp<<3 + int(b>>20&7) + int(b>>19&1)
	if rounded >= 15<<3 {
		return top
	}
	return byte(rounded)
}
