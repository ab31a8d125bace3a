// Package patchtst is PatchTST (Nie et al., arXiv 2211.14730): a transformer over patches of each channel, for
// supervised forecasting and for masked pre-training with linear probing or fine-tuning. Both published layouts load:
// the paper's own code (.pth) and transformers' (safetensors); Config says how they differ.
//
// B batch, C channel, L look-back, P patch, D width, H horizon.
package patchtst

import (
	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/tensor"
)

// Model is PatchTST with the head of its task.
type Model struct {
	Config Config `w:"-"`
	Core   *Core  `w:"model"`
	Head   *Head  `w:"head"`
	RevIN  *RevIN `w:"revin_layer"`
	Trend  *Model `w:"trend"` // Decompose: forecasts the moving average, the rest of the struct what is left
}

// Core holds the encoder, as transformers' PatchTSTModel.
type Core struct {
	Encoder *Encoder `w:"encoder"`
}

// RevIN's learnable part (Kim et al. 2022).
type RevIN struct {
	Weight *tensor.Tensor `w:"affine_weight"` // [C]
	Bias   *tensor.Tensor `w:"affine_bias"`   // [C]
}

// New builds the model of a validated configuration with parameters at zero; Init draws them.
func New(c Config) *Model {
	m := build(c)
	if c.Decompose > 0 {
		m.Trend = build(c)
	}
	nn.Name(m)
	return m
}

func build(c Config) *Model {
	m := &Model{Config: c, Core: &Core{newEncoder(&c)}, Head: newHead(&c)}
	if c.Affine {
		m.RevIN = &RevIN{tensor.NewParam("affine_weight", tensor.F32, c.NumInputChannels), tensor.NewParam("affine_bias", tensor.F32, c.NumInputChannels)}
		m.RevIN.Weight.Fill(1)
	}
	return m
}

// Init draws the parameters as the layout's own code does: the paper's with torch's defaults and positions from
// ±0.02; transformers' from a normal of init_std, biases zero.
func (m *Model) Init(seed uint64) {
	paper := m.Config.EndPadding || m.Config.ResAttention
	nn.Init(m, seed)
	for _, p := range nn.Walk(m) {
		key := nn.Hash(p.Name) ^ seed*0x9e3779b97f4a7c15
		switch {
		case !p.Tensor.IsParam():
		case paper && p.Tensor.Rank() == 2 && hasSuffix(p.Name, "position_enc"):
			p.Tensor.FillUniform(key, -0.02, 0.02)
		case paper:
		case hasSuffix(p.Name, "position_enc"), hasSuffix(p.Name, "cls_token"):
			p.Tensor.FillNormal(key, 0, m.Config.InitStd)
		case p.Tensor.Rank() == 2:
			p.Tensor.FillNormal(key, 0, m.Config.InitStd)
		case hasSuffix(p.Name, "bias"):
			p.Tensor.Fill(0)
		}
	}
}

func hasSuffix(s, suffix string) bool {
	return len(s) >= len(suffix) && s[len(s)-len(suffix):] == suffix
}

// Spec is the model's frame.
func (m *Model) Spec() model.Spec {
	c := &m.Config
	s := model.Spec{Family: "patchtst", Context: c.ContextLength, Horizon: c.PredictionLength}
	if c.ChannelAttention || !c.ShareEmbedding || c.Individual || c.Affine {
		s.Channels = c.NumInputChannels
	}
	return s
}

// Pretraining reports whether the model reconstructs hidden patches and does not forecast.
func (m *Model) Pretraining() bool { return m.Config.task() == Pretraining }

// Output is all that a forward pass gives.
type Output struct {
	Loc, Scale *tensor.Tensor   // [B, 1, C]
	Patches    *tensor.Tensor   // [B, C, P, patch], scaled and unmasked
	Encoder    *tensor.Tensor   // [B, C, P, D]
	Head       *tensor.Tensor   // prediction before scaling back [B, H, C]; reconstruction [B, C, P, patch]; logits [B, targets]
	Params     []*tensor.Tensor // of the distribution, [B, H, C] each; loss nll
	Prediction *tensor.Tensor   // [B, H, C] in the units of the input; else as Head
}

// Forward runs the model; mask [B, C, P] (1 = hidden) is for pre-training and may be nil.
func (m *Model) Forward(ctx *tensor.Ctx, w model.Window, mask *tensor.Tensor) Output {
	if m.Trend == nil {
		return m.forward(w, mask)
	}
	trend := movingAverage(w.Past, m.Config.Decompose)
	rest := w
	rest.Past = w.Past.Sub(trend)
	o := m.forward(rest, mask)
	w.Past = trend
	o.Prediction = o.Prediction.Add(m.Trend.forward(w, nil).Prediction)
	return o
}

// movingAverage of k steps with the edges repeated, along time: [B, L, C].
func movingAverage(x *tensor.Tensor, k int) *tensor.Tensor {
	padded := x.Transpose(1, 2).Pad(2, (k-1)/2, (k-1)/2, tensor.PadReplicate)
	return padded.Unfold(k, 1).Mean(3).Squeeze(3).Transpose(1, 2)
}

