//go:build !purego

package kernel

import "github.com/hanji-ml/hanji/internal/cpu"

// from is s[i:], or nil for an optional slice that is not there.
func from(s []float32, i int) []float32 {
	if s == nil {
		return nil
	}
	return s[i:]
}

func layerNormRowsF32(dst, x, gamma, beta, mean, rstd []float32, rows, cols int, eps float32) bool {
	if !useAsm() {
		return false
	}
	for r, step := 0, rowsPerCall(cols); r < rows; r += step {
		n, i := min(step, rows-r), r*cols
		if cpu.X86.AVX512 {
			layerNormRowsAVX512(dst[i:], x[i:], gamma, beta, from(mean, r), from(rstd, r), n, cols, eps)
		} else {
			layerNormRowsAVX2(dst[i:], x[i:], gamma, beta, from(mean, r), from(rstd, r), n, cols, eps)
		}
	}
	return true
}

func layerNormGradRowsF32(dx, dy, x, gamma, mean, rstd, dgamma, dbeta []float32, rows, cols int) bool {
	if !useAsm() {
		return false
	}
	for r, step := 0, rowsPerCall(cols); r < rows; r += step {
		n, i := min(step, rows-r), r*cols
		if cpu.X86.AVX512 {
			layerNormGradRowsAVX512(from(dx, i), dy[i:], x[i:], gamma, mean[r:], rstd[r:], dgamma, dbeta, n, cols)
		} else {
			layerNormGradRowsAVX2(from(dx, i), dy[i:], x[i:], gamma, mean[r:], rstd[r:], dgamma, dbeta, n, cols)
		}
	}
	return true
}

func rmsNormRowsF32(dst, x, gamma, rstd []float32, rows, cols int, eps float32) bool {
	if !useAsm() {
		return false
	}
	for r, step := 0, rowsPerCall(cols); r < rows; r += step {
		n, i := min(step, rows-r), r*cols
		if cpu.X86.AVX512 {
			rmsNormRowsAVX512(dst[i:], x[i:], gamma, from(rstd, r), n, cols, eps)
		} else {
			rmsNormRowsAVX2(dst[i:], x[i:], gamma, from(rstd, r), n, cols, eps)
		}
	}
	return true
}

func rmsNormGradRowsF32(dx, dy, x, gamma, rstd, dgamma []float32, rows, cols int) bool {
	if !useAsm() {
		return false
	}
	for r, step := 0, rowsPerCall(cols); r < rows; r += step {
		n, i := min(step, rows-r), r*cols
		if cpu.X86.AVX512 {
			rmsNormGradRowsAVX512(from(dx, i), dy[i:], x[i:], gamma, rstd[r:], dgamma, n, cols)
		} else {
			rmsNormGradRowsAVX2(from(dx, i), dy[i:], x[i:], gamma, rstd[r:], dgamma, n, cols)
		}
	}
	return true
}

func colSumF32(acc []float64, x []float32, rows, cols int) bool {
	if !useAsm() {
		return false
	}
	for r, step := 0, rowsPerCall(cols); r < rows; r += step {
		n, i := min(step, rows-r), r*cols
		if cpu.X86.AVX512 {
			colSumAVX512(acc, x[i:], n, cols)
		} else {
			colSumAVX2(acc, x[i:], n, cols)
		}
	}
	return true
}

func colMomentsF32(sum, sq []float64, x []float32, rows, cols int) bool {
	if !useAsm() {
		return false
	}
	for r, step := 0, rowsPerCall(cols); r < rows; r += step {
		n, i := min(step, rows-r), r*cols
		if cpu.X86.AVX512 {
			colMomentsAVX512(sum, sq, x[i:], x, n, cols)
		} else {
			colMomentsAVX2(sum, sq, x[i:], x, n, cols)
		}
	}
	return true
}

func colDotF32(sumDy, sumDyX []float64, dy, x, mean, rstd []float32, rows, cols int) bool {
	if !useAsm() {
		return false
	}
	for r, step := 0, rowsPerCall(cols); r < rows; r += step {
		n, i := min(step, rows-r), r*cols
		if cpu.X86.AVX512 {
			colDotAVX512(sumDy, sumDyX, dy[i:], x[i:], mean, rstd, n, cols)
		} else {
			colDotAVX2(sumDy, sumDyX, dy[i:], x[i:], mean, rstd, n, cols)
		}
	}
	return true
}

func normColsF32(dst, x, mean, rstd, gamma, beta []float32, rows, cols int) bool {
	if !useAsm() {
		return false
	}
	for r, step := 0, rowsPerCall(cols); r < rows; r += step {
		n, i := min(step, rows-r), r*cols
		if cpu.X86.AVX512 {
			normColsAVX512(dst[i:], x[i:], mean, rstd, gamma, beta, n, cols)
		} else {
			normColsAVX2(dst[i:], x[i:], mean, rstd, gamma, beta, n, cols)
		}
	}
	return true
}

func normGradColsF32(dx, dy, x, mean, rstd, gamma, meanDy, meanDyX []float32, rows, cols int) bool {
	if !useAsm() {
		return false
	}
	for r, step := 0, rowsPerCall(cols); r < rows; r += step {
		n, i := min(step, rows-r), r*cols
		if cpu.X86.AVX512 {
			normGradColsAVX512(dx[i:], dy[i:], x[i:], mean, rstd, gamma, meanDy, meanDyX, n, cols)
		} else {
			normGradColsAVX2(dx[i:], dy[i:], x[i:], mean, rstd, gamma, meanDy, meanDyX, n, cols)
		}
	}
	return true
}
