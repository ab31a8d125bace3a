package llama

import (
	"slices"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/nn"
)

func TestConfig(t *testing.T) {
	sizes := `"vocab_size": 40, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 4, "num_attention_heads": 4`
	for config, windows := range map[string][]int{
		`{` + sizes + `}`: nil,
		`{"model_type": "mistral", "num_key_value_heads": 2, ` + sizes + `}`:                                                               {4096, 4096, 4096, 4096}, // transformers' default
		`{"model_type": "mistral", "num_key_value_heads": 2, "sliding_window": null, ` + sizes + `}`:                                       nil,
		`{"model_type": "qwen2", "num_key_value_heads": 2, "sliding_window": 9, ` + sizes + `}`:                                            nil, // not switched on
		`{"model_type": "qwen2", "num_key_value_heads": 2, "use_sliding_window": true, "sliding_window": 9, ` + sizes + `}`:                {0, 0, 0, 0},
		`{"model_type": "qwen3", "num_key_value_heads": 2, "use_sliding_window": true, "max_window_layers": 2, ` + sizes + `}`:             {0, 0, 4096, 4096},
		`{"sliding_window": 5, "layer_types": ["full_attention", "sliding_attention", "full_attention", "full_attention"], ` + sizes + `}`: {0, 5, 0, 0},
	} {
		c, err := ParseConfig([]byte(config))
		if err != nil || !slices.Equal(c.Windows(), windows) {
			t.Errorf("%s: windows %v, want %v; %v", config, c.Windows(), windows, err)
		}
	}
	for config, want := range map[string]string{
		`{`:                                    "unexpected end",
		`{"model_type": "bert"}`:               "none of",
		`{"num_attention_heads": 3}`:           "does not divide hidden_size",
		`{"num_key_value_heads": 5}`:           "does not divide num_attention_heads",
		`{"num_attention_heads": 0}`:           "num_attention_heads is 0",
		`{"vocab_size": 1000000000}`:           "vocab_size is",
		`{"hidden_act": "gelu"}`:               "silu",
		`{"rms_norm_eps": 0}`:                  "rms_norm_eps",
		`{"sliding_window": 0}`:                "null means none",
		`{"layer_types": ["full_attention"]}`:  "1 layers of 32",
		`{"partial_rotary_factor": 2}`:         "partial_rotary_factor",
		`{"rope_scaling": {"type": "x"}}`:      `no rope scaling "x"`,
		`{"rope_scaling": {"type": "linear"}}`: "positive factor",
		`{"head_dim": 7}`:                      "even",
		`{"eos_token_id": "end"}`:              "config.json",
	} {
		if _, err := ParseConfig([]byte(config)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", config, err, want)
		}
	}
}

// Whatever parses can be built and has the parameters that it says.
func FuzzConfig(f *testing.F) {
	for _, s := range []string{`{"vocab_size": 40, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 4, "tie_word_embeddings": true}`,
		`{"model_type": "qwen3", "vocab_size": 4, "hidden_size": 8, "intermediate_size": 2, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 6}`,
		`{"model_type": "qwen2", "vocab_size": 4, "hidden_size": 8, "intermediate_size": 2, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "use_sliding_window": true, "max_window_layers": 1, "sliding_window": 3}`,
		`{"vocab_size": 4, "hidden_size": 8, "intermediate_size": 2, "num_hidden_layers": 1, "num_attention_heads": 2, "attention_bias": true, "mlp_bias": true, "eos_token_id": [1, 2], "rope_scaling": {"rope_type": "longrope", "short_factor": [1, 1], "long_factor": [2, 3], "factor": 4.0, "original_max_position_embeddings": 8}}`,
		`{"vocab_size": 4, "hidden_size": 8, "intermediate_size": 2, "num_hidden_layers": 1, "num_attention_heads": 2, "rope_parameters": {"rope_type": "yarn", "factor": 2.0, "rope_theta": 100.0}, "partial_rotary_factor": 0.5}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseConfig(b)
		if err != nil {
			return
		}
		n := c.Parameters()
		if n <= 0 {
			t.Fatalf("%d parameters", n)
		}
		if n > 1<<18 || c.Layers > 64 {
			return
		}
		m := New(c)
		if got := int64(nn.Count(m)); got != n {
			t.Errorf("%d parameters, said to be %d", got, n)
		}
		cos, sin := make([]float32, m.rope.Dim()/2), make([]float32, m.rope.Dim()/2)
		m.rope.Angles(cos, sin, 5, 9)
		_ = m.Spec()
	})
}
