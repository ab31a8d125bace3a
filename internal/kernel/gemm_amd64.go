//go:build !purego

package kernel

import "github.com/hanji-ml/hanji/internal/cpu"

// gemmTileF32 runs the tile of the given height; half takes the one of half the width.
// False means that there is none and nothing was done.
func gemmTileF32(t *[16]uint64, rows int, half bool) bool {
	if cpu.X86.AVX512 {
		if half {
			tileAVX512Half(t, rows)
		} else {
			tileAVX512(t, rows)
		}
		return true
	} else if cpu.X86.AVX2 {
		if half {
			tileAVX2Half(t, rows)
		} else {
			tileAVX2(t, rows)
		}
		return true
	}
	return false
}

func tileAVX512(t *[16]uint64, rows int) {
	switch rows {
	case 12:
		gemmAVX512x12x32(t)
	case 8:
		gemmAVX512x8x32(t)
	case 4:
		gemmAVX512x4x32(t)
	case 2:
		gemmAVX512x2x32(t)
	default:
		gemmAVX512x1x32(t)
	}
}

func tileAVX512Half(t *[16]uint64, rows int) {
	switch rows {
	case 12:
		gemmAVX512x12x16(t)
	case 8:
		gemmAVX512x8x16(t)
	case 4:
		gemmAVX512x4x16(t)
	case 2:
		gemmAVX512x2x16(t)
	default:
		gemmAVX512x1x16(t)
	}
}

func tileAVX2(t *[16]uint64, rows int) {
	switch rows {
	case 6:
		gemmAVX2x6x16(t)
	case 4:
		gemmAVX2x4x16(t)
	case 2:
		gemmAVX2x2x16(t)
	default:
		gemmAVX2x1x16(t)
	}
}

func tileAVX2Half(t *[16]uint64, rows int) {
	switch rows {
	case 6:
		gemmAVX2x6x8(t)
	case 4:
		gemmAVX2x4x8(t)
	case 2:
		gemmAVX2x2x8(t)
	default:
		gemmAVX2x1x8(t)
	}
}

// gemmTransposeF32 is gemmTransposeAVX512 where the machine has it; elements, not bytes.
func gemmTransposeF32(dst, src *float32, dstStride, srcStride, blocks int) bool {
	if !cpu.X86.AVX512 {
		return false
	}
	gemmTransposeAVX512(dst, src, 4*dstStride, 4*srcStride, blocks)
	return true
}

// gemmAxpy8F32 and gemmDot8F32 need AVX2.
func gemmAxpy8F32(y, x, b *float32, m, ldy, stride, pf, n int) {
	if cpu.X86.AVX512 {
		gemmAxpy8AVX512(y, x, b, m, ldy, stride, pf, n)
	} else {
		gemmAxpy8AVX2(y, x, b, m, ldy, stride, pf, n)
	}
}

func gemmDot8F32(out *[8]float32, x, b *float32, stride, pf, k int) {
	if cpu.X86.AVX512 {
		gemmDot8AVX512(out, x, b, stride, pf, k)
	} else {
		gemmDot8AVX2(out, x, b, stride, pf, k)
	}
}

// gemmPackF32 copies k rows of a full panel and asks for the memory pf elements beyond each. False
// means that there is no such kernel.
func gemmPackF32(dst, src *float32, stride, pf, k int) bool {
	if cpu.X86.AVX512 {
		gemmPackAVX512(dst, src, 4*stride, 4*pf, k)
		return true
	} else if cpu.X86.AVX2 {
		gemmPackAVX2(dst, src, 4*stride, 4*pf, k)
		return true
	}
	return false
}
