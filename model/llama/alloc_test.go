package llama

import (
	"testing"

	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/tensor"
)

// Once warm, a decoded token takes nothing from the garbage collector.
func TestNoAllocations(t *testing.T) {
	for name, o := range map[string]nn.CacheOptions{"f32": {}, "f16": {DType: tensor.F16}} {
		m := tiny(t, tensor.F32, nil)
		cache, err := m.NewCache(o)
		if err != nil {
			t.Fatal(err)
		}
		ctx := tensor.New(tensor.Options{})
		defer ctx.Close()
		token, logits := []int32{3}, make([]float32, m.Config.VocabSize)
		step := func() {
			ctx.Next(0)
			l, err := m.Forward(ctx, model.Batch{Tokens: token}, cache)
			if err != nil {
				t.Fatal(err)
			}
			l.ReadInto(logits)
			if cache.Len(0) == 100 {
				if err := cache.Truncate(0, 40); err != nil {
					t.Fatal(err)
				}
			}
		}
		for range 120 {
			step()
		}
		if n := testing.AllocsPerRun(100, step); n != 0 && !raceDetector {
			t.Errorf("%s: %v allocations a token", name, n)
		}
	}
}
