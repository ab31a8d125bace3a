package all_test

import (
	"bytes"
	"context"
	"errors"
	"io"
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
	"github.com/hanji-ml/hanji/safetensors"
	"github.com/hanji-ml/hanji/tensor"
)

// adapted saves a llama and an adapter of it, and gives the model with the adapter merged in memory.
func adapted(t *testing.T) (base, adapter string, merged model.Decoder) {
	t.Helper()
	m := build(t, "llama")
	base = filepath.Join(t.TempDir(), "base")
	if err := m.Save(base); err != nil {
		t.Fatal(err)
	}
	return base, adapt(t, m), m
}

// adapt saves an adapter of a model, and merges it.
func adapt(t *testing.T, m model.Decoder) (adapter string) {
	return adaptAs(t, m, nn.LoRAOptions{Rank: 3, Targets: []string{"q_proj", "k_proj", "down_proj"}})
}

func adaptAs(t *testing.T, m model.Decoder, o nn.LoRAOptions) (adapter string) {
	t.Helper()
	adapter = filepath.Join(t.TempDir(), "adapter")
	if _, err := nn.AddLoRA(m, o); err != nil {
		t.Fatal(err)
	}
	for _, p := range nn.Adapters(m) {
		p.Tensor.FillUniform(nn.Hash(p.Name), -0.3, 0.3)
	}
	if err := model.SaveLoRA(m, adapter, model.LoRAConfig{LoRAOptions: o}); err != nil {
		t.Fatal(err)
	}
	nn.MergeLoRA(m)
	return adapter
}

// adaptedGGUF is adapted for a GGUF file of that type.
func adaptedGGUF(t *testing.T, typ string) (base, adapter string, merged model.Decoder) {
	t.Helper()
	m, err := all.NewDecoder("llama", []byte(`{"vocab_size": 40, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
		"num_key_value_heads": 2, "initializer_range": 0.3}`), 1)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := m.Save(dir); err != nil {
		t.Fatal(err)
	}
	base = ggufOf(t, dir, typ)
	d := open(t, base)
	return base, adapt(t, d), d
}

// ggufOf writes a folder as a GGUF file.
func ggufOf(t *testing.T, dir, typ string) string {
	t.Helper()
	src, err := quantize.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	recipe, err := quantize.ParseType(typ)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "m.gguf")
	if _, err := quantize.Run(context.Background(), src, path, quantize.Options{Type: recipe}); err != nil {
		t.Fatal(err)
	}
	return path
}

// An adapter of a folder's model gives the same over the GGUF file of it, whatever the family's order of rows; so does one of the
// file's over the folder.
func TestAdaptersOnGGUF(t *testing.T) {
	for _, name := range []string{"mistral", "qwen2", "qwen3", "mixtral", "gemma"} {
		m := build(t, name)
		dir := t.TempDir()
		if err := m.Save(dir); err != nil {
			t.Fatal(err)
		}
		file := ggufOf(t, dir, "f32")
		for _, paths := range [][2]string{{dir, file}, {file, dir}} {
			from, to := open(t, paths[0]), open(t, paths[1])
			before := logitsOf(t, to)
			adapter := adaptAs(t, from, nn.LoRAOptions{Targets: []string{"q_proj", "k_proj", "v_proj", "o_proj"}})
			if _, err := model.LoadLoRA(to, adapter); err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			got := logitsOf(t, to)
			if d := furthest(got, logitsOf(t, from)); !(d <= 1e-4) || furthest(got, before) < 0.01 { // float32 sums
				t.Errorf("%s: logits differ by %v, %v from those without", name, d, furthest(got, before))
			}
		}
	}
}

func open(t *testing.T, path string) model.Decoder {
	t.Helper()
	d, err := all.OpenDecoder(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c, ok := d.(io.Closer); ok {
		t.Cleanup(func() { c.Close() })
	}
	return d
}

func merge(t *testing.T, base, adapter string, o all.MergeOptions) (string, error) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out")
	n, err := all.MergeLoRA(context.Background(), base, adapter, out, o)
	if _, statErr := os.Stat(out); err != nil && statErr == nil {
		t.Errorf("%v, but something is written", err)
	}
	if err == nil && n != 6 {
		t.Errorf("%d weights merged, want 6", n)
	}
	return out, err
}

