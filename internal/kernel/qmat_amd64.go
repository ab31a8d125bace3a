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
	if cpu.X86.AVX512 && cpu.X86.AVX512VNNI {
		switch format {
		case Q8_0:
			qmulQ8(tokens, y, a, b, blocks, 4*ld)
		case Q4_0:
			qmulQ4(tokens, y, a, b, blocks, 4*ld)
		case Q4_K:
			qmulQ4K(tokens, y, a, b, blocks, 4*ld)
		case Q6_K:
			qmulQ6K(tokens, y, a, b, blocks, 4*ld)
		}
		return true
	}
	if cpu.X86.AVX2 && cpu.X86.F16C && tokens <= 2 {
		qmulAVX2(format, tokens, y, a, b, blocks, 4*ld)
		return true
	}
	return false
}

func qmulQ8(tokens int, y *float32, w, x *byte, n, ldy int) {
	switch tokens {
	case 8:
		qmulQ8VNNIx8(y, w, x, n, ldy)
	case 4:
		qmulQ8VNNIx4(y, w, x, n, ldy)
	case 2:
		qmulQ8VNNIx2(y, w, x, n, ldy)
	default:
		qmulQ8VNNIx1(y, w, x, n, ldy)
	}
}

func qmulQ4(tokens int, y *float32, w, x *byte, n, ldy int) {
	switch tokens {
	case 8:
		qmulQ4VNNIx8(y, w, x, n, ldy)
	case 4:
		qmulQ4VNNIx4(y, w, x, n, ldy)
	case 2:
		qmulQ4VNNIx2(y, w, x, n, ldy)
	default:
		qmulQ4VNNIx1(y, w, x, n, ldy)
	}
}

func qmulQ4K(tokens int, y *float32, w, x *byte, n, ldy int) {
	switch tokens {
	case 8:
		qmulQ4KVNNIx8(y, w, x, n, ldy)
	case 4:
		qmulQ4KVNNIx4(y, w, x, n, ldy)
	case 2:
		qmulQ4KVNNIx2(y, w, x, n, ldy)
	default:
		qmulQ4KVNNIx1(y, w, x, n, ldy)
	}
}

func qmulQ6K(tokens int, y *float32, w, x *byte, n, ldy int) {
	switch tokens {
	case 8:
		qmulQ6KVNNIx8(y, w, x, n, ldy)
	case 4:
		qmulQ6KVNNIx4(y, w, x, n, ldy)
	case 2:
		qmulQ6KVNNIx2(y, w, x, n, ldy)
	default:
		qmulQ6KVNNIx1(y, w, x, n, ldy)
	}
}

func qmulAVX2(format QFormat, tokens int, y *float32, w, x *byte, n, ldy int) {
	one := tokens == 1
	switch {
	case format == Q8_0 && one:
		qmulQ8AVX2x1(y, w, x, n, ldy)
	case format == Q8_0:
		qmulQ8AVX2x2(y, w, x, n, ldy)
	case format == Q4_0 && one:
		qmulQ4AVX2x1(y, w, x, n, ldy)
	case format == Q4_0:
		qmulQ4AVX2x2(y, w, x, n, ldy)
	case format == Q4_K && one:
		qmulQ4KAVX2x1(y, w, x, n, ldy)
	case format == Q4_K:
		qmulQ4KAVX2x2(y, w, x, n, ldy)
	case format == Q6_K && one:
		qmulQ6KAVX2x1(y, w, x, n, ldy)
	default:
		qmulQ6KAVX2x2(y, w, x, n, ldy)
	}
}

// quantizeQ80F32 and quantizeQ8KF32 round one token. False means that there is no assembly and nothing was done.
func quantizeQ80F32(q, d, slot []byte, x []float32, stride int, offset int32) bool {
	if !cpu.X86.AVX512 {
		return false
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
