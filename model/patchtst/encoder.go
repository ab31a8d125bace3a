package patchtst

import (
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/tensor"
)

var activations = map[string]tensor.Act{"gelu": tensor.ActGELU, "relu": tensor.ActReLU, "silu": tensor.ActSiLU}

// Encoder maps patches [B, C, P, patch] to [B, C, P, D]; a class token comes first where there is one.
type Encoder struct {
	Embedder *Embedder `w:"embedder"`
	Pos      *Position `w:"positional_encoder"`
	Layers   []*Layer  `w:"layers"`
}

// Embedder is the patch embedding, one for all channels or one each.
type Embedder struct {
	Shared *nn.Linear   `w:"input_embedding"`
	Each   []*nn.Linear `w:"input_embedding"`
}

// Position adds a table of positions, and the class token.
type Position struct {
	Enc     *tensor.Tensor `w:"position_enc"` // [P, D], with a first row for the class token
	CLS     *tensor.Tensor `w:"cls_token"`    // [1, 1, 1, D]
	Dropout *nn.Dropout    `w:"positional_dropout"`
}

// Norm is a batch or layer norm over the width.
type Norm struct {
	Layer *nn.LayerNorm `w:""`
	Batch *nn.BatchNorm `w:"batchnorm"`
}

func newNorm(c *Config) *Norm {
	if c.NormType == "batchnorm" {
		b := nn.NewBatchNorm(c.DModel)
		b.Eps = c.NormEps
		return &Norm{Batch: b}
	}
	return &Norm{Layer: nn.NewLayerNorm(c.DModel, c.NormEps)}
}

func (n *Norm) forward(x *tensor.Tensor) *tensor.Tensor {
	if n.Batch != nil {
		return n.Batch.Forward(x)
	}
	return n.Layer.Forward(x)
}

// Layer is a transformer layer over the patches of each channel (§3.1), optionally also over the channels of each
// patch with the same attention weights.
type Layer struct {
	Attn  *nn.Attention `w:"self_attn"`
	Norm1 *Norm         `w:"norm_sublayer1"`
	Norm2 *Norm         `w:"norm_sublayer2"`
	FF1   *nn.Linear    `w:"ff.0"`
	FF2   *nn.Linear    `w:"ff.3"`
	Norm3 *Norm         `w:"norm_sublayer3"`

	AttnDropout *nn.Dropout `w:"attn_dropout"`
	ProjDropout *nn.Dropout `w:"proj_dropout"`
	Path1       *nn.Dropout `w:"dropout_path1"`
	Path2       *nn.Dropout `w:"dropout_path2"`
	FFDropout   *nn.Dropout `w:"ff.2"`
	Path3       *nn.Dropout `w:"dropout_path3"`

	act          tensor.Act
	pre, residue bool
	normResidual bool
}

func newEncoder(c *Config) *Encoder {
	e := &Encoder{Embedder: &Embedder{}, Pos: &Position{Dropout: nn.NewDropout(c.PositionalDropout)}}
	if c.ShareEmbedding {
		e.Embedder.Shared = nn.NewLinear(c.PatchLength, c.DModel, true)
	} else {
		for range c.NumInputChannels {
			e.Embedder.Each = append(e.Embedder.Each, nn.NewLinear(c.PatchLength, c.DModel, true))
		}
	}
	rows := c.patches()
	if c.UseCLSToken {
		rows++
		e.Pos.CLS = tensor.NewParam("cls_token", tensor.F32, 1, 1, 1, c.DModel)
	}
	if c.PositionalEncoding == "sincos" {
		e.Pos.Enc = nn.SinCos(rows, c.DModel)
	} else {
		e.Pos.Enc = tensor.NewParam("position_enc", tensor.F32, rows, c.DModel)
	}
	for range c.NumHiddenLayers {
		l := &Layer{Attn: nn.NewAttention(c.DModel, c.NumAttentionHeads), Norm1: newNorm(c), Norm3: newNorm(c),
			FF1: nn.NewLinear(c.DModel, c.FFNDim, c.Bias), FF2: nn.NewLinear(c.FFNDim, c.DModel, c.Bias),
			AttnDropout: nn.NewDropout(c.AttentionDropout), ProjDropout: nn.NewDropout(c.ProjDropout), Path1: nn.NewDropout(c.PathDropout), Path2: nn.NewDropout(c.PathDropout),
			FFDropout: nn.NewDropout(c.FFDropout), Path3: nn.NewDropout(c.PathDropout), act: activations[c.Activation], pre: c.PreNorm, residue: c.ResAttention, normResidual: c.NormResidual}
		if !c.Bias {
			l.Attn.Q.Bias, l.Attn.K.Bias, l.Attn.V.Bias, l.Attn.Out.Bias = nil, nil, nil, nil
		}
		if c.ChannelAttention {
			l.Norm2 = newNorm(c)
		}
		e.Layers = append(e.Layers, l)
	}
	return e
}

