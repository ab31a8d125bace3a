package gemma

import (
	"fmt"
	"math"
	"path/filepath"
	"testing"

	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/tensor"
)

// Against transformers; model/llama/testdata/make.py made the numbers.
func TestGemma3(t *testing.T) {
	dir, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("HANJI_SHARED", dir)
	golden.Paths(t, func(t *testing.T) {
		c := golden.Open(t, "language", "gemma3")
		m, err := Load(c.ModelDir(), nil)
		if err != nil {
			t.Fatal(err)
		}
		checkForward(t, c, m)
		checkGradients(t, c, m)
		checkGreedy(t, c, m)
	})
}

func ids(ctx *tensor.Ctx, c *golden.Case) *tensor.Tensor {
	return ctx.Ints(c.Int64s("ids"), c.Shape("ids")...)
}

// real zeroes what stands at padded positions, as the fixture does.
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

func checkForward(t *testing.T, c *golden.Case, m *Model) {
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	shape := c.Shape("ids")
	x := m.scaled(m.Embed.Forward(ids(ctx, c).Reshape(-1)))
	all := m.Blocks
	defer func() { m.Blocks = all }()
	for i := range all {
		c.Check(t, fmt.Sprintf("hidden.%d", i), real(c, x))
		m.Blocks = all[i : i+1]
		x = m.blocks(x, nn.Dense(shape[0], shape[1]))
	}
	m.Blocks = all
	c.Check(t, "hidden.final", real(c, m.Norm.Forward(x)))
	c.Check(t, "logits", real(c, m.Logits(ids(ctx, c))))
}

func checkGradients(t *testing.T, c *golden.Case, m *Model) {
	ctx := tensor.New(tensor.Options{Grad: true, Train: true})
	defer ctx.Close()
	labels := c.Int64s("ids")
	for i, real := range c.Int64s("mask") {
		if real == 0 {
			labels[i] = model.IgnoreLabel
		}
	}
	loss := m.Loss(ctx, ids(ctx, c), ctx.Ints(labels, c.Shape("ids")...))
	c.CheckValue(t, "loss", loss.Item(), c.Raw("expected.loss"))
	loss.Backward()
	var norms map[string]float64
	c.Decode("expected.grad_norm", &norms)
	params := nn.Trainable(m)
	if len(params) != len(norms) {
		t.Errorf("%d parameters, the reference has %d", len(params), len(norms))
	}
	for _, p := range params {
		c.CheckValue(t, "grad_norm", math.Sqrt(p.Tensor.Grad().SumSquares()), norms[p.Name])
		if c.Has("grad." + p.Name) {
			c.Check(t, "grad."+p.Name, p.Tensor.Grad().Read())
		}
	}
}

func checkGreedy(t *testing.T, c *golden.Case, m *Model) {
	var tokens, out []int32
	for _, id := range c.Int64s("ids")[:10] {
		tokens = append(tokens, int32(id))
	}
	cache, err := m.NewCache(nn.CacheOptions{PageTokens: 4})
	if err != nil {
		t.Fatal(err)
	}
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	for len(out) < c.Shape("greedy")[0] {
		logits, err := m.Forward(ctx, model.Batch{Tokens: tokens}, cache)
		if err != nil {
			t.Fatal(err)
		}
		tokens = []int32{int32(logits.Argmax().ReadInts()[logits.Dim(0)-1])}
		out = append(out, tokens...)
	}
	c.Check(t, "greedy", out)
}
