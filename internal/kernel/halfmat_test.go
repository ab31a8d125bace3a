package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/hanji-ml/hanji/internal/par"
)

func halfWeights(r *rand.Rand, n int, bfloat16 bool) (w []uint16, wide []float64) {
	x := make([]float32, n)
	input(r, x, false)
	w = make([]uint16, n)
	if bfloat16 {
		F32ToBF16(w, x)
		BF16ToF32(x, w)
	} else {
		F32ToF16(w, x)
		F16ToF32(x, w)
	}
	return w, widen(x)
}

func TestHalfMat(t *testing.T) {
	onEveryPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(41, 42))
		for _, bf := range []bool{false, true} {
			for _, s := range []struct{ rows, k, tokens int }{{1, 1, 1}, {4, 32, 1}, {7, 100, 2}, {40, 64, 3}, {33, 97, 5}, {64, 256, 11}, {130, 96, 12}, {100, 33, 40}, {5, 0, 2}, {0, 32, 1}, {3, 32, 0}} {
				w, wide := halfWeights(r, s.rows*s.k, bf)
				m, err := NewHalfMat(s.rows, s.k, w, bf)
				if err != nil {
					t.Fatal(err)
				}
				ldx, ldd := s.k+3, s.rows+2
				x, y := make([]float32, max(1, s.tokens)*ldx), newGuarded(s.tokens*ldd, 1)
				input(r, x, false)
				m.Mul(y.x, ldd, x, s.tokens, ldx)
				y.check(t, "HalfMat")
				for i := range s.tokens {
					for j := range s.rows {
						want, size := 0.0, 0.0
						for p := range s.k {
							v := wide[j*s.k+p] * float64(x[i*ldx+p])
							want += v
							size += math.Abs(v)
						}
						// A sum of k products, rounded at every step: as in gemm_test.go.
						if got := float64(y.x[i*ldd+j]); !(math.Abs(got-want) <= 1e-6*size) {
							t.Fatalf("bfloat16 %v %+v: token %d, row %d: %v, want %v", bf, s, i, j, got, want)
						}
					}
					for j := s.rows; j < ldd; j++ {
						if y.x[i*ldd+j] != sentinel {
							t.Fatalf("%+v: wrote beside token %d", s, i)
						}
					}
				}
			}
		}
	})
}

func BenchmarkHalfMat(b *testing.B) {
	for _, tokens := range []int{1, 4, 512} {
		for _, threads := range []int{1, 2} {
			const rows, k = 5632, 2048
			b.Run(fmt.Sprintf("F16/%dx%dx%d/threads=%d", tokens, k, rows, threads), func(b *testing.B) {
				par.SetThreads(threads)
				defer par.SetThreads(0)
				r := rand.New(rand.NewPCG(1, 1))
				var ms []*HalfMat
				for range 4 { // more than the caches hold
					w, _ := halfWeights(r, rows*k, false)
					m, err := NewHalfMat(rows, k, w, false)
					if err != nil {
						b.Fatal(err)
					}
					ms = append(ms, m)
				}
				x, y := make([]float32, tokens*k), make([]float32, tokens*rows)
				input(r, x, false)
				i := 0
				b.SetBytes(int64(ms[0].Bytes()))
				for b.Loop() {
					ms[i%len(ms)].Mul(y, rows, x, tokens, k)
					i++
				}
				b.ReportMetric(2*float64(tokens)*rows*k*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GFLOP/s")
			})
		}
	}
}
