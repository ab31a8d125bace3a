//go:build purego || !amd64

package kernel

func quantizeQ80F32(q, d, slot []byte, x []float32, stride int, offset int32, affine bool) bool {
	return false
}

func quantizeQ8KF32(q []byte, sums *[qSpan / 16]int32, x []float32, scale float32, stride int) bool {
	return false
}

func widenQ80(dst *float32, src *byte, blocks int) bool { return false }

func prefetch(p *byte, lines int) {}

func halfDots(bfloat16 bool, tokens int, y *float32, w *uint16, x *float32, n, ldy, ldw, ldx int) int {
	return 0
}

func halfRows(bfloat16 bool, y *float32, w *uint16, x *float32, n, rows, skip int) bool { return false }
