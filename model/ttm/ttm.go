// Package ttm is Tiny Time Mixers (Ekambaram et al., arXiv 2401.03955): a forecaster of MLP mixers with adaptive
// patching, pre-trained once and used zero-shot or fine-tuned. Weights and configuration are those of granite-tsfm's
// tinytimemixer (r1 and r2), whose quirks are kept where its checkpoints depend on them.
//
//	m, err := ttm.Load("ttm/r2-512-96")
//	f, err := forecast…  // package forecast brings series and models together
//
// B batch, C channel, P patch, D width, T context, H horizon.
package ttm

import (
	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/tensor"
)

// Model is TinyTimeMixerForPrediction.
type Model struct {
	Config   Config    `w:"-"`
	Backbone *Backbone `w:"backbone"`
	Decoder  *Decoder  `w:"decoder"`
	Head     *Head     `w:"head"`
}

// Backbone embeds patches and mixes them.
type Backbone struct {
	Encoder *Encoder `w:"encoder"`
}

// Encoder is the backbone's only part.
type Encoder struct {
	Patcher *nn.Linear `w:"patcher"` // patch → D
	FreqMod *FreqMod   `w:"freq_mod"`
	Pos     *Position  `w:"positional_encoder"`
	Mixer   *Block     `w:"mlp_mixer_encoder"`
}

// Position is a table added to the patches.
type Position struct {
	Enc *tensor.Tensor `w:"position_enc"` // [P, D]
}

// FreqMod turns a frequency token into the prefix patch.
type FreqMod struct {
	Embed *nn.Embedding `w:"0"`
	Up    *nn.Linear    `w:"1"`
	Out   *nn.Linear    `w:"3"`
}

// Decoder adapts the width and mixes again, now across channels if decoder_mode says so.
type Decoder struct {
	Adapter *nn.Linear  `w:"adapter"`
	Raw     *nn.Linear  `w:"decoder_raw_embedding"` // decoder_raw_residual: raw patches join in
	Cat     *Categories `w:"decoder_cat_embedding_layer"`
	Block   *Block      `w:"decoder_block"`
}

// Categories embeds static categories as extra channels.
type Categories struct {
	Layers []*nn.Embedding `w:"embedding_layers"`
}

// Head maps all patches of a channel to its forecast.
type Head struct {
	Base    *nn.Linear           `w:"base_forecast_block"`
	Dropout *nn.Dropout          `w:"dropout_layer"`
	FCM     *ForecastChannelHead `w:"fcm_block"`
}

// New builds the model of a validated configuration with parameters at zero; nn.Init draws them.
func New(c Config) *Model {
	m := &Model{Config: c}
	enc := &Encoder{Patcher: nn.NewLinear(c.PatchLength, c.DModel, true)}
	if c.ResolutionPrefix {
		mid := (c.PatchLength + c.DModel) / 2
		enc.FreqMod = &FreqMod{Embed: nn.NewEmbedding(c.FrequencyVocabSize, c.PatchLength), Up: nn.NewLinear(c.PatchLength, mid, true), Out: nn.NewLinear(mid, c.DModel, true)}
	}
	if c.UsePositional {
		enc.Pos = &Position{Enc: nn.SinCos(c.NumPatches, c.DModel)}
	}
	enc.Mixer = newBlock(&c, dims{c.NumInputChannels, c.NumPatches, c.DModel, c.NumLayers, c.AdaptiveLevels, c.Mode, c.GatedAttn, c.Dropout})
	m.Backbone = &Backbone{Encoder: enc}
	width := c.DModel
	if c.UseDecoder {
		m.Decoder = newDecoder(&c)
		width = c.DecoderDModel
	}
	out := c.PredictionLength
	if c.QuantileHead {
		out *= len(c.QuantileLevels)
	}
	m.Head = &Head{Base: nn.NewLinear(c.NumPatches*width, out, true), Dropout: nn.NewDropout(c.HeadDropout)}
	if c.ForecastChannelMix {
		m.Head.FCM = newForecastChannelHead(&c)
	}
	nn.Name(m)
	return m
}

func newDecoder(c *Config) *Decoder {
	d := &Decoder{}
	if c.DModel != c.DecoderDModel {
		d.Adapter = nn.NewLinear(c.DModel, c.DecoderDModel, true)
	}
	if c.DecoderRawResidual {
		d.Raw = nn.NewLinear(c.PatchLength, c.DecoderDModel, true)
	}
	channels := c.NumInputChannels
	if c.CategoricalVocabSizes != nil {
		d.Cat = &Categories{}
		for _, n := range c.CategoricalVocabSizes {
			d.Cat.Layers = append(d.Cat.Layers, nn.NewEmbedding(n, c.DecoderDModel))
		}
		channels += len(c.CategoricalVocabSizes)
	}
	d.Block = newBlock(c, dims{channels, c.NumPatches, c.DecoderDModel, c.DecoderNumLayers, c.DecoderAdaptiveLevels, c.DecoderMode, c.GatedAttn, c.HeadDropout})
	return d
}

