package ttm

import (
	"encoding/json"
	"fmt"
	"slices"
)

// Config has config.json's own keys (granite-tsfm, configuration_tinytimemixer.py); fields that this package has no
// use for are kept out, and options that it lacks are refused by Validate.
type Config struct {
	ModelType     string   `json:"model_type"`
	Architectures []string `json:"architectures"`

	ContextLength    int  `json:"context_length"`     // T
	PatchLength      int  `json:"patch_length"`       // steps a patch
	PatchStride      int  `json:"patch_stride"`       // steps between patches
	NumInputChannels int  `json:"num_input_channels"` // C
	PredictionLength int  `json:"prediction_length"`  // H
	NumPatches       int  `json:"num_patches"`        // worked out; as in the file it includes the frequency prefix
	DModel           int  `json:"d_model"`            // width of a patch
	NumLayers        int  `json:"num_layers"`         // mixer layers a level
	AdaptiveLevels   int  `json:"adaptive_patching_levels"`
	ExpansionFactor  int  `json:"expansion_factor"` // of the mixers' MLP
	GatedAttn        bool `json:"gated_attn"`
	SelfAttn         bool `json:"self_attn"`
	SelfAttnHeads    int  `json:"self_attn_heads"`

	Mode          string  `json:"mode"`     // common_channel or mix_channel
	NormMLP       string  `json:"norm_mlp"` // LayerNorm or BatchNorm
	NormEps       float64 `json:"norm_eps"`
	Dropout       float64 `json:"dropout"`
	HeadDropout   float64 `json:"head_dropout"`
	Scaling       any     `json:"scaling"` // "std", "mean", true (= mean), false, null
	UsePositional bool    `json:"use_positional_encoding"`
	PositionalEnc string  `json:"positional_encoding_type"`

	UseDecoder            bool   `json:"use_decoder"`
	DecoderMode           string `json:"decoder_mode"`
	DecoderNumLayers      int    `json:"decoder_num_layers"`
	DecoderDModel         int    `json:"decoder_d_model"`
	DecoderAdaptiveLevels int    `json:"decoder_adaptive_patching_levels"`
	DecoderRawResidual    bool   `json:"decoder_raw_residual"`
	CategoricalVocabSizes []int  `json:"categorical_vocab_size_list"`

	ResolutionPrefix   bool `json:"resolution_prefix_tuning"`
	FrequencyVocabSize int  `json:"frequency_token_vocab_size"`

	PredictionChannels  []int `json:"prediction_channel_indices"`
	ExogenousChannels   []int `json:"exogenous_channel_indices"`
	PredictionFilter    *int  `json:"prediction_filter_length"`
	ForecastChannelMix  bool  `json:"enable_forecast_channel_mixing"`
	FCMContextLength    int   `json:"fcm_context_length"`
	FCMGatedAttn        bool  `json:"fcm_gated_attn"`
	FCMMixLayers        int   `json:"fcm_mix_layers"`
	FCMPrependPast      bool  `json:"fcm_prepend_past"`
	FCMPrependPastFrom  *int  `json:"fcm_prepend_past_offset"`
	FCMUseMixer         bool  `json:"fcm_use_mixer"`
	MaskedContextLength *int  `json:"masked_context_length"`

	Loss       string  `json:"loss"` // mse, mae, huber, pinball
	HuberDelta float64 `json:"huber_delta"`
	Quantile   float64 `json:"quantile"` // of loss pinball

	// QuantileHead is hanji's own: the head gives QuantileLevels for every step, trained by their mean pinball loss.
	QuantileHead   bool      `json:"quantile_head,omitempty"`
	QuantileLevels []float64 `json:"quantile_levels"`

	// What granite-tsfm has and this package has not.
	MultiQuantileHead bool `json:"multi_quantile_head"`
	MultiScale        bool `json:"multi_scale"`
	RegisterTokens    int  `json:"register_tokens"`
	FFTLength         int  `json:"fft_length"`
	BaseNormAlways    bool `json:"enable_base_norm_always"`
	Decompose         bool `json:"decompose"`
}

// DefaultConfig is granite-tsfm's TinyTimeMixerConfig().
func DefaultConfig() Config {
	return Config{
		ModelType: "tinytimemixer", Architectures: []string{"TinyTimeMixerForPrediction"},
		ContextLength: 64, PatchLength: 8, PatchStride: 8, NumInputChannels: 1, PredictionLength: 16, DModel: 16, NumLayers: 3,
		ExpansionFactor: 2, GatedAttn: true, SelfAttnHeads: 1, Mode: "common_channel", NormMLP: "LayerNorm", NormEps: 1e-5,
		Dropout: 0.2, HeadDropout: 0.2, Scaling: "std", PositionalEnc: "sincos", UseDecoder: true, DecoderMode: "common_channel",
		DecoderNumLayers: 8, DecoderDModel: 16, FrequencyVocabSize: 5, FCMContextLength: 1, FCMGatedAttn: true, FCMMixLayers: 2,
		FCMPrependPast: true, Loss: "mse", HuberDelta: 1, Quantile: 0.5,
		QuantileLevels: []float64{0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9},
	}
}

