//go:build purego || (!amd64 && !arm64)

package kernel

func gemmTileF32(t *[16]uint64, rows int, half bool) bool { return false }
