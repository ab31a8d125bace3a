package lm_test

import (
	"testing"

	"github.com/hanji-ml/hanji/lm"
	"github.com/hanji-ml/hanji/model/all"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/optim"
	"github.com/hanji-ml/hanji/tensor"
)

// A training step of recipes/llama-tiny.yaml's model: 4 rows of 512 tokens.
func BenchmarkStep(b *testing.B) {
	m, err := all.NewDecoder("llama", []byte(`{"vocab_size": 4096, "hidden_size": 256, "intermediate_size": 704, "num_hidden_layers": 6, "num_attention_heads": 8,
		"num_key_value_heads": 4, "tie_word_embeddings": true, "max_position_embeddings": 512}`), 1)
	if err != nil {
		b.Fatal(err)
	}
	const rows, context = 4, 512
	r := &lm.Rows{Start: []int{0}}
	for i := range rows * context {
		r.Tokens = append(r.Tokens, int32(i*i%4093))
		if (i+1)%context == 0 {
			r.Start = append(r.Start, i+1)
		}
	}
	t := &lm.Task{Model: m, Train: r, Batch: rows}
	opt, err := optim.New(optim.Options{LR: 1e-3}, nn.Trainable(m))
	if err != nil {
		b.Fatal(err)
	}
	defer opt.Close()
	ctx := tensor.New(tensor.Options{Grad: true, Train: true})
	defer ctx.Close()
	b.ReportAllocs()
	step := 0
	for b.Loop() {
		ctx.Next(uint64(step))
		t.Loss(ctx, step, 0).Backward()
		optim.ClipNorm(opt.Params(), 1)
		opt.Step(optim.Rate{LR: 1e-3})
		opt.ZeroGrad()
		step++
	}
	b.ReportMetric(float64(rows*context*b.N)/b.Elapsed().Seconds(), "tokens/s")
	b.ReportMetric(float64(ctx.PeakBytes())/1e6, "MB")
}
