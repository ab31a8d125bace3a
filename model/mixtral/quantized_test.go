package mixtral

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/model/llama"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/quant"
	"github.com/hanji-ml/hanji/safetensors"
	"github.com/hanji-ml/hanji/tensor"
	"github.com/hanji-ml/hanji/weights"
)

// TestQuantizedExperts: a checkpoint whose experts and attention are integers, under the published names, is the model with these
// weights but for the rounding of inputs; the router stays as it is.
func TestQuantizedExperts(t *testing.T) {
	c, err := ParseConfig([]byte(`{"model_type": "mixtral", "num_local_experts": 4, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
		"num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 40, "initializer_range": 0.1}`))
	if err != nil {
		t.Fatal(err)
	}
	m := New(c)
	m.Init(1)
	var list []safetensors.Tensor
	packed := 0
	for _, p := range nn.Walk(m) {
		if base, ok := strings.CutSuffix(p.Name, "_proj.weight"); !ok || base == "" {
			list = append(list, weights.Tensors([]nn.Param{p}, tensor.F32, published)...)
			continue
		}
		packed++
		rows, cols := p.Tensor.Dim(0), p.Tensor.Dim(1)
		q, scale, err := quant.Int8Rows(p.Tensor.Read(), cols, false)
		if err != nil {
			t.Fatal(err)
		}
		data, means := make([]byte, len(q)), make([]float32, len(q))
		for i, v := range q {
			data[i], means[i] = byte(v), float32(v)*scale[i/cols]
		}
		p.Tensor.SetF32(means)
		s := tensor.NewParam("", tensor.F32, rows, 1)
		s.SetF32(scale)
		list = append(list, safetensors.Tensor{Name: published(p.Name), DType: safetensors.I8, Shape: []int{rows, cols}, Data: data})
		list = append(list, weights.Tensors([]nn.Param{{Name: published(p.Name) + "_scale", Tensor: s}}, tensor.F32, nil)...)
	}
	if packed != 2*(4+3*4) {
		t.Fatalf("%d layers are packed", packed)
	}
	dir := t.TempDir()
	if err := llama.SaveConfig(dir, c); err != nil {
		t.Fatal(err)
	}
	var config map[string]any
	b, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err == nil {
		err = json.Unmarshal(b, &config)
	}
	if err != nil {
		t.Fatal(err)
	}
	config["quantization_config"] = map[string]any{"quant_method": "compressed-tensors", "format": "int-quantized"}
	if b, err = json.Marshal(config); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), b, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := safetensors.Write(filepath.Join(dir, "model.safetensors"), list, nil); err != nil {
		t.Fatal(err)
	}
	again, err := Load(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	want, got := logitsOf(t, m), logitsOf(t, again)
	var d, s float64
	for i, v := range want {
		x := float64(got[i]) - float64(v)
		d, s = d+x*x, s+float64(v)*float64(v)
	}
	if off := math.Sqrt(d / s); !(off > 0 && off < 0.03) { // 0.6 % a layer; no row goes to another expert here
		t.Errorf("logits are off by %.4f", off)
	}
}

func logitsOf(t *testing.T, m *Model) []float32 {
	t.Helper()
	cache, err := m.NewCache(nn.CacheOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	out, err := m.Forward(ctx, model.Batch{Tokens: []int32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}}, cache)
	if err != nil {
		t.Fatal(err)
	}
	return out.Read()
}
