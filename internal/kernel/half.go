package kernel

import "math"

// F16ToF32 widens IEEE 754 binary16 (bits in a uint16); exact. A signalling
// NaN comes out quiet, as the instruction has it.
func F16ToF32(dst []float32, src []uint16) {
	src = src[:len(dst)]
	if !f16ToF32(dst, src) {
		f16ToF32Generic(dst, src)
	}
}

func f16ToF32Generic(dst []float32, src []uint16) {
	for i, h := range src[:len(dst)] {
		dst[i] = f16Bits(h)
	}
}

// f16Bits is one binary16 number.
func f16Bits(h uint16) float32 {
	sign, exp, frac := uint32(h&0x8000)<<16, uint32(h>>10&31), uint32(h&0x3ff)
	switch {
	case exp == 31 && frac != 0:
		return math.Float32frombits(sign | 0x7fc00000 | frac<<13)
	case exp == 31:
		return math.Float32frombits(sign | 0x7f800000)
	case exp == 0:
		// ±frac·2⁻²⁴; the product is exact and keeps the sign of zero.
		return math.Float32frombits(sign|0x3f800000) * (float32(frac) * 0x1p-24)
	}
	return math.Float32frombits(sign | (exp+127-15)<<23 | frac<<13)
}

// F32ToF16 rounds to binary16, to nearest with ties to even; too large
// becomes ±Inf, NaN stays NaN with the leading bits of its payload.
func F32ToF16(dst []uint16, src []float32) {
	src = src[:len(dst)]
	if !f32ToF16(dst, src) {
		f32ToF16Generic(dst, src)
	}
}

func f32ToF16Generic(dst []uint16, src []float32) {
	for i, v := range src[:len(dst)] {
		dst[i] = f32ToF16Bits(v)
	}
}

func f32ToF16Bits(v float32) uint16 {
	b := math.Float32bits(v)
	sign, mag := uint16(b>>16)&0x8000, b&0x7fffffff
	switch {
	case mag > 0x7f800000:
		return sign | 0x7e00 | uint16(mag>>13)&0x1ff
	case mag >= 0x477ff000: // 65520, halfway to the first number binary16 lacks
		return sign | 0x7c00
	case mag < 0x38800000: // below 2⁻¹⁴: a multiple of 2⁻²⁴
		// Adding ½ puts the rounding where a float32 of that size rounds.
		return sign | uint16(math.Float32bits(math.Float32frombits(mag)+0.5)-0x3f000000)
	}
	mag += 0xfff + mag>>13&1 // ties to even; a carry into the exponent is right
	return sign | uint16(mag>>13-(127-15)<<10)
}

// BF16ToF32 widens bfloat16 (the upper half of a float32); exact.
func BF16ToF32(dst []float32, src []uint16) {
	src = src[:len(dst)]
	if !bf16ToF32(dst, src) {
		bf16ToF32Generic(dst, src)
	}
}

func bf16ToF32Generic(dst []float32, src []uint16) {
	for i, h := range src[:len(dst)] {
		dst[i] = math.Float32frombits(uint32(h) << 16)
	}
}

// F32ToBF16 rounds to bfloat16, to nearest with ties to even; NaN stays NaN.
func F32ToBF16(dst []uint16, src []float32) {
	src = src[:len(dst)]
	if !f32ToBF16(dst, src) {
		f32ToBF16Generic(dst, src)
	}
}

func f32ToBF16Generic(dst []uint16, src []float32) {
	for i, v := range src[:len(dst)] {
		b := math.Float32bits(v)
		if v != v {
			dst[i] = uint16(b>>16) | 0x40 // quiet, so that a low payload does not vanish
			continue
		}
		dst[i] = uint16((b + 0x7fff + b>>16&1) >> 16)
	}
}
