package forecast

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/model/ttm"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/optim"
	"github.com/hanji-ml/hanji/train"
)

// builder makes TTMs; package model/all does it for users and stands below this package.
type builder struct{}

func (builder) New(_ string, config []byte, seed uint64) (model.Trainable, error) {
	c, err := ttm.ParseConfig(config)
	if err != nil {
		return nil, err
	}
	m := ttm.New(c)
	nn.Init(m, seed)
	return m, nil
}

func (builder) Open(path string, set map[string]string) (model.Forecaster, error) {
	return ttm.Load(path, set)
}

func syntheticRecipe() Recipe {
	return Recipe{
		Model: ModelRecipe{Family: "ttm", Config: map[string]any{"context_length": 48, "patch_length": 12, "patch_stride": 12, "prediction_length": 6,
			"num_layers": 1, "decoder_num_layers": 1, "scaling": nil, "quantile_head": true, "resolution_prefix_tuning": true, "frequency_token_vocab_size": 9}},
		Data:  DataRecipe{Synthetic: &SyntheticRecipe{Steps: 6, Validation: 32}},
		Batch: 8, Store: "f16",
		Train: train.Options{Seed: 4, Epochs: 2, CheckpointEvery: 1, Optimizer: optim.Options{LR: 1e-3}},
	}
}

// TestSyntheticResume: a run that is interrupted and resumed leaves the same bytes as one that was not, stored as f16.
func TestSyntheticResume(t *testing.T) {
	weights := func(dir string) []byte {
		b, err := os.ReadFile(filepath.Join(dir, "model", "model.safetensors"))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	whole, broken := t.TempDir(), t.TempDir()
	if _, err := syntheticRecipe().Run(context.Background(), builder{}, RunOptions{Out: whole}); err != nil {
		t.Fatal(err)
	}
	for _, stop := range []int{5, 8} { // in the first epoch and in the second
		ctx, cancel := context.WithCancel(context.Background())
		_, err := syntheticRecipe().Run(ctx, builder{}, RunOptions{Out: broken, Resume: true, Log: func(_ string, e train.Event) {
			if e.Kind == "step" && e.Step == stop {
				cancel()
			}
		}})
		cancel()
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("stopped at step %d: error %v", stop, err)
		}
	}
	if _, err := syntheticRecipe().Run(context.Background(), builder{}, RunOptions{Out: broken, Resume: true}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(weights(whole), weights(broken)) {
		t.Error("the resumed run's weights differ")
	}
	m, err := ttm.Load(filepath.Join(broken, "model"), nil)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, p := range nn.Walk(m) {
		n += p.Tensor.Len()
	}
	if size := len(weights(whole)); size < 2*n || size > 2*n+16<<10 { // two bytes a value, and the header
		t.Errorf("%d bytes for %d values: not f16", size, n)
	}
}

// TestSyntheticErrors: what cannot work is said before the training.
func TestSyntheticErrors(t *testing.T) {
	for want, change := range map[string]func(*Recipe){
		"keep one": func(r *Recipe) { r.Data.File = "x.csv" },
		"store":    func(r *Recipe) { r.Store = "f8" },
		"one channel": func(r *Recipe) {
			r.Model.Config["num_input_channels"], r.Model.Config["decoder_mode"] = 3, "mix_channel"
		},
		"shortest":  func(r *Recipe) { r.Data.Synthetic.Shortest = 49 },
		"steps_per": func(r *Recipe) { r.Data.Synthetic.Steps = -1 },
		"full":      func(r *Recipe) { r.Data.Synthetic.Full = 1.5 },
	} {
		r := syntheticRecipe()
		change(&r)
		if _, err := r.Run(context.Background(), builder{}, RunOptions{Out: t.TempDir()}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}
