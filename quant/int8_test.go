package quant_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/quant"
)

// checkRows holds [6, 40] against the fixture, row 1 with the tolerance of NAME.large.
func checkRows(c *golden.Case, t *testing.T, name string, got []float32) {
	t.Helper()
	want := c.F32(name)
	c.CheckValue(t, name+".large", got[40:80], want[40:80])
	c.CheckValue(t, name, append(slices.Clone(got[:40]), got[80:]...), append(slices.Clone(want[:40]), want[80:]...))
}

func TestFakeQuantPerTensor(t *testing.T) {
	c := golden.Open(t, "language", "quant/int8-qat")
	x, dy := c.F32("x"), c.F32("grad_output")
	got := make([]float32, len(x))
	for _, name := range []string{"tensor.s8_sym", "tensor.u8_affine", "tensor.s4", "tensor.u4_tie"} {
		var s struct {
			Scale float32
			Zero  int32 `json:"zero_point"`
			Min   int32 `json:"quant_min"`
			Max   int32 `json:"quant_max"`
		}
		c.Decode("settings."+name, &s)
		f := quant.FakeQuant{Scale: []float32{s.Scale}, Zero: []int32{s.Zero}, Min: s.Min, Max: s.Max}
		f.Forward(got, x, 40)
		checkRows(c, t, name+".out", got)
		f.Backward(got, dy, x, 40)
		checkRows(c, t, name+".grad", got)
	}
	q := quant.FakeQuant{Scale: []float32{0.04}, Zero: []int32{110}, Max: 255}
	ints := make([]int32, len(x))
	q.Integers(ints, x, 40)
	c.Check(t, "quint8.int", ints)
	q.Forward(got, x, 40)
	checkRows(c, t, "quint8.float", got)
}

func TestFakeQuantPerChannel(t *testing.T) {
	c := golden.Open(t, "language", "quant/int8-qat")
	x, dy := c.F32("x"), c.F32("grad_output")
	for axis := range 2 {
		name := fmt.Sprintf("channel%d", axis)
		f := quant.FakeQuant{Scale: c.F32(name + ".scale"), Axis: axis, Min: -128, Max: 127}
		for _, z := range c.Int64s(name + ".zero_point") {
			f.Zero = append(f.Zero, int32(z))
		}
		got := make([]float32, len(x))
		f.Forward(got, x, 40)
		checkRows(c, t, name+".out", got)
		checkRows(c, t, fmt.Sprintf("learn%d.out", axis), got)
		f.Backward(got, dy, x, 40)
		checkRows(c, t, name+".grad", got)
		checkRows(c, t, fmt.Sprintf("learn%d.grad", axis), got)
		checkParamGradients(t, c, fmt.Sprintf("learn%d.grad_", axis), f, dy, x)
	}
}

// checkParamGradients compares sums. The fixture's 1e-6 is far below what float32 resolves in sums of
// hundreds, so only torch's own order of adding meets it: each element's gradient, as
// ParamGradients gives it for that element alone, is added up in that order and held to the
// tolerance. The sums that ParamGradients gives, which are exact, may differ by the rounding of one
// addition a term.
func checkParamGradients(t *testing.T, c *golden.Case, name string, f quant.FakeQuant, dy, x []float32) {
	scale, zero := f.ParamGradients(dy, x, 40)
	for what, sums := range map[string][]float32{"scale": scale, "zero_point": zero} {
		want := c.F32(name + what)
		var ordered []float32
		for ch := range want {
			var terms []float32
			mass := 0.0
			for i := range x {
				if f.Axis == 0 && i/40 == ch || f.Axis == 1 && i%40 == ch {
					one := quant.FakeQuant{Scale: f.Scale[ch : ch+1], Zero: f.Zero[ch : ch+1], Min: f.Min, Max: f.Max}
					s, z := one.ParamGradients(dy[i:i+1], x[i:i+1], 1)
					if what == "zero_point" {
						s = z
					}
					terms = append(terms, s[0])
					mass += math.Abs(float64(s[0]))
				}
			}
			ordered = append(ordered, torchSum(terms, ch))
			if d := math.Abs(float64(sums[ch] - want[ch])); d > 0x1p-24*mass*float64(len(terms)) {
				t.Errorf("%s%s: channel %d is %v, want %v", name, what, ch, sums[ch], want[ch])
			}
		}
		c.Check(t, name+what, ordered)
	}
}

// torchSum adds as torch does on a processor with vectors of eight: a row of 40 in eight sums, a
// column of six straight on, but in four sums for the last columns, which fill no four vectors.
func torchSum(x []float32, column int) (sum float32) {
	switch {
	case len(x) == 40:
		for j := range 8 {
			sum += x[j] + x[32+j] + x[8+j] + x[16+j] + x[24+j]
		}
		return sum
	case column >= 32:
		return x[0] + x[4] + x[5] + x[1] + x[2] + x[3]
	}
	for _, v := range x {
		sum += v
	}
	return sum
}

