//go:build !purego

package kernel

import "github.com/hanji-ml/hanji/internal/cpu"

// Each does the whole vectors in assembly and the rest with the portable
// loop, which gives the same bits. The AVX2 conversions of binary16 need F16C.

func f16ToF32(dst []float32, src []uint16) bool {
	if !cpu.X86.AVX512 && !(cpu.X86.AVX2 && cpu.X86.F16C) {
		return false
	}
	for len(dst) >= 16 {
		n := min(len(dst)&^15, asmChunk)
		if cpu.X86.AVX512 {
			f16ToF32AVX512(dst[:n], src)
		} else {
			f16ToF32AVX2(dst[:n], src)
		}
		dst, src = dst[n:], src[n:]
	}
	f16ToF32Generic(dst, src)
	return true
}

func f32ToF16(dst []uint16, src []float32) bool {
	if !cpu.X86.AVX512 && !(cpu.X86.AVX2 && cpu.X86.F16C) {
		return false
	}
	for len(dst) >= 16 {
		n := min(len(dst)&^15, asmChunk)
		if cpu.X86.AVX512 {
			f32ToF16AVX512(dst[:n], src)
		} else {
			f32ToF16AVX2(dst[:n], src)
		}
		dst, src = dst[n:], src[n:]
	}
	f32ToF16Generic(dst, src)
	return true
}

func bf16ToF32(dst []float32, src []uint16) bool {
	if !useAsm() {
		return false
	}
	for len(dst) >= 16 {
		n := min(len(dst)&^15, asmChunk)
		if cpu.X86.AVX512 {
			bf16ToF32AVX512(dst[:n], src)
		} else {
			bf16ToF32AVX2(dst[:n], src)
		}
		dst, src = dst[n:], src[n:]
	}
	bf16ToF32Generic(dst, src)
	return true
}

func f32ToBF16(dst []uint16, src []float32) bool {
	if !useAsm() {
		return false
	}
	for len(dst) >= 16 {
		n := min(len(dst)&^15, asmChunk)
		if cpu.X86.AVX512 {
			f32ToBF16AVX512(dst[:n], src)
		} else {
			f32ToBF16AVX2(dst[:n], src)
		}
		dst, src = dst[n:], src[n:]
	}
	f32ToBF16Generic(dst, src)
	return true
}
