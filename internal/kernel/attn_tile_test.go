//go:build amd64 && !purego

package kernel

import (
	"math"
	"testing"

	"github.com/hanji-ml/hanji/internal/cpu"
)

// The tile's exp against float64, all over its range: the polynomial errs by
// 2e-9, so what remains is the rounding of f, of the last steps and of the scaling.
func TestAttentionTileExp(t *testing.T) {
	attnPaths(t, func(t *testing.T) {
		lanes := attnLanes(16)
		if lanes == 0 {
			return // nothing of its own on this path
		}
		const n = attnKeys
		worst := 0.0
		p, ds := make([]float32, n*lanes), make([]float32, n*lanes)
		zero := make([]float32, lanes)
		x := float32(0.4) // rounding can lift a score above the sum's logarithm, hardly more
		for x > -87.3 {
			in := make([]float32, n*lanes)
			for i := range in {
				in[i] = x
				x -= max(1e-4, -x*1e-5)
			}
			copy(p, in)
			attnFill(ds, 1)
			attnGradTile(lanes, &p[0], &ds[0], n, &zero[0], &zero[0])
			for i, got := range p {
				want := math.Exp(float64(in[i]))
				if want < 0x1p-125 {
					continue
				}
				ulp := math.Ldexp(1, math.Ilogb(want)-23)
				worst = max(worst, math.Abs(float64(got)-want)/ulp)
				if ds[i] != got {
					t.Fatalf("ds = %g, want %g·(1 − 0)", ds[i], got)
				}
			}
		}
		t.Logf("exp: at most %.3f ulp", worst)
		if worst > 2 {
			t.Errorf("exp is off by %.2f ulp", worst)
		}
		edge := map[float32]float32{0: 1, -104.5: 0, -1e30: 0, float32(math.Inf(-1)): 0}
		for in, want := range edge {
			attnFill(p, in)
			attnGradTile(lanes, &p[0], &ds[0], 1, &zero[0], &zero[0])
			if p[0] != want {
				t.Errorf("exp(%g) = %g, want %g", in, p[0], want)
			}
		}
		p[0] = float32(math.NaN())
		attnGradTile(lanes, &p[0], &ds[0], 1, &zero[0], &zero[0])
		if p[0] == p[0] {
			t.Errorf("exp(NaN) = %g", p[0])
		}
	})
}

func TestAttentionTileLog(t *testing.T) {
	attnPaths(t, func(t *testing.T) {
		lanes := attnLanes(16)
		if lanes == 0 {
			return // nothing of its own on this path
		}
		top, sum, logSum, inv := make([]float32, lanes), make([]float32, lanes), make([]float32, lanes), make([]float32, lanes)
		for s := float32(1); s < 1e6; s *= 1.0003 {
			attnFill(sum, s)
			attnFinish(lanes, &top[0], &sum[0], &logSum[0], &inv[0])
			// Relative to 1: what the logarithm is added to is a score of about that size or larger.
			if want := math.Log(float64(s)); math.Abs(float64(logSum[lanes-1])-want) > 2e-7*max(1, want) || inv[0] != 1/s {
				t.Fatalf("log(%g) = %g, want %g; 1/x = %g", s, logSum[lanes-1], want, inv[0])
			}
		}
		top[0], sum[0] = float32(math.Inf(-1)), 0
		top[1], sum[1] = 3, float32(math.NaN())
		attnFinish(lanes, &top[0], &sum[0], &logSum[0], &inv[0])
		if !math.IsInf(float64(logSum[0]), -1) || !math.IsNaN(float64(logSum[1])) {
			t.Errorf("no key at all: %g, NaN: %g", logSum[0], logSum[1])
		}
	})
}

// Runs of every length leave the numbers around them alone.
func TestAttentionTileGuards(t *testing.T) {
	for _, lanes := range []int{16, 8} {
		if lanes == 16 && !cpu.X86.AVX512 || lanes == 8 && !cpu.X86.AVX2 {
			continue
		}
		for _, d := range []int{1, 2, 3, 4, 5, 8, 9, 15, 16, 17, 31, 32} {
			for n := 1; n <= 33; n++ {
				guarded := func(size int) []float32 {
					x := make([]float32, size+2)
					attnFill(x, 0.5)
					x[0], x[size+1] = attnGuard, attnGuard
					return x
				}
				tile, q, k, dst, scale := guarded(n*lanes), guarded(d*lanes), guarded(n*d), guarded(n*d), guarded(lanes)
				attnScores(lanes, &tile[1], &q[1], &k[1], d, n, d)
				for i, x := range tile[1 : n*lanes+1] {
					if x != float32(d)/4 {
						t.Fatalf("lanes %d, d %d, n %d: scores[%d] = %g, want %g", lanes, d, n, i, x, float32(d)/4)
					}
				}
				attnMix(lanes, &q[1], &tile[1], &k[1], d, n, d, &scale[1])
				for i, x := range q[1 : d*lanes+1] {
					if want := 0.25 + float32(n*d)/8; x != want {
						t.Fatalf("lanes %d, d %d, n %d: mix[%d] = %g, want %g", lanes, d, n, i, x, want)
					}
				}
				rows := guarded(lanes * d)
				attnOuter(lanes, &dst[1], d, &tile[1], n, &rows[1], d, d, 2)
				for i, x := range dst[1 : n*d+1] {
					if want := 0.5 + float32(lanes*d)/4; x != want {
						t.Fatalf("lanes %d, d %d, n %d: outer[%d] = %g, want %g", lanes, d, n, i, x, want)
					}
				}
				for _, x := range [][]float32{tile, q, k, dst, scale, rows} {
					if x[0] != attnGuard || x[len(x)-1] != attnGuard {
						t.Fatalf("lanes %d, d %d, n %d: wrote outside", lanes, d, n)
					}
				}
			}
		}
	}
}
