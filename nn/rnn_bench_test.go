package nn_test

import (
	"testing"

	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/tensor"
)

// DeepAR's size: batch 64, 96 steps, 40 hidden units, 2 layers; forward and back.
func BenchmarkLSTM(b *testing.B) {
	for name, hidden := range map[string]int{"64x96x40": 40, "64x96x256": 256} {
		b.Run(name, func(b *testing.B) {
			l := nn.NewLSTM(hidden, hidden, 2, false)
			nn.Init(l, 1)
			ctx := tensor.New(tensor.Options{Grad: true})
			defer ctx.Close()
			x := ctx.Normal(1, tensor.F32, 64, 96, hidden).Keep()
			b.ReportAllocs()
			for b.Loop() {
				ctx.Next(0)
				y, _, _ := l.Forward(ctx.Use(x), nil, nil)
				y.Sum().Backward()
			}
			flops := 3 * 2 * 64 * 96 * 8 * hidden * hidden * 2 // three products of each weight, two layers
			b.ReportMetric(float64(flops)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		})
	}
}