// ParseConfig reads config.json over DefaultConfig.
func ParseConfig(b []byte) (Config, error) {
	c := DefaultConfig()
	if err := json.Unmarshal(b, &c); err != nil {
		return c, fmt.Errorf("ttm: config.json: %w", err)
	}
	return c, c.Validate()
}

// Validate reports what cannot be built.
func (c *Config) Validate() error {
	bad := func(format string, args ...any) error { return fmt.Errorf("ttm: config.json: "+format, args...) }
	const most = 1 << 20 // far above any real model: a bound for what a file may ask to allocate
	for _, v := range []struct {
		name string
		v    int
		low  int
	}{{"context_length", c.ContextLength, 1}, {"patch_length", c.PatchLength, 1}, {"patch_stride", c.PatchStride, 1},
		{"num_input_channels", c.NumInputChannels, 1}, {"prediction_length", c.PredictionLength, 1}, {"d_model", c.DModel, 1},
		{"num_layers", c.NumLayers, 0}, {"adaptive_patching_levels", c.AdaptiveLevels, 0}, {"expansion_factor", c.ExpansionFactor, 1},
		{"decoder_num_layers", c.DecoderNumLayers, 0}, {"decoder_d_model", c.DecoderDModel, 1}, {"self_attn_heads", c.SelfAttnHeads, 1},
		{"decoder_adaptive_patching_levels", c.DecoderAdaptiveLevels, 0}, {"frequency_token_vocab_size", c.FrequencyVocabSize, 1},
		{"fcm_context_length", c.FCMContextLength, 0}, {"fcm_mix_layers", c.FCMMixLayers, 0}} {
		if v.v < v.low || v.v > most {
			return bad("%s is %d", v.name, v.v)
		}
	}
	if c.NumLayers > 1024 || c.DecoderNumLayers > 1024 || c.AdaptiveLevels > 16 || c.DecoderAdaptiveLevels > 16 || c.DModel > 1<<14 || c.DecoderDModel > 1<<14 {
		return bad("the model would be implausibly large (d_model %d, layers %d)", c.DModel, c.NumLayers)
	}
	switch {
	case c.ContextLength < c.PatchLength:
		return bad("context_length %d is shorter than patch_length %d", c.ContextLength, c.PatchLength)
	case c.MultiQuantileHead, c.MultiScale, c.RegisterTokens > 0, c.FFTLength > 0, c.BaseNormAlways, c.Decompose:
		return bad("multi_quantile_head, multi_scale, register_tokens, fft_length, enable_base_norm_always and decompose are not supported")
	case c.MaskedContextLength != nil:
		return bad("masked_context_length is not supported")
	case c.Mode != "common_channel" && c.Mode != "mix_channel", c.DecoderMode != "common_channel" && c.DecoderMode != "mix_channel":
		return bad("mode %q and decoder_mode %q must be common_channel or mix_channel", c.Mode, c.DecoderMode)
	case c.NormMLP != "LayerNorm" && c.NormMLP != "BatchNorm":
		return bad("norm_mlp %q must be LayerNorm or BatchNorm", c.NormMLP)
	case c.CategoricalVocabSizes != nil && c.DecoderMode != "mix_channel":
		return bad("categorical_vocab_size_list needs decoder_mode mix_channel")
	case c.ForecastChannelMix && c.FCMContextLength < 1:
		return bad("fcm_context_length must be at least 1")
	case c.SelfAttn && c.DModel%c.SelfAttnHeads != 0:
		return bad("self_attn_heads %d does not divide d_model %d", c.SelfAttnHeads, c.DModel)
	case c.Loss != "mse" && c.Loss != "mae" && c.Loss != "huber" && c.Loss != "pinball":
		return bad("loss %q must be mse, mae, huber or pinball", c.Loss)
	case c.PredictionFilter != nil && (*c.PredictionFilter < 1 || *c.PredictionFilter > c.PredictionLength):
		return bad("prediction_filter_length %d", *c.PredictionFilter)
	}
	for _, list := range [][]int{c.PredictionChannels, c.ExogenousChannels} {
		for _, i := range list {
			if i < 0 || i >= c.NumInputChannels {
				return bad("channel index %d with %d channels", i, c.NumInputChannels)
			}
		}
	}
	for _, n := range c.CategoricalVocabSizes {
		if n < 1 || n > most {
			return bad("categorical_vocab_size_list %v", c.CategoricalVocabSizes)
		}
	}
	if c.PredictionChannels == nil && c.ExogenousChannels != nil { // the reference predicts all the others
		for i := range c.NumInputChannels {
			if !slices.Contains(c.ExogenousChannels, i) {
				c.PredictionChannels = append(c.PredictionChannels, i)
			}
		}
	}
	slices.Sort(c.PredictionChannels)
	if c.scaling() == "" {
		return bad("scaling %v must be std, mean, true, false or null", c.Scaling)
	}
	c.NumPatches = c.patches()
	if c.ResolutionPrefix {
		c.NumPatches++
	}
	return nil
}

// patches is P, the number of patches of the context, without a frequency prefix.
func (c *Config) patches() int { return (c.ContextLength-c.PatchLength)/c.PatchStride + 1 }

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

// horizon is the number of steps that are handed out.
func (c *Config) horizon() int {
	if c.PredictionFilter != nil {
		return *c.PredictionFilter
	}
	return c.PredictionLength
}
