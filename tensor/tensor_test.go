package tensor_test

import (
	"errors"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/grad"
	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/internal/par"
	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/model/patchtst"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/optim"
	"github.com/hanji-ml/hanji/tensor"
)

// training draws dropout, and always the same.
var training = tensor.Options{Grad: true, Train: true, Seed: 3}

// Each op's gradient against central differences in float64.
func TestOps(t *testing.T) {
	cases, params := opCases(tensor.F64)
	for name, f := range cases {
		t.Run(name, func(t *testing.T) {
			loss := func(c *tensor.Ctx) T { return weigh(f(c)) }
			if err := grad.Check(loss, grad.Options{Ctx: training}, params...); err != nil {
				t.Error(err)
			}
		})
	}
}

// Ops that are fused where no tape is recorded give what they give with one. In float64 the order of sums is all that
// may differ.
func TestInferenceEqualsRecorded(t *testing.T) {
	cases, _ := opCases(tensor.F64)
	for name, f := range cases {
		ctx := tensor.New(tensor.Options{Grad: true})
		want := f(ctx).ReadF64()
		ctx.Close()
		for i, v := range infer(f) {
			if math.Abs(v-want[i]) > 1e-13*(1+math.Abs(want[i])) {
				t.Errorf("%s: element %d is %v, with a tape %v", name, i, v, want[i])
				break
			}
		}
	}
}

// infer gives an op's result without a tape.
func infer(f opCase) []float64 {
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	return f(ctx).ReadF64()
}

// run gives an op's loss and the gradients of all parameters, nil where there is none.
func run(f opCase, params []T) (all [][]float64) {
	ctx := tensor.New(training)
	defer ctx.Close()
	for _, p := range params {
		p.ZeroGrad()
	}
	loss := weigh(f(ctx))
	all = append(all, loss.ReadF64())
	loss.Backward()
	for _, p := range params {
		var g []float64
		if p.Grad() != nil {
			g = p.Grad().ReadF64()
		}
		all = append(all, g)
	}
	return all
}

// Each op in float32 on every path against float64, whose gradients TestOps holds to be right.
func TestOpsF32(t *testing.T) {
	want := map[string][][]float64{}
	wide, wideParams := opCases(tensor.F64)
	for name, f := range wide {
		want[name] = run(f, wideParams)
	}
	golden.Paths(t, func(t *testing.T) {
		cases, params := opCases(tensor.F32)
		for name, f := range cases {
			for i, g := range run(f, params) {
				if len(g) != len(want[name][i]) {
					t.Errorf("%s: result %d has %d elements, want %d", name, i, len(g), len(want[name][i]))
					continue
				}
				for j, v := range g {
					w := want[name][i][j]
					// 2⁻²⁴ for each of some hundred roundings, relative to the largest terms of the sums, which are below 10
					if !(math.Abs(v-w) <= 3e-5*math.Max(10, math.Abs(w))) {
						t.Errorf("%s: result %d element %d: %v in float32, %v in float64", name, i, j, v, w)
						break
					}
				}
			}
		}
	})
}

// net is a small model with most kinds of layers, and its training step.
type net struct {
	Conv  *nn.Conv1d
	Norm  *nn.BatchNorm
	Attn  *nn.Attention
	Layer *nn.LayerNorm
	Fc1   *nn.Linear
	Fc2   *nn.Linear
	Drop  *nn.Dropout
}

func newNet() *net {
	m := &net{nn.NewConv1d(3, 8, 3, true, tensor.ConvOptions{Padding: 1}), nn.NewBatchNorm(8), nn.NewAttention(8, 2), nn.NewLayerNorm(8, 0),
		nn.NewLinear(8, 16, true), nn.NewLinear(16, 3, true), nn.NewDropout(0.1)}
	nn.Name(m)
	nn.Init(m, 1)
	return m
}

