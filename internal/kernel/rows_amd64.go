//go:build !purego

package kernel

import "github.com/hanji-ml/hanji/internal/cpu"

// rowsPerCall keeps one call into assembly near asmChunk elements.
func rowsPerCall(cols int) int { return max(1, asmChunk/cols) }

func softmaxRowsF32(dst, x []float32, rows, cols, ldDst, ldX int) bool {
	if !useAsm() {
		return false
	}
	for r, step := 0, rowsPerCall(cols); r < rows; r += step {
		n := min(step, rows-r)
		if cpu.X86.AVX512 {
			softmaxRowsAVX512(dst[r*ldDst:], x[r*ldX:], n, cols, ldDst, ldX)
		} else {
			softmaxRowsAVX2(dst[r*ldDst:], x[r*ldX:], n, cols, ldDst, ldX)
		}
	}
	return true
}

func softmaxGradRowsF32(dx, dy, y []float32, rows, cols, ldDx, ldDy, ldY int) bool {
	if !useAsm() {
		return false
	}
	for r, step := 0, rowsPerCall(cols); r < rows; r += step {
		n := min(step, rows-r)
		if cpu.X86.AVX512 {
			softmaxGradRowsAVX512(dx[r*ldDx:], dy[r*ldDy:], y[r*ldY:], n, cols, ldDx, ldDy, ldY)
		} else {
			softmaxGradRowsAVX2(dx[r*ldDx:], dy[r*ldDy:], y[r*ldY:], n, cols, ldDx, ldDy, ldY)
		}
	}
	return true
}
