//go:build purego || !amd64

package kernel

func attentionF32(h *AttentionHead[float32], w *AttentionScratch[float32]) bool { return false }

func attentionGradF32(h *AttentionHead[float32], g *AttentionGrads[float32], w *AttentionScratch[float32]) bool {
	return false
}
