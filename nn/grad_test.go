package nn_test

import (
	"math"
	"testing"

	"github.com/hanji-ml/hanji/grad"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/tensor"
)

// drawn is a float64 parameter with values away from 0.
func drawn(name string, shape ...int) tens {
	p := tensor.NewParam(name, tensor.F64, shape...)
	p.FillUniform(nn.Hash(name), -1, 1)
	v := p.ReadF64()
	for i := range v {
		v[i] += math.Copysign(0.2, v[i])
	}
	p.SetF64(v)
	return p
}

// wide is a layer with drawn float64 parameters, and those.
func wide[L any](layer L) (L, []tens) {
	nn.Name(layer)
	nn.Init(layer, 5)
	nn.Cast(layer, tensor.F64)
	var params []tens
	for _, p := range nn.Trainable(layer) {
		params = append(params, p.Tensor)
	}
	return layer, params
}

// weigh makes every element of a layer's output count differently.
func weigh(ys ...tens) (loss tens) {
	for _, y := range ys {
		v := make([]float64, y.Len())
		for i := range v {
			v[i] = 0.5 + math.Mod(float64(i)*0.37, 1)
		}
		part := y.Mul(y.Ctx().F64s(v, y.Shape()...)).Sum()
		if loss == nil {
			loss = part
		} else {
			loss = loss.Add(part)
		}
	}
	return loss
}

