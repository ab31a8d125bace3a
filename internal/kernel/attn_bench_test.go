package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// One layer of PatchTST on ETTh1 is 3584 heads (batch 128 × 7 channels × 4),
// more than a cache holds: here they lie as [B, H, T, D]. Beside the mean stands
// best-ns/head, the quickest run of a few heads, which other programs on the
// machine disturb least.
func BenchmarkAttention(b *testing.B) {
	for _, c := range []struct{ heads, t, d int }{{3584, 41, 4}, {512, 42, 8}, {512, 64, 16}, {8, 512, 64}} {
		n, few := c.heads*c.t*c.d, max(1, c.heads/64)
		x := make([][]float32, 8)
		r := rand.New(rand.NewPCG(1, 2))
		for i := range x {
			x[i] = make([]float32, n)
			for j := range x[i] {
				x[i][j] = float32(r.NormFloat64())
			}
		}
		sums := make([]float32, c.heads*c.t)
		var w AttentionScratch[float32]
		at := func(x []float32, i int) []float32 { return x[i*c.t*c.d:][:c.t*c.d] }
		run := func(b *testing.B, f func(h *AttentionHead[float32], i int)) {
			best := math.Inf(1)
			for b.Loop() {
				for i0 := 0; i0 < c.heads; i0 += few {
					start := time.Now()
					for i := i0; i < min(i0+few, c.heads); i++ {
						f(&AttentionHead[float32]{T: c.t, S: c.t, D: c.d, Q: at(x[0], i), K: at(x[1], i), V: at(x[2], i), O: at(x[3], i),
							LogSum: sums[i*c.t:][:c.t]}, i)
					}
					best = min(best, float64(time.Since(start))/float64(few))
				}
			}
			b.ReportMetric(float64(b.Elapsed())/float64(b.N*c.heads), "ns/head")
			b.ReportMetric(best, "best-ns/head")
		}
		residual := [3][]float32{make([]float32, c.t*c.t), make([]float32, c.t*c.t), make([]float32, c.t*c.t)}
		attnPaths(b, func(b *testing.B) {
			b.Run(fmt.Sprintf("forward/dropout/heads=%d/%dx%dx%d", c.heads, c.t, c.t, c.d), func(b *testing.B) {
				run(b, func(h *AttentionHead[float32], i int) {
					h.Drop = 0.1
					Attention(h, &w)
				})
			})
			b.Run(fmt.Sprintf("both/residual/heads=%d/%dx%dx%d", c.heads, c.t, c.t, c.d), func(b *testing.B) {
				run(b, func(h *AttentionHead[float32], i int) {
					h.Prev, h.Scores = residual[0], residual[1]
					Attention(h, &w)
					AttentionGrad(h, &AttentionGrads[float32]{DO: at(x[4], i), DQ: at(x[5], i), DK: at(x[6], i), DV: at(x[7], i), DScores: residual[2]}, &w)
					clear(residual[2])
				})
			})
			b.Run(fmt.Sprintf("forward/heads=%d/%dx%dx%d", c.heads, c.t, c.t, c.d), func(b *testing.B) {
				run(b, func(h *AttentionHead[float32], i int) { Attention(h, &w) })
			})
			b.Run(fmt.Sprintf("backward/heads=%d/%dx%dx%d", c.heads, c.t, c.t, c.d), func(b *testing.B) {
				run(b, func(h *AttentionHead[float32], i int) {
					AttentionGrad(h, &AttentionGrads[float32]{DO: at(x[4], i), DQ: at(x[5], i), DK: at(x[6], i), DV: at(x[7], i)}, &w)
				})
			})
		})
	}
}
