package llama_test

import (
	"context"
	"math"
	"path/filepath"
	"testing"

	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/model/llama"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/optim"
	"github.com/hanji-ml/hanji/quantize"
	"github.com/hanji-ml/hanji/tensor"
)

func lossOf(m *llama.Model) float64 {
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	ids := ctx.Ints([]int64{3, 7, 9, 3, 7, 9, 3, 7, 9, 3, 7, 9, 5, 4, 5, 4, 5, 4, 5, 4, 5, 4, 5, 4}, 2, 12)
	return m.Loss(ctx, ids, ids).Item()
}

// A model that is trained for a recipe has, before and after, the loss of the file that hanji quantize writes of it, whose products are
// taken in float64 here: as files are run, activations are rounded too.
func TestTrainedForAFile(t *testing.T) {
	for _, typ := range []string{"q4_0", "q8_0", "q4_k_m"} {
		m := load(t)
		if n, err := model.SetFakeQuant(m, nn.FakeQuantOptions{Type: typ}); n != 16 || err != nil {
			t.Fatalf("%d layers, %v", n, err)
		}
		before := lossOf(m)
		opt, err := optim.New(optim.Options{LR: 0.01}, nn.Trainable(m))
		if err != nil {
			t.Fatal(err)
		}
		defer opt.Close()
		ctx := tensor.New(tensor.Options{Grad: true, Train: true})
		defer ctx.Close()
		for step := range 20 {
			ctx.Next(uint64(step))
			ids := ctx.Ints([]int64{3, 7, 9, 3, 7, 9, 3, 7, 9, 3, 7, 9, 5, 4, 5, 4, 5, 4, 5, 4, 5, 4, 5, 4}, 2, 12)
			m.Loss(ctx, ids, ids).Backward()
			opt.Step(optim.Rate{LR: 0.01})
			opt.ZeroGrad()
		}
		after := lossOf(m)
		if !(after < before/4) {
			t.Errorf("%s: loss %v after 20 steps, %v before", typ, after, before)
		}
		dir := t.TempDir()
		if err := m.Save(dir); err != nil {
			t.Fatal(err)
		}
		file := ggufOf(t, dir, typ)
		nn.Cast(file, tensor.F64)
		if got := lossOf(file); !(math.Abs(got-after) <= 1e-5) { // float32 sums
			t.Errorf("%s: the file's loss is %v, that of training %v", typ, got, after)
		}
	}
}

// ggufOf quantises a folder and loads the file.
func ggufOf(t *testing.T, dir, typ string) *llama.Model {
	t.Helper()
	src, err := quantize.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	to, err := quantize.ParseType(typ)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "m.gguf")
	if _, err := quantize.Run(context.Background(), src, path, quantize.Options{Type: to}); err != nil {
		t.Fatal(err)
	}
	m, err := llama.LoadGGUF(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}
