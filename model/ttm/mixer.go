package ttm

import (
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/tensor"
)

// Hidden states are [B, C, P, D] throughout: batch, channel, patch, width.

// dims is what a stack of mixers is built from; the decoder and the forecast channel mixer change some of it.
type dims struct {
	channels, patches, d, layers, levels int
	mode                                 string
	gated                                bool
	dropout                              float64
}

// Norm is norm_mlp: over the width, LayerNorm or BatchNorm.
type Norm struct {
	Layer *nn.LayerNorm `w:"norm"`
	Batch *nn.BatchNorm `w:"norm.batchnorm"`
}

func newNorm(c *Config, d int) *Norm {
	if c.NormMLP == "BatchNorm" {
		n := &Norm{Batch: nn.NewBatchNorm(d)}
		n.Batch.Eps = c.NormEps
		return n
	}
	return &Norm{Layer: nn.NewLayerNorm(d, c.NormEps)}
}

func (n *Norm) forward(x *tensor.Tensor) *tensor.Tensor {
	if n.Batch != nil {
		return n.Batch.Forward(x)
	}
	return n.Layer.Forward(x)
}

// MLP is fc2(dropout(gelu(fc1(x)))) along an axis, with dropout after.
type MLP struct {
	FC1      *nn.Linear  `w:"fc1"`
	FC2      *nn.Linear  `w:"fc2"`
	Dropout1 *nn.Dropout `w:"dropout1"`
	Dropout2 *nn.Dropout `w:"dropout2"`
}

func newMLP(in, factor int, dropout float64) *MLP {
	return &MLP{FC1: nn.NewLinear(in, in*factor, true), FC2: nn.NewLinear(in*factor, in, true),
		Dropout1: nn.NewDropout(dropout), Dropout2: nn.NewDropout(dropout)}
}

func (m *MLP) forward(axis int, x *tensor.Tensor) *tensor.Tensor {
	return m.Dropout2.Forward(nn.MLPOver(axis, x, m.FC1, m.FC2, tensor.ActGELU, m.Dropout1))
}

// Gate is x∘softmax(W·x + b) along an axis, the gated attention, plus a residual if there is one.
type Gate struct {
	Attn *nn.Linear `w:"attn_layer"`
}

func newGate(on bool, d int) *Gate {
	if !on {
		return nil
	}
	return &Gate{Attn: nn.NewLinear(d, d, true)}
}

func (g *Gate) forward(axis int, x, residual *tensor.Tensor) *tensor.Tensor {
	switch {
	case g != nil:
		return x.Gate(axis, g.Attn.ForwardOver(axis, x), residual)
	case residual != nil:
		return residual.Add(x)
	}
	return x
}

// The axes of hidden states.
const (
	channels = 1
	patches  = 2
	width    = 3
)

// PatchMixer mixes along the patches: norm, MLP, gate, residual.
type PatchMixer struct {
	Norm     *Norm         `w:"norm"`
	MLP      *MLP          `w:"mlp"`
	Gate     *Gate         `w:"gating_block"`
	Attn     *nn.Attention `w:"self_attn_layer"`
	NormAttn *Norm         `w:"norm_attn"`
}

func newPatchMixer(c *Config, d dims) *PatchMixer {
	m := &PatchMixer{Norm: newNorm(c, d.d), MLP: newMLP(d.patches, c.ExpansionFactor, d.dropout), Gate: newGate(d.gated, d.patches)}
	if c.SelfAttn {
		m.Attn, m.NormAttn = nn.NewAttention(d.d, c.SelfAttnHeads), newNorm(c, d.d)
	}
	return m
}

func (m *PatchMixer) forward(x *tensor.Tensor) *tensor.Tensor {
	h := m.Norm.forward(x)
	y := m.MLP.forward(patches, h)
	if m.Attn == nil {
		return m.Gate.forward(patches, y, x)
	}
	y = m.Gate.forward(patches, y, nil)
	a, _ := m.Attn.Forward(h.Flatten(0, 1), tensor.AttentionOptions{})
	return x.Add(m.NormAttn.forward(y.Add(a.Reshape(h.Shape()...))))
}

