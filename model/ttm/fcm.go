package ttm

import (
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/tensor"
)

// ForecastChannelHead reconciles the forecasts of all channels with what is known of the future (arXiv 2401.03955,
// §3.3, exogenous mixer): around each step a patch of 2k+1 values of every channel is mixed into a correction. Note the
// reference's quirk: past and exogenous values enter unscaled beside scaled forecasts.
type ForecastChannelHead struct {
	Embed *nn.Linear `w:"fcm_embedding"`
	Mixer *Block     `w:"exog_mixer"`
	Gate  *Gate      `w:"fcm_gating_block"`
	Out   *nn.Linear `w:"mlp"`

	k       int // steps on either side
	prepend bool
	skip    int // last steps of the past that are passed over
	targets []int
	exog    []int
}

func newForecastChannelHead(c *Config) *ForecastChannelHead {
	h := &ForecastChannelHead{k: c.FCMContextLength, prepend: c.FCMPrependPast, targets: c.PredictionChannels, exog: c.ExogenousChannels}
	if c.FCMPrependPastFrom != nil {
		h.skip = *c.FCMPrependPastFrom
	}
	targets := c.NumInputChannels
	if c.PredictionChannels != nil {
		targets = len(c.PredictionChannels)
	}
	all, width := targets+len(c.ExogenousChannels), 2*h.k+1
	if c.FCMUseMixer { // the channels take the place of patches
		h.Embed = nn.NewLinear(width, 2*width, true)
		h.Mixer = newBlock(c, dims{c.horizon(), all, 2 * width, c.FCMMixLayers, 0, "common_channel", c.FCMGatedAttn, c.HeadDropout})
		width *= 2
	}
	h.Gate = newGate(c.FCMGatedAttn, all*width)
	h.Out = nn.NewLinear(all*width, targets, true)
	return h
}

// forward maps forecasts [B, H, targets] to corrected ones; past is [B, T, C], future [B, ≥H, C].
func (h *ForecastChannelHead) forward(y, past, future *tensor.Tensor) *tensor.Tensor {
	base, steps := y, y.Dim(1)
	lead := pick(past, h.targets)
	if len(h.exog) > 0 {
		if future == nil {
			future = y.Ctx().Zeros(y.DType(), y.Dim(0), steps, past.Dim(2))
		}
		y = tensor.Concat(2, y, pick(future.Slice(1, 0, steps), h.exog))
		lead = tensor.Concat(2, lead, pick(past, h.exog))
	}
	if h.prepend {
		end := past.Dim(1) - h.skip
		y = tensor.Concat(1, lead.Slice(1, end-h.k, end), y.Pad(1, 0, h.k, tensor.PadZero))
	} else {
		y = y.Pad(1, h.k, h.k, tensor.PadZero)
	}
	y = y.Transpose(1, 2).Unfold(2*h.k+1, 1).Transpose(1, 2) // [B, H, channels, 2k+1]
	if h.Mixer != nil {
		y = h.Mixer.forward(h.Embed.Forward(y))
	}
	return base.Add(h.Out.Forward(h.Gate.forward(-1, y.Flatten(2, 3), nil)))
}
