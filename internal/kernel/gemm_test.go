package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"sync"
	"testing"

	"github.com/hanji-ml/hanji/internal/cpu"
	"github.com/hanji-ml/hanji/internal/par"
)

// onEveryPath runs test once for each path of this machine, and says which those are.
func onEveryPath(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	for _, path := range cpu.Paths() {
		t.Run(path, func(t *testing.T) {
			restore, err := cpu.Force(path)
			if err != nil {
				t.Fatal(err)
			}
			defer restore()
			test(t)
		})
	}
	sayPaths()
}

// sayPaths prints the paths once a run even without -v: a machine that lacks one tests less.
var sayPaths = sync.OnceFunc(func() { fmt.Fprintln(os.Stderr, "kernel: paths tested:", cpu.Paths()) })

// gemmCase holds the operands of one product, each inside guards of NaN: what reads past an operand
// poisons the result, and what writes past C is seen.
type gemmCase[T Float] struct {
	m, n, k int
	a, b    Mat[T]
	c       []T
	ldc     int
	whole   []T // c with its guards
}

const guard = 37 // odd, so that no operand is aligned

func newCase[T Float](r *rand.Rand, m, n, k int, ta, tb bool, pad int) *gemmCase[T] {
	mat := func(rows, cols int, transposed bool) Mat[T] {
		if transposed {
			rows, cols = cols, rows
		}
		stride := cols + pad
		data := make([]T, guard+rows*stride+guard)
		for i := range data {
			data[i] = T(math.NaN())
		}
		x := RowMajor(data[guard:guard+rows*stride], stride)
		for i := range rows {
			for j := range cols {
				x.Data[i*stride+j] = T(r.NormFloat64())
			}
		}
		if rows > 0 {
			x.Data = x.Data[:(rows-1)*stride+cols]
		}
		if transposed {
			return x.T()
		}
		return x
	}
	g := &gemmCase[T]{m: m, n: n, k: k, a: mat(m, k, ta), b: mat(k, n, tb), ldc: n + pad}
	g.whole = make([]T, guard+m*g.ldc+guard)
	for i := range g.whole {
		g.whole[i] = T(i%91) / 8
	}
	g.c = g.whole[guard : guard+max(0, (m-1)*g.ldc+n)]
	return g
}

// wide is the float64 twin of x.
func wide[T Float](x []T) []float64 {
	if x == nil {
		return nil
	}
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

func wideMat[T Float](m Mat[T]) Mat[float64] { return Mat[float64]{wide(m.Data), m.RS, m.CS} }

func wideEpilogue[T Float](e Epilogue[T]) Epilogue[float64] {
	return Epilogue[float64]{Accumulate: e.Accumulate, Alpha: float64(e.Alpha), Bias: wide(e.Bias), RowBias: wide(e.RowBias), Act: e.Act, Residual: wide(e.Residual), LDR: e.LDR}
}

// compare runs product and checks it against the specification in float64.
func (g *gemmCase[T]) compare(t *testing.T, ep Epilogue[T], product func()) {
	t.Helper()
	want := wide(g.c)
	gemmGeneric(g.m, g.n, g.k, wideMat(g.a), wideMat(g.b), want, g.ldc, wideEpilogue(ep))
	before := append([]T(nil), g.whole...)
	product()
	// A sum of k products of standard normals rounded at every step is off by at most k·ε·Σ|ab|, in
	// practice by √k·ε·√k; 8 leaves room for the constant and for the epilogue's own roundings.
	eps := 0x1p-23
	if !isF32[T]() {
		eps = 0x1p-52
	}
	tol := 8 * eps * float64(g.k+8)
	for i := range g.m {
		for j := range g.n {
			got := float64(g.c[i*g.ldc+j])
			if w := want[i*g.ldc+j]; !(math.Abs(got-w) <= tol*(1+math.Abs(w)/8)) {
				t.Fatalf("m %d, n %d, k %d: C[%d,%d] = %v, want %v ± %.2g", g.m, g.n, g.k, i, j, got, w, tol)
			}
		}
	}
	for i := range g.whole {
		if row, col := (i-guard)/max(g.ldc, 1), (i-guard)%max(g.ldc, 1); i >= guard && row < g.m && col < g.n {
			continue
		}
		if g.whole[i] != before[i] {
			t.Fatalf("m %d, n %d, k %d: wrote beside C, at %d", g.m, g.n, g.k, i-guard)
		}
	}
}

func testGemmShapes[T Float](t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	sizes := []int{0, 1, 3, 7, 17, 33, 100}
	for _, m := range sizes {
		for _, n := range sizes {
			for _, k := range sizes {
				for form := range 4 {
					g := newCase[T](r, m, n, k, form&1 != 0, form&2 != 0, (m+n+k)%3)
					ep := Epilogue[T]{}
					if r.IntN(2) == 0 {
						ep.Accumulate = true
					}
					if r.IntN(2) == 0 {
						ep.Alpha = -0.75
					}
					g.compare(t, ep, func() { Gemm(m, n, k, g.a, g.b, g.c, g.ldc, ep) })
				}
			}
		}
	}
}

func TestGemmShapes(t *testing.T) {
	onEveryPath(t, func(t *testing.T) {
		t.Run("float32", testGemmShapes[float32])
		t.Run("float64", testGemmShapes[float64])
	})
}

// Shapes that take each way through the driver: blocks of k, shared and local packing, slices of k,
// few rows, strides of a page.
var bigShapes = []struct{ m, n, k int }{
	{1, 1024, 1024}, {2, 700, 1025}, {5, 515, 2048}, {8, 1024, 1024}, {13, 64, 3000}, {97, 131, 600}, {120, 1030, 500},
	{300, 100, 1024}, {16, 128, 9001}, {128, 16, 4097}, {3000, 16, 16}, {1000, 48, 48}, {197, 197, 64}, {3, 3, 9000},
}

func TestGemmBlocks(t *testing.T) {
	onEveryPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		for _, s := range bigShapes {
			for form := range 4 {
				g := newCase[float32](r, s.m, s.n, s.k, form&1 != 0, form&2 != 0, form%2)
				ep := Epilogue[float32]{Accumulate: form == 1}
				g.compare(t, ep, func() { Gemm(s.m, s.n, s.k, g.a, g.b, g.c, g.ldc, ep) })
				p := PackB(s.k, s.n, g.b)
				ep.Accumulate = false
				g.compare(t, ep, func() { GemmPacked(s.m, g.a, p, g.c, g.ldc, ep) })
			}
		}
	})
}

