package llama

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/optim"
	"github.com/hanji-ml/hanji/tensor"
)

// each runs f for every checkpoint of golden/language/llama on every path of this machine.
func each(t *testing.T, f func(t *testing.T, c *golden.Case, m *Model)) {
	for _, name := range golden.Cases(t, "language", "llama/*") {
		if name == "llama/rope-kinds" {
			continue
		}
		c := golden.Open(t, "language", name)
		t.Run(strings.TrimPrefix(name, "llama/"), func(t *testing.T) {
			golden.Paths(t, func(t *testing.T) {
				m, err := Load(c.ModelDir(), nil)
				if err != nil {
					t.Fatal(err)
				}
				f(t, c.With(t), m)
			})
		})
	}
}

// real zeroes what stands at padded positions of x [B, T, ...], as the fixtures do.
func real(c *golden.Case, x *tensor.Tensor) []float32 {
	mask, v := c.Int64s("mask"), x.Read()
	width := len(v) / len(mask)
	for i, m := range mask {
		if m == 0 {
			clear(v[i*width:][:width])
		}
	}
	return v
}

func TestForward(t *testing.T) {
	each(t, func(t *testing.T, c *golden.Case, m *Model) {
		ctx := tensor.New(tensor.Options{})
		defer ctx.Close()
		shape := c.Shape("ids")
		ids := ctx.Ints(c.Int64s("ids"), shape...)
		rows := nn.Dense(shape[0], shape[1])
		x := m.Embed.Forward(ids.Reshape(-1))
		rot := rows.Rotation(ctx, m.rope, x.DType())
		c.Check(t, "hidden.0", real(c, x))
		if c.Has("layers.0.q_proj") {
			checkParts(t, c, m.Blocks[0], x, rot, rows)
		}
		for i, b := range m.Blocks {
			x = b.Forward(x, rot, rows)
			name := fmt.Sprintf("hidden.%d", i+1)
			if i == len(m.Blocks)-1 {
				name = "hidden.last_before_norm"
			}
			c.Check(t, name, real(c, x))
		}
		c.Check(t, "hidden.final", real(c, m.Norm.Forward(x)))
		logits := m.Logits(ids)
		c.Check(t, "logits", real(c, logits))
		checkTables(t, c, m)
		mask, want := c.Int64s("mask"), c.F32("loss")
		for r := range shape[0] {
			labels := labelsOf(c.Int64s("ids"), mask)[r*shape[1]:][:shape[1]]
			one := m.Loss(ctx, ids.Slice(0, r, r+1), ctx.Ints(labels, 1, shape[1]))
			c.CheckValue(t, "loss", one.Item(), want[r])
		}
	})
}

func checkParts(t *testing.T, c *golden.Case, b *Block, x *tensor.Tensor, rot nn.Rotation, rows *nn.Rows) {
	n := b.AttnNorm.Forward(x)
	c.Check(t, "layers.0.input_layernorm", real(c, n))
	c.Check(t, "layers.0.q_proj", real(c, b.Attn.Q.Forward(n)))
	c.Check(t, "layers.0.k_proj", real(c, b.Attn.K.Forward(n)))
	c.Check(t, "layers.0.v_proj", real(c, b.Attn.V.Forward(n)))
	a := b.Attn.Forward(n, rot, rows)
	c.Check(t, "layers.0.attn_out", real(c, a))
	n = b.MLPNorm.Forward(x.Add(a))
	c.Check(t, "layers.0.post_attention_layernorm", real(c, n))
	c.Check(t, "layers.0.mlp_out", real(c, b.MLP.Forward(n)))
}

// checkTables: the fixture writes each angle twice, once for each half of a head.
func checkTables(t *testing.T, c *golden.Case, m *Model) {
	T, half := c.Shape("rope.cos")[0], m.rope.Dim()/2
	c.Check(t, "rope.inv_freq", m.rope.Frequencies(T))
	var cos, sin []float32
	for pos := range T {
		x, y := make([]float32, half), make([]float32, half)
		m.rope.Angles(x, y, pos, T)
		cos, sin = append(append(cos, x...), x...), append(append(sin, y...), y...)
	}
	c.Check(t, "rope.cos", cos)
	c.Check(t, "rope.sin", sin)
}

