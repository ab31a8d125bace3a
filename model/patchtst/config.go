package patchtst

import (
	"encoding/json"
	"fmt"
)

// Config has the keys of transformers' PatchTSTConfig and, below them, what the paper's own code does otherwise. The
// zero value of those is transformers' layout.
type Config struct {
	ModelType     string   `json:"model_type"`
	Architectures []string `json:"architectures"` // PatchTSTForPrediction, …ForPretraining, …ForClassification, …ForRegression

	NumInputChannels   int       `json:"num_input_channels"` // C
	ContextLength      int       `json:"context_length"`     // L
	PredictionLength   int       `json:"prediction_length"`  // H
	PatchLength        int       `json:"patch_length"`
	PatchStride        int       `json:"patch_stride"`
	NumHiddenLayers    int       `json:"num_hidden_layers"`
	DModel             int       `json:"d_model"`
	NumAttentionHeads  int       `json:"num_attention_heads"`
	FFNDim             int       `json:"ffn_dim"`
	Activation         string    `json:"activation_function"`
	Bias               bool      `json:"bias"`
	NormType           string    `json:"norm_type"` // batchnorm or layernorm
	NormEps            float64   `json:"norm_eps"`
	PreNorm            bool      `json:"pre_norm"`
	ShareEmbedding     bool      `json:"share_embedding"`
	ShareProjection    bool      `json:"share_projection"`
	ChannelAttention   bool      `json:"channel_attention"`
	PositionalEncoding string    `json:"positional_encoding_type"` // sincos or random
	UseCLSToken        bool      `json:"use_cls_token"`
	PoolingType        *string   `json:"pooling_type"` // mean, max or null
	Scaling            any       `json:"scaling"`      // "std", "mean", true (= mean), false, null
	AttentionDropout   float64   `json:"attention_dropout"`
	PositionalDropout  float64   `json:"positional_dropout"`
	PathDropout        float64   `json:"path_dropout"`
	FFDropout          float64   `json:"ff_dropout"`
	HeadDropout        float64   `json:"head_dropout"`
	InitStd            float64   `json:"init_std"`
	Loss               string    `json:"loss"` // mse or nll
	DistributionOutput string    `json:"distribution_output"`
	NumTargets         int       `json:"num_targets"`
	OutputRange        []float64 `json:"output_range"`
	DoMaskInput        *bool     `json:"do_mask_input"`
	MaskType           string    `json:"mask_type"` // random or forecast
	RandomMaskRatio    float64   `json:"random_mask_ratio"`
	MaskValue          float64   `json:"mask_value"`
	ForecastMask       ints      `json:"num_forecast_mask_patches"`
	UnmaskedChannels   []int     `json:"unmasked_channel_indices"`
	ConsistentMask     bool      `json:"channel_consistent_masking"`

	// The paper's code (yuqinie98/PatchTST), which transformers left out.
	ResAttention bool    `json:"res_attention,omitempty"` // scores are handed on from layer to layer (RealFormer)
	NormResidual bool    `json:"norm_residual,omitempty"` // with pre_norm the residual path, too, starts from the normed value
	EndPadding   bool    `json:"end_padding,omitempty"`   // the last value is repeated for one stride, giving one more patch
	DMajor       bool    `json:"d_major,omitempty"`       // the head flattens [P, D] column by column
	Individual   bool    `json:"individual,omitempty"`    // one head a channel
	Affine       bool    `json:"affine,omitempty"`        // RevIN learns gain and shift
	SubtractLast bool    `json:"subtract_last,omitempty"` // RevIN subtracts the last value in place of the mean
	Decompose    int     `json:"decomposition,omitempty"` // > 0: width of the moving average; trend and rest get a model each
	ProjDropout  float64 `json:"proj_dropout,omitempty"`  // after the attention's output projection
}

// ints reads one integer or a list.
type ints []int

func (v *ints) UnmarshalJSON(b []byte) error {
	var one int
	if json.Unmarshal(b, &one) == nil {
		*v = ints{one}
		return nil
	}
	return json.Unmarshal(b, (*[]int)(v))
}

// DefaultConfig is transformers' PatchTSTConfig().
func DefaultConfig() Config {
	return Config{
		ModelType: "patchtst", Architectures: []string{Prediction}, NumInputChannels: 1, ContextLength: 32, PredictionLength: 24,
		PatchLength: 1, PatchStride: 1, NumHiddenLayers: 3, DModel: 128, NumAttentionHeads: 4, FFNDim: 512, Activation: "gelu", Bias: true,
		NormType: "batchnorm", NormEps: 1e-5, PreNorm: true, ShareEmbedding: true, ShareProjection: true, PositionalEncoding: "sincos",
		Scaling: "std", InitStd: 0.02, Loss: "mse", DistributionOutput: "student_t", NumTargets: 1, MaskType: "random", RandomMaskRatio: 0.5,
		ForecastMask: ints{2},
	}
}

