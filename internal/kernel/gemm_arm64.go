//go:build !purego

package kernel

import "github.com/hanji-ml/hanji/internal/cpu"

//go:noescape
func gemmNEON8x8(t *[16]uint64)

//go:noescape
func gemmNEON4x8(t *[16]uint64)

//go:noescape
func gemmNEON2x8(t *[16]uint64)

//go:noescape
func gemmNEON1x8(t *[16]uint64)

// gemmTileF32 runs the tile of the given height. False means that there is none and nothing was done.
func gemmTileF32(t *[16]uint64, rows int, half bool) bool {
	if !cpu.ARM64.ASIMD {
		return false
	}
	switch rows {
	case 8:
		gemmNEON8x8(t)
	case 4:
		gemmNEON4x8(t)
	case 2:
		gemmNEON2x8(t)
	default:
		gemmNEON1x8(t)
	}
	return true
}
