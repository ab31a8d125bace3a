package ttm

import (
	"testing"

	"github.com/hanji-ml/hanji/internal/par"
	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/tensor"
)

// BenchmarkForecast is the peers' ttm.py with drawn weights: r2 512-96's sizes, 64 windows of 7 channels.
func BenchmarkForecast(b *testing.B) {
	c := DefaultConfig()
	c.ContextLength, c.PatchLength, c.PatchStride, c.DModel, c.NumLayers, c.AdaptiveLevels = 512, 64, 64, 192, 2, 3
	c.DecoderNumLayers, c.DecoderDModel, c.PredictionLength = 2, 128, 96
	if err := c.Validate(); err != nil {
		b.Fatal(err)
	}
	m := New(c)
	for _, threads := range []int{1, 2} {
		b.Run(map[int]string{1: "threads=1", 2: "threads=2"}[threads], func(b *testing.B) {
			par.SetThreads(threads)
			defer par.SetThreads(0)
			ctx := tensor.New(tensor.Options{})
			defer ctx.Close()
			x := ctx.Normal(1, tensor.F32, 64, 512, 7).Keep()
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				ctx.Next(0)
				m.Forecast(ctx, model.Window{Past: ctx.Use(x)})
				n += 64
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "windows/s")
		})
	}
}
