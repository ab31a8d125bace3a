package llama

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/hanji-ml/hanji/nn"
)

// Config has config.json's own keys (transformers' LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config); keys that this
// package has no use for are kept out.
type Config struct {
	Architectures []string `json:"architectures,omitempty"`
	ModelType     string   `json:"model_type"` // llama, mistral, qwen2 or qwen3

	VocabSize        int     `json:"vocab_size"`              // V
	HiddenSize       int     `json:"hidden_size"`             // C
	IntermediateSize int     `json:"intermediate_size"`       // F, of the MLP
	Layers           int     `json:"num_hidden_layers"`       //
	Heads            int     `json:"num_attention_heads"`     // H
	KVHeads          int     `json:"num_key_value_heads"`     // Hkv; 0: H
	HeadDim          int     `json:"head_dim,omitempty"`      // D; 0: C/H
	MaxPositions     int     `json:"max_position_embeddings"` // context
	HiddenAct        string  `json:"hidden_act"`              // silu
	NormEps          float64 `json:"rms_norm_eps"`            //
	Tied             bool    `json:"tie_word_embeddings"`     // the embedding is the head too
	AttentionBias    bool    `json:"attention_bias"`          // of all four projections; qwen2 has those of q, k and v
	MLPBias          bool    `json:"mlp_bias"`                //

	RopeTheta      float64     `json:"rope_theta,omitempty"`
	RopeScaling    *RopeConfig `json:"rope_scaling,omitempty"`
	RopeParameters *RopeConfig `json:"rope_parameters,omitempty"`       // transformers 5's name for both
	PartialRotary  float64     `json:"partial_rotary_factor,omitempty"` // share of a head that turns; 0: all

	SlidingWindow    *int     `json:"sliding_window"`               // positions that a row sees; null: all
	UseSlidingWindow *bool    `json:"use_sliding_window,omitempty"` // qwen2, qwen3: false unless given
	MaxWindowLayers  *int     `json:"max_window_layers,omitempty"`  // qwen2, qwen3: layers before this one see all; 28
	LayerTypes       []string `json:"layer_types,omitempty"`        // sliding_attention or full_attention, of each layer

	BOS       *int32  `json:"bos_token_id,omitempty"`
	EOS       Tokens  `json:"eos_token_id,omitempty"`
	Pad       *int32  `json:"pad_token_id,omitempty"`
	InitRange float64 `json:"initializer_range,omitempty"` // standard deviation of new weights; 0: 0.02
	DType     string  `json:"torch_dtype,omitempty"`       // of the file's weights; they are widened to float32

	adjacent bool // rotary pairs are (2i, 2i+1), as in GGUF files of Llama
	reserve  bool // weights get their memory from a checkpoint
}

// RopeConfig is rope_scaling as old and new files write it.
type RopeConfig struct {
	nn.RoPEScaling
	OldType string  `json:"type,omitempty"` // rope_type's name before transformers 4.43
	Theta   float64 `json:"rope_theta,omitempty"`
}

// Tokens are ids that a file gives as one number or as a list.
type Tokens []int32

// UnmarshalJSON takes a number, a list or null.
func (t *Tokens) UnmarshalJSON(b []byte) error {
	var one int32
	if json.Unmarshal(b, &one) == nil && string(b) != "null" {
		*t = Tokens{one}
		return nil
	}
	return json.Unmarshal(b, (*[]int32)(t))
}

// MarshalJSON writes one token as a number.
func (t Tokens) MarshalJSON() ([]byte, error) {
	if len(t) == 1 {
		return json.Marshal(t[0])
	}
	return json.Marshal([]int32(t))
}

// DefaultConfig is what transformers takes for keys that a file of the model type leaves out.
func DefaultConfig(modelType string) Config {
	c := Config{ModelType: modelType, VocabSize: 32000, HiddenSize: 4096, IntermediateSize: 11008, Layers: 32, Heads: 32,
		MaxPositions: 2048, HiddenAct: "silu", NormEps: 1e-6, RopeTheta: 10000}
	if a := architectures[modelType]; a != "" {
		c.Architectures = []string{a}
	}
	switch modelType {
	case "mistral":
		window := 4096
		c.IntermediateSize, c.KVHeads, c.MaxPositions, c.SlidingWindow = 14336, 8, 1<<17, &window
	case "qwen2", "qwen3":
		window := 4096
		c.VocabSize, c.IntermediateSize, c.KVHeads, c.MaxPositions, c.SlidingWindow = 151936, 22016, 32, 32768, &window
		if modelType == "qwen3" {
			c.HeadDim = 128
		}
	}
	return c
}

// architectures are transformers' classes, which other programs look for in config.json.
var architectures = map[string]string{"llama": "LlamaForCausalLM", "mistral": "MistralForCausalLM", "qwen2": "Qwen2ForCausalLM", "qwen3": "Qwen3ForCausalLM"}