func TestGemmEpilogue(t *testing.T) {
	onEveryPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 6))
		for act := None; act <= SigmoidAct; act++ {
			for i, s := range []struct{ m, n, k int }{{5, 40, 8}, {130, 70, 20}, {1, 33, 700}, {16, 20, 5000}, {4, 9, 0},
				{5, 40, 8}, {130, 70, 20}, {31, 33, 700}, {16, 20, 5000}, {97, 1030, 600}, {50, 1030, 1100}} {
				g := newCase[float32](r, s.m, s.n, s.k, false, false, 3)
				ep := Epilogue[float32]{Act: act, Alpha: 0.125, Accumulate: act%2 == 0, LDR: s.n + 1}
				for range s.n {
					if i%3 != 1 {
						ep.Bias = append(ep.Bias, float32(r.NormFloat64()))
					}
				}
				for range s.m {
					if i%3 != 2 {
						ep.RowBias = append(ep.RowBias, float32(r.NormFloat64()))
					}
				}
				for range s.m * (s.n + 1) {
					ep.Residual = append(ep.Residual, float32(r.NormFloat64()))
				}
				g.compare(t, ep, func() { Gemm(s.m, s.n, s.k, g.a, g.b, g.c, g.ldc, ep) })
			}
		}
	})
}

// The specification itself, by hand: C = Residual + ReLU(α·A·B + C + Bias).
func TestGemmGenericByHand(t *testing.T) {
	a, b := RowMajor([]float64{1, 2, 3, 4}, 2), RowMajor([]float64{1, 0, -1, 5}, 2)
	for name, gemm := range map[string]func(int, int, int, Mat[float64], Mat[float64], []float64, int, Epilogue[float64]){
		"generic": gemmGeneric[float64], "driver": Gemm[float64],
	} {
		c := []float64{10, 20, 30, -400}
		gemm(2, 2, 2, a, b, c, 2, Epilogue[float64]{Accumulate: true, Alpha: 2, Bias: []float64{1, -1}, Act: ReLUAct, Residual: []float64{0.5, 0, 0.25, 0}, LDR: 2})
		// A·B = [-1 10; -1 20]; doubled and added to C: [8 40; 28 -360]; with bias [9 39; 29 -361].
		if want := []float64{9.5, 39, 29.25, 0}; fmt.Sprint(c) != fmt.Sprint(want) {
			t.Errorf("%s: %v, want %v", name, c, want)
		}
	}
}