func (e *Encoder) forward(patches *tensor.Tensor) *tensor.Tensor {
	x := e.Pos.forward(e.Embedder.forward(patches)) // [B, C, P, D]
	var scores *tensor.Tensor
	for _, l := range e.Layers {
		x, scores = l.forward(x, scores)
	}
	return x
}

func (e *Embedder) forward(patches *tensor.Tensor) *tensor.Tensor {
	if e.Shared != nil {
		return e.Shared.Forward(patches)
	}
	parts := make([]*tensor.Tensor, len(e.Each))
	for i, l := range e.Each {
		parts[i] = l.Forward(patches.Slice(1, i, i+1))
	}
	return tensor.Concat(1, parts...)
}

func (p *Position) forward(x *tensor.Tensor) *tensor.Tensor {
	if p.CLS == nil {
		return p.Dropout.Forward(x.Add(p.Enc))
	}
	enc := x.Ctx().Use(p.Enc)
	x = p.Dropout.Forward(x.Add(enc.Slice(0, 1, p.Enc.Dim(0))))
	cls := enc.Slice(0, 0, 1).Add(p.CLS).Expand(x.Dim(0), x.Dim(1), 1, x.Dim(3))
	return tensor.Concat(2, cls, x)
}

// forward runs the layer on [B, C, P, D]; prev are the scores of the layer before (nil at the first).
func (l *Layer) forward(x, prev *tensor.Tensor) (y, scores *tensor.Tensor) {
	shape := x.Shape()
	h := x.Flatten(0, 1) // [B·C, P, D]
	o := tensor.AttentionOptions{Dropout: l.AttnDropout.P, Path: l.AttnDropout.Path()}
	if l.residue {
		o.Prev, o.Scores = prev, true
	}
	h = l.sublayer(h, l.Norm1, l.Path1, func(x *tensor.Tensor) *tensor.Tensor {
		var a *tensor.Tensor
		a, scores = l.Attn.Forward(x, o)
		return l.ProjDropout.Forward(a)
	})
	if l.Norm2 != nil { // over the channels of each patch
		h = h.Reshape(shape...).Transpose(1, 2).Flatten(0, 1) // [B·P, C, D]
		h = l.sublayer(h, l.Norm2, l.Path2, func(x *tensor.Tensor) *tensor.Tensor {
			a, _ := l.Attn.Forward(x, tensor.AttentionOptions{Dropout: l.AttnDropout.P, Path: l.AttnDropout.Path()})
			return a
		})
		h = h.Reshape(shape[0], shape[2], shape[1], shape[3]).Transpose(1, 2).Flatten(0, 1)
	}
	h = l.sublayer(h, l.Norm3, l.Path3, func(x *tensor.Tensor) *tensor.Tensor {
		return nn.MLP(x, l.FF1, l.FF2, l.act, l.FFDropout)
	})
	return h.Reshape(shape...), scores
}

// sublayer is x + dropout(f(norm(x))), or norm(x + dropout(f(x))) with the norm after.
func (l *Layer) sublayer(x *tensor.Tensor, norm *Norm, path *nn.Dropout, f func(*tensor.Tensor) *tensor.Tensor) *tensor.Tensor {
	if l.pre && l.normResidual {
		x = norm.forward(x)
		return path.Add(x, f(x))
	}
	if l.pre {
		return path.Add(x, f(norm.forward(x)))
	}
	return norm.forward(path.Add(x, f(x)))
}
