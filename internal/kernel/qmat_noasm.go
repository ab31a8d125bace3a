//go:build purego || (!amd64 && !arm64)

package kernel

var qWidthsGo = []int{1}

// qTileWidths are the numbers of tokens that tile functions take, most first, and whether these are assembly.
func qTileWidths(QFormat) (widths []int, asm bool) { return qWidthsGo, false }

func qmul(format QFormat, tokens int, dst []float32, ld int, w, x []byte, blocks int) bool {
	return false
}
