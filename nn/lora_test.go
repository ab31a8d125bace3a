package nn_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/grad"
	"github.com/hanji-ml/hanji/internal/par"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/quant"
	"github.com/hanji-ml/hanji/tensor"
)

// net has every way in which a Linear is called.
type net struct {
	In   *nn.Linear `w:"in_proj"`
	Out  *nn.Linear `w:"out_proj"`
	Gate *nn.SwiGLU `w:"mlp"`
	Drop *nn.Dropout
}

func (n *net) Forward(x tens) tens { // [B, 3, 32]
	y := nn.MLP(x, n.In, n.Out, tensor.ActGELU, n.Drop).Add(n.Gate.Forward(x))
	y = y.Add(n.Out.Forward(n.In.ForwardAct(y, tensor.ActSiLU)))
	return y.Add(nn.MLPOver(1, y.Transpose(1, 2), n.In, n.Out, tensor.ActReLU, nil).Transpose(1, 2))
}

func newNet(seed uint64) *net {
	n := &net{In: nn.NewLinear(32, 64, true), Out: nn.NewLinear(64, 32, true), Gate: nn.NewSwiGLU(32, 64), Drop: nn.NewDropout(0.2)}
	nn.Name(n)
	nn.Init(n, seed)
	return n
}

// adapted is a net with adapters whose B is not zero any more.
func adapted(t *testing.T, o nn.LoRAOptions) *net {
	t.Helper()
	n := newNet(1)
	if _, err := nn.AddLoRA(n, o); err != nil {
		t.Fatal(err)
	}
	for _, p := range nn.Adapters(n) {
		p.Tensor.FillUniform(nn.Hash(p.Name), -0.2, 0.2)
	}
	return n
}

// quantised is the net with weights in blocks, where they have no memory of their own.
func quantised(t *testing.T, n *net, typ quant.Type) {
	t.Helper()
	opaque := nn.Opaque(n)
	for _, l := range nn.Linears(n) {
		out, in := l.Weight.Dim(0), l.Weight.Dim(1)
		size, err := typ.Size([]int{out, in})
		if err != nil {
			t.Fatal(err)
		}
		blocks := make([]byte, size)
		if err := quant.Quantize(blocks, l.Weight.Read(), typ, quant.Options{Cols: in}); err != nil {
			t.Fatal(err)
		}
		at := opaque[l.Weight]
		if *at, err = quant.NewMatrix(typ, out, in, blocks); err != nil {
			t.Fatal(err)
		}
		l.Weight = tensor.Reserve("weight", tensor.F32, out, in)
		l.Weight.Trainable(false)
	}
}

func outOf(n *net, train bool, rows ...int) []float32 {
	ctx := tensor.New(tensor.Options{Train: train, Seed: 5})
	defer ctx.Close()
	x := ctx.Normal(3, tensor.F32, 4, 3, 32)
	if rows != nil {
		x = x.Slice(0, rows[0], rows[1])
	}
	return n.Forward(x).Read()
}

func closeTo(t *testing.T, what string, got, want []float32, tol float64) {
	t.Helper()
	for i, v := range got {
		if d := math.Abs(float64(v - want[i])); !(d <= tol*math.Max(1, math.Abs(float64(want[i])))) {
			t.Fatalf("%s: element %d is %v, want %v", what, i, v, want[i])
		}
	}
}

// An adapter whose B is zero, as it begins, changes no bit; afterwards only adapters are trained.
func TestLoRABegins(t *testing.T) {
	n := newNet(1)
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	x := ctx.Normal(3, tensor.F32, 2, 32)
	want := n.Gate.Forward(x).Read()
	count, err := nn.AddLoRA(n, nn.LoRAOptions{Targets: []string{"in_proj", "mlp.down_proj"}, Dropout: 0.5, Seed: 4})
	if err != nil || count != 2 {
		t.Fatalf("%d adapters, %v", count, err)
	}
	if got := n.Gate.Forward(x).Read(); !slices.Equal(got, want) {
		t.Error("an adapter of zeros changes the output")
	}
	var names []string
	for _, p := range nn.Trainable(n) {
		names = append(names, p.Name)
	}
	if want := "in_proj.lora_A.weight in_proj.lora_B.weight mlp.down_proj.lora_A.weight mlp.down_proj.lora_B.weight"; strings.Join(names, " ") != want {
		t.Errorf("trained are %v", names)
	}
	a := n.In.LoRA.A.ReadF64()
	if lo, hi := slices.Min(a), slices.Max(a); lo < -1/math.Sqrt(32) || hi > 1/math.Sqrt(32) || lo > -0.9/math.Sqrt(32) || hi < 0.9/math.Sqrt(32) {
		t.Errorf("A lies between %v and %v", lo, hi)
	}
	if n.In.LoRA.Scale != 2 || (nn.LoRAOptions{Rank: 16, RSLoRA: true, Alpha: 8}).Scale() != 2 {
		t.Error("scale is not alpha/r, alpha/√r with use_rslora")
	}
	other := newNet(1)
	if _, err := nn.AddLoRA(other, nn.LoRAOptions{Targets: []string{"in_proj"}, Seed: 5}); err != nil {
		t.Fatal(err)
	}
	if slices.Equal(other.In.LoRA.A.ReadF64(), a) {
		t.Error("another seed draws the same")
	}
}

