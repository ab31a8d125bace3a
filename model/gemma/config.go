package gemma

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/hanji-ml/hanji/model/llama"
	"github.com/hanji-ml/hanji/nn"
)

// Config has config.json's own keys (transformers' Gemma3TextConfig): Llama's, and those below.
type Config struct {
	llama.Config
	Activation    string   `json:"hidden_activation"`                 // gelu_pytorch_tanh
	QueryScalar   int      `json:"query_pre_attn_scalar"`             // scores are divided by its square root
	LocalTheta    float64  `json:"rope_local_base_freq,omitempty"`    // rope_theta of layers that see a window
	WindowPattern int      `json:"sliding_window_pattern,omitempty"`  // every so many layers one sees all; layer_types goes before
	FinalSoftcap  *float64 `json:"final_logit_softcapping,omitempty"` // Gemma 2's; null
	AttnSoftcap   *float64 `json:"attn_logit_softcapping,omitempty"`  // Gemma 2's; null
	Bidirectional bool     `json:"use_bidirectional_attention,omitempty"`

	RopeByType map[string]*llama.RopeConfig `json:"rope_parameters,omitempty"` // by layer type: transformers 5's name for all of rope

	wholeGains bool // gains are stored as they are
}

// The two kinds of layers.
const (
	local  = "sliding_attention"
	global = "full_attention"
)

// DefaultConfig is what transformers takes for keys that a file leaves out.
func DefaultConfig() Config {
	c := Config{Config: llama.DefaultConfig("gemma3_text"), Activation: "gelu_pytorch_tanh", QueryScalar: 256, LocalTheta: 10000, WindowPattern: 6}
	window, bos := 4096, int32(2)
	c.Architectures = []string{"Gemma3ForCausalLM"}
	c.VocabSize, c.HiddenSize, c.IntermediateSize, c.Layers, c.Heads, c.KVHeads, c.HeadDim = 262208, 2304, 9216, 26, 8, 4, 256
	c.MaxPositions, c.RopeTheta, c.Tied, c.SlidingWindow, c.BOS, c.EOS = 1<<17, 1e6, true, &window, &bos, llama.Tokens{1}
	return c
}

// ParseConfig reads config.json over DefaultConfig.
func ParseConfig(b []byte) (Config, error) {
	c := DefaultConfig()
	if err := json.Unmarshal(b, &c); err != nil {
		return c, fmt.Errorf("gemma: config.json: %w", err)
	}
	if c.ModelType != "gemma3_text" {
		return c, fmt.Errorf("gemma: config.json: model_type is %q", c.ModelType)
	}
	return c, c.Validate()
}

// Validate fills in what follows from other keys and reports what cannot be built.
func (c *Config) Validate() error {
	if c.LayerTypes == nil && c.WindowPattern > 0 && c.Layers > 0 && c.Layers <= 1<<10 {
		for i := range c.Layers {
			kind := local
			if (i+1)%c.WindowPattern == 0 {
				kind = global
			}
			c.LayerTypes = append(c.LayerTypes, kind)
		}
	}
	c.HiddenAct = "silu" // Llama's key; this family has its own
	if err := c.Config.Validate(); err != nil {
		return fmt.Errorf("gemma: %w", err)
	}
	switch {
	case c.Activation != "gelu_pytorch_tanh":
		return fmt.Errorf("gemma: config.json: hidden_activation %q is not supported; gelu_pytorch_tanh is", c.Activation)
	case c.QueryScalar < 1:
		return fmt.Errorf("gemma: config.json: query_pre_attn_scalar is %v", c.QueryScalar)
	case c.FinalSoftcap != nil || c.AttnSoftcap != nil || c.Bidirectional || c.MLPBias:
		return fmt.Errorf("gemma: config.json: final_logit_softcapping, attn_logit_softcapping, use_bidirectional_attention and mlp_bias are not supported")
	case c.LayerTypes == nil:
		return fmt.Errorf("gemma: config.json: sliding_window_pattern is %d, and there are no layer_types", c.WindowPattern)
	}
	for _, kind := range []string{local, global} {
		if _, err := c.newRoPE(kind); err != nil {
			return fmt.Errorf("gemma: config.json: %s: %w", kind, err)
		}
	}
	return nil
}

// newRoPE is the rotary embedding of a kind of layers.
func (c *Config) newRoPE(kind string) (*nn.RoPE, error) {
	base := c.Positions(kind)
	return base.NewRoPE()
}

// Positions is Llama's configuration with the RoPE of a kind of layers, full_attention or sliding_attention: windows have a base of
// their own and are never stretched.
func (c *Config) Positions(kind string) llama.Config {
	base := c.Config
	switch {
	case c.RopeByType[kind] != nil:
		base.RopeScaling = c.RopeByType[kind]
	case kind == local:
		base.RopeTheta, base.RopeScaling = c.LocalTheta, nil
	}
	return base
}

// scale is what queries times keys are multiplied by.
func (c *Config) scale() float64 { return 1 / math.Sqrt(float64(c.QueryScalar)) }

// Parameters is how many numbers the model has: Llama's, two more norms a layer, and those of queries and keys.
func (c *Config) Parameters() int64 {
	return c.Config.Parameters() + int64(c.Layers)*int64(2*c.HiddenSize+2*c.HeadDim)
}
