package nn_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/quant"
	"github.com/hanji-ml/hanji/tensor"
)

// The op gives torch's numbers, forward and backward, through tape and views.
func TestFakeQuantIsTorchs(t *testing.T) {
	c := golden.Open(t, "language", "quant/int8-qat")
	var settings map[string]struct {
		Scale float32
		Zero  int32 `json:"zero_point"`
		Min   int32 `json:"quant_min"`
		Max   int32 `json:"quant_max"`
	}
	c.Decode("settings", &settings)
	roundings := map[string]*quant.FakeQuant{}
	for name, s := range settings {
		if strings.HasPrefix(name, "tensor.") {
			roundings[name] = &quant.FakeQuant{Scale: []float32{s.Scale}, Zero: []int32{s.Zero}, Min: s.Min, Max: s.Max}
		}
	}
	for axis := range 2 {
		name := fmt.Sprintf("channel%d", axis)
		f := &quant.FakeQuant{Scale: c.F32(name + ".scale"), Axis: axis, Min: -128, Max: 127}
		for _, z := range c.Int64s(name + ".zero_point") {
			f.Zero = append(f.Zero, int32(z))
		}
		roundings[name] = f
	}
	if len(roundings) != 6 {
		t.Fatalf("%d cases", len(roundings))
	}
	ctx := tensor.New(tensor.Options{Grad: true})
	defer ctx.Close()
	for name, f := range roundings {
		x := ctx.F32s(c.F32("x"), 6, 40).Watch()
		y := x.Slice(0, 0, 6).FakeQuant(f)
		y.BackwardFrom(ctx.F32s(c.F32("grad_output"), 6, 40))
		for what, got := range map[string][]float32{".out": y.Read(), ".grad": x.Grad().Read()} {
			want := c.F32(name + what)
			c.CheckValue(t, name+what+".large", got[40:80], want[40:80]) // row 1, with a tolerance of its own
			c.CheckValue(t, name+what, append(slices.Clone(got[:40]), got[80:]...), append(slices.Clone(want[:40]), want[80:]...))
		}
	}
}

// A rounded layer computes as one whose weights are the rounded ones, and hands their gradient on to its own.
func TestFakeQuantIsStraightThrough(t *testing.T) {
	for _, typ := range []string{"q4_0", "q8_0", "int4", "absmax8"} {
		rounded, plain := newNet(1), newNet(1)
		r, err := quant.ParseRounding(typ, 16, false)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := nn.SetFakeQuant(rounded, nn.FakeQuantOptions{Type: typ, Group: 16}); n != 5 || err != nil {
			t.Fatalf("%d layers, %v", n, err)
		}
		for _, l := range nn.Linears(plain) {
			w := l.Weight.Read()
			r.Forward(w, w, l.Weight.Dim(1))
			l.Weight.SetF32(w)
		}
		closeTo(t, typ, outOf(rounded, false), outOf(plain, false), 1e-5) // the plain one takes fused paths
		grads := map[*net][]nn.Param{}
		for _, n := range []*net{rounded, plain} {
			ctx := tensor.New(tensor.Options{Grad: true})
			defer ctx.Close()
			n.Forward(ctx.Normal(3, tensor.F32, 4, 3, 32)).Square().Sum().Backward()
			grads[n] = nn.Trainable(n)
		}
		for i, p := range grads[rounded] {
			if typ == "int4" && p.Tensor.Rank() == 2 {
				continue // not where it is cut off
			}
			closeTo(t, typ+" "+p.Name, p.Tensor.Grad().Read(), grads[plain][i].Tensor.Grad().Read(), 1e-4)
		}
		if _, err := nn.SetFakeQuant(rounded, nn.FakeQuantOptions{}); err != nil || rounded.In.Quant != nil {
			t.Errorf("not taken away: %v", err)
		}
	}
}

// Inputs are rounded by rows; an embedding is rounded alike as table and as output layer.
func TestFakeQuantOfInputs(t *testing.T) {
	e, l := nn.NewEmbedding(5, 32), nn.NewLinear(32, 4, true)
	nn.Init(e, 1)
	nn.Init(l, 2)
	for _, m := range []any{e, l} {
		if _, err := nn.SetFakeQuant(m, nn.FakeQuantOptions{Type: "q8_0", InputBits: 4}); err != nil {
			t.Fatal(err)
		}
	}
	if e.Quant.Input != nil {
		t.Error("an embedding's inputs are rounded")
	}
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	x := ctx.Normal(3, tensor.F32, 2, 32)
	q := x.FakeQuant(quant.Absmax{Bits: 4})
	w := ctx.Use(l.Weight).FakeQuant(quant.Blocks{Type: quant.Q8_0})
	if got, want := l.Forward(x).Read(), q.Linear(w, l.Bias).Read(); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got, want := l.ForwardOver(0, x.Transpose(0, 1)).Transpose(0, 1).Read(), l.Forward(x).Read(); !slices.Equal(got, want) {
		t.Errorf("along another axis %v, want %v", got, want)
	}
	table := ctx.Use(e.Weight).FakeQuant(quant.Blocks{Type: quant.Q8_0})
	if got, want := e.Forward(ctx.Ints([]int64{3, 1}, 2)).Read(), ctx.Ints([]int64{3, 1}, 2).Embedding(table).Read(); !slices.Equal(got, want) {
		t.Errorf("rows %v, want %v", got, want)
	}
	if got, want := e.Logits(x).Read(), x.Linear(table, nil).Read(); !slices.Equal(got, want) {
		t.Errorf("logits %v, want %v", got, want)
	}
}

func TestFakeQuantMistakes(t *testing.T) {
	for want, o := range map[string]nn.FakeQuantOptions{
		"input_bits is 1":      {InputBits: 1},
		`rounding "q9"`:        {Type: "q9"},
		"rows of 32":           {Type: "q4_k"},
		"no multiple of the 5": {Type: "int4", Group: 5},
		"name no layer":        {Type: "q4_0", Targets: []string{"attn"}},
	} {
		n := newNet(1)
		if _, err := nn.SetFakeQuant(n, o); err == nil || !strings.Contains(err.Error(), want) || n.In.Quant != nil {
			t.Errorf("%+v: %v, want %q", o, err, want)
		}
	}
	n := newNet(1)
	quantised(t, n, quant.Q8_0)
	if _, err := nn.SetFakeQuant(n, nn.FakeQuantOptions{Type: "q4_0"}); err == nil || !strings.Contains(err.Error(), "quantised already") {
		t.Errorf("quantised weights: %v", err)
	}
	if n, err := nn.SetFakeQuant(n, nn.FakeQuantOptions{InputBits: 8}); n != 5 || err != nil {
		t.Errorf("inputs of quantised weights: %d, %v", n, err)
	}
}
