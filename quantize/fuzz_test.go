package quantize_test

import (
	"bytes"
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/gguf"
	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/model/all"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/quantize"
	"github.com/hanji-ml/hanji/tensor"
)

// small are GGUF files of each family.
func small(f testing.TB) (files []*gguf.File) {
	root := f.TempDir()
	m, err := all.NewDecoder("mixtral", []byte(`{"model_type": "mixtral", "vocab_size": 32, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
		"num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 64, "num_local_experts": 3, "sliding_window": 8}`), 1)
	if err == nil {
		err = m.Save(filepath.Join(root, "mixtral"))
	}
	if err != nil {
		f.Fatal(err)
	}
	for _, dir := range []string{filepath.Join(root, "mixtral"), "../model/gemma/testdata/golden/language/gemma3",
		"../model/llama/testdata/golden/language/mistral", "../model/llama/testdata/golden/language/qwen2", "../model/llama/testdata/golden/language/qwen3"} {
		src, err := quantize.Open(dir)
		if err != nil {
			f.Fatal(err)
		}
		defer src.Close()
		out := filepath.Join(root, filepath.Base(dir)+".gguf")
		if _, err := quantize.Run(context.Background(), src, out, quantize.Options{}); err != nil {
			f.Fatal(err)
		}
		b, err := os.ReadFile(out)
		if err != nil {
			f.Fatal(err)
		}
		file, err := gguf.Parse(b)
		if err != nil {
			f.Fatal(err)
		}
		files = append(files, file)
	}
	return files
}

// TestModelErrors: what a file of a family lacks, or says that cannot be, is said.
func TestModelErrors(t *testing.T) {
	files := small(t)
	mixtral, gemma := files[0], files[1]
	for _, c := range []struct {
		f       *gguf.File
		key     string
		value   any
		without string
		want    string
	}{
		{mixtral, "llama.expert_used_count", uint32(4), "", "num_experts_per_tok is 4 of 3"},
		{mixtral, "llama.expert_used_count", "two", "", `key "llama.expert_used_count" is the string "two"`},
		{mixtral, "llama.expert_count", uint32(2), "", `tensor "blk.0.ffn_gate_inp.weight" is [3 16], want [2 16]`},
		{mixtral, "llama.expert_count", uint32(4000), "", "numbers, the file has"},
		{mixtral, "", nil, "blk.1.ffn_up_exps.weight", `missing "model.layers.1.block_sparse_moe.experts.0.up_proj.weight" [24 16]`},
		{gemma, "gemma3.final_logit_softcapping", float32(30), "", "the logits of this family are not capped"},
		{gemma, "gemma3.attention.sliding_window_pattern", []bool{true}, "", "names 1 layers of 4"},
		{gemma, "gemma3.attention.sliding_window_pattern", "all", "", `"gemma3.attention.sliding_window_pattern" is the string "all"`},
		{gemma, "", nil, "blk.0.post_ffw_norm.weight", `missing "model.layers.0.post_feedforward_layernorm.weight" [32]`},
		{gemma, "general.architecture", "gemma4", "", `no language model is of architecture "gemma4"`},
	} {
		meta := slices.DeleteFunc(slices.Clone(c.f.Metadata()), func(kv gguf.KV) bool { return kv.Key == c.key })
		if c.key != "" {
			meta = append(meta, gguf.KV{Key: c.key, Value: c.value})
		}
		var list []gguf.Tensor
		for _, name := range c.f.Names() {
			if x, _ := c.f.Tensor(name); name != c.without {
				list = append(list, x)
			}
		}
		var b bytes.Buffer
		if err := gguf.Encode(&b, list, meta); err != nil {
			t.Fatal(err)
		}
		f, err := gguf.Parse(b.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := all.FromGGUF(f); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: %v, want %q", c.key, c.without, err, c.want)
		}
	}
}

// FuzzModel: a file whose metadata or tensors say something else is refused, or is a model that computes; it neither panics nor
// allocates what it does not hold.
func FuzzModel(f *testing.F) {
	files := small(f)
	for i := range files {
		for k := range uint8(24) {
			f.Add(uint8(i), k, uint8(k%8), int64(k)<<k, uint8(255), uint8(0))
		}
		f.Add(uint8(i), uint8(255), uint8(0), int64(0), uint8(3), uint8(0))
		f.Add(uint8(i), uint8(255), uint8(0), int64(0), uint8(3), uint8(1))
	}
	f.Fuzz(func(t *testing.T, which, key, kind uint8, v int64, tensorAt, how uint8) {
		src := files[int(which)%len(files)]
		meta := append(gguf.Metadata{}, src.Metadata()...)
		if int(key) < len(meta) {
			meta[key].Value = value(kind, v)
		}
		var list []gguf.Tensor
		for i, name := range src.Names() {
			x, _ := src.Tensor(name)
			if i == int(tensorAt) {
				switch how % 4 {
				case 0:
					continue
				case 1:
					x.Name += "x"
				case 2:
					x.Shape, x.Data = []int{1, 1}, x.Data[:x.Type.BlockBytes()]
				case 3:
					x.Shape, x.Data = []int{0, 1 << 20}, nil
				}
			}
			list = append(list, x)
		}
		var b bytes.Buffer
		if gguf.Encode(&b, list, meta) != nil {
			return
		}
		file, err := gguf.Parse(b.Bytes())
		if err != nil {
			return
		}
		m, err := all.FromGGUF(file)
		if err != nil {
			return
		}
		cache, err := m.NewCache(nn.CacheOptions{MaxTokens: 16})
		if err != nil {
			return
		}
		ctx := tensor.New(tensor.Options{})
		defer ctx.Close()
		if y, err := m.Forward(ctx, model.Batch{Tokens: []int32{1, 2, 3, 1}}, cache); err == nil {
			y.Read()
		}
	})
}

// value is a value of any kind that metadata may have.
func value(kind uint8, v int64) any {
	switch kind % 8 {
	case 0:
		return uint32(v)
	case 1:
		return v
	case 2:
		return math.Float32frombits(uint32(v))
	case 3:
		return math.Float64frombits(uint64(v))
	case 4:
		return []string{"", "llama", "gemma3", "qwen3", "linear", "yarn", "longrope", "dynamic"}[uint64(v)%8]
	case 5:
		return []bool{v&1 != 0, v&2 != 0, v&4 != 0, v&8 != 0}[:uint64(v)>>4%5]
	case 6:
		return []uint32{uint32(v), uint32(v >> 32)}
	}
	return v&1 != 0
}