// Spec is the model's frame.
func (m *Model) Spec() model.Spec {
	c := &m.Config
	s := model.Spec{Family: "ttm", Context: c.ContextLength, Horizon: c.horizon(), Targets: c.PredictionChannels}
	if c.Mode == "mix_channel" || (c.UseDecoder && c.DecoderMode == "mix_channel") || c.ForecastChannelMix || c.PredictionChannels != nil {
		s.Channels = c.NumInputChannels
	}
	if c.QuantileHead {
		s.Quantiles = c.QuantileLevels
	}
	return s
}

// Output is all that a forward pass gives.
type Output struct {
	Loc, Scale *tensor.Tensor // [B, 1, targets]
	Backbone   *tensor.Tensor // [B, C, P, D]
	Decoder    *tensor.Tensor // [B, C, P, decoder D]
	Scaled     *tensor.Tensor // [B, H, targets(, Q)]: the head's output before it is scaled back
	Prediction *tensor.Tensor // [B, H, targets(, Q)]
}

// Forward runs the model. Short histories are padded with zeros in front, which count as observed unless w.Observed
// is given; long ones are cut to their end (granite-tsfm 0.3.11).
func (m *Model) Forward(ctx *tensor.Ctx, w model.Window) Output {
	c := &m.Config
	past, observed := fit(w.Past, c.ContextLength), w.Observed
	if observed != nil {
		observed = fit(observed, c.ContextLength)
	}
	x, loc, scale := nn.Scale(c.scaling(), past, observed)
	x = x.Transpose(1, 2) // [B, C, T]
	patches := x.Unfold(c.PatchLength, c.PatchStride)
	var o Output
	o.Backbone = m.Backbone.Encoder.forward(patches, w.Freq)
	o.Decoder = o.Backbone
	if m.Decoder != nil {
		o.Decoder = m.Decoder.forward(patches, o.Backbone, w.Static)
	}
	o.Scaled = m.Head.forward(c, o.Decoder, past, w.Future)
	o.Loc, o.Scale = pick(loc, c.PredictionChannels), pick(scale, c.PredictionChannels)
	l, s := o.Loc, o.Scale
	if c.QuantileHead {
		l, s = l.Unsqueeze(3), s.Unsqueeze(3)
	}
	o.Prediction = o.Scaled.Mul(s).Add(l)
	return o
}

// Forecast implements model.Forecaster.
func (m *Model) Forecast(ctx *tensor.Ctx, w model.Window) model.Forecast {
	o := m.Forward(ctx, w)
	if !m.Config.QuantileHead {
		return model.Forecast{Mean: o.Prediction}
	}
	q := o.Prediction.SortLast()
	return model.Forecast{Mean: q.Slice(3, len(m.Config.QuantileLevels)/2, len(m.Config.QuantileLevels)/2+1).Squeeze(3), Quantiles: q}
}

// Loss is the configuration's loss in the units of the series; for a quantile head the mean pinball loss of all levels
// in scaled units, so that large series do not outweigh small ones.
func (m *Model) Loss(ctx *tensor.Ctx, w model.Window, target, observed *tensor.Tensor) *tensor.Tensor {
	c := &m.Config
	o := m.Forward(ctx, w)
	target = m.targets(target)
	if observed != nil {
		observed = m.targets(observed)
	}
	if c.QuantileHead {
		y := target.Sub(o.Loc).Div(o.Scale)
		return pinballs(o.Scaled, y, observed, c.QuantileLevels)
	}
	var each *tensor.Tensor
	e := o.Prediction.Sub(target)
	switch c.Loss {
	case "mae":
		each = e.Abs()
	case "huber":
		a := e.Abs()
		q := a.ClampMax(c.HuberDelta)
		each = q.Square().MulS(0.5).Add(a.Sub(q).MulS(c.HuberDelta))
	case "pinball":
		each = e.MulS(-c.Quantile).Max(e.MulS(1 - c.Quantile))
	default:
		each = e.Square()
	}
	return nn.MaskedMean(each, observed)
}

