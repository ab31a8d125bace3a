package all_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/safetensors"
	"github.com/hanji-ml/hanji/tensor"
)

// What Save writes, transformers loads and computes alike. It needs a Python with torch, transformers and safetensors, named by
// HANJI_PYTHON; CONTRIBUTING.md says when to run it.
func TestTransformersLoads(t *testing.T) {
	python := os.Getenv("HANJI_PYTHON")
	if python == "" {
		t.Log("HANJI_PYTHON is not set: not compared with transformers in this run")
		return
	}
	root := t.TempDir()
	for name := range decoders {
		if name == "mixtral, noisy" { // its router has weights that transformers does not know, and warns of
			continue
		}
		dir := filepath.Join(root, name)
		m := build(t, name)
		if err := m.Save(dir); err != nil {
			t.Fatal(err)
		}
		cache, err := m.NewCache(nn.CacheOptions{MaxTokens: 32})
		if err != nil {
			t.Fatal(err)
		}
		ctx := tensor.New(tensor.Options{})
		defer ctx.Close()
		tokens := []int32{3, 14, 15, 9, 26, 5, 35, 8, 9, 7, 9, 32, 38, 4, 6, 26, 3, 38, 32, 7}
		y, err := m.Forward(ctx, model.Batch{Tokens: tokens}, cache)
		if err != nil {
			t.Fatal(err)
		}
		wide := make([]int64, len(tokens))
		for i, v := range tokens {
			wide[i] = int64(v)
		}
		x := ctx.Ints(wide, 1, len(wide))
		err = safetensors.Write(filepath.Join(dir, "io.safetensors"), []safetensors.Tensor{
			{Name: "x", DType: safetensors.I64, Shape: x.Shape(), Data: x.ReadBytes()},
			{Name: "y", DType: safetensors.F32, Shape: y.Shape(), Data: y.ReadBytes()},
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
	}
	script := `
import os, sys, torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM
for name in sorted(os.listdir(sys.argv[1])):
    d = os.path.join(sys.argv[1], name)
    m, info = AutoModelForCausalLM.from_pretrained(d, output_loading_info=True, attn_implementation="eager")
    assert not info["missing_keys"] and not info["unexpected_keys"], (name, info)
    io = load_file(d + "/io.safetensors")
    with torch.no_grad(): got = m.eval()(io["x"]).logits[0]
    worst, top = (got - io["y"]).abs().max().item(), io["y"].abs().max().item()
    print(name, type(m).__name__, "logits to", top, "differ by", worst)
    assert worst < 1e-5 * max(1.0, top), name  # float32 sums in another order
`
	out, err := exec.Command(python, "-c", script, root).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}