func (m *net) loss(x, y T) T {
	h := m.Norm.Forward(m.Conv.Forward(x.Transpose(1, 2)).Transpose(1, 2)) // [B, T, 3] → [B, T, 8]
	a, _ := m.Attn.Forward(m.Layer.Forward(h), tensor.AttentionOptions{Causal: true})
	h = m.Drop.Add(h, a)
	return nn.Huber(nn.MLP(h, m.Fc1, m.Fc2, tensor.ActGELU, m.Drop), y, 1)
}

// steps trains a new net and gives all its parameters afterwards.
func steps(t *testing.T, n int) (all []float32) {
	m := newNet()
	opt, err := optim.New(optim.Options{Name: "adamw", LR: 1e-2}, nn.Trainable(m))
	if err != nil {
		t.Fatal(err)
	}
	defer opt.Close()
	ctx := tensor.New(training)
	defer ctx.Close()
	for i := range n {
		ctx.Next(uint64(i))
		x := ctx.Normal(1, tensor.F32, 16, 33, 3)
		m.loss(x, x.Detach().Square()).Backward()
		optim.ClipNorm(opt.Params(), 1)
		opt.Step(optim.Rate{LR: 1e-2})
		opt.ZeroGrad()
	}
	for _, p := range nn.Walk(m) {
		if p.Tensor.DType().Float() {
			all = append(all, p.Tensor.Read()...)
		}
	}
	return all
}

// No op reaches storage but through the table of primitives, so that another device can stand behind it.
func TestNoHostAccess(t *testing.T) {
	cases, params := opCases(tensor.F32)
	calls, restore := tensor.Guard()
	defer restore()
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the guard does not see an access")
			}
		}()
		tensor.Touch(params[0])
	}()
	for name, f := range cases {
		func() {
			defer func() {
				if r := recover(); r != nil {
					t.Errorf("%s: %v", name, r)
				}
			}()
			run(f, params)
			infer(f)
		}()
	}
	steps(t, 2)
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	x := ctx.F32s([]float32{3, 1, 2, -4, 6, 5}, 2, 3)
	if got := x.Argmax().ReadInts(); !slices.Equal(got, []int64{0, 1}) {
		t.Errorf("argmax %v", got)
	}
	if got := x.SortLast().Read(); !slices.Equal(got, []float32{1, 2, 3, -4, 5, 6}) {
		t.Errorf("sorted %v", got)
	}
	if got := x.AbsPowers(1); got != 21 {
		t.Errorf("sum of absolutes %v", got)
	}
	if got := ctx.Ints([]int64{2, 0}, 2).MatrixRows(scaled(3)).Read(); !slices.Equal(got, []float32{3, 0, 3, 0}) {
		t.Errorf("rows of a matrix %v", got)
	}
	c := tensor.New(tensor.Options{Grad: true})
	defer c.Close()
	w := c.F32s([]float32{1.4, -0.6, 2.5, 9, 0, -9}, 2, 3).Watch()
	y := w.Transpose(0, 1).FakeQuant(whole{})
	y.Mul(y).Sum().Backward()
	if got, want := y.Read(), []float32{1, 4, -1, 0, 2, -4}; !slices.Equal(got, want) {
		t.Errorf("rounded %v, want %v", got, want)
	}
	if got, want := w.Grad().Read(), []float32{2, -2, 4, 0, 0, 0}; !slices.Equal(got, want) {
		t.Errorf("gradient through the rounding %v, want %v", got, want)
	}
	for name, n := range calls {
		if n == 0 {
			t.Errorf("no op of opCases, and nothing here, uses the primitive %s: give it a case", name)
		}
	}
}

// whole rounds to whole numbers from −4 to 4.
type whole struct{}

func (whole) Forward(dst, x []float32, _ int) {
	for i, v := range x {
		dst[i] = max(-4, min(float32(math.RoundToEven(float64(v))), 4))
	}
}

func (whole) Backward(dx, dy, x []float32, _ int) {
	for i, v := range x {
		dx[i] = 0
		if v >= -4 && v <= 4 {
			dx[i] = dy[i]
		}
	}
}

// scaled is the matrix [3, 2] whose rows are (scaled, 0).
type scaled float32