func (m *Model) forward(w model.Window, mask *tensor.Tensor) Output {
	c := &m.Config
	past := w.Past
	if t := past.Dim(1); t > c.ContextLength {
		past = past.Slice(1, t-c.ContextLength, t)
	}
	var o Output
	x, loc, scale := nn.Scale(c.scaling(), past, w.Observed)
	o.Loc, o.Scale = loc, scale
	if c.SubtractLast { // the scale stays that about the mean, as in the reference
		o.Loc = past.Slice(1, c.ContextLength-1, c.ContextLength)
		x = past.Sub(o.Loc).Div(scale)
	}
	if m.RevIN != nil {
		x = x.Mul(m.RevIN.Weight).Add(m.RevIN.Bias)
	}
	o.Patches = m.patchify(x.Transpose(1, 2))
	in := o.Patches
	if mask != nil { // hidden patches become mask_value
		hidden := mask.Unsqueeze(3)
		in = in.Mul(hidden.RSubS(1)).Add(hidden.MulS(c.MaskValue))
	}
	o.Encoder = m.Core.Encoder.forward(in)
	m.finish(&o)
	return o
}

// patchify cuts x [B, C, L]: with end padding from the front, else so that the last patch ends at the last step.
func (m *Model) patchify(x *tensor.Tensor) *tensor.Tensor {
	c := &m.Config
	if c.EndPadding {
		return x.Pad(2, 0, c.PatchStride, tensor.PadReplicate).Unfold(c.PatchLength, c.PatchStride)
	}
	used := c.PatchLength + c.PatchStride*(c.patches()-1)
	if !c.DMajor { // the paper's supervised code without padding drops the end instead
		x = x.Slice(2, c.ContextLength-used, c.ContextLength)
	}
	return x.Unfold(c.PatchLength, c.PatchStride)
}

func (m *Model) finish(o *Output) {
	c := &m.Config
	switch c.task() {
	case Pretraining:
		x := o.Encoder
		if c.UseCLSToken {
			x = x.Slice(2, 1, x.Dim(2))
		}
		o.Head = m.Head.Linear.Forward(m.Head.Dropout.Forward(x))
		o.Prediction = o.Head
	case Classification:
		o.Head = m.Head.Linear.Forward(m.Head.Dropout.Forward(c.pool(o.Encoder).Flatten(1, 2)))
		o.Prediction = o.Head
	case Regression:
		y := m.Head.Projection.Forward(m.Head.Dropout.Forward(c.pool(o.Encoder).Flatten(1, 2)))
		if r := c.OutputRange; r != nil {
			y = y.Sigmoid().MulS(r[1] - r[0]).AddS(r[0])
		}
		o.Head, o.Prediction = y, y
	default:
		m.predict(o)
	}
}

func (m *Model) predict(o *Output) {
	c := &m.Config
	raw := m.Head.forward(c, o.Encoder) // one [B, C, H], or one a parameter of the distribution
	for i := range raw {
		raw[i] = raw[i].Transpose(1, 2)
	}
	if c.Loss == "nll" {
		d := distributions[c.DistributionOutput]
		o.Params = d.domain(raw)
		o.Prediction = d.mean(o.Params, o.Loc, o.Scale)
		return
	}
	o.Head = raw[0]
	y := raw[0]
	if m.RevIN != nil {
		y = y.Sub(m.RevIN.Bias).Div(y.Ctx().Use(m.RevIN.Weight).AddS(1e-10)) // weight + eps², eps 1e-5
	}
	o.Prediction = y.Mul(o.Scale).Add(o.Loc)
}

// Forecast implements model.Forecaster.
func (m *Model) Forecast(ctx *tensor.Ctx, w model.Window) model.Forecast {
	return model.Forecast{Mean: m.Forward(ctx, w, nil).Prediction}
}

// Loss is the task's: mean squared error or −ln likelihood of the targets [B, H, C]; for pre-training see LossMasked.
func (m *Model) Loss(ctx *tensor.Ctx, w model.Window, target, observed *tensor.Tensor) *tensor.Tensor {
	c := &m.Config
	if c.task() == Pretraining {
		return m.LossMasked(ctx, w, m.Mask(ctx, w.Past.Dim(0), w.Past.Dim(2)))
	}
	o := m.Forward(ctx, w, nil)
	if target.Rank() == 3 && target.Dim(1) > c.PredictionLength {
		target = target.Slice(1, 0, c.PredictionLength)
	}
	if o.Params != nil {
		each := distributions[c.DistributionOutput].nll(o.Params, target, o.Loc, o.Scale)
		// The reference's distribution is joint over the channels: −ln p of a step is their sum.
		return nn.MaskedMean(each, observed).MulS(float64(each.Dim(2)))
	}
	if c.task() == Classification {
		return o.Prediction.CrossEntropy(target, tensor.CrossEntropyOptions{})
	}
	return nn.MaskedMean(o.Prediction.Sub(target).Square(), observed)
}

// LossMasked is the mean over hidden patches of their mean squared error in scaled units.
func (m *Model) LossMasked(ctx *tensor.Ctx, w model.Window, mask *tensor.Tensor) *tensor.Tensor {
	o := m.Forward(ctx, w, mask)
	each := o.Prediction.Sub(o.Patches).Square().Mean(3).Squeeze(3)
	return each.Mul(mask).Sum().Div(mask.Sum().AddS(1e-10))
}

// Mask draws what pre-training hides of a batch: [B, C, P], 1 = hidden.
func (m *Model) Mask(ctx *tensor.Ctx, batch, channels int) *tensor.Tensor {
	c := &m.Config
	P := c.patches()
	if c.MaskType == "forecast" {
		order := argsort(ctx.Uniform(nn.Hash("mask"), tensor.F32, batch).Read())
		return maskTensor(ctx, MaskForecast(order, channels, P, c.ForecastMask), c.UnmaskedChannels, batch, channels, P)
	}
	n := channels
	if c.ConsistentMask {
		n = 1
	}
	noise := ctx.Uniform(nn.Hash("mask"), tensor.F32, batch, n, P).Read()
	return maskTensor(ctx, MaskRandom(noise, n, channels, P, c.RandomMaskRatio), c.UnmaskedChannels, batch, channels, P)
}
