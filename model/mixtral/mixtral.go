// Package mixtral is Mixtral (Jiang et al., arXiv 2401.04088): Llama's decoder with a mixture of experts in place of each
// feed-forward layer. Configuration and weights are those of transformers.
//
//	m, err := mixtral.Load(dir, nil)
//	cache, err := m.NewCache(nn.CacheOptions{})
//	logits, err := m.Forward(ctx, model.Batch{Tokens: prompt}, cache) // [len(prompt), V]
//
// N rows, B batch, T time, C width, E experts, K experts of a row, V vocabulary.
package mixtral

import (
	"fmt"
	"io"

	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/model/llama"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/tensor"
)

// Block is one layer.
type Block struct {
	AttnNorm *nn.RMSNorm      `w:"input_layernorm"`
	Attn     *llama.Attention `w:"self_attn"`
	MoENorm  *nn.RMSNorm      `w:"post_attention_layernorm"`
	MoE      *nn.MoE          `w:"block_sparse_moe"`
}

// Forward maps [N, C] to [N, C] and returns the router's logits [N, E].
func (b *Block) Forward(x *tensor.Tensor, rot nn.Rotation, rows *nn.Rows) (y, router *tensor.Tensor) {
	h := x.Add(b.Attn.Forward(b.AttnNorm.Forward(x), rot, rows))
	y, router = b.MoE.Forward(b.MoENorm.Forward(h))
	return h.Add(y), router
}

// Model is MixtralForCausalLM.
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
		panic(fmt.Sprintf("mixtral: configuration was not validated: %v", err))
	}
	m := &Model{Config: c, Embed: c.Embedding(), Norm: nn.NewRMSNorm(c.HiddenSize, c.NormEps), rope: rope}
	for i := range c.Layers {
		m.Blocks = append(m.Blocks, &Block{nn.NewRMSNorm(c.HiddenSize, c.NormEps), llama.NewAttention(&c.Config, i), nn.NewRMSNorm(c.HiddenSize, c.NormEps), newMoE(&c)})
	}
	if !c.Tied {
		m.Head = c.Linear(c.HiddenSize, c.VocabSize, false)
	}
	nn.Name(m)
	return m
}

func newMoE(c *Config) *nn.MoE {
	m := &nn.MoE{Gate: c.Linear(c.HiddenSize, c.Experts, false), TopK: c.ExpertsPerToken, Capacity: c.Capacity, ByChance: c.ByChance}
	for range c.Experts {
		m.Experts = append(m.Experts, llama.NewMLP(&c.Config))
	}
	return m
}

// Spec is the model's frame.
func (m *Model) Spec() model.DecoderSpec { return m.Config.Spec("mixtral") }

// NewCache makes a cache for the model.
func (m *Model) NewCache(o nn.CacheOptions) (*nn.Cache, error) {
	s := m.Spec()
	return s.NewCache(o)
}

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
	x = m.blocks(b.Inputs(ctx, rows, m.Embed), rows, nil)
	rows.Done()
	return m.Norm.Forward(rows.Pick(x, b.Want)), nil
}

// Logits are those of whole sequences of tokens (i64 [B, T]), with gradients: [B, T, V]; and those of each layer's router,
// [B·T, E].
func (m *Model) Logits(tokens *tensor.Tensor) (logits *tensor.Tensor, routers []*tensor.Tensor) {
	b, t := tokens.Dim(0), tokens.Dim(1)
	x := m.Embed.Forward(tokens.Reshape(b * t))
	x = m.blocks(x, nn.Dense(b, t), &routers)
	return m.logits(m.Norm.Forward(x)).Reshape(b, t, m.Config.VocabSize), routers
}

// Loss is the mean next-token loss and, router_aux_loss_coef times, the experts' load balance (nn.LoadBalance); see
// model.TrainableDecoder. What follows a row's last label that counts is padding and leaves the balance alone.
func (m *Model) Loss(_ *tensor.Ctx, tokens, labels *tensor.Tensor) *tensor.Tensor {
	logits, routers := m.Logits(tokens)
	loss := nn.CausalCrossEntropy(logits, labels, tensor.CrossEntropyOptions{Ignore: true, IgnoreIndex: model.IgnoreLabel})
	return loss.Add(nn.LoadBalance(routers, m.Config.ExpertsPerToken, notPadding(labels)).MulS(m.Config.AuxCoef))
}

// notPadding marks each row [B, T] of labels up to the last that counts.
func notPadding(labels *tensor.Tensor) []bool {
	v, t := labels.ReadInts(), labels.Dim(1)
	real := make([]bool, len(v))
	for i := len(v) - 1; i >= 0; i-- {
		real[i] = v[i] != model.IgnoreLabel || i%t < t-1 && real[i+1]
	}
	return real
}

func (m *Model) blocks(x *tensor.Tensor, rows *nn.Rows, routers *[]*tensor.Tensor) *tensor.Tensor {
	rot := rows.Rotation(x.Ctx(), m.rope, x.DType())
	for _, b := range m.Blocks {
		var router *tensor.Tensor
		x, router = b.Forward(x, rot, rows)
		if routers != nil {
			*routers = append(*routers, router)
		}
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
