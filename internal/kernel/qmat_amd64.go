//go:build !purego

package kernel

import (
	"unsafe"

	"github.com/hanji-ml/hanji/internal/cpu"
)

var qWidths512, qWidths256, qWidthsGo = []int{8, 4, 2, 1}, []int{2, 1}, []int{1}

// qTileWidths are the numbers of tokens that tile functions take, most first, and whether these are assembly.
func qTileWidths(QFormat) (widths []int, asm bool) {
	switch {
	case cpu.X86.AVX512 && cpu.X86.AVX512VNNI:
		return qWidths512, true
	case cpu.X86.AVX2 && cpu.X86.F16C:
		return qWidths256, true
	}
	return qWidthsGo, false
}

// qmul multiplies a tile. False means that there is no such function and nothing was done.
func qmul(format QFormat, tokens int, dst []float32, ld int, w, x []byte, blocks int) bool {
	y, a, b := unsafe.SliceData(dst), unsafe.SliceData(w), unsafe.SliceData(x)
	switch {
	case cpu.X86.AVX512 && cpu.X86.AVX512VNNI:
		qmulVNNI(format, tokens, y, a, b, blocks, 4*ld)
	case cpu.X86.AVX2 && cpu.X86.F16C && tokens <= 2:
		qmulAVX2(format, tokens, y, a, b, blocks, 4*ld)
	default:
		return false
	}
	return true
}

func qmulVNNI(format QFormat, tokens int, y *float32, w, x *byte, blocks, ldy int) {
	switch format {
	case Q8_0:
		qmulQ80VNNI(tokens, y, w, x, blocks, ldy)
	case Q4_0:
		qmulQ40VNNI(tokens, y, w, x, blocks, ldy)
	case Q4_1:
		qmulQ41VNNI(tokens, y, w, x, blocks, ldy)
	case Q5_0:
		qmulQ50VNNI(tokens, y, w, x, blocks, ldy)
	case Q5_1:
		qmulQ51VNNI(tokens, y, w, x, blocks, ldy)
	case IQ4_NL:
		qmulIQ4NLVNNI(tokens, y, w, x, blocks, ldy)
	case Q2_K:
		qmulQ2KVNNI(tokens, y, w, x, blocks, ldy)
	case Q3_K:
		qmulQ3KVNNI(tokens, y, w, x, blocks, ldy)
	case Q4_K:
		qmulQ4KVNNI(tokens, y, w, x, blocks, ldy)
	case Q5_K:
		qmulQ5KVNNI(tokens, y, w, x, blocks, ldy)
	case Q6_K:
		qmulQ6KVNNI(tokens, y, w, x, blocks, ldy)
	case IQ4_XS:
		qmulIQ4XSVNNI(tokens, y, w, x, blocks, ldy)
	}
}

func qmulAVX2(format QFormat, tokens int, y *float32, w, x *byte, blocks, ldy int) {
	switch format {
	case Q8_0:
		qmulQ80AVX2(tokens, y, w, x, blocks, ldy)
	case Q4_0:
		qmulQ40AVX2(tokens, y, w, x, blocks, ldy)
	case Q4_1:
		qmulQ41AVX2(tokens, y, w, x, blocks, ldy)
	case Q5_0:
		qmulQ50AVX2(tokens, y, w, x, blocks, ldy)
	case Q5_1:
		qmulQ51AVX2(tokens, y, w, x, blocks, ldy)
	case IQ4_NL:
		qmulIQ4NLAVX2(tokens, y, w, x, blocks, ldy)
	case Q2_K:
		qmulQ2KAVX2(tokens, y, w, x, blocks, ldy)
	case Q3_K:
		qmulQ3KAVX2(tokens, y, w, x, blocks, ldy)
	case Q4_K:
		qmulQ4KAVX2(tokens, y, w, x, blocks, ldy)
	case Q5_K:
		qmulQ5KAVX2(tokens, y, w, x, blocks, ldy)
	case Q6_K:
		qmulQ6KAVX2(tokens, y, w, x, blocks, ldy)
	case IQ4_XS:
		qmulIQ4XSAVX2(tokens, y, w, x, blocks, ldy)
	}
}

// quantizeQ80F32, with affine Q8_1, and quantizeQ8KF32 round one token. False means that there is no assembly and nothing was
// done.
func quantizeQ80F32(q, d, slot []byte, x []float32, stride int, offset int32, affine bool) bool {
	if !cpu.X86.AVX512 {
		return false
	}
	if affine {
		quantizeQ81AVX512(&q[0], (*float32)(unsafe.Pointer(&d[0])), (*float32)(unsafe.Pointer(&slot[0])), &x[0], len(x)/qUnit, stride)
		return true
	}
	quantizeQ80AVX512(&q[0], (*float32)(unsafe.Pointer(&d[0])), (*int32)(unsafe.Pointer(&slot[0])), &x[0], len(x)/qUnit, stride, int(offset))
	return true
}

func quantizeQ8KF32(q []byte, sums *[qSpan / 16]int32, x []float32, scale float32, stride int) bool {
	if !cpu.X86.AVX512 {
		return false
	}
	quantizeQ8KAVX512(&q[0], sums, &x[0], scale, stride)
	return true
}

// widenQ80 is Q8ToF32. False means that nothing was done.
func widenQ80(dst *float32, src *byte, blocks int) bool {
	switch {
	case cpu.X86.AVX512:
		widenQ80AVX512(dst, src, blocks)
	case cpu.X86.AVX2 && cpu.X86.F16C:
		widenQ80AVX2(dst, src, blocks)
	default:
		return false
	}
	return true
}

func prefetch(p *byte, lines int) { prefetchLines(p, lines) }

// halfDots multiplies 4 rows with 2 or 4 of the tokens and says with how many, 0 for none. Strides in elements; n is a
// multiple of 32.
func halfDots(bfloat16 bool, tokens int, y *float32, w *uint16, x *float32, n, ldy, ldw, ldx int) int {
	ldy, ldw, ldx = 4*ldy, 2*ldw, 4*ldx
	switch {
	case !cpu.X86.AVX512 || tokens < 2:
		return 0
	case tokens >= 4 && bfloat16:
		halfDotBF16x4AVX512(y, w, x, n, ldy, ldw, ldx)
		return 4
	case tokens >= 4:
		halfDotF16x4AVX512(y, w, x, n, ldy, ldw, ldx)
		return 4
	case bfloat16:
		halfDotBF16x2AVX512(y, w, x, n, ldy, ldw, ldx)
		return 2
	}
	halfDotF16x2AVX512(y, w, x, n, ldy, ldw, ldx)
	return 2
}

// halfRows multiplies rows of n weights, skip apart, with one token; n is a positive multiple of 32.
func halfRows(bfloat16 bool, y *float32, w *uint16, x *float32, n, rows, skip int) bool {
	switch {
	case cpu.X86.AVX512 && bfloat16:
		halfRowsBF16AVX512(y, w, x, n, rows, 2*skip)
	case cpu.X86.AVX512:
		halfRowsF16AVX512(y, w, x, n, rows, 2*skip)
	case cpu.X86.AVX2 && bfloat16:
		halfRowsBF16AVX2(y, w, x, n, rows, 2*skip)
	case cpu.X86.AVX2 && cpu.X86.F16C:
		halfRowsF16AVX2(y, w, x, n, rows, 2*skip)
	default:
		return false
	}
	return true
}