func (s scaled) Shape() (out, in int) { return 3, 2 }
func (s scaled) Bytes() int           { return 4 }
func (s scaled) Row(dst []float32, r int) {
	dst[0], dst[1] = float32(s), 0
}
func (s scaled) Mul(dst []float32, ldd int, x []float32, rows, ldx int) {
	for i := range rows {
		for r := range 3 {
			dst[i*ldd+r] = float32(s) * x[i*ldx]
		}
	}
}

// A matrix of many blocks of rows gives the gradients of the same weights in a parameter, in both float types.
func TestMatrixGradient(t *testing.T) {
	const out, in = 150, 20000 // blocks of 64 rows
	for _, dt := range []tensor.DType{tensor.F32, tensor.F64} {
		ctx := tensor.New(tensor.Options{Grad: true})
		defer ctx.Close()
		w, bias := tensor.NewParam("w", tensor.F32, out, in), tensor.NewParam("bias", dt, out)
		w.FillUniform(1, -1, 1)
		m := table{w.Read(), in}
		x, y := ctx.Uniform(2, dt, 3, in).Watch(), ctx.Uniform(2, dt, 3, in).Watch()
		weigh(x.MulMatrix(m, bias).Add(x.MulMatrix(m, nil))).Backward()
		got := bias.Grad().ReadF64()
		w = w.Cast(dt)
		bias.ZeroGrad()
		weigh(y.Linear(w, bias).Add(y.Linear(w, nil))).Backward()
		tol := map[tensor.DType]float64{tensor.F32: 1e-4, tensor.F64: 1e-12}[dt] // roundings of sums of 150 numbers below 2
		dx := x.Grad().ReadF64()
		for i, want := range y.Grad().ReadF64() {
			if v := dx[i]; !(math.Abs(v-want) <= tol) {
				t.Fatalf("%v: gradient %d is %v, want %v", dt, i, v, want)
			}
		}
		if !slices.Equal(got, bias.Grad().ReadF64()) {
			t.Errorf("%v: gradient of the bias %v, want %v", dt, got, bias.Grad().ReadF64())
		}
	}
}

// table is a matrix of float32 rows.
type table struct {
	w  []float32
	in int
}

func (m table) Shape() (out, in int)     { return len(m.w) / m.in, m.in }
func (m table) Bytes() int               { return 4 * len(m.w) }
func (m table) Row(dst []float32, r int) { copy(dst, m.w[r*m.in:]) }
func (m table) Mul(dst []float32, ldd int, x []float32, rows, ldx int) {
	for i := range rows {
		for r := range len(m.w) / m.in {
			sum := 0.0
			for k, v := range m.w[r*m.in:][:m.in] {
				sum += float64(v) * float64(x[i*ldx+k])
			}
			dst[i*ldd+r] = float32(sum)
		}
	}
}

