//go:build purego || !amd64

package kernel

// The fallbacks of the vector kernels: false means "not done, run the loop".

func sumF32(x []float32) (float64, bool)                                           { return 0, false }
func sumAbsF32(x []float32) (float64, bool)                                        { return 0, false }
func maxOfF32(x []float32) (float32, bool)                                         { return 0, false }
func minOfF32(x []float32) (float32, bool)                                         { return 0, false }
func dotF32(a, b []float32) (float64, bool)                                        { return 0, false }
func sumExpF32(x []float32, m float32) (float64, bool)                             { return 0, false }
func softmaxRowsF32(dst, x []float32, rows, cols, ldDst, ldX int) bool             { return false }
func gateRowsF32(dst, x, g, residual []float32, rows, cols int) bool               { return false }
func gateColsF32(dst, x, g, residual []float32, rows, cols int) bool               { return false }
func softmaxGradRowsF32(dx, dy, y []float32, rows, cols, ldDx, ldDy, ldY int) bool { return false }
func layerNormRowsF32(dst, x, gamma, beta, mean, rstd []float32, rows, cols int, eps float32) bool {
	return false
}
func layerNormGradRowsF32(dx, dy, x, gamma, mean, rstd, dgamma, dbeta []float32, rows, cols int) bool {
	return false
}
func rmsNormRowsF32(dst, x, gamma, rstd []float32, rows, cols int, eps float32) bool   { return false }
func rmsNormGradRowsF32(dx, dy, x, gamma, rstd, dgamma []float32, rows, cols int) bool { return false }
func colSumF32(acc []float64, x []float32, rows, cols int) bool                        { return false }
func colMomentsF32(sum, sq []float64, x []float32, rows, cols int) bool                { return false }
func normColsF32(dst, x, mean, rstd, gamma, beta []float32, rows, cols int) bool       { return false }
func colDotF32(sumDy, sumDyX []float64, dy, x, mean, rstd []float32, rows, cols int) bool {
	return false
}
func normGradColsF32(dx, dy, x, mean, rstd, gamma, meanDy, meanDyX []float32, rows, cols int) bool {
	return false
}
func f16ToF32(dst []float32, src []uint16) bool  { return false }
func f32ToF16(dst []uint16, src []float32) bool  { return false }
func bf16ToF32(dst []float32, src []uint16) bool { return false }
func f32ToBF16(dst []uint16, src []float32) bool { return false }

// dropoutF32 does the elements from lo up to hi.
func dropoutF32(dst, x, residual []float32, drop uint32, scale float32, key, offset uint64) (lo, hi int) {
	return 0, 0
}
func adamF32(p, g, m, v []float32, s *[8]float32) bool                   { return false }
func transposeF32(dst, src []float32, rows, cols, ldDst, ldSrc int) bool { return false }

func geluBothF32(y, d, x []float32) bool { return false }

func dropoutPairF32(a, b []float32, drop uint32, scale float32, key, offset uint64) (lo, hi int) {
	return 0, 0
}
