package all_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/model/all"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/tensor"
)

// Each family is built, saved, known again by its configuration, and gives the same logits.
func TestDecoders(t *testing.T) {
	sizes := `"vocab_size": 40, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2`
	for name, config := range map[string]string{
		"llama":   `{` + sizes + `, "tie_word_embeddings": true, "rope_scaling": {"rope_type": "yarn", "factor": 2.0, "truncate": false}}`,
		"mistral": `{"model_type": "mistral", "sliding_window": 8, ` + sizes + `}`,
		"qwen2":   `{"model_type": "qwen2", ` + sizes + `, "eos_token_id": [3, 4]}`,
		"qwen3":   `{"model_type": "qwen3", "head_dim": 8, ` + sizes + `}`,
		"mixtral": `{"model_type": "mixtral", "num_local_experts": 4, ` + sizes + `}`,
	} {
		family := "llama"
		if name == "mixtral" {
			family = name
		}
		m, err := all.NewDecoder(family, []byte(config), 1)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		dir := t.TempDir()
		if err := m.Save(dir); err != nil {
			t.Fatal(err)
		}
		again, err := all.OpenDecoder(dir, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		a, b := logitsOf(t, m), logitsOf(t, again)
		if !slices.Equal(a, b) || slices.Max(a) == slices.Min(a) {
			t.Errorf("%s: another model comes back", name)
		}
		if s := again.Spec(); s.Family != family || s.Vocab != 40 || name == "qwen2" && !slices.Equal(s.EOS, []int32{3, 4}) {
			t.Errorf("%s: %+v", name, s)
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(`{"model_type": "patchtst"}`), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := all.OpenDecoder(dir, nil); err == nil {
		t.Error("a forecaster is taken for a language model")
	}
	if _, err := all.NewDecoder("gpt", nil, 1); err == nil {
		t.Error("an unknown family is built")
	}
}

func logitsOf(t *testing.T, m model.Decoder) []float32 {
	t.Helper()
	cache, err := m.NewCache(nn.CacheOptions{MaxTokens: 32})
	if err != nil {
		t.Fatal(err)
	}
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	logits, err := m.Forward(ctx, model.Batch{Tokens: []int32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}}, cache)
	if err != nil {
		t.Fatal(err)
	}
	return logits.Read()
}