func TestGemmGeneralAndZeroStrides(t *testing.T) {
	onEveryPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(7, 8))
		data := make([]float32, 40000)
		for i := range data {
			data[i] = float32(r.NormFloat64())
		}
		for _, s := range []struct{ m, n, k, ars, acs, brs, bcs int }{
			{20, 50, 9, 2, 41, 3, 31}, {20, 50, 9, 0, 1, 0, 1}, {20, 50, 9, 1, 0, 1, 0}, {7, 5, 30, 0, 0, 0, 0}, {150, 40, 30, 30, 2, 2, 80},
		} {
			g := newCase[float32](r, s.m, s.n, s.k, false, false, 0)
			g.a, g.b = Mat[float32]{data, s.ars, s.acs}, Mat[float32]{data, s.brs, s.bcs}
			g.compare(t, Epilogue[float32]{}, func() { Gemm(s.m, s.n, s.k, g.a, g.b, g.c, g.ldc, Epilogue[float32]{}) })
		}
	})
}

// NaN and Inf travel through sums, and only through the row and column they stand in.
func TestGemmNonFinite(t *testing.T) {
	onEveryPath(t, func(t *testing.T) {
		for _, s := range []struct{ m, n, k int }{{5, 40, 20}, {200, 70, 40}, {16, 16, 5000}} {
			g := newCase[float32](rand.New(rand.NewPCG(9, 9)), s.m, s.n, s.k, false, true, 0)
			inf := float32(math.Inf(1))
			g.a.Data[2*g.a.RS+3] = inf
			g.b.Data[5*g.b.CS+7] = float32(math.NaN())
			for i := range g.c {
				g.c[i] = float32(math.NaN()) // only written, never read
			}
			Gemm(s.m, s.n, s.k, g.a, g.b, g.c, g.ldc, Epilogue[float32]{})
			for i := range s.m {
				for j := range s.n {
					v := g.c[i*g.ldc+j]
					switch {
					case j == 5 && v == v:
						t.Fatalf("C[%d,%d] = %v, want NaN", i, j, v)
					case j != 5 && i == 2 && !math.IsInf(float64(v), 0):
						t.Fatalf("C[%d,%d] = %v, want ±Inf", i, j, v)
					case j != 5 && i != 2 && (v != v || math.IsInf(float64(v), 0)):
						t.Fatalf("C[%d,%d] = %v, want a number", i, j, v)
					}
				}
			}
		}
	})
}

// One thread and many give the same bits, whoever takes which chunk.
func TestGemmSameBitsForAnyThreads(t *testing.T) {
	defer par.SetThreads(0)
	onEveryPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(11, 12))
		for _, s := range bigShapes {
			g := newCase[float32](r, s.m, s.n, s.k, s.m%2 == 0, s.n%2 == 0, 0)
			var want []float32
			for _, threads := range []int{1, 2, 3, 7} {
				par.SetThreads(threads)
				Gemm(s.m, s.n, s.k, g.a, g.b, g.c, g.ldc, Epilogue[float32]{Alpha: 0.3})
				if want == nil {
					want = append(want, g.c...)
				}
				for i, v := range g.c {
					if math.Float32bits(v) != math.Float32bits(want[i]) {
						t.Fatalf("%v: element %d is %v on %d threads, %v on 1", s, i, v, threads, want[i])
					}
				}
			}
		}
	})
}

func TestGemmBatch(t *testing.T) {
	onEveryPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(13, 14))
		for _, s := range []struct{ batch, m, n, k int }{{0, 3, 3, 3}, {30, 41, 41, 4}, {70, 64, 8, 8}, {3, 300, 70, 64}, {5, 1, 100, 33}, {9, 4, 41, 41}, {2, 3, 4, 0},
			{5, 64, 48, 32}, {5, 32, 48, 64}, {3, 16, 192, 8}, {4, 9, 5, 700}} {
			for form := range 16 {
				ta, tb, sharedA, sharedB := form&1 != 0, form&2 != 0, form&4 != 0, form&8 != 0
				one := newCase[float32](r, s.m, s.n, s.k, ta, tb, 0)
				as, bs, cs := s.m*s.k, s.k*s.n, s.m*s.n+5
				if sharedA {
					as = 0
				}
				if sharedB {
					bs = 0
				}
				fill := func(n int) []float32 {
					x := make([]float32, n)
					for i := range x {
						x[i] = float32(r.NormFloat64())
					}
					return x
				}
				a, b := Mat[float32]{fill(s.batch * s.m * s.k), one.a.RS, one.a.CS}, Mat[float32]{fill(s.batch * s.k * s.n), one.b.RS, one.b.CS}
				c := fill(s.batch * cs)
				want := wide(c)
				ep := Epilogue[float32]{Accumulate: form%3 == 0, LDR: s.n, Act: Act(form % 5), Residual: fill(s.batch * s.m * s.n)}
				if form%4 < 2 {
					ep.Bias = fill(s.n)
				} else {
					ep.RowBias = fill(s.m)
				}
				for i := range s.batch {
					ai, bi, e := wideMat(a), wideMat(b), wideEpilogue(ep)
					ai.Data, bi.Data, e.Residual = ai.Data[i*as:], bi.Data[i*bs:], e.Residual[i*s.m*s.n:]
					gemmGeneric(s.m, s.n, s.k, ai, bi, want[i*cs:], s.n, e)
				}
				GemmBatch(s.batch, s.m, s.n, s.k, a, as, b, bs, c, s.n, cs, ep)
				for i := range c {
					if math.Abs(float64(c[i])-want[i]) > 1e-6*float64(s.k+8) { // as in compare
						t.Fatalf("%v, form %d: element %d is %v, want %v", s, form, i, c[i], want[i])
					}
				}
			}
		}
	})
}