// pinballs is the mean of max(τe, (τ−1)e), e = y − q, over all levels τ: q [B, H, C, Q], y [B, H, C].
func pinballs(q, y, observed *tensor.Tensor, levels []float64) *tensor.Tensor {
	ctx := q.Ctx()
	e := y.Unsqueeze(3).Sub(q)
	tau := ctx.Constant(q.DType(), levels, len(levels))
	each := e.Mul(tau).Max(e.Mul(tau.SubS(1))).Mean(3).Squeeze(3)
	return nn.MaskedMean(each, observed)
}

// targets keeps the steps and channels that are forecast.
func (m *Model) targets(y *tensor.Tensor) *tensor.Tensor {
	if h := m.Config.horizon(); y.Dim(1) > h {
		y = y.Slice(1, 0, h)
	}
	if y.Dim(2) == m.Config.NumInputChannels {
		y = pick(y, m.Config.PredictionChannels)
	}
	return y
}

// fit pads with zeros in front or cuts to the last n steps: [B, T, C] → [B, n, C].
func fit(x *tensor.Tensor, n int) *tensor.Tensor {
	if t := x.Dim(1); t > n {
		return x.Slice(1, t-n, t)
	} else if t < n {
		return x.Pad(1, n-t, 0, tensor.PadZero)
	}
	return x
}

// pick selects channels (the last axis); nil keeps all.
func pick(x *tensor.Tensor, channels []int) *tensor.Tensor {
	if channels == nil {
		return x
	}
	last := x.Rank() - 1
	parts := make([]*tensor.Tensor, len(channels))
	for i, c := range channels {
		parts[i] = x.Slice(last, c, c+1)
	}
	return tensor.Concat(last, parts...)
}

func (e *Encoder) forward(patches, freq *tensor.Tensor) *tensor.Tensor {
	x := e.Patcher.Forward(patches) // [B, C, P, D]
	if e.FreqMod != nil {
		x = tensor.Concat(2, e.FreqMod.forward(x, freq), x)
	}
	if e.Pos != nil {
		x = x.Add(e.Pos.Enc)
	}
	return e.Mixer.forward(x)
}

// forward gives the prefix patch [B, C, 1, D]. Without tokens every series gets token 0, which the reference's
// tokenizer gives to unknown frequencies.
func (f *FreqMod) forward(x, freq *tensor.Tensor) *tensor.Tensor {
	if freq == nil {
		freq = x.Ctx().Zeros(tensor.I64, x.Dim(0))
	}
	t := f.Out.Forward(f.Up.ForwardAct(f.Embed.Forward(freq), tensor.ActGELU))
	return t.Reshape(x.Dim(0), 1, 1, x.Dim(3)).Expand(x.Dim(0), x.Dim(1), 1, x.Dim(3))
}

func (d *Decoder) forward(patches, x, static *tensor.Tensor) *tensor.Tensor {
	channels := x.Dim(1)
	if d.Adapter != nil {
		x = d.Adapter.Forward(x)
	}
	if d.Raw != nil {
		if patches.Dim(2) == x.Dim(2)-1 { // the frequency prefix has no raw patch
			patches = patches.Pad(2, 1, 0, tensor.PadZero)
		}
		x = x.Add(d.Raw.Forward(patches))
	}
	if d.Cat != nil {
		x = tensor.Concat(1, x, d.Cat.forward(x, static))
	}
	return d.Block.forward(x).Slice(1, 0, channels)
}

// forward embeds static categories [B, S] and repeats them over the patches: [B, S, P, D].
func (c *Categories) forward(x, static *tensor.Tensor) *tensor.Tensor {
	if static == nil {
		static = x.Ctx().Zeros(tensor.I64, x.Dim(0), len(c.Layers))
	}
	parts := make([]*tensor.Tensor, len(c.Layers))
	for i, e := range c.Layers {
		parts[i] = e.Forward(static.Slice(1, i, i+1)).Unsqueeze(2).Expand(x.Dim(0), 1, x.Dim(2), x.Dim(3))
	}
	return tensor.Concat(1, parts...)
}

func (h *Head) forward(c *Config, x, past, future *tensor.Tensor) *tensor.Tensor {
	y := h.Base.Forward(h.Dropout.Forward(x.Flatten(2, 3))) // [B, C, H(·Q)]
	if c.QuantileHead {
		q := len(c.QuantileLevels)
		y = y.Reshape(y.Dim(0), y.Dim(1), c.PredictionLength, q).Permute(0, 2, 1, 3)
		if c.PredictionChannels != nil {
			y = pick(y.Transpose(2, 3), c.PredictionChannels).Transpose(2, 3)
		}
		return y.Slice(1, 0, c.horizon())
	}
	y = pick(y.Transpose(1, 2), c.PredictionChannels).Slice(1, 0, c.horizon()) // [B, H, targets]
	if h.FCM != nil {
		y = h.FCM.forward(y, past, future)
	}
	return y
}