// FeatureMixer mixes along the width: norm, MLP, gate, residual.
type FeatureMixer struct {
	Norm *Norm `w:"norm"`
	MLP  *MLP  `w:"mlp"`
	Gate *Gate `w:"gating_block"`
}

func newFeatureMixer(c *Config, d dims) *FeatureMixer {
	return &FeatureMixer{Norm: newNorm(c, d.d), MLP: newMLP(d.d, c.ExpansionFactor, d.dropout), Gate: newGate(d.gated, d.d)}
}

func (m *FeatureMixer) forward(x *tensor.Tensor) *tensor.Tensor {
	return m.Gate.forward(width, m.MLP.forward(width, m.Norm.forward(x)), x)
}

// ChannelMixer mixes along the channels; unlike its siblings it gates before its MLP.
type ChannelMixer struct {
	Norm *Norm `w:"norm"`
	MLP  *MLP  `w:"mlp"`
	Gate *Gate `w:"gating_block"`
}

func newChannelMixer(c *Config, d dims) *ChannelMixer {
	return &ChannelMixer{Norm: newNorm(c, d.d), MLP: newMLP(d.channels, c.ExpansionFactor, d.dropout), Gate: newGate(d.gated, d.channels)}
}

func (m *ChannelMixer) forward(x *tensor.Tensor) *tensor.Tensor {
	h := m.Gate.forward(channels, m.Norm.forward(x), nil)
	return x.Add(m.MLP.forward(channels, h))
}

// Layer is one mixer layer: channels (in mix_channel mode), patches, features.
type Layer struct {
	Patch   *PatchMixer   `w:"patch_mixer"`
	Feature *FeatureMixer `w:"feature_mixer"`
	Channel *ChannelMixer `w:"channel_feature_mixer"`
}

func newLayer(c *Config, d dims) *Layer {
	l := &Layer{Patch: newPatchMixer(c, d), Feature: newFeatureMixer(c, d)}
	if d.mode == "mix_channel" {
		l.Channel = newChannelMixer(c, d)
	}
	return l
}

func (l *Layer) forward(x *tensor.Tensor) *tensor.Tensor {
	if l.Channel != nil {
		x = l.Channel.forward(x)
	}
	return l.Feature.forward(l.Patch.forward(x))
}

// Level is one level of adaptive patching: each patch is cut into factor narrower ones for its layers.
type Level struct {
	Layers []*Layer `w:"mixer_layers"`
	factor int
}

func (l *Level) forward(x *tensor.Tensor) *tensor.Tensor {
	p, d := x.Dim(2), x.Dim(3)
	x = x.Reshape(x.Dim(0), x.Dim(1), p*l.factor, d/l.factor)
	for _, layer := range l.Layers {
		x = layer.forward(x)
	}
	return x.Reshape(x.Dim(0), x.Dim(1), p, d)
}

// Block is a stack of levels, the finest first, or of plain layers where there is no adaptive patching.
type Block struct {
	Levels []*Level `w:"mixers"`
	Layers []*Layer `w:"mixers"`
}

func newBlock(c *Config, d dims) *Block {
	b := &Block{}
	if d.levels == 0 {
		for range d.layers {
			b.Layers = append(b.Layers, newLayer(c, d))
		}
		return b
	}
	for i := d.levels - 1; i >= 0; i-- {
		factor := 1 << i
		if d.d/factor <= 4 { // the reference switches such a level off without a word
			factor = 1
		}
		l := &Level{factor: factor}
		in := d
		in.patches, in.d = d.patches*factor, d.d/factor
		for range d.layers {
			l.Layers = append(l.Layers, newLayer(c, in))
		}
		b.Levels = append(b.Levels, l)
	}
	return b
}

func (b *Block) forward(x *tensor.Tensor) *tensor.Tensor {
	for _, l := range b.Levels {
		x = l.forward(x)
	}
	for _, l := range b.Layers {
		x = l.forward(x)
	}
	return x
}
