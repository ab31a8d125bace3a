//go:build !purego

package kernel

func f16ToF32(dst []float32, src []uint16) bool  { return false }
func f32ToF16(dst []uint16, src []float32) bool  { return false }
func bf16ToF32(dst []float32, src []uint16) bool { return false }
func f32ToBF16(dst []uint16, src []float32) bool { return false }

// dropoutF32 does the elements from lo up to hi.
func dropoutF32(dst, x, residual []float32, drop uint32, scale float32, key, offset uint64) (lo, hi int) {
	return 0, 0
}
func adamF32(p, g, m, v []float32, s *adamScalars[float32]) bool         { return false }
func transposeF32(dst, src []float32, rows, cols, ldDst, ldSrc int) bool { return false }
