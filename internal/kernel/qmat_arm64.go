//go:build !purego

package kernel

import (
	"unsafe"

	"github.com/hanji-ml/hanji/internal/cpu"
)

//go:noescape
func qmulQ80NEON(y *float32, w, x *byte, n int)

//go:noescape
func qmulQ40NEON(y *float32, w, x *byte, n int)

//go:noescape
func qmulQ4KNEON(y *float32, w, x *byte, n int)

var qWidthsNEON = []int{1}

// qTileWidths are the numbers of tokens that tile functions take, most first, and whether these are assembly.
func qTileWidths(format QFormat) (widths []int, asm bool) {
	return qWidthsNEON, cpu.ARM64.ASIMD && cpu.ARM64.ASIMDDP && (format == Q8_0 || format == Q4_0 || format == Q4_K)
}

// qmul multiplies a tile, of one token. False means that there is no such function and nothing was done.
func qmul(format QFormat, tokens int, dst []float32, ld int, w, x []byte, blocks int) bool {
	y, a, b := unsafe.SliceData(dst), unsafe.SliceData(w), unsafe.SliceData(x)
	switch format {
	case Q8_0:
		qmulQ80NEON(y, a, b, blocks)
	case Q4_0:
		qmulQ40NEON(y, a, b, blocks)
	case Q4_K:
		qmulQ4KNEON(y, a, b, blocks)
	default:
		return false
	}
	return true
}
