package quant_test

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/quant"
)

// Absmax is LLM-QAT's; testdata/qat.py made the numbers.
func TestAbsmax(t *testing.T) {
	dir, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("HANJI_SHARED", dir)
	c := golden.Open(t, "qat", "absmax")
	x, dy := c.F32("x"), c.F32("dy")
	got := make([]float32, len(x))
	for _, bits := range []int{3, 4, 8} {
		for _, whole := range []bool{false, true} {
			a, name := quant.Absmax{Bits: bits, Whole: whole}, fmt.Sprintf("%d.%s", bits, map[bool]string{false: "rows", true: "whole"}[whole])
			a.Forward(got, x, 24)
			c.Check(t, name+".out", got)
			a.Backward(got, dy, x, 24)
			c.Check(t, name+".grad", got)
		}
	}
}

// numbers are rows as weights are, with one of zeros.
func numbers(rows, cols int) []float32 {
	x := make([]float32, rows*cols)
	for i := cols; i < len(x); i++ {
		x[i] = float32(math.Sin(float64(7*i)+0.3*float64(i*i))) * float32(1+i/cols) / 20
	}
	return x
}

// What training sees is what is written: of blocks, what Quantize writes, and of a grid, what RoundToNearest does. A number that
// is not finite is not hidden.
func TestRoundedIsWritten(t *testing.T) {
	const rows, cols = 5, 256
	x, got := numbers(rows, cols), make([]float32, rows*cols)
	for _, typ := range []quant.Type{quant.Q4_0, quant.Q8_0, quant.Q5_1, quant.Q4_K, quant.Q6_K, quant.Q2_K, quant.IQ4_NL, quant.F16, quant.BF16} {
		size, err := typ.Size([]int{rows, cols})
		if err != nil {
			t.Fatal(err)
		}
		b, want := make([]byte, size), make([]float32, rows*cols)
		if err := quant.Quantize(b, x, typ, quant.Options{Cols: cols}); err != nil {
			t.Fatal(err)
		}
		if err := quant.Dequantize(want, b, typ); err != nil {
			t.Fatal(err)
		}
		q := quant.Blocks{Type: typ}
		if q.Forward(got, x, cols); !slices.Equal(got, want) || slices.Equal(got, x) {
			t.Errorf("%s: not what is written", typ)
		}
		if q.Backward(got, x, x, cols); !slices.Equal(got, x) {
			t.Errorf("%s: the gradient is not passed on", typ)
		}
		bad := slices.Clone(x)
		bad[700] = float32(math.NaN())
		if q.Forward(got, bad, cols); got[700] == got[700] || !slices.Equal(got[:512], want[:512]) {
			t.Errorf("%s: a NaN becomes %v", typ, got[700])
		}
	}
	for _, grid := range []quant.Grid{{}, {Bits: 3, Group: 32}, {Bits: 8, Symmetric: true}, {Bits: 2, Group: 64, Symmetric: true}} {
		g, err := quant.RoundToNearest(x, cols, grid)
		if err != nil {
			t.Fatal(err)
		}
		if grid.Forward(got, x, cols); !slices.Equal(got, g.Values()) {
			t.Errorf("%+v: not what RoundToNearest gives", grid)
		}
		checkMask(t, grid, g, x, cols)
	}
}

// checkMask compares a grid's gradient with FakeQuant's of the same scales, whose numbers are torch's; but at the group's ends, which
// the one finds by a division, the other by a reciprocal.
func checkMask(t *testing.T, grid quant.Grid, g *quant.Grouped, x []float32, cols int) {
	dy, dx, want := make([]float32, len(x)), make([]float32, len(x)), make([]float32, len(x))
	for i := range dy {
		dy[i] = float32(i + 1)
	}
	grid.Backward(dx, dy, x, cols)
	group := cols / g.Groups
	f := quant.FakeQuant{Scale: g.Scale, Max: 1<<g.Bits - 1}
	for _, z := range g.Zero {
		f.Zero = append(f.Zero, int32(z))
	}
	f.Backward(want, dy, x, group)
	passed := 0
	for i, v := range dx {
		part := x[i/group*group:][:group]
		if x[i] == slices.Min(part) || x[i] == slices.Max(part) {
			continue
		}
		passed++
		if v != want[i] {
			t.Fatalf("%+v: element %d gets %v, want %v", grid, i, v, want[i])
		}
	}
	if passed < len(x)/2 {
		t.Errorf("%+v: only %d elements compared", grid, passed)
	}
}

func TestParseRounding(t *testing.T) {
	for name, want := range map[string]quant.Rounding{
		"Q4_0": quant.Blocks{Type: quant.Q4_0}, "q6_k": quant.Blocks{Type: quant.Q6_K}, "int4": quant.Grid{Bits: 4, Group: 32, Symmetric: true}, "absmax8": quant.Absmax{Bits: 8},
	} {
		if got, err := quant.ParseRounding(name, 32, true); err != nil || got != want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	for _, name := range []string{"", "int", "int5", "int-4", "absmax", "absmax2", "absmax99", "q4", "iq2_xs"} {
		if r, err := quant.ParseRounding(name, 0, false); err == nil {
			t.Errorf("%q is %+v", name, r)
		}
	}
}

// BenchmarkRounding is one weight of a small model, once a training step.
func BenchmarkRounding(b *testing.B) {
	x := numbers(576, 1536)
	got := make([]float32, len(x))
	for _, name := range []string{"q8_0", "q4_0", "q4_k", "q6_k", "int4", "absmax8"} {
		r, err := quant.ParseRounding(name, 32, true)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				r.Forward(got, x, 1536)
			}
			b.ReportMetric(float64(len(x))*float64(b.N)/b.Elapsed().Seconds()/1e6, "M/s")
		})
	}
}
