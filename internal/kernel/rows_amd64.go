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

func gateRowsF32(dst, x, g, residual []float32, rows, cols int) bool {
	if !useAsm() {
		return false
	}
	for r, step := 0, rowsPerCall(cols); r < rows; r += step {
		n, at := min(step, rows-r), r*cols
		if cpu.X86.AVX512 {
			gateRowsAVX512(dst[at:], x[at:], g[at:], residual[at:], n, cols)
		} else {
			gateRowsAVX2(dst[at:], x[at:], g[at:], residual[at:], n, cols)
		}
	}
	return true
}

func gateColsF32(dst, x, g, residual []float32, rows, cols int) bool {
	if !useAsm() {
		return false
	}
	for c, step := 0, max(16, asmChunk/rows&^15); c < cols; c += step {
		n := min(step, cols-c)
		if cpu.X86.AVX512 {
			gateColsAVX512(dst[c:], x[c:], g[c:], residual[c:], rows, n, cols)
		} else {
			gateColsAVX2(dst[c:], x[c:], g[c:], residual[c:], rows, n, cols)
		}
	}
	return true
}