// ParseConfig reads config.json over the defaults of its model type.
func ParseConfig(b []byte) (Config, error) {
	var head struct {
		ModelType string `json:"model_type"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return Config{}, fmt.Errorf("llama: config.json: %w", err)
	}
	if head.ModelType == "" {
		head.ModelType = "llama"
	}
	c := DefaultConfig(head.ModelType)
	if err := json.Unmarshal(b, &c); err != nil {
		return c, fmt.Errorf("llama: config.json: %w", err)
	}
	if !slices.Contains(modelTypes, c.ModelType) {
		return c, fmt.Errorf("llama: config.json: model_type %q is none of %v", c.ModelType, modelTypes)
	}
	return c, c.Validate()
}

// modelTypes are those of config.json that this package is.
var modelTypes = []string{"llama", "mistral", "qwen2", "qwen3"}

// Validate fills in what follows from other keys and reports what cannot be built.
func (c *Config) Validate() error {
	bad := func(format string, args ...any) error { return fmt.Errorf("llama: config.json: "+format, args...) }
	if c.KVHeads == 0 {
		c.KVHeads = c.Heads
	}
	if c.HeadDim == 0 && c.Heads > 0 {
		if c.HiddenSize%c.Heads != 0 {
			return bad("num_attention_heads %d does not divide hidden_size %d; head_dim?", c.Heads, c.HiddenSize)
		}
		c.HeadDim = c.HiddenSize / c.Heads
	}
	for _, v := range []struct {
		name     string
		v, limit int // limits far above any real model: bounds for what a file may ask to allocate
	}{{"vocab_size", c.VocabSize, 1 << 22}, {"hidden_size", c.HiddenSize, 1 << 17}, {"intermediate_size", c.IntermediateSize, 1 << 19},
		{"num_hidden_layers", c.Layers, 1 << 10}, {"num_attention_heads", c.Heads, 1 << 12}, {"num_key_value_heads", c.KVHeads, 1 << 12},
		{"head_dim", c.HeadDim, 1 << 12}, {"max_position_embeddings", c.MaxPositions, 1 << 30}} {
		if v.v < 1 || v.v > v.limit {
			return bad("%s is %d", v.name, v.v)
		}
	}
	switch {
	case c.Heads%c.KVHeads != 0:
		return bad("num_key_value_heads %d does not divide num_attention_heads %d", c.KVHeads, c.Heads)
	case c.HiddenAct != "silu":
		return bad("hidden_act %q is not supported; silu is", c.HiddenAct)
	case !(c.NormEps > 0):
		return bad("rms_norm_eps is %v", c.NormEps)
	case c.PartialRotary < 0 || c.PartialRotary > 1:
		return bad("partial_rotary_factor is %v", c.PartialRotary)
	case c.SlidingWindow != nil && *c.SlidingWindow < 1:
		return bad("sliding_window is %d; null means none", *c.SlidingWindow)
	case c.LayerTypes != nil && len(c.LayerTypes) != c.Layers:
		return bad("layer_types names %d layers of %d", len(c.LayerTypes), c.Layers)
	}
	for _, t := range c.LayerTypes {
		if t != "full_attention" && t != "sliding_attention" {
			return bad("layer type %q is neither full_attention nor sliding_attention", t)
		}
	}
	if _, err := c.NewRoPE(); err != nil {
		return fmt.Errorf("llama: config.json: %w", err)
	}
	return nil
}

// NewRoPE is the rotary embedding that the configuration asks for.
func (c *Config) NewRoPE() (*nn.RoPE, error) {
	o := nn.RoPEOptions{Dim: c.HeadDim, Theta: c.RopeTheta, MaxPositions: c.MaxPositions, Adjacent: c.adjacent}
	if c.PartialRotary > 0 {
		o.Dim = int(float64(c.HeadDim) * c.PartialRotary)
	}
	for _, r := range []*RopeConfig{c.RopeScaling, c.RopeParameters} {
		if r == nil {
			continue
		}
		o.Scaling = r.RoPEScaling
		if o.Scaling.Type == "" {
			o.Scaling.Type = r.OldType
		}
		if r.Theta > 0 {
			o.Theta = r.Theta
		}
	}
	return nn.NewRoPE(o)
}

// Windows are the sliding windows of the layers, 0 where a row sees everything; nil where all do.
func (c *Config) Windows() []int {
	if c.SlidingWindow == nil {
		return nil
	}
	first := 0 // layer from which on rows see a window only
	if c.ModelType == "qwen2" || c.ModelType == "qwen3" {
		if c.UseSlidingWindow == nil || !*c.UseSlidingWindow {
			return nil
		}
		first = 28
		if c.MaxWindowLayers != nil {
			first = *c.MaxWindowLayers
		}
	}
	w := make([]int, c.Layers)
	for i := range w {
		if c.LayerTypes != nil && c.LayerTypes[i] == "sliding_attention" || c.LayerTypes == nil && i >= first {
			w[i] = *c.SlidingWindow
		}
	}
	return w
}

// Parameters is how many numbers the model has.
func (c *Config) Parameters() int64 {
	C, F, q, kv := int64(c.HiddenSize), int64(c.IntermediateSize), int64(c.Heads*c.HeadDim), int64(c.KVHeads*c.HeadDim)
	layer := 2*C*q + 2*C*kv + 3*C*F + 2*C
	if c.AttentionBias || c.ModelType == "qwen2" {
		layer += q + 2*kv
	}
	if c.AttentionBias && c.ModelType != "qwen2" {
		layer += C
	}
	if c.ModelType == "qwen3" {
		layer += 2 * int64(c.HeadDim)
	}
	if c.MLPBias {
		layer += 2*F + C
	}
	n := int64(c.VocabSize)*C + int64(c.Layers)*layer + C
	if !c.Tied {
		n += int64(c.VocabSize) * C
	}
	return n
}

// Reserve makes weights of a model of this configuration come without memory, which BindGGUF brings.
func (c *Config) Reserve() { c.reserve = true }

// Linear makes a layer of a model of this configuration.
func (c *Config) Linear(in, out int, bias bool) *nn.Linear {
	if c.reserve {
		return nn.ReserveLinear(in, out, bias)
	}
	return nn.NewLinear(in, out, bias)
}

// Embedding makes the table of tokens.
func (c *Config) Embedding() *nn.Embedding {
	if c.reserve {
		return nn.ReserveEmbedding(c.VocabSize, c.HiddenSize)
	}
	return nn.NewEmbedding(c.VocabSize, c.HiddenSize)
}
