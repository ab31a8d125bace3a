package quant_test

import (
	"math"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/quant"
)

type awqRun struct {
	DuoScaling   bool `json:"duo_scaling"`
	Clip         bool
	SearchLosses []float64 `json:"search_losses"`
	OutputMSE    float64   `json:"output_mse"`
	OutputMSERTN float64   `json:"output_mse_round_to_nearest"`
}

// outputMSE is the mean of (x·wᵀ − x2·w2ᵀ)².
func outputMSE(x, w, x2, w2 []float32, cols int) float64 {
	sum, n := 0.0, 0
	for t := 0; t < len(x); t += cols {
		for r := 0; r < len(w); r += cols {
			d := 0.0
			for c := range cols {
				d += float64(x[t+c])*float64(w[r+c]) - float64(x2[t+c])*float64(w2[r+c])
			}
			sum += d * d
			n++
		}
	}
	return sum / float64(n)
}

func TestAWQ(t *testing.T) {
	c := golden.Open(t, "language", "quant/awq")
	inputs := golden.Open(t, "language", "quant/gptq")
	w, x := inputs.F32("weight"), inputs.F32("inputs")
	const cols, group = 96, 32
	var runs map[string]awqRun
	c.Decode("runs", &runs)
	if len(runs) != 3 {
		t.Fatalf("%d runs", len(runs))
	}
	for name, run := range runs {
		t.Run(name, func(t *testing.T) {
			c := c.With(t)
			o := quant.AWQOptions{Group: group, Plain: !run.DuoScaling}
			s, losses, err := quant.AWQScale(x, [][]float32{w}, cols, o)
			if err != nil {
				t.Fatal(err)
			}
			c.Check(t, name+".scales", s)
			c.CheckValue(t, "runs."+name+".search_losses", losses, run.SearchLosses)
			// From here on with the fixture's scales: clipped on both sides, zeros fall on 7.5, where the last bit of a scale decides.
			s = c.F32(name + ".scales")
			scaled, divided := quant.ScaleColumns(w, s), make([]float32, len(x))
			for i, v := range x {
				divided[i] = v / s[i%cols]
			}
			if run.Clip {
				limit, err := quant.AWQClip(divided, scaled, cols, o)
				if err != nil {
					t.Fatal(err)
				}
				c.Check(t, name+".clip_max", limit)
				scaled = quant.ClipGroups(scaled, group, limit)
			}
			g, err := quant.AWQRound(scaled, cols, o)
			if err != nil {
				t.Fatal(err)
			}
			c.Check(t, name+".q", g.Q)
			c.Check(t, name+".group_scale", g.Scale)
			c.Check(t, name+".group_zero", g.Zero)
			c.CheckValue(t, "runs."+name+".output_mse", outputMSE(x, w, divided, g.Values(), cols), run.OutputMSE)
			rtn, err := quant.AWQRound(w, cols, o)
			if err != nil {
				t.Fatal(err)
			}
			c.CheckValue(t, "runs."+name+".output_mse_round_to_nearest", outputMSE(x, w, x, rtn.Values(), cols), run.OutputMSERTN)
		})
	}
}

// TestAWQTogether: layers that share an input get one scale, and the caller's own loss decides.
func TestAWQTogether(t *testing.T) {
	const cols = 64
	a, b, x := normal(8*cols, 5), normal(16*cols, 6), normal(32*cols, 7)
	calls := 0
	s, losses, err := quant.AWQScale(x, [][]float32{a, b}, cols, quant.AWQOptions{Group: 32, Loss: func(w [][]float32) (float64, error) {
		calls++
		if len(w) != 2 || len(w[0]) != len(a) || len(w[1]) != len(b) {
			t.Fatalf("%d weights", len(w))
		}
		return math.Abs(float64(calls) - 7), nil // the seventh try is the best
	}})
	if err != nil || calls != 20 || len(losses) != 20 || len(s) != cols {
		t.Fatalf("%d calls, %v", calls, err)
	}
	alone, _, err := quant.AWQScale(x, [][]float32{append(a, b...)}, cols, quant.AWQOptions{Group: 32, Loss: func([][]float32) (float64, error) {
		calls--
		return math.Abs(float64(calls) - 13), nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range s {
		if s[i] != alone[i] {
			t.Fatalf("scale %d is %v for two layers, %v for their rows in one", i, s[i], alone[i])
		}
	}
}

func TestAWQErrors(t *testing.T) {
	w := make([]float32, 16)
	nan := float32(math.NaN())
	scale := func(x []float32, w [][]float32, o quant.AWQOptions) error {
		_, _, err := quant.AWQScale(x, w, 4, o)
		return err
	}
	clip := func(x, w []float32, o quant.AWQOptions) error { _, err := quant.AWQClip(x, w, 4, o); return err }
	for want, err := range map[string]error{
		"quant: awq: 3 inputs are no rows of 4":  scale(w[:3], [][]float32{w}, quant.AWQOptions{}),
		"quant: awq: no layer is given":          scale(w, nil, quant.AWQOptions{}),
		"7 weights are no rows of 4":             scale(w, [][]float32{w[:7]}, quant.AWQOptions{}),
		"weight [0 0] is NaN":                    scale(w, [][]float32{{nan, 0, 0, 0}}, quant.AWQOptions{}),
		"no try has a finite loss (the first is": scale([]float32{nan, 0, 0, 0}, [][]float32{{1, 2, 3, 4}}, quant.AWQOptions{}),
		"6 bits, want":                           clip(w, w, quant.AWQOptions{Bits: 6}),
		"0 inputs are no rows of 4":              clip(nil, w, quant.AWQOptions{}),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
}

func TestPackAWQ(t *testing.T) {
	c := golden.Open(t, "language", "quant/awq")
	const in, out, group = 64, 32, 32
	p := &quant.PackedAWQ{In: in, Out: out, QWeight: words(c, "pack.qweight"), QZeros: words(c, "pack.qzeros"), Scales: halves(c, "pack.scales")}
	g, err := p.Unpack()
	if err != nil {
		t.Fatal(err)
	}
	c.Check(t, "pack.q", g.Q)
	c.Check(t, "pack.zero", g.Zero)
	c.Check(t, "pack.weight", g.Values())
	turned := make([]float32, in*out) // the reference computes in float16, [in, out]
	for i, v := range g.Values() {
		turned[i%in*out+i/in] = v
	}
	f16 := make([]byte, 2*len(turned))
	if err := quant.Quantize(f16, turned, quant.F16, quant.Options{}); err != nil {
		t.Fatal(err)
	}
	if err := quant.Dequantize(turned, f16, quant.F16); err != nil {
		t.Fatal(err)
	}
	c.Check(t, "pack.dequantize_gemm_f16", turned)
	again, err := quant.PackAWQ(g)
	if err != nil {
		t.Fatal(err)
	}
	c.Check(t, "pack.qweight", again.QWeight)
	c.Check(t, "pack.qzeros", again.QZeros)
	if !equal(again.Scales, p.Scales) {
		t.Error("scales changed on their way")
	}
}

func words(c *golden.Case, name string) (out []int32) {
	for _, v := range c.Int64s(name) {
		out = append(out, int32(v))
	}
	return out
}

func halves(c *golden.Case, name string) (out []uint16) {
	values := c.F32(name)
	b := make([]byte, 2*len(values))
	if err := quant.Quantize(b, values, quant.F16, quant.Options{}); err != nil {
		panic(err)
	}
	for i := range values {
		out = append(out, uint16(b[2*i])|uint16(b[2*i+1])<<8)
	}
	return out
}

func equal[T comparable](a, b []T) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
