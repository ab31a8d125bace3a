// Package llama is the decoder of Llama 1, 2 and 3 (Touvron et al., arXiv 2302.13971 and 2307.09288; arXiv 2407.21783) and of
// its many kin that differ by a few switches: Vicuna, SmolLM, Mistral (sliding window), Qwen2 (biases of q, k, v) and
// Qwen3 (normalised q and k). Configuration and weights are those of transformers. Text comes and goes as token ids: the
// package knows no tokenizer and no sampling.
//
//	m, err := llama.Load(dir, nil)
//	cache, err := m.NewCache(nn.CacheOptions{})
//	ctx := tensor.New(tensor.Options{})
//	logits, err := m.Forward(ctx, model.Batch{Tokens: prompt}, cache) // [len(prompt), V]
//
// N rows, B batch, T time, C width, H heads, D head size, F hidden width of the MLP, V vocabulary.
package llama

import (
	"fmt"
	"io"

	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/tensor"
)

// Attention is grouped-query attention (arXiv 2305.13245) with rotary positions.
type Attention struct {
	Q     *nn.Linear  `w:"q_proj"` // C → H·D
	K     *nn.Linear  `w:"k_proj"` // C → Hkv·D
	V     *nn.Linear  `w:"v_proj"` // C → Hkv·D
	Out   *nn.Linear  `w:"o_proj"` // H·D → C
	QNorm *nn.RMSNorm `w:"q_norm"` // of each head, before it turns; nil: none
	KNorm *nn.RMSNorm `w:"k_norm"`
	Scale float64     `w:"-"` // of q·k; 0: 1/√D

	layer, headDim, window int
}

// NewAttention makes the attention of a layer.
func NewAttention(c *Config, layer int) *Attention {
	q, kv := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	bias := c.AttentionBias || c.ModelType == "qwen2"
	a := &Attention{Q: c.Linear(c.HiddenSize, q, bias), K: c.Linear(c.HiddenSize, kv, bias), V: c.Linear(c.HiddenSize, kv, bias),
		Out: c.Linear(q, c.HiddenSize, bias && c.ModelType != "qwen2"), layer: layer, headDim: c.HeadDim}
	if c.ModelType == "qwen3" {
		a.QNorm, a.KNorm = nn.NewRMSNorm(c.HeadDim, c.NormEps), nn.NewRMSNorm(c.HeadDim, c.NormEps)
	}
	if w := c.Windows(); w != nil {
		a.window = w[layer]
	}
	return a
}

// Forward maps [N, C] to [N, C].
func (a *Attention) Forward(x *tensor.Tensor, rot nn.Rotation, rows *nn.Rows) *tensor.Tensor {
	q, k, v := a.heads(a.Q.Forward(x)), a.heads(a.K.Forward(x)), a.heads(a.V.Forward(x))
	if a.QNorm != nil {
		q, k = a.QNorm.Forward(q), a.KNorm.Forward(k)
	}
	y := rows.Attend(a.layer, rot.Apply(q), rot.Apply(k), v, nn.AttendOptions{Scale: a.Scale, Window: a.window})
	return a.Out.Forward(y)
}

// heads views [N, H·D] as [N, H, D].
func (a *Attention) heads(x *tensor.Tensor) *tensor.Tensor {
	return x.Reshape(x.Dim(0), x.Dim(1)/a.headDim, a.headDim)
}

// NewMLP makes the feed-forward layer.
func NewMLP(c *Config) *nn.SwiGLU {
	linear := func(in, out int) *nn.Linear { return c.Linear(in, out, c.MLPBias) }
	return &nn.SwiGLU{Gate: linear(c.HiddenSize, c.IntermediateSize), Up: linear(c.HiddenSize, c.IntermediateSize), Down: linear(c.IntermediateSize, c.HiddenSize)}
}

// Block is one layer.
type Block struct {
	AttnNorm *nn.RMSNorm `w:"input_layernorm"`
	Attn     *Attention  `w:"self_attn"`
	MLPNorm  *nn.RMSNorm `w:"post_attention_layernorm"`
	MLP      *nn.SwiGLU  `w:"mlp"`
}

