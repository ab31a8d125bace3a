package nn_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/nn"
)

// Every kind of scaling, at positions within and beyond the context.
func TestRoPEKinds(t *testing.T) {
	c := golden.Open(t, "language", "llama/rope-kinds")
	var kinds map[string]json.RawMessage
	c.Decode("extra.rope", &kinds)
	for kind, raw := range kinds {
		o := nn.RoPEOptions{Dim: 32, MaxPositions: 256}
		if kind == "llama3" {
			o.Theta, o.MaxPositions = 500000, 131072
		}
		if err := json.Unmarshal(raw, &o.Scaling); err != nil {
			t.Fatal(err)
		}
		r, err := nn.NewRoPE(o)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{48, 300} {
			name := fmt.Sprintf("%s.%d", kind, n)
			c.Check(t, name+".inv_freq", r.Frequencies(n))
			c.CheckValue(t, "attention_scaling", r.Attention(), c.Raw("expected.attention_scaling."+name))
			var cos, sin []float32
			for _, pos := range []int{0, 1, 2, 7, n / 2, n - 1} {
				x, y := make([]float32, 16), make([]float32, 16)
				r.Angles(x, y, pos, n)
				cos, sin = append(append(cos, x...), x...), append(append(sin, y...), y...) // the file has both elements of a pair
			}
			c.Check(t, name+".cos", cos)
			c.Check(t, name+".sin", sin)
		}
	}
}

func TestRoPEOptions(t *testing.T) {
	for name, o := range map[string]nn.RoPEOptions{
		"odd":                {Dim: 5},
		"unknown":            {Dim: 8, Scaling: nn.RoPEScaling{Type: "su"}},
		"no factor":          {Dim: 8, Scaling: nn.RoPEScaling{Type: "linear"}},
		"no context":         {Dim: 8, Scaling: nn.RoPEScaling{Type: "dynamic", Factor: 2}},
		"no original":        {Dim: 8, Scaling: nn.RoPEScaling{Type: "llama3", Factor: 2, LowFreq: 1, HighFreq: 4}},
		"frequencies turned": {Dim: 8, Scaling: nn.RoPEScaling{Type: "llama3", Factor: 2, LowFreq: 4, HighFreq: 1, Original: 64}},
		"few long factors":   {Dim: 8, MaxPositions: 64, Scaling: nn.RoPEScaling{Type: "longrope", Factor: 2, Short: make([]float64, 4), Long: make([]float64, 3)}},
	} {
		if _, err := nn.NewRoPE(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
