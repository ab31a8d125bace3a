package patchtst

import (
	"testing"

	"github.com/hanji-ml/hanji/internal/par"
	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/optim"
	"github.com/hanji-ml/hanji/tensor"
)

// BenchmarkTrainStep is the peers' patchtst_train.py: batch 128 × 336 × 7 → 96, forward, backward, Adam.
func BenchmarkTrainStep(b *testing.B) {
	for _, threads := range []int{1, 2} {
		b.Run(map[int]string{1: "threads=1", 2: "threads=2"}[threads], func(b *testing.B) {
			par.SetThreads(threads)
			defer par.SetThreads(0)
			c := DefaultConfig()
			c.NumInputChannels, c.ContextLength, c.PredictionLength, c.PatchLength, c.PatchStride = 7, 336, 96, 16, 8
			c.DModel, c.NumAttentionHeads, c.FFNDim, c.PreNorm = 16, 4, 128, false
			c.PathDropout, c.FFDropout, c.PositionalDropout = 0.3, 0.3, 0.3
			m := New(c)
			m.Init(0)
			opt, err := optim.New(optim.Options{Name: "adam", LR: 1e-4}, nn.Trainable(m))
			if err != nil {
				b.Fatal(err)
			}
			ctx := tensor.New(tensor.Options{Grad: true, Train: true})
			defer ctx.Close()
			x, y := ctx.Normal(1, tensor.F32, 128, 336, 7).Keep(), ctx.Normal(2, tensor.F32, 128, 96, 7).Keep()
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				ctx.Next(uint64(i))
				m.Loss(ctx, model.Window{Past: ctx.Use(x)}, y, nil).Backward()
				opt.Step(optim.Rate{LR: 1e-4})
				opt.ZeroGrad()
			}
		})
	}
}