func TestLoRAMistakes(t *testing.T) {
	for want, o := range map[string]nn.LoRAOptions{
		"r is -1":                {Rank: -1},
		"lora_alpha is -2":       {Alpha: -2},
		"lora_dropout is 1":      {Dropout: 1},
		`"mlp.gate_proj"`:        {Targets: []string{"proj", "k_proj"}}, // no end at a dot
		"has an adapter already": {Targets: []string{"all-linear"}},
	} {
		n := newNet(1)
		if strings.Contains(want, "already") {
			n = adapted(t, o)
		}
		if _, err := nn.AddLoRA(n, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", o, err, want)
		}
	}
	if n, err := nn.AddLoRA(newNet(1), nn.LoRAOptions{Targets: []string{"all-linear"}}); n != 5 || err != nil {
		t.Errorf("all-linear: %d layers, %v", n, err)
	}
}

// Gradients of adapters, and of x through the frozen weights, against central differences: dense, and in blocks whose product
// in float64 is exact.
func TestLoRAGradients(t *testing.T) {
	for _, typ := range []quant.Type{quant.F32, quant.Q8_0, quant.Q4_0, quant.F16} {
		n := adapted(t, nn.LoRAOptions{Rank: 3, Targets: []string{"all-linear"}, Dropout: 0.3})
		if typ != quant.F32 {
			quantised(t, n, typ)
		}
		nn.Cast(n, tensor.F64)
		x := drawn("x", 2, 3, 32)
		params := []tens{x}
		for _, p := range nn.Adapters(n) {
			params = append(params, p.Tensor)
		}
		err := grad.Check(func(c *tensor.Ctx) tens { return weigh(n.Forward(c.Use(x))) }, grad.Options{Max: 12, Ctx: tensor.Options{Train: true}}, params...)
		if err != nil {
			t.Errorf("%s: %v", typ, err)
		}
		for _, p := range nn.Walk(n) {
			if !strings.Contains(p.Name, "lora") && p.Tensor.Grad() != nil {
				t.Errorf("%s: the frozen %s has a gradient", typ, p.Name)
			}
		}
	}
}

// Merged weights give what adapters give, over dense weights and over blocks.
func TestLoRAMerged(t *testing.T) {
	for typ, tol := range map[quant.Type]float64{
		quant.F32:  1e-5, // some hundred roundings of numbers near 1
		quant.F16:  1e-5,
		quant.Q8_0: 0.05, // whose product rounds x to 8 bits, the merged one does not
	} {
		n := adapted(t, nn.LoRAOptions{Rank: 4, Targets: []string{"in_proj", "up_proj", "down_proj"}, RSLoRA: true})
		if typ != quant.F32 {
			quantised(t, n, typ)
		}
		want := outOf(n, false)
		nn.MergeLoRA(n)
		if len(nn.Adapters(n)) != 0 || n.In.Matrix != nil || typ == quant.F16 && n.Out.Matrix == nil {
			t.Errorf("%s: adapters are left, or layers without one are widened", typ)
		}
		closeTo(t, typ.String(), outOf(n, false), want, tol)
	}
}

// Neither the batch nor the number of threads shows in a row's bits.
func TestLoRARows(t *testing.T) {
	n := adapted(t, nn.LoRAOptions{Targets: []string{"all-linear"}, Dropout: 0.1})
	want := outOf(n, false)
	for i := range 4 {
		closeTo(t, "row", outOf(n, false, i, i+1), want[96*i:96*i+96], 1e-5) // products of few rows take another order
	}
	train := outOf(n, true)
	if slices.Equal(train, want) {
		t.Error("dropout does nothing in training")
	}
	defer par.SetThreads(par.Threads())
	for threads := 1; threads <= 3; threads++ {
		par.SetThreads(threads)
		if !slices.Equal(outOf(n, false), want) || !slices.Equal(outOf(n, true), train) {
			t.Errorf("%d threads: other bits", threads)
		}
	}
}
