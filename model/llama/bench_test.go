package llama

import (
	"fmt"
	"testing"

	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/tensor"
)

// benchModel has SmolLM's proportions at a third of its layers: 28 M parameters beside a small vocabulary.
func benchModel(b *testing.B) *Model {
	return tiny(b, tensor.F32, func(c *Config) {
		c.VocabSize, c.HiddenSize, c.IntermediateSize, c.Layers, c.Heads, c.KVHeads, c.HeadDim, c.MaxPositions = 4096, 576, 1536, 8, 9, 3, 64, 4096
	})
}

// BenchmarkDecode is one token after so many others.
func BenchmarkDecode(b *testing.B) {
	m := benchModel(b)
	for _, dt := range []tensor.DType{tensor.F32, tensor.F16} {
		for _, depth := range []int{64, 2000} {
			b.Run(fmt.Sprintf("%v/%d", dt, depth), func(b *testing.B) {
				cache, err := m.NewCache(nn.CacheOptions{DType: dt})
				if err != nil {
					b.Fatal(err)
				}
				ctx := tensor.New(tensor.Options{})
				defer ctx.Close()
				fill(b, ctx, m, cache, depth)
				token := []int32{7}
				b.SetBytes(4 * m.Config.Parameters())
				b.ReportAllocs()
				for b.Loop() {
					ctx.Next(0)
					if _, err := m.Forward(ctx, model.Batch{Tokens: token}, cache); err != nil {
						b.Fatal(err)
					}
					if err := cache.Truncate(0, depth); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkPrompt is a prompt of 512 tokens.
func BenchmarkPrompt(b *testing.B) {
	m := benchModel(b)
	cache, err := m.NewCache(nn.CacheOptions{DType: tensor.F16})
	if err != nil {
		b.Fatal(err)
	}
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	for b.Loop() {
		fill(b, ctx, m, cache, 512)
		cache.Free(0)
	}
	b.ReportMetric(512*float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
}

func fill(b *testing.B, ctx *tensor.Ctx, m *Model, cache *nn.Cache, n int) {
	b.Helper()
	ctx.Next(0)
	tokens, want := make([]int32, n), make([]bool, n)
	for i := range tokens {
		tokens[i] = int32(i % 97)
	}
	want[n-1] = true
	if _, err := m.Forward(ctx, model.Batch{Tokens: tokens, Want: want}, cache); err != nil {
		b.Fatal(err)
	}
}
