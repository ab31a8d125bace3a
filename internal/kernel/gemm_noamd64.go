//go:build purego || !amd64

package kernel

// What only amd64 has. False means that there is none and nothing was done.

func gemmTransposeF32(dst, src *float32, dstStride, srcStride, blocks int) bool { return false }

func gemmAxpy8F32(y, x, b *float32, m, ldy, stride, pf, n int) {
	panic("kernel: no gemmAxpy8F32")
}

func gemmDot8F32(out *[8]float32, x, b *float32, stride, pf, k int) {
	panic("kernel: no gemmDot8F32")
}

func gemmPackF32(dst, src *float32, stride, pf, k int) bool { return false }
