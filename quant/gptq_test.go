package quant_test

import (
	"math"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/quant"
)

// outputError is Σ over rows of d·H·dᵀ, d being what a weight changed by.
func outputError(w, was, h []float32, cols int) (sum float64) {
	for r := 0; r < len(w); r += cols {
		for i := range cols {
			for j := range cols {
				sum += float64(w[r+i]-was[r+i]) * float64(h[i*cols+j]) * float64(w[r+j]-was[r+j])
			}
		}
	}
	return sum
}

type gptqRun struct {
	Bits         int
	Group        int
	ActOrder     bool `json:"act_order"`
	Sym, MSE     bool
	StaticGroups bool    `json:"static_groups"`
	Blocksize    int     `json:"blocksize"`
	Percdamp     float64 `json:"percdamp"`
	ErrorGPTQ    float64 `json:"error_gptq"`
	ErrorRTN     float64 `json:"error_round_to_nearest"`
}

func (r gptqRun) options() quant.GPTQOptions {
	return quant.GPTQOptions{
		Grid:     quant.Grid{Bits: r.Bits, Group: max(r.Group, 0), Symmetric: r.Sym, MSE: r.MSE},
		ActOrder: r.ActOrder, StaticGroups: r.StaticGroups, Block: r.Blocksize, Damp: r.Percdamp,
	}
}

// TestGPTQ: twelve runs of the reference. Integers may differ by one in a thousandth of the places
// (extra.limits of the case: the reference's Cholesky is in float32), and must be equal elsewhere.
func TestGPTQ(t *testing.T) {
	c := golden.Open(t, "language", "quant/gptq")
	w, x := c.F32("weight"), c.F32("inputs")
	const cols = 96
	h := quant.NewHessian(cols)
	for i := range 4 { // four batches
		if err := h.Add(x[i*64*cols : (i+1)*64*cols]); err != nil {
			t.Fatal(err)
		}
	}
	c.Check(t, "hessian", h.Values())
	var runs map[string]gptqRun
	c.Decode("runs", &runs)
	if len(runs) != 12 {
		t.Fatalf("%d runs", len(runs))
	}
	for name, run := range runs {
		t.Run(name, func(t *testing.T) {
			g, err := quant.GPTQ(w, h, run.options())
			if err != nil {
				t.Fatal(err)
			}
			want := bytesOf(c.With(t), name+".q")
			off := 0
			for i := range want {
				if d := int(g.Q[i]) - int(want[i]); d != 0 {
					off++
					if d < -1 || d > 1 {
						t.Errorf("q of row %d, column %d is %d, want %d", i/cols, i%cols, g.Q[i], want[i])
					}
				}
			}
			if off > len(want)/1000 {
				t.Errorf("%d of %d integers are off by one", off, len(want))
			}
			c.Check(t, name+".scale", g.Scale)
			c.Check(t, name+".zero", g.Zero)
			c.Check(t, name+".g_idx", g.GroupOf)
			hessian := h.Values()
			c.CheckValue(t, "runs."+name+".error_gptq", outputError(g.Values(), w, hessian, cols), run.ErrorGPTQ)
			rtn, err := quant.RoundToNearest(w, cols, run.options().Grid)
			if err != nil {
				t.Fatal(err)
			}
			c.CheckValue(t, "runs."+name+".error_round_to_nearest", outputError(rtn.Values(), w, hessian, cols), run.ErrorRTN)
			t.Logf("%d integers off by one", off)
		})
	}
}

// TestGPTQUncorrelated: inputs that have nothing to do with each other leave nothing to make up for,
// so GPTQ is rounding.
func TestGPTQUncorrelated(t *testing.T) {
	const cols = 64
	w := normal(8*cols, 4)
	x := make([]float32, cols*cols)
	for i := range cols {
		x[i*cols+i] = float32(1 + i%5)
	}
	h := quant.NewHessian(cols)
	if err := h.Add(x); err != nil {
		t.Fatal(err)
	}
	for _, order := range []bool{false, true} {
		o := quant.GPTQOptions{Grid: quant.Grid{Group: 16}, ActOrder: order, StaticGroups: true}
		g, err := quant.GPTQ(w, h, o)
		if err != nil {
			t.Fatal(err)
		}
		rtn, err := quant.RoundToNearest(w, cols, o.Grid)
		if err != nil {
			t.Fatal(err)
		}
		a, b := g.Values(), rtn.Values()
		for i := range a {
			if a[i] != b[i] {
				t.Fatalf("act order %v: weight %d is %v, rounded %v", order, i, a[i], b[i])
			}
		}
	}
}

func TestGPTQErrors(t *testing.T) {
	h := quant.NewHessian(4)
	bad := func(want string, err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
	gptq := func(w []float32, o quant.GPTQOptions) error { _, err := quant.GPTQ(w, h, o); return err }
	w := make([]float32, 8)
	bad("the Hessian has no inputs; add calibration data", gptq(w, quant.GPTQOptions{}))
	bad("3 inputs are no rows of 4", h.Add(w[:3]))
	bad("7 weights are no rows of 4", gptq(w[:7], quant.GPTQOptions{}))
	bad("5 bits, want 2, 3, 4 or 8", gptq(w, quant.GPTQOptions{Grid: quant.Grid{Bits: 5}}))
	bad("4 columns are no whole groups of 3", gptq(w, quant.GPTQOptions{Grid: quant.Grid{Group: 3}}))
	bad("weight [1 2] is NaN", gptq([]float32{0, 0, 0, 0, 0, 0, float32(math.NaN()), 0}, quant.GPTQOptions{}))
	if err := h.Add([]float32{float32(math.NaN()), 1, 1, 1}); err != nil {
		t.Fatal(err)
	}
	bad("the Hessian is not positive definite; raise Damp above 0.01 or add", gptq(w, quant.GPTQOptions{}))
	_, err := quant.RoundToNearest(w, 0, quant.Grid{})
	bad("8 weights are no rows of 0", err)
}