func TestObservers(t *testing.T) {
	c := golden.Open(t, "language", "quant/int8-qat")
	x := c.F32("x")
	var all quant.MinMax
	all.Observe(x[:100])
	all.Observe(x[100:])
	scale, zero := all.Affine(0, 255)
	c.CheckValue(t, "settings.observer.minmax_quint8_scale", scale, c.Raw("settings.observer.minmax_quint8_scale"))
	c.CheckValue(t, "settings.observer.minmax_quint8.zero_point", int(zero), c.Raw("settings.observer.minmax_quint8_zero_point"))
	var scales []float32
	for r := range 6 {
		var row quant.MinMax
		row.Observe(x[40*r : 40*r+40])
		s, z := row.Symmetric(-128, 127)
		if z != 0 {
			t.Errorf("row %d: zero %d", r, z)
		}
		scales = append(scales, s)
	}
	c.Check(t, "observer.channel_scale", scales)
	var odd quant.MinMax
	odd.Observe([]float32{float32(math.NaN()), 3, float32(math.Inf(1))})
	if odd != (quant.MinMax{Least: 3, Greatest: 3, Seen: true}) {
		t.Errorf("observed %v", odd)
	}
	if _, z := odd.Symmetric(0, 255); z != 128 {
		t.Errorf("unsigned zero is %d", z)
	}
}

func TestInt8(t *testing.T) {
	c := golden.Open(t, "language", "quant/int8-qat")
	x := c.F64("x")
	q, scale := make([]int8, len(x)), make([]float64, 6)
	quant.AbsmaxRows(q, scale, x, 40)
	c.Check(t, "formula.absmax_row.q", q)
	c.Check(t, "formula.absmax_row.scale", scale)

	xs, w := c.F64("formula.smoothquant.x"), c.F64("formula.smoothquant.w")
	for _, alpha := range []float64{0.5, 0.85} {
		c.Check(t, fmt.Sprintf("formula.smoothquant_%g.s", alpha), quant.SmoothQuant(quant.ColumnMax(xs, 40), quant.ColumnMax(w, 40), alpha))
	}
	c.Check(t, "formula.int8_matmul", quant.Int8MatMul(xs, w, 40))
	c.Check(t, "formula.llm_int8_matmul", quant.LLMInt8MatMul(xs, w, 40, 6))
	c.CheckValue(t, "settings.llm_int8.outlier_columns", quant.OutlierColumns(xs, 40, 6), c.Raw("settings.llm_int8.outlier_columns"))
}

// TestInt8Error: eight bits lose little, outliers kept apart less, and smoothed inputs less than
// plain ones. Nothing is lost where there is nothing to round.
func TestInt8Error(t *testing.T) {
	const cols, m, n = 64, 32, 16
	x, w := make([]float64, m*cols), make([]float64, n*cols)
	for i, v := range normal(m*cols, 10) {
		if x[i] = float64(v); i%cols%16 == 3 {
			x[i] *= 20
		}
	}
	for i, v := range normal(n*cols, 11) {
		w[i] = float64(v)
	}
	s := quant.SmoothQuant(quant.ColumnMax(x, cols), quant.ColumnMax(w, cols), 0.5)
	sx, sw := slices.Clone(x), slices.Clone(w)
	for i := range sx {
		sx[i] /= s[i%cols]
	}
	for i := range sw {
		sw[i] *= s[i%cols]
	}
	lost := func(got []float64) (sum float64) {
		for i := range m {
			for j := range n {
				want := 0.0
				for c := range cols {
					want += x[i*cols+c] * w[j*cols+c]
				}
				sum += (got[i*n+j] - want) * (got[i*n+j] - want)
			}
		}
		return math.Sqrt(sum / (m * n))
	}
	plain, smooth, mixed := lost(quant.Int8MatMul(x, w, cols)), lost(quant.Int8MatMul(sx, sw, cols)), lost(quant.LLMInt8MatMul(x, w, cols, 6))
	if !(mixed < smooth && smooth < plain) || plain > 3 || mixed < 0.001 {
		t.Errorf("lost %v plainly, %v smoothed, %v with outliers apart", plain, smooth, mixed)
	}
	ints := []float32{127, -1, 0, 3, 127, 127, 0, 0}
	if got := quant.Int8MatMul(ints, ints[:4], 4); got[0] != 127*127+1+9 || got[1] != 127*126 {
		t.Errorf("integers became %v", got)
	}
}

// TestFakeQuantGrid: rounded numbers stay where they are, and the gradient of a learned scale is
// that of finite differences where nothing is near a tie.
func TestFakeQuantGrid(t *testing.T) {
	x := normal(6*16, 12)
	f := quant.FakeQuant{Scale: []float32{0.1, 0.2, 0.3, 0.15, 0.25, 0.5}, Zero: []int32{0, 1, -2, 3, 0, 5}, Min: -8, Max: 7}
	once, twice := make([]float32, len(x)), make([]float32, len(x))
	f.Forward(once, x, 16)
	f.Forward(twice, once, 16)
	if !slices.Equal(once, twice) {
		t.Error("rounding twice is not rounding once")
	}
	ints := make([]int32, len(x))
	f.Integers(ints, x, 16)
	for i, q := range ints {
		if v := float32(q-f.Zero[i/16]) * f.Scale[i/16]; q < -8 || q > 7 || v != once[i] {
			t.Errorf("element %d: integer %d is %v, value %v", i, q, v, once[i])
		}
	}
	for name, call := range map[string]func(){
		"axis":   func() { (&quant.FakeQuant{Scale: f.Scale, Zero: f.Zero, Axis: 2}).Forward(once, x, 16) },
		"scales": func() { f.Forward(once, x, 32) },
		"zeros":  func() { (&quant.FakeQuant{Scale: f.Scale, Zero: f.Zero[1:]}).Forward(once, x, 16) },
		"length": func() { f.Backward(once[1:], once, x, 16) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s that do not fit did not panic", name)
				}
			}()
			call()
		}()
	}
}
