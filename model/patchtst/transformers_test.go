package patchtst

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/optim"
	"github.com/hanji-ml/hanji/safetensors"
	"github.com/hanji-ml/hanji/tensor"
)

// What hanji trained, transformers loads and computes alike. It needs a Python with torch, transformers and safetensors, named
// by HANJI_PYTHON; CONTRIBUTING.md says when to run it.
func TestTransformersLoads(t *testing.T) {
	python := os.Getenv("HANJI_PYTHON")
	if python == "" {
		t.Log("HANJI_PYTHON is not set: not compared with transformers in this run")
		return
	}
	c := DefaultConfig()
	c.NumInputChannels, c.ContextLength, c.PredictionLength, c.PatchLength, c.PatchStride, c.DModel, c.FFNDim = 3, 40, 8, 8, 4, 16, 24
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	m := New(c)
	m.Init(3)
	opt, err := optim.New(optim.Options{Name: "adam", LR: 1e-3}, nn.Trainable(m))
	if err != nil {
		t.Fatal(err)
	}
	ctx := tensor.New(tensor.Options{Grad: true, Train: true})
	for i := range 5 {
		ctx.Next(uint64(i))
		m.Loss(ctx, model.Window{Past: ctx.Normal(1, tensor.F32, 16, 40, 3)}, ctx.Normal(2, tensor.F32, 16, 8, 3), nil).Backward()
		opt.Step(optim.Rate{LR: 1e-3})
		opt.ZeroGrad()
	}
	ctx.Close()
	dir := t.TempDir()
	if err := m.Save(dir); err != nil {
		t.Fatal(err)
	}
	ctx = tensor.New(tensor.Options{})
	defer ctx.Close()
	x := ctx.Normal(7, tensor.F32, 4, 40, 3)
	y := m.Forecast(ctx, model.Window{Past: x}).Mean
	tensors := []safetensors.Tensor{
		{Name: "x", DType: safetensors.F32, Shape: x.Shape(), Data: x.ReadBytes()},
		{Name: "y", DType: safetensors.F32, Shape: y.Shape(), Data: y.ReadBytes()},
	}
	if err := safetensors.Write(filepath.Join(dir, "io.safetensors"), tensors, nil); err != nil {
		t.Fatal(err)
	}
	script := `
import sys, torch
from safetensors.torch import load_file
from transformers import PatchTSTForPrediction
m, info = PatchTSTForPrediction.from_pretrained(sys.argv[1], output_loading_info=True)
assert not info["missing_keys"] and not info["unexpected_keys"], info
io = load_file(sys.argv[1] + "/io.safetensors")
with torch.no_grad(): got = m.eval()(past_values=io["x"]).prediction_outputs
worst = (got - io["y"]).abs().max().item()
print("largest difference", worst)
assert worst < 2e-6 * max(1.0, io["y"].abs().max().item()), worst  # float32 sums in another order
`
	out, err := exec.Command(python, "-c", script, dir).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}
