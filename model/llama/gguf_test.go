package llama

import (
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/gguf"
	"github.com/hanji-ml/hanji/internal/cpu"
	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/quant"
	"github.com/hanji-ml/hanji/tensor"
)

// quantised writes a model's file in another type, as llama.cpp's quantiser does.
func quantised(t *testing.T, src *gguf.File, name string) string {
	t.Helper()
	ft, err := quant.ParseFileType(name)
	if err != nil {
		t.Fatal(err)
	}
	mix := quant.Mix{FileType: ft, Layers: 1, GQA: 4}
	var list []gguf.Tensor
	for _, n := range src.Names() {
		x, _ := src.Tensor(n)
		to, err := mix.TypeOf(n, x.Shape)
		if err != nil {
			t.Fatal(err)
		}
		wide := make([]float32, x.Len())
		if err := quant.Dequantize(wide, x.Data, x.Type); err != nil {
			t.Fatal(err)
		}
		size, err := to.Size(x.Shape)
		if err != nil {
			t.Fatal(err)
		}
		y := gguf.Tensor{Name: n, Type: to, Shape: x.Shape, Data: make([]byte, size)}
		if err := quant.Quantize(y.Data, wide, to, quant.Options{Cols: x.Shape[len(x.Shape)-1]}); err != nil {
			t.Fatal(err)
		}
		list = append(list, y)
	}
	path := filepath.Join(t.TempDir(), name+".gguf")
	if err := gguf.Write(path, list, src.Metadata()); err != nil {
		t.Fatal(err)
	}
	return path
}

// logitsOf decodes ids at once with a cache in float32.
func logitsOf(t *testing.T, m *Model, ids []int64) []float32 {
	t.Helper()
	cache, err := m.NewCache(nn.CacheOptions{DType: tensor.F32})
	if err != nil {
		t.Fatal(err)
	}
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	b := model.Batch{}
	for _, id := range ids {
		b.Tokens = append(b.Tokens, int32(id))
	}
	logits, err := m.Forward(ctx, b, cache)
	if err != nil {
		t.Fatal(err)
	}
	return logits.Read()
}

// GGUF files of every type. The same integers are added up as in llama.cpp, and the logits are its own.
func TestGGUF(t *testing.T) {
	c := golden.Open(t, "language", "gguf/llama")
	ids := c.Int64s("ids")
	src, err := gguf.OpenModel(filepath.Join(c.ModelDir(), "F16.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	golden.Paths(t, func(t *testing.T) {
		blocks, same := 0, 0
		for _, name := range []string{"F16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q2_K", "Q3_K_M", "Q4_K_S", "Q4_K_M", "Q5_K_M", "Q6_K", "IQ4_NL", "IQ4_XS"} {
			m, err := LoadGGUF(quantised(t, src, name))
			if err != nil {
				t.Fatal(err)
			}
			got := logitsOf(t, m, ids)
			_, tol := c.Tol("llama_cpp." + name)
			want := "float." + name
			if name != "F16" {
				// An activation near the middle between two steps falls to the other side when a sum before it was
				// rounded otherwise, which moves the logits as much as any rounding does; where none does they are llama.cpp's. The
				// order of its sums is nearer to the vectors' than to the portable loop's.
				want = "llama_cpp." + name
				blocks++
			}
			worst := 0.0
			for i, v := range c.F32(want) {
				worst = max(worst, math.Abs(float64(got[i]-v)))
			}
			if worst <= 1e-4 && want != "float.F16" {
				same++
			}
			if t.Logf("%s: %.2g from %s", name, worst, want); !(worst <= tol) {
				t.Errorf("%s: logits are %.3g from %s, allowed %.3g", name, worst, want, tol)
			}
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		}
		if cpu.Path() != "portable" && same < blocks*2/3 {
			t.Errorf("%d of %d block types give llama.cpp's logits", same, blocks)
		}
	})
}

// A file that llama.cpp wrote.
func TestGGUFOfLlamaCpp(t *testing.T) {
	c := golden.Open(t, "language", "gguf/llama")
	m, err := LoadGGUF(filepath.Join(c.ModelDir(), "Q4_K_M.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	c.Check(t, "llama_cpp.Q4_K_M", logitsOf(t, m, c.Int64s("ids")))
}

// What does not fit is said; a model whose file lacks most of what it announces is not built.
func TestBadGGUF(t *testing.T) {
	c := golden.Open(t, "language", "gguf/llama")
	src, err := gguf.OpenModel(filepath.Join(c.ModelDir(), "F16.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	all := func() (list []gguf.Tensor) {
		for _, n := range src.Names() {
			x, _ := src.Tensor(n)
			list = append(list, x)
		}
		return list
	}
	meta := func(key string, v any) gguf.Metadata {
		var m gguf.Metadata
		for _, kv := range src.Metadata() {
			if kv.Key == key {
				kv.Value = v
			}
			if kv.Value != nil {
				m = append(m, kv)
			}
		}
		return m
	}
	for name, f := range map[string]struct {
		list []gguf.Tensor
		meta gguf.Metadata
		want string
	}{
		"architecture": {all(), meta("general.architecture", "falcon"), `architecture "falcon" is not of this family`},
		"no width":     {all(), meta("llama.embedding_length", nil), "embedding_length"},
		"width":        {all(), meta("llama.embedding_length", uint32(512)), `tensor "token_embd.weight" is [32 256], want [32 512]`},
		"layers":       {all(), meta("llama.block_count", uint32(1000)), "numbers, the file has"},
		"no embedding": {slices.DeleteFunc(all(), func(t gguf.Tensor) bool { return t.Name == "token_embd.weight" }), src.Metadata(), "no token_embd.weight"},
		"missing norm": {slices.DeleteFunc(append(all(), gguf.Tensor{Name: "a", Type: gguf.F32, Shape: []int{1}, Data: make([]byte, 4)}), func(t gguf.Tensor) bool { return t.Name == "output_norm.weight" }), src.Metadata(), `missing "model.norm.weight" [256]`},
		"missing":      {slices.DeleteFunc(all(), func(t gguf.Tensor) bool { return t.Name == "blk.0.ffn_up.weight" }), src.Metadata(), `missing "model.layers.0.mlp.up_proj.weight" [256 256]`},
		"unknown":      {append(all(), gguf.Tensor{Name: "blk.0.extra", Type: gguf.F32, Shape: []int{1}, Data: make([]byte, 4)}), src.Metadata(), `"blk.0.extra" is not used`},
		"heads":        {all(), meta("llama.attention.head_count", uint32(3)), "head"},
		"text":         {all(), meta("llama.block_count", "one"), `"llama.block_count" is the string "one", want an integer`},
	} {
		path := filepath.Join(t.TempDir(), "x.gguf")
		if err := gguf.WriteFunc(path, f.list, f.meta, func(w io.Writer, t gguf.Tensor) error { _, err := w.Write(t.Data); return err }); err != nil {
			t.Fatal(err)
		}
		if m, err := LoadGGUF(path); err == nil {
			m.Close()
			t.Errorf("%s: no error", name)
		} else if !strings.Contains(err.Error(), f.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