// Mistakes with matrices are shape errors; a reserved parameter gets its memory with its first value.
func TestMatrix(t *testing.T) {
	ctx := tensor.New(tensor.Options{Grad: true})
	defer ctx.Close()
	for name, f := range map[string]func(){
		"width": func() { ctx.Zeros(tensor.F32, 2, 3).MulMatrix(scaled(1), nil) },
		"bias":  func() { ctx.Zeros(tensor.F32, 2, 2).MulMatrix(scaled(1), ctx.Zeros(tensor.F32, 2)) },
		"mixed": func() { ctx.Zeros(tensor.F64, 2, 2).MulMatrix(scaled(1), ctx.Zeros(tensor.F32, 3)) },
		"id":    func() { ctx.Ints([]int64{3}, 1).MatrixRows(scaled(1)) },
		"ids":   func() { ctx.Zeros(tensor.F32, 1).MatrixRows(scaled(1)) },
	} {
		var err error
		func() {
			defer tensor.Recover(&err)
			f()
		}()
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	p := tensor.Reserve("p", tensor.F32, 2, 2)
	if !p.Reserved() || p.Len() != 4 || !p.IsParam() {
		t.Errorf("%v is no reserved parameter", p)
	}
	p.SetF32([]float32{1, 2, 3, 4})
	if p.Reserved() || !slices.Equal(p.Read(), []float32{1, 2, 3, 4}) {
		t.Errorf("%v holds %v", p, p.Read())
	}
}

// Every op writes all of its result: with new memory full of NaN it gives the same bits.
func TestNothingUnwritten(t *testing.T) {
	for _, dt := range []tensor.DType{tensor.F32, tensor.F64} {
		cases, params := opCases(dt)
		for name, f := range cases {
			want := append(run(f, params), infer(f))
			restore := tensor.FillNew()
			got := append(run(f, params), infer(f))
			restore()
			for i := range want {
				if !slices.Equal(got[i], want[i]) { // a NaN is unequal, too
					t.Errorf("%s %v: result %d is %v on memory full of NaN, %v otherwise", name, dt, i, got[i], want[i])
				}
			}
		}
	}
	want := steps(t, 2)
	defer tensor.FillNew()()
	if got := steps(t, 2); !slices.Equal(got, want) {
		t.Error("a training step depends on what new memory held")
	}
}

func TestThreadsSameBits(t *testing.T) {
	defer par.SetThreads(0)
	par.SetThreads(1)
	want, wide := steps(t, 3), stepPatchTST(t, 2)
	par.SetThreads(2)
	if got := steps(t, 3); !slices.Equal(got, want) {
		t.Error("two threads give other bits than one")
	}
	if got := stepPatchTST(t, 2); !slices.Equal(got, wide) {
		t.Error("two threads give other bits than one for PatchTST")
	}
}

func TestStale(t *testing.T) {
	mustFail := func(what string, f func()) {
		t.Helper()
		defer func() {
			err, _ := recover().(error)
			var e *tensor.Error
			if !errors.As(err, &e) || !strings.Contains(e.Error(), "f32[2 3]") || !strings.Contains(e.Error(), "scope ended") || e.Op == "" {
				t.Errorf("%s: %v", what, err)
			}
		}()
		f()
	}
	ctx := tensor.New(tensor.Options{})
	x := ctx.Zeros(tensor.F32, 2, 3)
	kept := x.Keep()
	ctx.Next(1)
	mustFail("Exp after Next", func() { x.Exp() })
	mustFail("Read after Next", func() { x.Read() })
	mustFail("as second operand", func() { ctx.Zeros(tensor.F32, 2, 3).Add(x) })
	mustFail("view", func() { x.Reshape(6) })
	y := ctx.Zeros(tensor.F32, 2, 3)
	ctx.Close()
	mustFail("after Close", func() { y.Sum() })
	ctx.Close() // twice is fine
	if len(kept.Read()) != 6 {
		t.Error("a kept tensor is gone")
	}
	var err error
	func() {
		defer tensor.Recover(&err)
		kept.Set(y)
	}()
	if err == nil || !strings.Contains(err.Error(), "set") {
		t.Errorf("Recover gives %v", err)
	}
}

// Reuse gives back what was made since the mark, but what it returns and what is older; with gradients nothing.
func TestReuse(t *testing.T) {
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	old := ctx.Full(2, tensor.F32, 1000)
	m := ctx.Mark()
	x := old
	for range 20 {
		dead := x.Add(old)
		x = ctx.Reuse(m, dead.Mul(old).Sub(x))
		var err error
		func() {
			defer tensor.Recover(&err)
			dead.Exp()
		}()
		if err == nil || !strings.Contains(err.Error(), "scope ended") {
			t.Fatalf("a tensor that was given back: %v", err)
		}
	}
	// x ← (x + 2)·2 − x = x + 4, twenty times
	if v := x.Read(); v[0] != 82 || v[999] != 82 || old.Read()[7] != 2 {
		t.Errorf("%v, want 82", v[0])
	}
	if ctx.PeakBytes() > 6*4096 {
		t.Errorf("20 rounds held %d bytes at once", ctx.PeakBytes())
	}
	train := tensor.New(training)
	defer train.Close()
	m = train.Mark()
	x = train.Full(1, tensor.F32, 3)
	train.Reuse(m, x.Exp())
	x.Exp() // still there
}

// patchStep is a training step at the sizes of transformers' default PatchTST on a batch of 8.
func patchStep(t testing.TB) (m *patchtst.Model, step func(i int)) {
	c := patchtst.DefaultConfig()
	c.NumInputChannels, c.ContextLength, c.PredictionLength, c.PatchLength, c.PatchStride = 7, 96, 24, 16, 8
	c.PathDropout, c.FFDropout = 0.2, 0.2
	m = patchtst.New(c)
	m.Init(0)
	opt, err := optim.New(optim.Options{Name: "adam", LR: 1e-4}, nn.Trainable(m))
	if err != nil {
		t.Fatal(err)
	}
	ctx := tensor.New(training)
	t.Cleanup(func() { ctx.Close(); opt.Close() })
	x, y := ctx.Normal(1, tensor.F32, 8, 96, 7).Keep(), ctx.Normal(2, tensor.F32, 8, 24, 7).Keep()
	return m, func(i int) {
		ctx.Next(uint64(i))
		m.Loss(ctx, model.Window{Past: ctx.Use(x)}, y, nil).Backward()
		optim.ClipNorm(opt.Params(), 1)
		opt.Step(optim.Rate{LR: 1e-4})
		opt.ZeroGrad()
	}
}

func stepPatchTST(t *testing.T, n int) (all []float32) {
	m, step := patchStep(t)
	for i := range n {
		step(i)
	}
	for _, p := range nn.Trainable(m) {
		all = append(all, p.Tensor.Read()...)
	}
	return all
}

// A training step takes its memory from the scope, not from the garbage collector. 64 KiB is what small slices of shapes and
// closures may cost; activations of this model take megabytes.
func TestStepAllocations(t *testing.T) {
	_, step := patchStep(t)
	for i := range 3 {
		step(i)
	}
	best := uint64(math.MaxUint64) // other tests' goroutines and pools refilled after a collection count too
	for i := range 5 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		step(3 + i)
		runtime.ReadMemStats(&after)
		best = min(best, after.TotalAlloc-before.TotalAlloc)
	}
	t.Logf("%d bytes a step", best)
	if best > 64<<10 && !raceDetector {
		t.Errorf("a training step allocates %d bytes, want at most 64 KiB", best)
	}
}