// Layers and losses against central differences; what the fixtures do not hold (both ways over several layers, a GRU both ways,
// masks, targets at the ends of their range) among them.
func TestGradients(t *testing.T) {
	x, z := drawn("x", 2, 3, 4), drawn("z", 2, 3, 4)
	h0, c0 := drawn("h0", 4, 2, 3), drawn("c0", 4, 2, 3)
	lstm, lstmParams := wide(nn.NewLSTM(4, 3, 2, true))
	gru, gruParams := wide(nn.NewGRU(4, 3, 2, true))
	gate, gateParams := wide(nn.NewSwiGLU(4, 5))
	norm, normParams := wide(nn.NewGroupNorm(3, 3))
	up, upParams := wide(nn.NewConvTranspose1d(3, 4, 2, true, tensor.ConvTransposeOptions{ConvOptions: tensor.ConvOptions{Stride: 2}}))
	conv, convParams := wide(nn.NewConv2d(2, 4, 2, 1, true, tensor.Conv2dOptions{Groups: 2}))
	line, lineParams := wide(nn.NewConv1d(3, 4, 3, false, tensor.ConvOptions{Padding: 1}))
	attn, attnParams := wide(nn.NewAttention(4, 2))
	moe, moeParams := wide(nn.NewMoE(4, 5, 3, 2))
	mask := func(c *tensor.Ctx) tens {
		m := make([]float64, 24)
		for i := range m {
			m[i] = float64(i % 2)
		}
		return c.F64s(m, 2, 3, 4)
	}
	half := func(c *tensor.Ctx) tens { return mask(c).Mul(c.Use(z).Sigmoid().Detach()) } // in [0, 1), with zeros
	for name, k := range map[string]struct {
		f      func(c *tensor.Ctx, x tens) tens
		params []tens
	}{
		"lstm": {func(c *tensor.Ctx, x tens) tens {
			y, h, cell := lstm.Forward(x, c.Use(h0), c.Use(c0))
			return weigh(y, h, cell)
		}, append(lstmParams, h0, c0)},
		"lstm from zero": {func(c *tensor.Ctx, x tens) tens { y, _, _ := lstm.Forward(x, nil, nil); return weigh(y) }, nil},
		"gru":            {func(c *tensor.Ctx, x tens) tens { y, h := gru.Forward(x, c.Use(h0)); return weigh(y, h) }, append(gruParams, h0)},
		"swiglu":         {func(_ *tensor.Ctx, x tens) tens { return weigh(gate.Forward(x)) }, gateParams},
		"group norm":     {func(_ *tensor.Ctx, x tens) tens { return weigh(norm.Forward(x).Square()) }, normParams},
		"conv transpose": {func(_ *tensor.Ctx, x tens) tens { return weigh(up.Forward(x)) }, upParams},
		"conv1d":         {func(_ *tensor.Ctx, x tens) tens { return weigh(line.Forward(x)) }, lineParams},
		"conv2d":         {func(_ *tensor.Ctx, x tens) tens { return weigh(conv.Forward(x.Reshape(2, 2, 2, 3))) }, convParams},
		"attention": {func(_ *tensor.Ctx, x tens) tens {
			y, _ := attn.Forward(x, tensor.AttentionOptions{Causal: true})
			return weigh(y)
		}, attnParams},
		"moe": {func(_ *tensor.Ctx, x tens) tens {
			y, r := moe.Forward(x.Reshape(6, 4))
			return weigh(y, nn.LoadBalance([]tens{r.Logits, r.Logits.Square()}, 2, []bool{true, true, false, true, true, true}))
		}, moeParams},
		"bce":           {func(c *tensor.Ctx, x tens) tens { return nn.BCEWithLogits(x.MulS(3), half(c), nil) }, nil},
		"bce weighted":  {func(c *tensor.Ctx, x tens) tens { return nn.BCEWithLogits(x, half(c), c.Full(2.5, tensor.F64, 4)) }, nil},
		"kl":            {func(c *tensor.Ctx, x tens) tens { return nn.KLDiv(x.LogSoftmax(), c.Use(z).Softmax()) }, []tens{z}},
		"kl with zeros": {func(c *tensor.Ctx, x tens) tens { return nn.KLDiv(x.LogSoftmax(), half(c)) }, nil},
		"cosine":        {func(c *tensor.Ctx, x tens) tens { return weigh(nn.CosineSimilarity(x, c.Use(z))) }, []tens{z}},
		"z loss":        {func(_ *tensor.Ctx, x tens) tens { return nn.ZLoss([]tens{x, x.Square()}, []bool{true, false, true}) }, nil},
		"causal": {func(c *tensor.Ctx, x tens) tens {
			return nn.CausalLoss(x.Flatten(0, 1), c.Ints([]int64{0, 1, -100, 3, 2, 0}, 2, 3), -100, func(x tens) tens { return x.Square() })
		}, nil},
		"huber":       {func(c *tensor.Ctx, x tens) tens { return nn.Huber(x, c.Use(z), 0.7) }, []tens{z}},
		"smooth l1":   {func(c *tensor.Ctx, x tens) tens { return nn.SmoothL1(x, c.Use(z), 0.7) }, []tens{z}},
		"pinball":     {func(c *tensor.Ctx, x tens) tens { return nn.Pinball(x, c.Use(z), 0.9) }, []tens{z}},
		"masked mean": {func(c *tensor.Ctx, x tens) tens { return nn.MaskedMean(x.Square(), mask(c)) }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			err := grad.Check(func(c *tensor.Ctx) tens { return k.f(c, c.Use(x)) }, grad.Options{}, append(k.params, x)...)
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// The backward half of a net that runs both ways is the net run over the reversed series.
func TestBothWays(t *testing.T) {
	both := nn.NewGRU(4, 3, 1, true)
	nn.Init(both, 1)
	back := &nn.GRU{Recurrent: nn.Recurrent{WeightIH: both.WeightIHReverse, WeightHH: both.WeightHHReverse, BiasIH: both.BiasIHReverse, BiasHH: both.BiasHHReverse}}
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	x := ctx.Normal(1, tensor.F32, 2, 5, 4)
	var reversed []tens
	for i := range 5 {
		reversed = append(reversed, x.Slice(1, 4-i, 5-i))
	}
	y, h := both.Forward(x, nil)
	z, last := back.Forward(tensor.Concat(1, reversed...), nil)
	for i := range 5 {
		a, b := y.Index(1, i).Slice(1, 3, 6).Read(), z.Index(1, 4-i).Read()
		for j := range a {
			if a[j] != b[j] {
				t.Fatalf("step %d: %v and %v", i, a, b)
			}
		}
	}
	if a, b := h.Index(0, 1).Read(), last.Index(0, 0).Read(); a[0] != b[0] {
		t.Errorf("last states %v and %v", a, b)
	}
}
