package quantize

import (
	"context"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/model/llama"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/quant"
	"github.com/hanji-ml/hanji/tensor"
)

const tiny = `"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": %KV%, "vocab_size": 96,
	"max_position_embeddings": 128, "initializer_range": 0.1, "torch_dtype": "bfloat16"`

// checkpointOf writes a model of random weights whose norms have some channels that are much louder than others, as trained models have.
func checkpointOf(t testing.TB, kind, kv string, dt tensor.DType) string {
	t.Helper()
	c, err := llama.ParseConfig([]byte(strings.Replace(`{"model_type": "`+kind+`", `+tiny+`}`, "%KV%", kv, 1)))
	if err != nil {
		t.Fatal(err)
	}
	m := llama.New(c)
	m.Init(1)
	r := rand.New(rand.NewPCG(1, 1))
	for _, b := range m.Blocks {
		for _, norm := range []*tensor.Tensor{b.AttnNorm.Weight, b.MLPNorm.Weight} {
			gains := norm.Read()
			for i := range gains {
				if gains[i] = float32(math.Exp(r.NormFloat64() / 2)); i%17 == 3 {
					gains[i] *= 8
				}
			}
			norm.SetF32(gains)
		}
	}
	for _, p := range nn.Walk(m) {
		if strings.HasSuffix(p.Name, ".bias") {
			p.Tensor.FillNormal(nn.Hash(p.Name), 0, 0.3)
		}
	}
	dir := t.TempDir()
	if err := m.SaveAs(dir, dt); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"tokenizer.json": "{}", "merges.txt": "a b", "README.md": "not copied"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func samples(n, length int) [][]int32 {
	r := rand.New(rand.NewPCG(2, 2))
	list := make([][]int32, n)
	for i := range list {
		for range length {
			list[i] = append(list[i], int32(r.IntN(96)))
		}
	}
	return list
}

func packTo(t testing.TB, dir string, o PackOptions) (string, *Report) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out")
	r, err := Pack(context.Background(), dir, out, o)
	if err != nil {
		t.Fatal(err)
	}
	return out, r
}

// apart is the root mean square of the difference over that of b.
func apart(a, b []float32) float64 {
	var d, s float64
	for i, v := range b {
		x := float64(a[i]) - float64(v)
		d, s = d+x*x, s+float64(v)*float64(v)
	}
	return math.Sqrt(d / s)
}

// TestPack: every method's folder loads, and computes what its report says: the original model but for some error.
func TestPack(t *testing.T) {
	ids := samples(1, 60)[0]
	text := samples(8, 40)
	for _, kind := range []struct {
		name, kv string
		dt       tensor.DType
	}{{"llama", "4", tensor.F16}, {"qwen2", "2", tensor.BF16}, {"qwen3", "2", tensor.F32}} {
		dir := checkpointOf(t, kind.name, kind.kv, kind.dt)
		want := logits(t, dir, ids)
		for name, c := range map[string]struct {
			o      PackOptions
			within float64 // of logits, at this seed 0.45, 0.31, 0.067, 0.65, 0.31, 0.078, 0.042 and 0.09 at worst
		}{
			"gptq":            {PackOptions{Method: GPTQ, Group: 32, Samples: text}, 0.6},
			"gptq act-order":  {PackOptions{Method: GPTQ, Group: 32, ActOrder: true, Samples: text}, 0.5},
			"gptq 8 bits":     {PackOptions{Method: GPTQ, Bits: 8, Group: -1, Samples: text}, 0.12},
			"gptq 3 bits":     {PackOptions{Method: GPTQ, Bits: 3, Group: 32, Samples: text}, 0.9},
			"awq":             {PackOptions{Method: AWQ, Group: 32, Samples: text}, 0.45},
			"int8":            {PackOptions{Method: Int8}, 0.12},
			"int8, smooth":    {PackOptions{Method: Int8, Samples: text}, 0.07},
			"int8, one scale": {PackOptions{Method: Int8, PerTensor: true}, 0.15},
		} {
			out, r := packTo(t, dir, c.o)
			got := logits(t, out, ids)
			d := apart(got, want)
			if !(d < c.within) {
				t.Errorf("%s, %s: logits are off by %.3f", kind.name, name, d)
			}
			plan, err := PlanPack(dir, c.o)
			if err != nil || plan.After != r.After || len(plan.Tensors) != len(r.Tensors) || plan.Error != nil {
				t.Errorf("%s, %s: planned %+v, %v", kind.name, name, plan, err)
			}
			worst := 0.0
			for _, x := range r.Tensors {
				if x.Error == nil || *x.Error == 0 { // a norm that was scaled, or what is copied
					continue
				}
				worst = max(worst, *x.Error)
				if (x.OutputError != nil) != (c.o.Samples != nil) {
					t.Errorf("%s: %s: output error %v", name, x.Name, x.OutputError)
				}
			}
			if !(*r.Error > 0 && *r.Error <= worst) {
				t.Errorf("%s: error %v of all, %v at worst", name, *r.Error, worst)
			}
			t.Logf("%s %s, %s: logits off by %.4f, weights by %.4f", kind.name, kind.kv, name, d, *r.Error)
		}
	}
}

