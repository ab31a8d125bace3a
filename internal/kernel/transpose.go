package kernel

// transposeBlock is the side of the square blocks of the portable transpose:
// a block's source rows and destination rows stay in L1 together.
const transposeBlock = 16

// Transpose is dst[c·ldDst + r] = src[r·ldSrc + c] for r < rows, c < cols:
// src is [rows, cols] with rows ldSrc apart, dst is [cols, rows] with rows
// ldDst apart. dst and src must not overlap.
func Transpose[T any](dst, src []T, rows, cols, ldDst, ldSrc int) {
	if rows <= 0 || cols <= 0 {
		return
	}
	checkRows(len(src), rows, cols, ldSrc)
	checkRows(len(dst), cols, rows, ldDst)
	if d, ok := any(dst).([]float32); ok && transposeF32(d, any(src).([]float32), rows, cols, ldDst, ldSrc) {
		return
	}
	transposeGeneric(dst, src, rows, cols, ldDst, ldSrc)
}

func transposeGeneric[T any](dst, src []T, rows, cols, ldDst, ldSrc int) {
	for r0 := 0; r0 < rows; r0 += transposeBlock {
		r1 := min(r0+transposeBlock, rows)
		for c0 := 0; c0 < cols; c0 += transposeBlock {
			c1 := min(c0+transposeBlock, cols)
			for r := r0; r < r1; r++ {
				for c, v := range src[r*ldSrc+c0 : r*ldSrc+c1] {
					dst[(c0+c)*ldDst+r] = v
				}
			}
		}
	}
}
