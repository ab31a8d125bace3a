package llama_test

import (
	"bytes"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/model/llama"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/optim"
	"github.com/hanji-ml/hanji/safetensors"
	"github.com/hanji-ml/hanji/tensor"
)

const base = "testdata/golden/language/mistral"

// adapters runs f for each adapter that peft wrote over the tiny Mistral; testdata/lora.py made the numbers.
func adapters(t *testing.T, f func(t *testing.T, c *golden.Case)) {
	dir, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("HANJI_SHARED", dir)
	for _, name := range golden.Cases(t, "lora", "*") {
		c := golden.Open(t, "lora", name)
		t.Run(name, func(t *testing.T) { f(t, c.With(t)) })
	}
}

func load(t *testing.T) *llama.Model {
	t.Helper()
	m, err := llama.Load(base, nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// loadGGUF is the same model as a file of architecture llama, whose rows of q and k are permuted.
func loadGGUF(t *testing.T, typ string) *llama.Model {
	t.Helper()
	return ggufOf(t, base, typ)
}

func logits(c *golden.Case, m *llama.Model) []float32 {
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	return m.Logits(ctx.Ints(c.Int64s("ids"), c.Shape("ids")...)).Read()
}

// Logits, loss, gradients of the adapters, and merged weights, on every path.
func TestLoRA(t *testing.T) {
	adapters(t, func(t *testing.T, c *golden.Case) {
		golden.Paths(t, func(t *testing.T) {
			c, m := c.With(t), load(t)
			before := logits(c, m)
			if _, err := model.LoadLoRA(m, c.ModelDir()); err != nil {
				t.Fatal(err)
			}
			c.Check(t, "logits", logits(c, m))
			for _, p := range nn.Adapters(m) { // without the file's dropout, as its gradients are
				nn.SetDropout(m, 0)
				p.Tensor.ZeroGrad()
			}
			ctx := tensor.New(tensor.Options{Grad: true, Train: true})
			defer ctx.Close()
			ids := ctx.Ints(c.Int64s("ids"), c.Shape("ids")...)
			loss := m.Loss(ctx, ids, ids)
			c.CheckValue(t, "loss", loss.Item(), c.Raw("expected.loss"))
			loss.Backward()
			var norms map[string]float64
			c.Decode("expected.grad_norm", &norms)
			trained := nn.Trainable(m)
			if len(trained) != len(norms) {
				t.Errorf("%d parameters are trained, the reference has %d", len(trained), len(norms))
			}
			for _, p := range trained {
				c.CheckValue(t, "grad_norm", math.Sqrt(p.Tensor.Grad().SumSquares()), norms[p.Name])
				if c.Has("grad." + p.Name) {
					c.Check(t, "grad."+p.Name, p.Tensor.Grad().Read())
				}
			}
			nn.MergeLoRA(m)
			c.Check(t, "merged", logits(c, m))
			c.Check(t, "merged.weight", m.Blocks[1].MLP.Down.Weight.Read())
			if slices.Equal(before, logits(c, m)) {
				t.Error("the adapter does nothing")
			}
		})
	})
}

// An adapter of a folder fits the GGUF file of the same model; saved from either it is the file that peft wrote.
func TestLoRAOnGGUF(t *testing.T) {
	adapters(t, func(t *testing.T, c *golden.Case) {
		for _, m := range []*llama.Model{load(t), loadGGUF(t, "f32")} {
			config, err := model.LoadLoRA(m, c.ModelDir())
			if err != nil {
				t.Fatal(err)
			}
			c.Check(t, "logits", logits(c, m))
			dir := filepath.Join(t.TempDir(), "new")
			if err := model.SaveLoRA(m, dir, config); err != nil {
				t.Fatal(err)
			}
			var files [2][]byte
			for i, from := range []string{c.ModelDir(), dir} {
				if files[i], err = os.ReadFile(filepath.Join(from, "adapter_model.safetensors")); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(files[0], files[1]) {
				t.Error("other bytes are saved")
			}
			again := load(t)
			if _, err := model.LoadLoRA(again, dir); err != nil {
				t.Fatal(err)
			}
			c.Check(t, "logits", logits(c, again))
		}
	})
}

// Adapters learn over quantised weights (QLoRA), of which no byte changes, and the loss falls.
func TestLoRATrains(t *testing.T) {
	for _, typ := range []string{"q8_0", "q4_0", "f16"} {
		m := loadGGUF(t, typ)
		if _, err := nn.AddLoRA(m, nn.LoRAOptions{Rank: 4, Targets: []string{"all-linear"}}); err != nil {
			t.Fatal(err)
		}
		opt, err := optim.New(optim.Options{LR: 0.02}, nn.Trainable(m))
		if err != nil {
			t.Fatal(err)
		}
		defer opt.Close()
		ctx := tensor.New(tensor.Options{Grad: true, Train: true})
		defer ctx.Close()
		first, last := 0.0, 0.0
		for step := range 40 {
			ctx.Next(uint64(step))
			ids := ctx.Ints([]int64{3, 7, 9, 3, 7, 9, 3, 7, 9, 3, 7, 9, 5, 4, 5, 4, 5, 4, 5, 4, 5, 4, 5, 4}, 2, 12)
			loss := m.Loss(ctx, ids, ids)
			if last = loss.Item(); step == 0 {
				first = last
			}
			loss.Backward()
			opt.Step(optim.Rate{LR: 0.02})
			opt.ZeroGrad()
		}
		if !(last < first/4) {
			t.Errorf("%s: loss %v after 40 steps, %v before", typ, last, first)
		}
	}
}

func TestLoRADoesNotFit(t *testing.T) {
	config, err := os.ReadFile(filepath.Join("testdata/golden/lora/rslora/adapter_config.json"))
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(filepath.Join("testdata/golden/lora/rslora/adapter_model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	swap := func(b []byte, from, to string) []byte { return bytes.ReplaceAll(b, []byte(from), []byte(to)) }
	for want, files := range map[string][2][]byte{
		"adapter_config.json":             {nil, file},
		"peft_type":                       {swap(config, "LORA", "LOHA"), file},
		"use_dora is true":                {swap(config, `"use_dora": false`, `"use_dora": true`), file},
		`bias is "all"`:                   {swap(config, `"bias": "none"`, `"bias": "all"`), file},
		"the rank by the configuration 6": {swap(config, `"r": 3`, `"r": 6`), file},
		"r is -3":                         {swap(config, `"r": 3`, `"r": -3`), file},
		`the model has no layer "model.layers.0.self_attn.w_proj"`: {config, swap(file, "layers.0.self_attn.q_proj", "layers.0.self_attn.w_proj")},
		"lacks lora_A or lora_B":                                   {config, swap(file, "layers.0.self_attn.q_proj.lora_A", "layers.0.self_attn.s_proj.lora_A")},
		"is no part of a LoRA":                                     {config, swap(file, "layers.0.self_attn.q_proj.lora_A", "layers.0.self_attn.q_proj.lora_M")},
		"adapter_model.safetensors":                                {config, file[:len(file)-1]},
	} {
		dir := t.TempDir()
		for i, name := range []string{"adapter_config.json", "adapter_model.safetensors"} {
			if files[i] != nil {
				if err := os.WriteFile(filepath.Join(dir, name), files[i], 0o666); err != nil {
					t.Fatal(err)
				}
			}
		}
		m := load(t)
		if _, err := model.LoadLoRA(m, dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
		if len(nn.Adapters(m)) != 0 || !m.Norm.Weight.NeedsGrad() {
			t.Errorf("%s: the model is changed", want)
		}
	}
	m := load(t)
	for range 2 {
		_, err = model.LoadLoRA(m, "testdata/golden/lora/rslora")
	}
	if err == nil || !strings.Contains(err.Error(), "has an adapter already") {
		t.Errorf("twice: %v", err)
	}
	if err := model.SaveLoRA(load(t), t.TempDir(), model.LoRAConfig{}); err == nil {
		t.Error("a model without adapters is saved as one")
	}
	c := llama.DefaultConfig("llama")
	c.VocabSize, c.HiddenSize, c.IntermediateSize, c.Layers, c.Heads, c.KVHeads = 9, 16, 16, 2, 2, 2
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	if _, err := model.LoadLoRA(llama.New(c), "testdata/golden/lora/rslora"); err == nil || !strings.Contains(err.Error(), "is it of another model?") {
		t.Errorf("another width: %v", err)
	}
}

// What SaveLoRA writes, peft loads and computes alike; HANJI_PYTHON as in model/all's test, with peft too.
func TestPeftLoads(t *testing.T) {
	python := os.Getenv("HANJI_PYTHON")
	if python == "" {
		t.Log("HANJI_PYTHON is not set: not compared with peft in this run")
		return
	}
	m, dir := loadGGUF(t, "f32"), t.TempDir()
	o := nn.LoRAOptions{Rank: 5, Targets: []string{"q_proj", "k_proj", "down_proj"}, RSLoRA: true}
	if _, err := nn.AddLoRA(m, o); err != nil {
		t.Fatal(err)
	}
	for _, p := range nn.Adapters(m) {
		p.Tensor.FillUniform(nn.Hash(p.Name), -0.3, 0.3)
	}
	if err := model.SaveLoRA(m, dir, model.LoRAConfig{LoRAOptions: o}); err != nil {
		t.Fatal(err)
	}
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	x := ctx.Ints([]int64{3, 14, 15, 9, 26, 5, 35, 8, 9, 7, 9, 32}, 1, 12)
	y := m.Logits(x)
	err := safetensors.Write(filepath.Join(dir, "io.safetensors"), []safetensors.Tensor{
		{Name: "x", DType: safetensors.I64, Shape: x.Shape(), Data: x.ReadBytes()},
		{Name: "y", DType: safetensors.F32, Shape: y.Shape(), Data: y.ReadBytes()},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	script := `
import sys, torch, warnings
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM
warnings.simplefilter("error", UserWarning)
m = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32, attn_implementation="eager")
p = PeftModel.from_pretrained(m, sys.argv[2]).eval()
assert sum("lora_B" in n for n, _ in p.named_parameters()) == 6
io = load_file(sys.argv[2] + "/io.safetensors")
with torch.no_grad(): got = p(io["x"]).logits
worst, top = (got - io["y"]).abs().max().item(), io["y"].abs().max().item()
print("logits to", top, "differ by", worst)
assert worst < 1e-5 * max(1.0, top)  # float32 sums in another order
`
	out, err := exec.Command(python, "-c", script, base, dir).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

// As a GGUF file, written of a folder's model or of a file's, an adapter fits both.
func TestLoRAInGGUF(t *testing.T) {
	adapters(t, func(t *testing.T, c *golden.Case) {
		for _, m := range []*llama.Model{load(t), loadGGUF(t, "f32")} {
			if _, err := model.LoadLoRA(m, c.ModelDir()); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "adapter.gguf")
			if err := model.SaveLoRAGGUF(m, path); err != nil {
				t.Fatal(err)
			}
			for _, m := range []*llama.Model{load(t), loadGGUF(t, "f32")} {
				if _, err := model.LoadLoRA(m, path); err != nil {
					t.Fatal(err)
				}
				c.Check(t, "logits", logits(c, m))
				if len(nn.Trainable(m)) != len(nn.Adapters(m)) {
					t.Error("not all else is frozen")
				}
			}
		}
	})
}

func TestLoRAInBadGGUF(t *testing.T) {
	m := load(t)
	if _, err := model.LoadLoRA(m, "testdata/golden/lora/rslora"); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "adapter.gguf")
	if err := model.SaveLoRAGGUF(m, path); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	swap := func(from, to string) []byte { return bytes.ReplaceAll(file, []byte(from), []byte(to)) }
	for want, b := range map[string][]byte{
		`general.type is "adaptor"`:    swap("adapter", "adaptor"),
		`adapter.type is "lola"`:       swap("\x04\x00\x00\x00\x00\x00\x00\x00lora", "\x04\x00\x00\x00\x00\x00\x00\x00lola"),
		`general.architecture is "lla`: swap("llama", "llana"),
		"no part of a LoRA":            swap("blk.0.attn_q.weight.lora_a", "blk.0.attn_q.weight.lora_c"),
		"no layer for tensor":          swap("blk.0.attn_q.weight.lora_a", "blk.9.attn_q.weight.lora_a"),
		`tensors "blk.0.attn_q" are`:   swap("blk.0.attn_q.weight.lora_b", "blk.0.attn_k.weight.lora_b"),
		"gguf":                         file[:len(file)-40],
	} {
		if err := os.WriteFile(path, b, 0o666); err != nil {
			t.Fatal(err)
		}
		m := load(t)
		if _, err := model.LoadLoRA(m, path); err == nil || !strings.Contains(err.Error(), want) || len(nn.Adapters(m)) != 0 {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
