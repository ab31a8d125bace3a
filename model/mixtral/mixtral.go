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

// Forward maps [N, C] to [N, C] and says what the router did.
func (b *Block) Forward(x *tensor.Tensor, rot nn.Rotation, rows *nn.Rows) (y *tensor.Tensor, routed nn.Routed) {
	h := rows.Next(x.Add(b.Attn.Forward(b.AttnNorm.Forward(x), rot, rows)))
	y, routed = b.MoE.Forward(b.MoENorm.Forward(h))
	return rows.Next(h.Add(y)), routed
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
	if c.Noisy {
		m.Noise = nn.NewLinear(c.HiddenSize, c.Experts, false)
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
	x, routed := m.hidden(tokens)
	return m.logits(x).Reshape(tokens.Dim(0), tokens.Dim(1), m.Config.VocabSize), routerLogits(routed)
}

// hidden is the states of whole sequences after the last norm, [B·T, C].
func (m *Model) hidden(tokens *tensor.Tensor) (x *tensor.Tensor, routed []nn.Routed) {
	b, t := tokens.Dim(0), tokens.Dim(1)
	x = m.blocks(m.Embed.Forward(tokens.Reshape(b*t)), nn.Dense(b, t), &routed)
	return m.Norm.Forward(x), routed
}

func routerLogits(routed []nn.Routed) (list []*tensor.Tensor) {
	for _, r := range routed {
		list = append(list, r.Logits)
	}
	return list
}

// Loss is the mean next-token loss and, in training, times their coefficients, the losses that even the experts out: nn.LoadBalance and nn.ZLoss
// over all layers together, nn.LoadBalance and nn.CV2 of importance and load summed over the layers; see model.TrainableDecoder. What follows a
// row's last label that counts is padding and leaves the first three alone.
//
// Over all layers together, as transformers has it, an expert that is idle in one layer and busy in another passes for balanced.
func (m *Model) Loss(_ *tensor.Ctx, tokens, labels *tensor.Tensor) *tensor.Tensor {
	x, routed := m.hidden(tokens)
	loss := nn.CausalLoss(x, labels, model.IgnoreLabel, m.logits)
	if !x.Training() {
		return loss
	}
	c, real, logits := &m.Config, notPadding(labels), routerLogits(routed)
	if c.AuxCoef > 0 {
		loss = loss.Add(nn.LoadBalance(logits, c.ExpertsPerToken, real).MulS(c.AuxCoef))
	}
	if c.ZCoef > 0 {
		loss = loss.Add(nn.ZLoss(logits, real).MulS(c.ZCoef))
	}
	for _, r := range routed {
		if c.Balance > 0 {
			loss = loss.Add(nn.LoadBalance([]*tensor.Tensor{r.Logits}, c.ExpertsPerToken, real).MulS(c.Balance))
		}
		if c.Importance > 0 {
			loss = loss.Add(nn.CV2(r.Importance, false).MulS(c.Importance))
		}
		if c.Load > 0 {
			loss = loss.Add(nn.CV2(r.Load, false).MulS(c.Load))
		}
	}
	return loss
}

// LossCounts is the mean next-token loss alone, and how many choices of the tokens before padding fell on each expert of each layer.
func (m *Model) LossCounts(_ *tensor.Ctx, tokens, labels *tensor.Tensor) (loss *tensor.Tensor, counts [][]int) {
	x, routed := m.hidden(tokens)
	real := notPadding(labels)
	for _, r := range routed {
		counts = append(counts, nn.ExpertCounts(r.Logits, m.Config.ExpertsPerToken, real))
	}
	return nn.CausalLoss(x, labels, model.IgnoreLabel, m.logits), counts
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

func (m *Model) blocks(x *tensor.Tensor, rows *nn.Rows, routed *[]nn.Routed) *tensor.Tensor {
	rot := rows.Rotation(x.Ctx(), m.rope, x.DType())
	for _, b := range m.Blocks {
		var r nn.Routed
		x, r = b.Forward(x, rot, rows)
		if routed != nil {
			*routed = append(*routed, r)
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
