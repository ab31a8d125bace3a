package llama

import (
	"fmt"
	"math"
	"path/filepath"
	"testing"

	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/tensor"
)

// Mistral, Qwen2 and Qwen3 against transformers; testdata/make.py made the numbers.
func TestKin(t *testing.T) {
	dir, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("HANJI_SHARED", dir)
	for _, name := range golden.Cases(t, "language", "*") {
		c := golden.Open(t, "language", name)
		t.Run(name, func(t *testing.T) {
			golden.Paths(t, func(t *testing.T) {
				m, err := Load(c.ModelDir(), nil)
				if err != nil {
					t.Fatal(err)
				}
				checkKin(t, c.With(t), m)
			})
		})
	}
}

func checkKin(t *testing.T, c *golden.Case, m *Model) {
	ctx := tensor.New(tensor.Options{Grad: true, Train: true})
	defer ctx.Close()
	shape := c.Shape("ids")
	ids := ctx.Ints(c.Int64s("ids"), shape...)
	ctx.NoGrad(func() {
		rows := nn.Dense(shape[0], shape[1])
		x := m.Embed.Forward(ids.Reshape(-1))
		rot := rows.Rotation(ctx, m.rope, x.DType())
		for i, b := range m.Blocks {
			c.Check(t, fmt.Sprintf("hidden.%d", i), real(c, x))
			x = b.Forward(x, rot, rows)
		}
		c.Check(t, "hidden.final", real(c, m.Norm.Forward(x)))
		c.Check(t, "logits", real(c, m.Logits(ids)))
	})
	loss := m.Loss(ctx, ids, ctx.Ints(labelsOf(c.Int64s("ids"), c.Int64s("mask")), shape...))
	c.CheckValue(t, "loss", loss.Item(), c.Raw("expected.loss"))
	loss.Backward()
	var norms map[string]float64
	c.Decode("expected.grad_norm", &norms)
	params := nn.Trainable(m)
	if len(params) != len(norms) {
		t.Errorf("%d parameters, the reference has %d", len(params), len(norms))
	}
	for _, p := range params {
		got, want := math.Sqrt(p.Tensor.Grad().SumSquares()), norms[p.Name]
		if want < 1e-5 { // zero but for rounding: the softmax does not see a bias of k
			if got > 1e-4 {
				t.Errorf("%s: gradient norm %g, want about 0 (%g)", p.Name, got, want)
			}
			continue
		}
		c.CheckValue(t, "grad_norm", got, want)
		if c.Has("grad." + p.Name) {
			c.Check(t, "grad."+p.Name, p.Tensor.Grad().Read())
		}
	}
	var prompt []int32
	for _, id := range c.Int64s("ids")[:10] {
		prompt = append(prompt, int32(id))
	}
	c.Check(t, "greedy", greedy(t, m, prompt, 24, nn.CacheOptions{PageTokens: 4}))
}
