//go:build !purego

package kernel

import "github.com/hanji-ml/hanji/internal/cpu"

// attnLanes is how many queries a block has on this machine, 0 without
// vectors. A few queries fill the short vectors better.
func attnLanes(queries int) int {
	switch {
	case cpu.X86.AVX512 && (queries > 8 || !cpu.X86.AVX2):
		return 16
	case cpu.X86.AVX2:
		return 8
	}
	return 0
}

func attentionF32(h *AttentionHead[float32], w *AttentionScratch[float32]) bool {
	lanes := attnLanes(h.T)
	if lanes == 0 {
		return false
	}
	attentionTiles(h, w, lanes)
	return true
}

func attentionGradF32(h *AttentionHead[float32], g *AttentionGrads[float32], w *AttentionScratch[float32]) bool {
	lanes := attnLanes(h.T)
	if lanes == 0 {
		return false
	}
	attentionGradTiles(h, g, w, lanes)
	return true
}

// The kernels by their number of lanes; _asm/attn says what each computes.

func attnPack(lanes int, dst *float32, src *float32, ld int, groups int, scale float32) {
	if lanes == 16 {
		attnPackAVX512(dst, src, ld, groups, scale)
	} else {
		attnPackAVX2(dst, src, ld, groups, scale)
	}
}

func attnPackAdd(lanes int, dst *float32, src *float32, ld int, groups int) {
	if lanes == 16 {
		attnPackAddAVX512(dst, src, ld, groups)
	} else {
		attnPackAddAVX2(dst, src, ld, groups)
	}
}

func attnUnpack(lanes int, dst *float32, ld int, src *float32, groups int, scale *float32) {
	if lanes == 16 {
		attnUnpackAVX512(dst, ld, src, groups, scale)
	} else {
		attnUnpackAVX2(dst, ld, src, groups, scale)
	}
}

func attnScores(lanes int, tile *float32, q *float32, k *float32, ld int, n int, d int) {
	if lanes == 16 {
		attnScoresAVX512(tile, q, k, ld, n, d)
	} else {
		attnScoresAVX2(tile, q, k, ld, n, d)
	}
}

func attnSoftmax(lanes int, tile *float32, n int, top *float32, sum *float32, alpha *float32) {
	if lanes == 16 {
		attnSoftmaxAVX512(tile, n, top, sum, alpha)
	} else {
		attnSoftmaxAVX2(tile, n, top, sum, alpha)
	}
}

func attnFinish(lanes int, top *float32, sum *float32, logSum *float32, inv *float32) {
	if lanes == 16 {
		attnFinishAVX512(top, sum, logSum, inv)
	} else {
		attnFinishAVX2(top, sum, logSum, inv)
	}
}

func attnMix(lanes int, o *float32, tile *float32, v *float32, ld int, n int, d int, scale *float32) {
	if lanes == 16 {
		attnMixAVX512(o, tile, v, ld, n, d, scale)
	} else {
		attnMixAVX2(o, tile, v, ld, n, d, scale)
	}
}

func attnDelta(lanes int, delta *float32, a *float32, b *float32, d int) {
	if lanes == 16 {
		attnDeltaAVX512(delta, a, b, d)
	} else {
		attnDeltaAVX2(delta, a, b, d)
	}
}

func attnGradTile(lanes int, p *float32, ds *float32, n int, logSum *float32, delta *float32) {
	if lanes == 16 {
		attnGradTileAVX512(p, ds, n, logSum, delta)
	} else {
		attnGradTileAVX2(p, ds, n, logSum, delta)
	}
}

func attnOuter(lanes int, dst *float32, ld int, tile *float32, n int, x *float32, ldx int, d int, scale float32) {
	if lanes == 16 {
		attnOuterAVX512(dst, ld, tile, n, x, ldx, d, scale)
	} else {
		attnOuterAVX2(dst, ld, tile, n, x, ldx, d, scale)
	}
}