// PaperConfig is the supervised model of the paper's code: post-norm, residual attention, end padding.
func PaperConfig() Config {
	c := DefaultConfig()
	c.PatchLength, c.PatchStride, c.PreNorm, c.PositionalEncoding = 16, 8, false, "random"
	c.ResAttention, c.EndPadding, c.DMajor, c.NormResidual = true, true, true, true
	return c
}

// The architectures, one head each.
const (
	Prediction     = "PatchTSTForPrediction"
	Pretraining    = "PatchTSTForPretraining"
	Classification = "PatchTSTForClassification"
	Regression     = "PatchTSTForRegression"
)

// ParseConfig reads config.json over DefaultConfig.
func ParseConfig(b []byte) (Config, error) {
	c := DefaultConfig()
	if err := json.Unmarshal(b, &c); err != nil {
		return c, fmt.Errorf("patchtst: config.json: %w", err)
	}
	return c, c.Validate()
}

func (c *Config) task() string {
	if len(c.Architectures) == 0 {
		return Prediction
	}
	return c.Architectures[0]
}

// Validate reports what cannot be built.
func (c *Config) Validate() error {
	bad := func(format string, args ...any) error { return fmt.Errorf("patchtst: config.json: "+format, args...) }
	const most = 1 << 20 // far above any real model: a bound for what a file may ask to allocate
	for _, v := range []struct {
		name string
		v    int
		top  int
	}{{"num_input_channels", c.NumInputChannels, most}, {"context_length", c.ContextLength, most}, {"prediction_length", c.PredictionLength, most},
		{"patch_length", c.PatchLength, most}, {"patch_stride", c.PatchStride, most}, {"num_hidden_layers", c.NumHiddenLayers, 1024}, {"d_model", c.DModel, 1 << 14},
		{"num_attention_heads", c.NumAttentionHeads, 1 << 14}, {"ffn_dim", c.FFNDim, 1 << 16}, {"num_targets", c.NumTargets, most}} {
		if v.v < 1 || v.v > v.top {
			return bad("%s is %d", v.name, v.v)
		}
	}
	if _, ok := activations[c.Activation]; !ok {
		return bad("activation_function %q must be gelu or relu", c.Activation)
	}
	switch {
	case c.ContextLength < c.PatchLength:
		return bad("context_length %d is shorter than patch_length %d", c.ContextLength, c.PatchLength)
	case c.DModel%c.NumAttentionHeads != 0:
		return bad("num_attention_heads %d does not divide d_model %d", c.NumAttentionHeads, c.DModel)
	case c.NormType != "batchnorm" && c.NormType != "layernorm":
		return bad("norm_type %q must be batchnorm or layernorm", c.NormType)
	case !c.ShareProjection:
		return bad("share_projection false is not supported: it cannot run in transformers either")
	case c.PoolingType != nil && *c.PoolingType != "mean" && *c.PoolingType != "max":
		return bad("pooling_type %q must be mean, max or null", *c.PoolingType)
	case c.Loss != "mse" && c.Loss != "nll":
		return bad("loss %q must be mse or nll", c.Loss)
	case c.Loss == "nll" && c.task() == Prediction && distributions[c.DistributionOutput].params == 0:
		return bad("distribution_output %q must be student_t, normal or negative_binomial", c.DistributionOutput)
	case c.OutputRange != nil && len(c.OutputRange) != 2:
		return bad("output_range %v must have two numbers", c.OutputRange)
	case c.Decompose < 0 || c.Decompose > 0 && c.Decompose%2 == 0:
		return bad("decomposition %d must be an odd width", c.Decompose)
	case c.scaling() == "":
		return bad("scaling %v must be std, mean, true, false or null", c.Scaling)
	}
	for _, i := range c.UnmaskedChannels {
		if i < 0 || i >= c.NumInputChannels {
			return bad("unmasked_channel_indices %v with %d channels", c.UnmaskedChannels, c.NumInputChannels)
		}
	}
	switch c.task() {
	case Prediction, Pretraining:
	case Classification, Regression:
		if c.PoolingType == nil && !c.UseCLSToken {
			return bad("%s needs pooling_type or use_cls_token", c.task())
		}
	default:
		return bad("architecture %q is not known", c.task())
	}
	return nil
}

func (c *Config) scaling() string {
	switch s := c.Scaling.(type) {
	case nil:
		return "none"
	case bool:
		if s {
			return "mean"
		}
		return "none"
	case string:
		if s == "std" || s == "mean" {
			return s
		}
	}
	return ""
}

// patches is P, without a class token.
func (c *Config) patches() int {
	n := (c.ContextLength-c.PatchLength)/c.PatchStride + 1
	if c.EndPadding {
		n++
	}
	return n
}
