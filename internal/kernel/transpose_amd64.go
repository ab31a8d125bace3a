//go:build !purego

package kernel

import "github.com/hanji-ml/hanji/internal/cpu"

// transposeStripTiles bounds the tiles of one call: the rows of src it reads
// then span few enough pages, and the call stays short.
const transposeStripTiles = 16

func transposeF32(dst, src []float32, rows, cols, ldDst, ldSrc int) bool {
	if !useAsm() {
		return false
	}
	side := 8
	if cpu.X86.AVX512 {
		side = 16
	}
	r1, c1 := rows/side*side, cols/side*side
	for r := 0; r < r1; r += side * transposeStripTiles {
		n := min(transposeStripTiles, (r1-r)/side)
		for c := 0; c < c1; c += side {
			if cpu.X86.AVX512 {
				transposeStripAVX512(dst[c*ldDst+r:], src[r*ldSrc+c:], n, ldDst, ldSrc)
			} else {
				transposeStripAVX2(dst[c*ldDst+r:], src[r*ldSrc+c:], n, ldDst, ldSrc)
			}
		}
	}
	// The edges: columns past c1 of all rows, rows past r1 of the columns before.
	transposeGeneric(dst[min(c1*ldDst, len(dst)):], src[c1:], rows, cols-c1, ldDst, ldSrc)
	transposeGeneric(dst[r1:], src[min(r1*ldSrc, len(src)):], rows-r1, c1, ldDst, ldSrc)
	return true
}