// Forward maps [N, C] to [N, C].
func (b *Block) Forward(x *tensor.Tensor, rot nn.Rotation, rows *nn.Rows) *tensor.Tensor {
	h := rows.Next(x.Add(b.Attn.Forward(b.AttnNorm.Forward(x), rot, rows)))
	return rows.Next(h.Add(b.MLP.Forward(b.MLPNorm.Forward(h))))
}

// Model is LlamaForCausalLM.
type Model struct {
	Config Config        `w:"-"`
	Embed  *nn.Embedding `w:"model.embed_tokens"`
	Blocks []*Block      `w:"model.layers"`
	Norm   *nn.RMSNorm   `w:"model.norm"`
	Head   *nn.Linear    `w:"lm_head"` // nil: the embedding

	rope *nn.RoPE
	file io.Closer // a file that weights are read from
}

// New builds the model of a validated configuration with parameters at zero; Init draws them.
func New(c Config) *Model {
	rope, err := c.NewRoPE()
	if err != nil {
		panic(fmt.Sprintf("llama: configuration was not validated: %v", err))
	}
	m := &Model{Config: c, Embed: c.Embedding(), Norm: nn.NewRMSNorm(c.HiddenSize, c.NormEps), rope: rope}
	for i := range c.Layers {
		m.Blocks = append(m.Blocks, &Block{nn.NewRMSNorm(c.HiddenSize, c.NormEps), NewAttention(&c, i), nn.NewRMSNorm(c.HiddenSize, c.NormEps), NewMLP(&c)})
	}
	if !c.Tied {
		m.Head = c.Linear(c.HiddenSize, c.VocabSize, false)
	}
	nn.Name(m)
	return m
}

// Spec is the model's frame.
func (m *Model) Spec() model.DecoderSpec { return m.Config.Spec("llama") }

// Forward is one call of the decoder; see model.Decoder.
func (m *Model) Forward(ctx *tensor.Ctx, b model.Batch, cache *nn.Cache) (logits *tensor.Tensor, err error) {
	x, err := m.Hidden(ctx, b, cache)
	if err != nil {
		return nil, err
	}
	defer tensor.Recover(&err)
	return m.logits(x), nil
}

// Hidden are the states that logits are made of; see model.Embedder.
func (m *Model) Hidden(ctx *tensor.Ctx, b model.Batch, cache *nn.Cache) (x *tensor.Tensor, err error) {
	defer tensor.Recover(&err)
	rows, err := b.Rows(cache)
	if err != nil {
		return nil, err
	}
	x = m.blocks(b.Inputs(ctx, rows, m.Embed), rows)
	rows.Done()
	return m.Norm.Forward(rows.Pick(x, b.Want)), nil
}

// Logits are those of whole sequences of tokens (i64 [B, T]), with gradients: [B, T, V].
func (m *Model) Logits(tokens *tensor.Tensor) *tensor.Tensor {
	return m.logits(m.hidden(tokens)).Reshape(tokens.Dim(0), tokens.Dim(1), m.Config.VocabSize)
}

// hidden is the states of whole sequences after the last norm, [B·T, C].
func (m *Model) hidden(tokens *tensor.Tensor) *tensor.Tensor {
	b, t := tokens.Dim(0), tokens.Dim(1)
	return m.Norm.Forward(m.blocks(m.Embed.Forward(tokens.Reshape(b*t)), nn.Dense(b, t)))
}

// Loss is the mean next-token loss; see model.TrainableDecoder.
func (m *Model) Loss(_ *tensor.Ctx, tokens, labels *tensor.Tensor) *tensor.Tensor {
	return nn.CausalLoss(m.hidden(tokens), labels, model.IgnoreLabel, m.logits)
}

func (m *Model) blocks(x *tensor.Tensor, rows *nn.Rows) *tensor.Tensor {
	rot := rows.Rotation(x.Ctx(), m.rope, x.DType())
	for _, b := range m.Blocks {
		x = b.Forward(x, rot, rows)
	}
	return x
}

// logits is the head, after the last norm.
func (m *Model) logits(x *tensor.Tensor) *tensor.Tensor {
	if m.Head == nil {
		return m.Embed.Logits(x)
	}
	return m.Head.Forward(x)
}
