package patchtst

import (
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/tensor"
)

// Head is what comes after the encoder: projection (prediction, regression), one a distribution parameter (nll), one
// a channel (individual), or linear (pre-training, classification).
type Head struct {
	Projection *nn.Linear   `w:"projection"`
	Params     []*nn.Linear `w:"projection.proj"`
	Each       []*nn.Linear `w:"linears"`
	Linear     *nn.Linear   `w:"linear"`
	Dropout    *nn.Dropout  `w:"dropout"`
}

func newHead(c *Config) *Head {
	h := &Head{Dropout: nn.NewDropout(c.HeadDropout)}
	pooled := c.NumInputChannels * c.DModel
	switch c.task() {
	case Pretraining:
		h.Linear = nn.NewLinear(c.DModel, c.PatchLength, true)
	case Classification:
		h.Linear = nn.NewLinear(pooled, c.NumTargets, true)
	case Regression:
		h.Projection = nn.NewLinear(pooled, c.NumTargets, true)
	default:
		in := c.patches() * c.DModel
		if c.PoolingType != nil || c.UseCLSToken {
			in = c.DModel
		}
		switch {
		case c.Loss == "nll":
			for range distributions[c.DistributionOutput].params {
				h.Params = append(h.Params, nn.NewLinear(in, c.PredictionLength, true))
			}
		case c.Individual:
			for range c.NumInputChannels {
				h.Each = append(h.Each, nn.NewLinear(in, c.PredictionLength, true))
			}
		default:
			h.Projection = nn.NewLinear(in, c.PredictionLength, true)
		}
	}
	return h
}

// pool takes the class token, the mean or the maximum over patches: [B, C, P, D] → [B, C, D].
func (c *Config) pool(x *tensor.Tensor) *tensor.Tensor {
	switch {
	case c.UseCLSToken:
		return x.Index(2, 0)
	case c.PoolingType != nil && *c.PoolingType == "mean":
		return x.Mean(2).Squeeze(2)
	case c.PoolingType != nil:
		return x.Amax(2).Squeeze(2)
	}
	return x
}

// forward maps [B, C, P, D] to [B, C, H], once or once a distribution parameter.
func (h *Head) forward(c *Config, x *tensor.Tensor) []*tensor.Tensor {
	x = c.pool(x)
	if x.Rank() == 4 {
		if c.DMajor {
			x = x.Transpose(2, 3)
		}
		x = x.Flatten(2, 3)
	}
	if h.Each != nil {
		parts := make([]*tensor.Tensor, len(h.Each))
		for i, l := range h.Each {
			parts[i] = h.Dropout.Forward(l.Forward(x.Slice(1, i, i+1)))
		}
		return []*tensor.Tensor{tensor.Concat(1, parts...)}
	}
	if c.DMajor { // the paper's code drops out after the linear layer
		return []*tensor.Tensor{h.Dropout.Forward(h.Projection.Forward(x))}
	}
	x = h.Dropout.Forward(x)
	if h.Params == nil {
		return []*tensor.Tensor{h.Projection.Forward(x)}
	}
	raw := make([]*tensor.Tensor, len(h.Params))
	for i, l := range h.Params {
		raw[i] = l.Forward(x)
	}
	return raw
}
