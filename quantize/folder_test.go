package quantize

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/gguf"
	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/model/all"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/safetensors"
	"github.com/hanji-ml/hanji/tensor"
)

// convert writes a folder as a GGUF file.
func convert(t testing.TB, dir, typ string) string {
	t.Helper()
	m, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	out := filepath.Join(t.TempDir(), typ+".gguf")
	r, err := Run(context.Background(), m, out, Options{Type: fileType(t, typ)})
	if err != nil {
		t.Fatal(err)
	}
	if typ == "f32" && *r.Error != 0 {
		t.Errorf("%s: error %v in F32", dir, *r.Error)
	}
	return out
}

// TestConvert: a folder has the tensors of the fixture's file, names, shapes and bytes.
func TestConvert(t *testing.T) {
	c := golden.Open(t, "language", "gguf/convert")
	var models map[string]struct {
		Model   string
		Tensors map[string]struct {
			Type, SHA256 string
			NE           []int
		}
	}
	c.Decode("models", &models)
	for kind, want := range models {
		path := convert(t, filepath.Join(c.ModelDir(), filepath.FromSlash(want.Model)), "f32")
		f, err := gguf.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if len(f.Names()) != len(want.Tensors) || len(want.Tensors) < 20 {
			t.Errorf("%s: %d tensors, want %d", kind, len(f.Names()), len(want.Tensors))
		}
		for name, w := range want.Tensors {
			x, ok := f.Tensor(name)
			shape := slices.Clone(x.Shape)
			slices.Reverse(shape)
			if sum := sha256.Sum256(x.Data); !ok || x.Type.String() != w.Type || !slices.Equal(shape, w.NE) || hex.EncodeToString(sum[:]) != w.SHA256 {
				t.Errorf("%s: %s: %s %v, other bytes than the reference's %s %v", kind, name, x.Type, shape, w.Type, w.NE)
			}
		}
		var row []int32
		for _, id := range golden.Open(t, "language", strings.TrimPrefix(want.Model, "../../")).Int64s("ids")[:c.Shape(kind + ".logits")[0]] {
			row = append(row, int32(id))
		}
		c.Check(t, kind+".logits", logits(t, path, row))
	}
}

