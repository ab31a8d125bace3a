package gemma

import (
	"slices"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/nn"
)

func TestConfig(t *testing.T) {
	c, err := ParseConfig([]byte(`{"model_type": "gemma3_text", "num_hidden_layers": 7, "sliding_window": 512, "sliding_window_pattern": 3}`))
	if err != nil || !slices.Equal(c.Windows(), []int{512, 512, 0, 512, 512, 0, 512}) {
		t.Errorf("windows %v: %v", c.Windows(), err)
	}
	// transformers 5 writes rope by layer type
	c, err = ParseConfig([]byte(`{"model_type": "gemma3_text", "rope_parameters": {"full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 10.0},
		"sliding_attention": {"rope_type": "default", "rope_theta": 20.0}}}`))
	if err != nil {
		t.Fatal(err)
	}
	for kind, theta := range map[string]float64{global: 10, local: 20} {
		r, err := c.newRoPE(kind)
		if err != nil {
			t.Fatal(err)
		}
		want, err := nn.NewRoPE(nn.RoPEOptions{Dim: 256, Theta: theta})
		if err != nil {
			t.Fatal(err)
		}
		divide := float32(1)
		if kind == global {
			divide = 8
		}
		if got := r.Frequencies(1)[100]; got != want.Frequencies(1)[100]/divide {
			t.Errorf("%s: frequency %v, want %v", kind, got, want.Frequencies(1)[100]/divide)
		}
	}
	for config, want := range map[string]string{
		`{"model_type": "gemma2"}`:                                          "gemma2",
		`{"model_type": "gemma3_text", "hidden_activation": "silu"}`:        "gelu_pytorch_tanh",
		`{"model_type": "gemma3_text", "query_pre_attn_scalar": 0}`:         "query_pre_attn_scalar",
		`{"model_type": "gemma3_text", "final_logit_softcapping": 30.0}`:    "not supported",
		`{"model_type": "gemma3_text", "sliding_window_pattern": 0}`:        "no layer_types",
		`{"model_type": "gemma3_text", "num_hidden_layers": 1000000000000}`: "num_hidden_layers",
		`{"model_type": "gemma3_text", "rope_local_base_freq": -1}`:         "sliding_attention",
	} {
		if _, err := ParseConfig([]byte(config)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", config, err, want)
		}
	}
}

// Whatever parses can be built and has the parameters that it says.
func FuzzConfig(f *testing.F) {
	f.Add([]byte(`{"model_type": "gemma3_text", "vocab_size": 4, "hidden_size": 8, "intermediate_size": 2, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 6}`))
	f.Add([]byte(`{"model_type": "gemma3_text", "vocab_size": 4, "hidden_size": 8, "intermediate_size": 2, "num_hidden_layers": 1, "num_attention_heads": 2, "head_dim": 2, "attention_bias": true, "tie_word_embeddings": false, "layer_types": ["full_attention"], "rope_parameters": {"full_attention": {"rope_theta": 3.0}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseConfig(b)
		if err != nil || c.Parameters() > 1<<18 || c.Layers > 64 {
			return
		}
		if got := int64(nn.Count(New(c))); got != c.Parameters() {
			t.Errorf("%d parameters, said to be %d", got, c.Parameters())
		}
	})
}