// A function of the batch, piece by piece, gives the same bits as on the whole, on any number of threads, and shape mistakes
// inside it come out as such.
func TestPieces(t *testing.T) {
	defer par.SetThreads(0)
	for _, threads := range []int{1, 2, 3} {
		par.SetThreads(threads)
		ctx := tensor.New(tensor.Options{})
		x := ctx.Normal(1, tensor.F32, 23, 4, 5)
		f := func(c *tensor.Ctx, in []*tensor.Tensor) []*tensor.Tensor {
			if in[1] != nil {
				t.Error("a nil operand is not passed on")
			}
			return []*tensor.Tensor{in[0].Exp().Sum(2), nil, in[0].Transpose(1, 2)}
		}
		want := f(ctx, []*tensor.Tensor{x, nil})
		for _, piece := range []int{0, 1, 4, 23, 40} {
			got := tensor.Pieces(ctx, piece, []*tensor.Tensor{x, nil}, f)
			for i, w := range want {
				if w == nil {
					if got[i] != nil {
						t.Errorf("result %d should be nil", i)
					}
					continue
				}
				if !slices.Equal(got[i].Shape(), w.Shape()) || !slices.Equal(got[i].Read(), w.Read()) {
					t.Errorf("pieces of %d on %d threads: result %d differs", piece, threads, i)
				}
			}
		}
		var err error
		func() {
			defer tensor.Recover(&err)
			tensor.Pieces(ctx, 5, []*tensor.Tensor{x}, func(c *tensor.Ctx, in []*tensor.Tensor) []*tensor.Tensor {
				return []*tensor.Tensor{in[0].MatMul(in[0])}
			})
		}()
		var e *tensor.Error
		if !errors.As(err, &e) || e.Op != "matmul" {
			t.Errorf("a shape mistake gives %v", err)
		}
		ctx.Close()
	}
}