func logits(t testing.TB, path string, ids []int32) []float32 {
	t.Helper()
	m, err := all.OpenDecoder(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return logitsOf(t, m, ids)
}

func logitsOf(t testing.TB, m model.Decoder, ids []int32) []float32 {
	t.Helper()
	cache, err := m.NewCache(nn.CacheOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	out, err := m.Forward(ctx, model.Batch{Tokens: ids}, cache)
	if err != nil {
		t.Fatal(err)
	}
	return out.Read()
}

// TestConvertedModels: what a folder says and what its GGUF file says is the same model: head sizes, biases, tied embeddings, scaled
// RoPE.
func TestConvertedModels(t *testing.T) {
	ids := make([]int32, 60)
	for i := range ids {
		ids[i] = int32(i * i * 7 % 50)
	}
	dirs := []string{"../model/gemma/testdata/golden/language/gemma3"}
	for _, name := range []string{"mistral", "qwen2", "qwen3"} {
		dirs = append(dirs, "../model/llama/testdata/golden/language/"+name)
	}
	for _, name := range []string{"llama/gqa", "llama/linear-rope", "llama/mha-headdim-bias", "llama/tied-llama3-rope", "mixtral/top2-of-8"} {
		dirs = append(dirs, golden.Open(t, "language", name).ModelDir())
	}
	for _, dir := range dirs {
		want, got := logits(t, dir, ids), logits(t, convert(t, dir, "f32"), ids)
		if len(want) != len(got) {
			t.Fatalf("%s: %d logits, want %d", dir, len(got), len(want))
		}
		worst := 0.0
		for i := range got {
			worst = max(worst, math.Abs(float64(got[i]-want[i])))
		}
		if !(worst < 1e-4) { // q·k is added up in another order, and a factor of RoPE is rounded to float32
			t.Errorf("%s: logits differ by %v", dir, worst)
		}
	}
}

// TestOldExperts: files of 2023 have a tensor for each expert; a model in parts is read from any of them.
func TestOldExperts(t *testing.T) {
	path := convert(t, golden.Open(t, "language", "mixtral/top2-of-8").ModelDir(), "f32")
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var parts [2][]gguf.Tensor
	for i, name := range f.Names() {
		x, _ := f.Tensor(name)
		old, stacked := strings.CutSuffix(name, "_exps.weight")
		if !stacked {
			parts[i%2] = append(parts[i%2], x)
			continue
		}
		size := len(x.Data) / x.Shape[0]
		for e := range x.Shape[0] {
			parts[e%2] = append(parts[e%2], gguf.Tensor{Name: fmt.Sprintf("%s.%d.weight", old, e), Type: x.Type, Shape: x.Shape[1:], Data: x.Data[e*size:][:size]})
		}
	}
	dir, ids := t.TempDir(), []int32{5, 3, 9, 1, 5, 2}
	for i, list := range parts {
		meta := append(slices.Clone(f.Metadata()), gguf.KV{Key: "split.no", Value: uint16(i)}, gguf.KV{Key: "split.count", Value: uint16(2)},
			gguf.KV{Key: "split.tensors.count", Value: int32(len(parts[0]) + len(parts[1]))})
		if err := gguf.Write(filepath.Join(dir, fmt.Sprintf("old-%05d-of-00002.gguf", i+1)), list, meta); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := logits(t, filepath.Join(dir, "old-00002-of-00002.gguf"), ids), logits(t, path, ids); !slices.Equal(got, want) {
		t.Error("logits are not those of the stacked experts")
	}
}

// TestConvertErrors: what is no Llama, or not all of one, is not written.
func TestConvertErrors(t *testing.T) {
	const config = `{"model_type": "llama", "vocab_size": 4, "hidden_size": 4, "intermediate_size": 4, "num_attention_heads": 1, "num_key_value_heads": 1, "tie_word_embeddings": true`
	norm := safetensors.Tensor{Name: "model.norm.weight", DType: safetensors.F32, Shape: []int{4}, Data: make([]byte, 16)}
	for want, c := range map[string]struct {
		config  string
		tensors []safetensors.Tensor
	}{
		"num_hidden_layers is 0":                            {config + `, "num_hidden_layers": 0}`, []safetensors.Tensor{norm}},
		`model_type "falcon" cannot be written`:             {strings.Replace(config, "llama", "falcon", 1) + `, "num_hidden_layers": 1}`, []safetensors.Tensor{norm}},
		"asks for more than 9000 tensors, the files have 1": {config + `, "num_hidden_layers": 1000}`, []safetensors.Tensor{norm}},
		"tensors are missing, such as":                      {config + `, "num_hidden_layers": 1}`, []safetensors.Tensor{norm}},
		`tensor "other" is no part of a llama`:              {config + `, "num_hidden_layers": 1}`, []safetensors.Tensor{{Name: "other", DType: safetensors.U8, Shape: []int{1}, Data: []byte{1}}}},
		`"model.norm.weight" is [2 2], want [4]`:            {config + `, "num_hidden_layers": 1}`, []safetensors.Tensor{{Name: norm.Name, DType: norm.DType, Shape: []int{2, 2}, Data: norm.Data}}},
		`"model.norm.weight" is F64, want F32, F16`:         {config + `, "num_hidden_layers": 1}`, []safetensors.Tensor{{Name: norm.Name, DType: safetensors.F64, Shape: []int{4}, Data: make([]byte, 32)}}},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(c.config), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := safetensors.Write(filepath.Join(dir, "model.safetensors"), c.tensors, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "quantize: ") {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}
