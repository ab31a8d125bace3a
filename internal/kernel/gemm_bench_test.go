package kernel

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/hanji-ml/hanji/internal/par"
)

var gemmBenchShapes = []struct {
	name    string
	m, k, n int
	bt      bool
}{
	{"256", 256, 256, 256, false}, {"512", 512, 512, 512, false}, {"1024", 1024, 1024, 1024, false}, {"2048", 2048, 2048, 2048, false},
	{"1x4096x4096", 1, 4096, 4096, false}, {"8x4096x4096", 8, 4096, 4096, false}, {"64x768x3072", 64, 768, 3072, false},
	{"512x768x768", 512, 768, 768, false}, {"512x3072x768", 512, 3072, 768, false}, {"197x64x197", 197, 64, 197, false},
	{"1x4096x4096/T", 1, 4096, 4096, true}, {"8x4096x4096/T", 8, 4096, 4096, true}, {"64x768x3072/T", 64, 768, 3072, true}, {"1024/T", 1024, 1024, 1024, true},
	{"36736x16x128", 36736, 16, 128, false}, {"36736x128x16", 36736, 128, 16, false}, {"28672x48x96", 28672, 48, 96, false},
	{"36736x16x128/T", 36736, 16, 128, true}, {"28672x48x96/T", 28672, 48, 96, true},
}

// BenchmarkGemm reports the best rate of all runs beside the mean: on a shared machine only the
// best compares.
func BenchmarkGemm(b *testing.B) {
	for _, s := range gemmBenchShapes {
		for _, threads := range []int{1, 2} {
			b.Run(fmt.Sprintf("%s/threads=%d", s.name, threads), func(b *testing.B) {
				r := rand.New(rand.NewPCG(1, 1))
				g := newCase[float32](r, s.m, s.n, s.k, false, s.bt, 0)
				benchGemm(b, threads, 2*float64(s.m)*float64(s.n)*float64(s.k), func() {
					Gemm(s.m, s.n, s.k, g.a, g.b, g.c, g.ldc, Epilogue[float32]{})
				})
			})
		}
	}
	b.Run("16x36736x128/AT", func(b *testing.B) {
		g := newCase[float32](rand.New(rand.NewPCG(1, 1)), 16, 128, 36736, true, false, 0)
		benchGemm(b, par.Threads(), 2*16*128*36736, func() { Gemm(16, 128, 36736, g.a, g.b, g.c, g.ldc, Epilogue[float32]{}) })
	})
}

func benchGemm(b *testing.B, threads int, flop float64, product func()) {
	par.SetThreads(threads)
	defer par.SetThreads(0)
	least := time.Duration(1 << 62)
	for b.Loop() {
		start := time.Now()
		product()
		least = min(least, time.Since(start))
	}
	b.ReportMetric(flop/float64(least.Nanoseconds()), "best-GFLOP/s")
}

func BenchmarkGemmBatch(b *testing.B) {
	for _, s := range []struct{ batch, m, k, n int }{{3584, 41, 4, 41}, {7168, 64, 8, 8}, {96, 197, 64, 197}} {
		for _, threads := range []int{1, 2} {
			for _, bt := range []bool{false, true} {
				b.Run(fmt.Sprintf("%dx(%dx%dx%d)/bt=%v/threads=%d", s.batch, s.m, s.k, s.n, bt, threads), func(b *testing.B) {
					x, y, c := make([]float32, s.batch*s.m*s.k), make([]float32, s.batch*s.k*s.n), make([]float32, s.batch*s.m*s.n)
					mb := RowMajor(y, s.n)
					if bt {
						mb = RowMajor(y, s.k).T()
					}
					benchGemm(b, threads, 2*float64(s.batch)*float64(s.m)*float64(s.n)*float64(s.k), func() {
						GemmBatch(s.batch, s.m, s.n, s.k, RowMajor(x, s.k), s.m*s.k, mb, s.k*s.n, c, s.n, s.m*s.n, Epilogue[float32]{})
					})
				})
			}
		}
	}
}
