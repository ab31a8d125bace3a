package generate

import (
	"context"
	"testing"

	"github.com/hanji-ml/hanji/model/llama"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/quant"
	"github.com/hanji-ml/hanji/tensor"
)

// quantised is a small Llama whose matrices are blocks of a type.
func quantised(t *testing.T, typ quant.Type) *llama.Model {
	t.Helper()
	c := llama.DefaultConfig("llama")
	c.VocabSize, c.HiddenSize, c.IntermediateSize, c.Layers, c.Heads, c.KVHeads, c.HeadDim, c.MaxPositions = 96, 256, 512, 2, 4, 2, 64, 256
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	m := llama.New(c)
	llama.InitNormal(m, 1, 0.1)
	for p, at := range nn.Opaque(m) {
		size, err := typ.Size(p.Shape())
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, size)
		if err := quant.Quantize(b, p.Read(), typ, quant.Options{Cols: p.Dim(1)}); err != nil {
			t.Fatal(err)
		}
		q, err := quant.NewMatrix(typ, p.Dim(0), p.Dim(1), b)
		if err != nil {
			t.Fatal(err)
		}
		*at = q
	}
	return m
}

// Once warm, a decoded token takes nothing from the garbage collector, whatever the type of weights and of the cache.
func TestStepAllocatesNothing(t *testing.T) {
	for _, typ := range []quant.Type{quant.F16, quant.Q8_0, quant.Q4_0, quant.Q4_K, quant.Q6_K} {
		m := quantised(t, typ)
		for _, kv := range []tensor.DType{tensor.F32, tensor.F16, tensor.U8} {
			d, err := NewDecoder(m, nn.CacheOptions{DType: kv})
			if err != nil {
				t.Fatal(err)
			}
			seq, err := d.Start()
			if err != nil {
				t.Fatal(err)
			}
			in := []Input{{Seq: seq, Tokens: []int32{3}}}
			step := func() {
				rows, err := d.Step(context.Background(), in)
				if err != nil {
					t.Fatal(err)
				}
				if in[0].Tokens[0] = int32(len(rows[0])) % 7; d.Len(seq) == 150 {
					if err := d.Truncate(seq, 70); err != nil {
						t.Fatal(err)
					}
				}
			}
			for range 200 {
				step()
			}
			if n := testing.AllocsPerRun(60, step); n != 0 && !raceDetector {
				t.Errorf("%s, cache of %v: %v allocations a token", typ, kv, n)
			}
			d.Close()
		}
	}
}