// labelsOf are the ids with padding marked.
func labelsOf(ids, mask []int64) []int64 {
	labels := slices.Clone(ids)
	for i, m := range mask {
		if m == 0 {
			labels[i] = model.IgnoreLabel
		}
	}
	return labels
}

// Gradients of the mean loss over both rows, then six steps of AdamW.
func TestTraining(t *testing.T) {
	golden.Paths(t, func(t *testing.T) {
		c := golden.Open(t, "language", "llama/gqa")
		m, err := Load(c.ModelDir(), nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx := tensor.New(tensor.Options{Grad: true, Train: true})
		defer ctx.Close()
		shape := c.Shape("ids")
		step := func() float64 {
			ctx.Next(0)
			labels := ctx.Ints(labelsOf(c.Int64s("ids"), c.Int64s("mask")), shape...)
			loss := m.Loss(ctx, ctx.Ints(c.Int64s("ids"), shape...), labels)
			loss.Backward()
			return loss.Item()
		}
		c.CheckValue(t, "loss_all_tokens", step(), c.Raw("expected.loss_all_tokens"))
		var norms map[string]float64
		c.Decode("expected.grad_norm_per_parameter", &norms)
		params := nn.Trainable(m)
		if len(params) != len(norms) {
			t.Errorf("%d parameters, the reference has %d", len(params), len(norms))
		}
		for _, p := range params {
			c.CheckValue(t, "grad_norm_per_parameter", math.Sqrt(p.Tensor.Grad().SumSquares()), norms[p.Name])
			if c.Has("grad." + p.Name) {
				c.Check(t, "grad."+p.Name, p.Tensor.Grad().Read())
			}
			p.Tensor.ZeroGrad()
		}
		decay := 0.1
		opt, err := optim.New(optim.Options{LR: 1e-3, Betas: [2]float64{0.9, 0.95}, WeightDecay: &decay, NoDecay: []string{"norm"}}, params)
		if err != nil {
			t.Fatal(err)
		}
		defer opt.Close()
		losses, clipped := c.Floats("expected.adamw_losses"), c.Floats("expected.adamw_grad_norm_before_clip")
		for i := range losses {
			c.CheckValue(t, "adamw_losses", step(), losses[i])
			c.CheckValue(t, "adamw_grad_norm_before_clip", optim.ClipNorm(params, 1), clipped[i])
			opt.Step(optim.Rate{LR: 1e-3})
			opt.ZeroGrad()
		}
		c.Check(t, "adamw.norm_after_6", m.Norm.Weight.Read())
		c.Check(t, "adamw.k0_after_6", m.Blocks[0].Attn.K.Weight.Read())
	})
}

// Greedy decoding with the cache.
func TestGreedy(t *testing.T) {
	each(t, func(t *testing.T, c *golden.Case, m *Model) {
		var runs map[string]struct{ Prompt string }
		if err := json.Unmarshal(c.Raw("extra.greedy"), &runs); err != nil {
			t.Fatal(err)
		}
		for name, run := range runs {
			var row, n int
			if _, err := fmt.Sscanf(run.Prompt, "ids[%d,:%d]", &row, &n); err != nil {
				t.Fatal(err)
			}
			var prompt []int32
			for _, id := range c.Int64s("ids")[row*c.Shape("ids")[1]:][:n] {
				prompt = append(prompt, int32(id))
			}
			c.Check(t, name, greedy(t, m, prompt, c.Shape(name)[0], nn.CacheOptions{PageTokens: 8}))
		}
	})
}

// greedy decodes n tokens after a prompt.
func greedy(t *testing.T, m *Model, tokens []int32, n int, o nn.CacheOptions) (out []int32) {
	t.Helper()
	cache, err := m.NewCache(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	for len(out) < n {
		ctx.Next(0)
		logits, err := m.Forward(ctx, model.Batch{Tokens: tokens}, cache)
		if err != nil {
			t.Fatal(err)
		}
		next := int32(logits.Argmax().ReadInts()[logits.Dim(0)-1])
		out, tokens = append(out, next), []int32{next}
	}
	return out
}
