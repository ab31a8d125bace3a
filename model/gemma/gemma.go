// Package gemma is the text decoder of Gemma 3 (arXiv 2503.19786): Llama's with norms before and after each part, a gate of GELU,
// normalised queries and keys, and layers of which most see a sliding window. Configuration and weights are those of
// transformers' Gemma3ForCausalLM.
//
//	m, err := gemma.Load(dir, nil)
//	cache, err := m.NewCache(nn.CacheOptions{})
//	logits, err := m.Forward(ctx, model.Batch{Tokens: prompt}, cache) // [len(prompt), V]
//
// N rows, B batch, T time, C width, V vocabulary.
package gemma

import (
	"fmt"
	"io"
	"math"

	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/model/llama"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/tensor"
)

// MLP is down(gelu(gate(x))∘up(x)) (GEGLU, arXiv 2002.05202), GELU by its tanh formula.
type MLP struct {
	Gate *nn.Linear `w:"gate_proj"` // C → F
	Up   *nn.Linear `w:"up_proj"`   // C → F
	Down *nn.Linear `w:"down_proj"` // F → C
}

// Forward maps [N, C] to [N, C].
func (m *MLP) Forward(x *tensor.Tensor) *tensor.Tensor {
	return m.Down.Forward(m.Gate.ForwardAct(x, tensor.ActGELUTanh).Mul(m.Up.Forward(x)))
}

// Block is one layer.
type Block struct {
	AttnNorm *nn.RMSNorm      `w:"input_layernorm"`
	Attn     *llama.Attention `w:"self_attn"`
	AttnPost *nn.RMSNorm      `w:"post_attention_layernorm"`
	MLPNorm  *nn.RMSNorm      `w:"pre_feedforward_layernorm"`
	MLP      *MLP             `w:"mlp"`
	MLPPost  *nn.RMSNorm      `w:"post_feedforward_layernorm"`

	kind string // local or global
}

// Forward maps [N, C] to [N, C].
func (b *Block) Forward(x *tensor.Tensor, rot nn.Rotation, rows *nn.Rows) *tensor.Tensor {
	h := rows.Next(x.Add(b.AttnPost.Forward(b.Attn.Forward(b.AttnNorm.Forward(x), rot, rows))))
	return rows.Next(h.Add(b.MLPPost.Forward(b.MLP.Forward(b.MLPNorm.Forward(h)))))
}

// Model is Gemma3ForCausalLM.
type Model struct {
	Config Config        `w:"-"`
	Embed  *nn.Embedding `w:"model.embed_tokens"`
	Blocks []*Block      `w:"model.layers"`
	Norm   *nn.RMSNorm   `w:"model.norm"`
	Head   *nn.Linear    `w:"lm_head"` // nil: the embedding

	local, global *nn.RoPE
	file          io.Closer // a file that weights are read from
}

// New builds the model of a validated configuration with parameters at zero; Init draws them.
func New(c Config) *Model {
	m := &Model{Config: c, Embed: c.Embedding(), Norm: newNorm(&c, c.HiddenSize)}
	var errs [2]error
	m.local, errs[0] = c.newRoPE(local)
	m.global, errs[1] = c.newRoPE(global)
	for _, err := range errs {
		if err != nil {
			panic(fmt.Sprintf("gemma: configuration was not validated: %v", err))
		}
	}
	for i := range c.Layers {
		m.Blocks = append(m.Blocks, newBlock(&c, i))
	}
	if !c.Tied {
		m.Head = c.Linear(c.HiddenSize, c.VocabSize, false)
	}
	nn.Name(m)
	return m
}

func newBlock(c *Config, layer int) *Block {
	C, F := c.HiddenSize, c.IntermediateSize
	a := llama.NewAttention(&c.Config, layer)
	a.QNorm, a.KNorm, a.Scale = newNorm(c, c.HeadDim), newNorm(c, c.HeadDim), c.scale()
	return &Block{AttnNorm: newNorm(c, C), Attn: a, AttnPost: newNorm(c, C), MLPNorm: newNorm(c, C), MLPPost: newNorm(c, C),
		MLP: &MLP{c.Linear(C, F, false), c.Linear(C, F, false), c.Linear(F, C, false)}, kind: c.LayerTypes[layer]}
}

// newNorm has its gain stored less 1, as the checkpoints do; GGUF files have it whole.
func newNorm(c *Config, n int) *nn.RMSNorm {
	l := nn.NewRMSNorm(n, c.NormEps)
	if !c.wholeGains {
		l.Weight.Fill(0)
		l.Centred = true
	}
	return l
}

// Spec is the model's frame.
func (m *Model) Spec() model.DecoderSpec { return m.Config.Spec("gemma") }

// NewCache makes a cache for the model.
func (m *Model) NewCache(o nn.CacheOptions) (*nn.Cache, error) {
	s := m.Spec()
	return s.NewCache(o)
}

// Forward is one call of the decoder; see model.Decoder. Embeddings in place of tokens are taken as they are: the model scales
// only its own.
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
	x = b.Inputs(ctx, rows, m.Embed)
	if b.Embeds == nil {
		x = m.scaled(x)
	}
	x = m.blocks(x, rows)
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
	return m.Norm.Forward(m.blocks(m.scaled(m.Embed.Forward(tokens.Reshape(b*t))), nn.Dense(b, t)))
}

// Loss is the mean next-token loss; see model.TrainableDecoder.
func (m *Model) Loss(_ *tensor.Ctx, tokens, labels *tensor.Tensor) *tensor.Tensor {
	return nn.CausalLoss(m.hidden(tokens), labels, model.IgnoreLabel, m.logits)
}

// scaled is x·√C, which brings embeddings, small since they are the head too, to the size of what the layers add.
func (m *Model) scaled(x *tensor.Tensor) *tensor.Tensor {
	return x.MulS(math.Sqrt(float64(m.Config.HiddenSize)))
}

func (m *Model) blocks(x *tensor.Tensor, rows *nn.Rows) *tensor.Tensor {
	near, far := rows.Rotation(x.Ctx(), m.local, x.DType()), rows.Rotation(x.Ctx(), m.global, x.DType())
	for _, b := range m.Blocks {
		rot := far
		if b.kind == local {
			rot = near
		}
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
