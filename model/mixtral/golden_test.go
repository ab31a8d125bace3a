package mixtral

import (
	"fmt"
	"testing"

	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/tensor"
)

// real zeroes what stands at padded positions of x [B·T, ...], as the fixture does.
func real(c *golden.Case, v []float32) []float32 {
	mask := c.Int64s("mask")
	width := len(v) / len(mask)
	for i, m := range mask {
		if m == 0 {
			clear(v[i*width:][:width])
		}
	}
	return v
}

func open(t *testing.T) (*golden.Case, *Model) {
	c := golden.Open(t, "language", "mixtral/top2-of-8")
	m, err := Load(c.ModelDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return c, m
}

func TestForward(t *testing.T) {
	golden.Paths(t, func(t *testing.T) {
		c, m := open(t)
		ctx := tensor.New(tensor.Options{})
		defer ctx.Close()
		shape := c.Shape("ids")
		ids := ctx.Ints(c.Int64s("ids"), shape...)
		rows := nn.Dense(shape[0], shape[1])
		x := m.Embed.Forward(ids.Reshape(-1))
		rot := rows.Rotation(ctx, m.rope, x.DType())
		b := m.Blocks[0]
		in := b.MoENorm.Forward(x.Add(b.Attn.Forward(b.AttnNorm.Forward(x), rot, rows)))
		c.Check(t, "layers.0.post_attention_layernorm", real(c, in.Read()))
		out, _ := b.MoE.Forward(in)
		c.Check(t, "layers.0.mlp_out", real(c, out.Read()))
		for i, b := range m.Blocks {
			c.Check(t, fmt.Sprintf("hidden.%d", i), real(c, x.Read()))
			var routed nn.Routed
			x, routed = b.Forward(x, rot, rows)
			checkRouter(t, c, i, routed.Logits)
		}
		c.Check(t, "hidden.final", real(c, m.Norm.Forward(x).Read()))
		logits, routers := m.Logits(ids)
		c.Check(t, "logits", real(c, logits.Read()))
		c.CheckValue(t, "aux_loss", nn.LoadBalance(routers, 2, notPadding(labelsOf(ctx, c))).Item(), c.Raw("expected.aux_loss"))
		c.CheckValue(t, "aux_loss_without_attention_mask", nn.LoadBalance(routers, 2, nil).Item(), c.Raw("expected.aux_loss_without_attention_mask"))
		mask := notPadding(labelsOf(ctx, c))
		c.CheckValue(t, "tokens_per_expert_layer0", nn.ExpertCounts(routers[0], 2, mask), c.Raw("expected.tokens_per_expert_layer0"))
		for r := range shape[0] {
			labels := labelsOf(ctx, c).Slice(0, r, r+1)
			one := nn.CausalLoss(logits.Slice(0, r, r+1).Flatten(0, 1), labels, model.IgnoreLabel, func(x *tensor.Tensor) *tensor.Tensor { return x })
			c.CheckValue(t, "loss_per_row", one.Item(), c.F32("loss_per_row")[r])
		}
	})
}

// checkRouter: the logits, the experts that they choose and their weights.
func checkRouter(t *testing.T, c *golden.Case, layer int, router *tensor.Tensor) {
	v := router.Read()
	chosen := nn.TopExperts(nil, v, 8, 2)
	gates := make([]float32, len(chosen))
	ctx := router.Ctx()
	flat := make([]int64, len(chosen))
	for i, e := range chosen {
		flat[i] = int64(i/2*8 + e)
	}
	ctx.Ints(flat, len(flat)).Embedding(router.Reshape(-1, 1)).Reshape(-1, 2).Softmax().ReadInto(gates)
	for i, m := range c.Int64s("mask") {
		if m == 0 {
			chosen[2*i], chosen[2*i+1] = 0, 0
		}
	}
	c.Check(t, fmt.Sprintf("router_logits.%d", layer), real(c, v))
	c.Check(t, fmt.Sprintf("chosen.%d", layer), chosen)
	c.Check(t, fmt.Sprintf("gate.%d", layer), real(c, gates))
}

func labelsOf(ctx *tensor.Ctx, c *golden.Case) *tensor.Tensor {
	labels := c.Int64s("ids")
	for i, m := range c.Int64s("mask") {
		if m == 0 {
			labels[i] = model.IgnoreLabel
		}
	}
	return ctx.Ints(labels, c.Shape("ids")...)
}

func TestGradients(t *testing.T) {
	golden.Paths(t, func(t *testing.T) {
		c, m := open(t)
		ctx := tensor.New(tensor.Options{Grad: true, Train: true})
		defer ctx.Close()
		loss := m.Loss(ctx, ctx.Ints(c.Int64s("ids"), c.Shape("ids")...), labelsOf(ctx, c))
		c.CheckValue(t, "loss_total", loss.Item(), c.Raw("expected.loss_total"))
		loss.Backward()
		seen := 0
		for name, p := range map[string]*tensor.Tensor{
			"layers.0.gate": m.Blocks[0].MoE.Gate.Weight, "layers.1.gate": m.Blocks[1].MoE.Gate.Weight, "model.norm": m.Norm.Weight,
		} {
			c.Check(t, "grad."+name, p.Grad().Read())
		}
		for e, expert := range m.Blocks[0].MoE.Experts { // the fixture has the busiest expert
			if name := fmt.Sprintf("grad.layers.0.experts.%d.w", e); c.Has(name + "1") {
				c.Check(t, name+"1", expert.Gate.Weight.Grad().Read())
				c.Check(t, name+"3", expert.Up.Weight.Grad().Read())
				c.Check(t, name+"2", expert.Down.Weight.Grad().Read())
				seen++
			}
		}
		if seen != 1 {
			t.Errorf("gradients of %d experts compared", seen)
		}
	})
}

func TestGreedy(t *testing.T) {
	golden.Paths(t, func(t *testing.T) {
		c, m := open(t)
		var run struct{ Prompt string }
		c.Decode("extra.greedy", &run)
		var n int
		if _, err := fmt.Sscanf(run.Prompt, "ids[0,:%d]", &n); err != nil {
			t.Fatal(err)
		}
		var tokens, out []int32
		for _, id := range c.Int64s("ids")[:n] {
			tokens = append(tokens, int32(id))
		}
		cache, err := m.NewCache(nn.CacheOptions{})
		if err != nil {
			t.Fatal(err)
		}
		ctx := tensor.New(tensor.Options{})
		defer ctx.Close()
		for len(out) < c.Shape("greedy.0")[0] {
			logits, err := m.Forward(ctx, model.Batch{Tokens: tokens}, cache)
			if err != nil {
				t.Fatal(err)
			}
			tokens = []int32{int32(logits.Argmax().ReadInts()[logits.Dim(0)-1])}
			out = append(out, tokens...)
		}
		c.Check(t, "greedy.0", out)
	})
}