// A packed operand outlives a change of path.
func TestPackedForAnotherPath(t *testing.T) {
	g := newCase[float32](rand.New(rand.NewPCG(15, 16)), 20, 70, 900, false, true, 1)
	p := PackB(g.k, g.n, g.b)
	if k, n := p.Shape(); k != 900 || n != 70 {
		t.Errorf("Shape() = %d, %d", k, n)
	}
	onEveryPath(t, func(t *testing.T) {
		g.compare(t, Epilogue[float32]{}, func() { GemmPacked(g.m, g.a, p, g.c, g.ldc, Epilogue[float32]{}) })
	})
}

func TestGemmRefusesShortSlices(t *testing.T) {
	a, b, c := make([]float32, 6), make([]float32, 12), make([]float32, 8)
	ok := Epilogue[float32]{}
	for name, call := range map[string]func(){
		"A":      func() { Gemm(2, 4, 3, RowMajor(a[:5], 3), RowMajor(b, 4), c, 4, ok) },
		"B":      func() { Gemm(2, 4, 3, RowMajor(a, 3), RowMajor(b[:11], 4), c, 4, ok) },
		"C":      func() { Gemm(2, 4, 3, RowMajor(a, 3), RowMajor(b, 4), c[:7], 4, ok) },
		"ldc":    func() { Gemm(2, 4, 3, RowMajor(a, 3), RowMajor(b, 4), c, 3, ok) },
		"stride": func() { Gemm(2, 4, 3, RowMajor(a, -3), RowMajor(b, 4), c, 4, ok) },
		"Bias":   func() { Gemm(2, 4, 3, RowMajor(a, 3), RowMajor(b, 4), c, 4, Epilogue[float32]{Bias: b[:3]}) },
		"RowBias": func() {
			Gemm(2, 4, 3, RowMajor(a, 3), RowMajor(b, 4), c, 4, Epilogue[float32]{RowBias: b[:1]})
		},
		"Residual": func() {
			Gemm(2, 4, 3, RowMajor(a, 3), RowMajor(b, 4), c, 4, Epilogue[float32]{Residual: b[:7], LDR: 4})
		},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s too short: no panic", name)
				}
			}()
			call()
		}()
	}
}

func TestGemmAllocatesNothing(t *testing.T) {
	if testing.CoverMode() != "" || raceDetector { // both allocate themselves
		return
	}
	r := rand.New(rand.NewPCG(17, 18))
	for _, s := range []struct{ m, n, k int }{{4, 4, 4}, {1, 600, 600}, {64, 300, 300}, {300, 300, 300}, {16, 128, 5000}} {
		g := newCase[float32](r, s.m, s.n, s.k, false, true, 0)
		got := testing.AllocsPerRun(20, func() { Gemm(s.m, s.n, s.k, g.a, g.b, g.c, g.ldc, Epilogue[float32]{}) })
		if got >= 1 {
			t.Errorf("%v: %v allocations", s, got)
		}
	}
}

func ExampleGemm() {
	a := []float32{1, 2, 3, 4, 5, 6} // 2 × 3
	b := []float32{1, 0, 0, 1, 1, 1} // 3 × 2
	c := make([]float32, 4)
	Gemm(2, 2, 3, RowMajor(a, 3), RowMajor(b, 2), c, 2, Epilogue[float32]{Bias: []float32{10, 20}})
	fmt.Println(c)
	// Output: [14 25 20 31]
}
