//go:build purego || !amd64

package kernel

func gemmTileF32(t *[12]uint64, rows int, half bool) bool { return false }

func gemmTransposeF32(dst, src *float32, dstStride, srcStride, blocks int) bool { return false }