// TestPackedFiles: a folder has what others look for, and nothing that does not belong there; in one file or in several.
func TestPackedFiles(t *testing.T) {
	dir := checkpointOf(t, "llama", "2", tensor.BF16)
	out, r := packTo(t, dir, PackOptions{Method: GPTQ, Group: 32, ActOrder: true, Samples: samples(8, 32)})
	var config, beside map[string]any
	read := func(name string, into any) {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(out, name))
		if err == nil {
			err = json.Unmarshal(b, into)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	read("config.json", &config)
	read("quantize_config.json", &beside)
	q, _ := config["quantization_config"].(map[string]any)
	if config["torch_dtype"] != "float16" || q["bits"] != 4.0 || q["desc_act"] != true || q["group_size"] != 32.0 || beside["sym"] != true {
		t.Errorf("%v, %v", config, beside)
	}
	for name, want := range map[string]bool{"tokenizer.json": true, "merges.txt": true, "README.md": false, "model.safetensors": true} {
		if _, err := os.Stat(filepath.Join(out, name)); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	p, err := newPacker(dir, PackOptions{Method: GPTQ, Group: 32, ActOrder: true, Samples: samples(8, 32)})
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	p.shardBytes = 30000
	p.shards()
	split := filepath.Join(t.TempDir(), "split")
	if err := p.pack(context.Background(), split); err != nil {
		t.Fatal(err)
	}
	list, err := filepath.Glob(filepath.Join(split, "*-of-*.safetensors"))
	if err != nil || len(list) < 3 {
		t.Errorf("%v, %v", list, err)
	}
	ids := samples(1, 20)[0]
	if d := apart(logits(t, split, ids), logits(t, out, ids)); d != 0 || p.report.After != r.After {
		t.Errorf("in several files another model: %v", d)
	}
}

// TestCalibrationPays: for the inputs of the text, outputs change by less than with weights that are rounded to nearest; and the
// more so with AWQ's scales than without.
func TestCalibrationPays(t *testing.T) {
	dir := checkpointOf(t, "llama", "4", tensor.F16)
	text := samples(12, 48)
	total := func(o PackOptions) float64 {
		_, r := packTo(t, dir, o)
		sum := 0.0
		for _, x := range r.Tensors {
			if x.OutputError != nil {
				sum += *x.OutputError
			}
		}
		return sum / 14
	}
	gptq, awq := total(PackOptions{Method: GPTQ, Group: 32, Samples: text}), total(PackOptions{Method: AWQ, Group: 32, Samples: text})
	rounded := roundedError(t, dir, text)
	if !(gptq < 0.8*rounded && awq < 0.9*rounded) {
		t.Errorf("output errors: GPTQ %.4f, AWQ %.4f, rounding %.4f", gptq, awq, rounded)
	}
	t.Logf("output errors: GPTQ %.4f, AWQ %.4f, rounding %.4f", gptq, awq, rounded)
}

// roundedError is the mean output error of rounding to nearest, in the original model.
func roundedError(t *testing.T, dir string, text [][]int32) float64 {
	t.Helper()
	p, err := newPacker(dir, PackOptions{Method: GPTQ, Group: 32, Samples: text})
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	if err := p.embed(); err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for i, b := range p.m.Blocks {
		l, err := p.newLayer(i, b)
		if err != nil {
			t.Fatal(err)
		}
		err = l.each(context.Background(), func(i int, s step) error {
			return l.forward(i, s, func(set int, x *tensor.Tensor) error { return l.see(projections[set], x) })
		})
		if err != nil {
			t.Fatal(err)
		}
		for name, m := range l.w {
			g, err := quant.RoundToNearest(m.w, m.cols, quant.Grid{Group: 32, Symmetric: true})
			if err != nil {
				t.Fatal(err)
			}
			sum += *outputError(m.w, g.Values(), l.inputs[name])
		}
	}
	return sum / 14
}

// TestPackErrors: what cannot be packed is said, and leaves no folder that looks like a checkpoint.
func TestPackErrors(t *testing.T) {
	dir := checkpointOf(t, "llama", "2", tensor.F16)
	text := samples(2, 16)
	packed, _ := packTo(t, dir, PackOptions{Method: Int8})
	stopped, cancel := context.WithCancel(context.Background())
	cancel()
	for _, c := range []struct {
		ctx  context.Context
		dir  string
		o    PackOptions
		want string
	}{
		{nil, dir, PackOptions{Method: "hqq"}, `method "hqq" is none of gptq, awq and int8`},
		{nil, dir, PackOptions{Method: GPTQ, Bits: 5, Samples: text}, "5 bits, want 2, 3, 4 or 8"},
		{nil, dir, PackOptions{Method: AWQ, Bits: 3, Samples: text}, "awq with 3 bits"},
		{nil, dir, PackOptions{Method: GPTQ, Samples: text}, "96 inputs are no whole groups of 128"},
		{nil, dir, PackOptions{Method: GPTQ, Group: -2, Samples: text}, "group size is -2"},
		{nil, dir, PackOptions{Method: GPTQ, Group: 32}, "gptq needs samples of text"},
		{nil, dir, PackOptions{Method: AWQ, Group: 32, ActOrder: true, Samples: text}, "act-order belongs to gptq"},
		{nil, dir, PackOptions{Method: AWQ, Group: 32, PerTensor: true, Samples: text}, "one scale a tensor belongs to int8"},
		{nil, dir, PackOptions{Method: Int8, Smooth: 2}, "exponent is 2"},
		{nil, dir, PackOptions{Method: GPTQ, Damp: 3}, "damping is 3"},
		{nil, dir, PackOptions{Method: GPTQ, Group: 32, Samples: samples(1, 129)}, "a sample has 129 tokens, want 1 to 128"},
		{nil, dir, PackOptions{Method: GPTQ, Group: 32, Samples: [][]int32{{1000}}}, "id 1000 is outside the table"},
		{nil, packed, PackOptions{Method: Int8}, "is quantised already (compressed-tensors, 8 bits)"},
		{nil, t.TempDir(), PackOptions{Method: Int8}, "config.json"},
		{stopped, dir, PackOptions{Method: Int8}, "context canceled"},
	} {
		if c.ctx == nil {
			c.ctx = context.Background()
		}
		out := filepath.Join(t.TempDir(), "out")
		_, err := Pack(c.ctx, c.dir, out, c.o)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "quantize: ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("error %v, want one with %q", err, c.want)
		}
		if _, err := os.Stat(filepath.Join(out, "config.json")); err == nil {
			t.Errorf("%s: a folder is left", c.want)
		}
	}
	if _, err := Pack(context.Background(), dir, dir, PackOptions{Method: Int8}); err == nil || !strings.Contains(err.Error(), "not an empty folder") {
		t.Errorf("onto itself: %v", err)
	}
}