// A merged folder has the base's files, and in float32 the weights of a model merged in memory, to the bit.
func TestMergeFolder(t *testing.T) {
	base, adapter, want := adapted(t)
	for name, text := range map[string]string{"tokenizer.json": "{}", "pytorch_model.bin": "weights", "README.md": "hello"} {
		if err := os.WriteFile(filepath.Join(base, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	calls := 0
	out, err := merge(t, base, adapter, all.MergeOptions{Progress: func(done, total int) {
		if calls++; done != calls || total != 6 {
			t.Errorf("%d of %d done in call %d", done, total, calls)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	got := open(t, out)
	if !slices.Equal(logitsOf(t, got), logitsOf(t, want)) || calls != 6 {
		t.Error("another model comes back")
	}
	var files []string
	entries, err := os.ReadDir(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		files = append(files, e.Name())
	}
	if want := "README.md config.json model.safetensors tokenizer.json"; strings.Join(files, " ") != want {
		t.Errorf("%v, want %s", files, want)
	}
	if _, err := all.MergeLoRA(context.Background(), base, adapter, out, all.MergeOptions{}); err == nil || !strings.Contains(err.Error(), "there already") {
		t.Errorf("over what is there: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	out = filepath.Join(t.TempDir(), "out")
	if _, err := all.MergeLoRA(ctx, base, adapter, out, all.MergeOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a part of a model is left")
	}
}

// Files of a checkpoint in several stay those, in bfloat16 as they were.
func TestMergeShards(t *testing.T) {
	base, adapter, _ := adapted(t)
	file, err := safetensors.OpenModel(base)
	if err != nil {
		t.Fatal(err)
	}
	var shards [2][]safetensors.Tensor
	index := `{"weight_map": {`
	for i, name := range file.Names() {
		x, _ := file.Tensor(name)
		v, err := x.Float32s()
		if err != nil {
			t.Fatal(err)
		}
		p := tensor.NewBuffer(name, tensor.F32, x.Shape...)
		p.SetF32(v)
		x.DType, x.Data = safetensors.BF16, p.Cast(tensor.BF16).ReadBytes()
		shards[i%2] = append(shards[i%2], x)
		index += `"` + name + `": "part-` + string(rune('0'+i%2)) + `.safetensors",`
	}
	index = strings.TrimSuffix(index, ",") + "}}"
	for i, s := range shards {
		if err := safetensors.Write(filepath.Join(base, "part-"+string(rune('0'+i))+".safetensors"), s, map[string]string{"format": "pt"}); err != nil {
			t.Fatal(err)
		}
	}
	file.Close()
	if err := os.Remove(filepath.Join(base, "model.safetensors")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(base, "model.safetensors.index.json"), []byte(index), 0o666); err != nil {
		t.Fatal(err)
	}
	out, err := merge(t, base, adapter, all.MergeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got := open(t, out)
	want := open(t, base)
	if _, err := model.LoadLoRA(want, adapter); err != nil {
		t.Fatal(err)
	}
	nn.MergeLoRA(want)
	params := nn.Walk(got)
	for i, p := range nn.Walk(want) {
		if !slices.Equal(params[i].Tensor.Read(), p.Tensor.Cast(tensor.BF16).Cast(tensor.F32).Read()) {
			t.Errorf("%s is not the sum rounded to bfloat16", p.Name)
		}
	}
	for _, s := range []string{"../part-0.safetensors", "part-0.bin"} {
		bad := strings.ReplaceAll(index, "part-0.safetensors", s)
		if err := os.WriteFile(filepath.Join(base, "model.safetensors.index.json"), []byte(bad), 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := merge(t, base, adapter, all.MergeOptions{}); err == nil || !strings.Contains(err.Error(), "no file of the folder") {
			t.Errorf("index with %s: %v", s, err)
		}
	}
}

func furthest(a, b []float32) (d float64) {
	for i, v := range a {
		d = max(d, math.Abs(float64(v-b[i])))
	}
	return d
}

// A GGUF file is merged in its own types and order of rows; quantised ones only when asked.
func TestMergeGGUF(t *testing.T) {
	for typ, tol := range map[string]float64{"f32": 0, "f16": 0.01, "q8_0": 0.5} { // of logits near 10: weights with 24, 11 and 8 bits
		base, adapter, want := adaptedGGUF(t, typ)
		if typ == "q8_0" {
			if _, err := merge(t, base, adapter, all.MergeOptions{}); err == nil || !strings.Contains(err.Error(), "--requantize") {
				t.Errorf("a quantised base: %v", err)
			}
		}
		out, err := merge(t, base, adapter, all.MergeOptions{Requantize: true})
		if err != nil {
			t.Fatal(err)
		}
		got := open(t, out)
		d := furthest(logitsOf(t, got), logitsOf(t, want))
		if t.Logf("%s: logits differ by %v", typ, d); !(d <= tol) {
			t.Errorf("%s: logits differ by %v", typ, d)
		}
		a, err := gguf.OpenModel(base)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		b, err := gguf.OpenModel(out)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		for _, name := range a.Names() {
			x, _ := a.Tensor(name)
			y, _ := b.Tensor(name)
			changed := strings.Contains(name, "attn_q") || strings.Contains(name, "attn_k") || strings.Contains(name, "ffn_down")
			if x.Type != y.Type || bytes.Equal(x.Data, y.Data) == changed {
				t.Errorf("%s: %s is %s and was %s; changed: %v", typ, name, y.Type, x.Type, !changed)
			}
		}
	}
}
