package mixtral

import (
	"testing"

	"github.com/hanji-ml/hanji/nn"
)

// Whatever parses can be built and has the parameters that it says.
func FuzzConfig(f *testing.F) {
	f.Add([]byte(`{"model_type": "mixtral", "vocab_size": 4, "hidden_size": 8, "intermediate_size": 2, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "num_local_experts": 3, "num_experts_per_tok": 1}`))
	f.Add([]byte(`{"model_type": "mixtral", "vocab_size": 4, "hidden_size": 8, "intermediate_size": 2, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 6, "attention_bias": true, "tie_word_embeddings": true, "sliding_window": 4}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseConfig(b)
		if err != nil || c.Parameters() > 1<<18 || c.Layers > 64 || c.Experts > 64 {
			return
		}
		if got := int64(nn.Count(New(c))); got != c.Parameters() {
			t.Errorf("%d parameters, said to be %d", got, c.Parameters())
		}
	})
}
