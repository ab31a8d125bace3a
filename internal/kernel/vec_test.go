package kernel

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/internal/cpu"
)

// eachPath runs f once per code path this CPU has, the portable one included,
// and says aloud which those are.
func eachPath(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	for _, path := range cpu.Paths() {
		restore, err := cpu.Force(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("path %s", path)
		t.Run(path, f)
		restore()
	}
}

// guarded is a slice of n elements at offset off of a buffer whose other
// elements hold a sentinel.
type guarded struct {
	buf []float32
	x   []float32
	off int
}

const sentinel = 12345.678

func newGuarded(n, off int) guarded {
	buf := make([]float32, n+64)
	for i := range buf {
		buf[i] = sentinel
	}
	off += 16
	return guarded{buf, buf[off : off+n : off+n], off}
}

func (g guarded) check(t *testing.T, what string) {
	t.Helper()
	for i, v := range g.buf {
		if (i < g.off || i >= g.off+len(g.x)) && v != sentinel {
			t.Fatalf("%s: wrote outside at %d", what, i-g.off)
		}
	}
}

// specials are the values every map must survive.
var specials = []float32{
	0, float32(math.Copysign(0, -1)), 1, -1, 0.5, -0.5, 2, -2, 3, -3, 10, -10, 20, -20, 50, -50, 87, -87, 88.7, -88.7, 89, -89,
	100, -100, 103.9, -103.9, 104.1, -104.1, 200, -200, 1e4, -1e4, 3e38, -3e38, math.MaxFloat32, -math.MaxFloat32,
	1e-38, -1e-38, 1e-40, -1e-40, math.SmallestNonzeroFloat32, -math.SmallestNonzeroFloat32,
	float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN()),
}

// input fills x with normal numbers and, here and there, specials.
func input(r *rand.Rand, x []float32, withSpecials bool) {
	for i := range x {
		x[i] = float32(r.NormFloat64() * 3)
		if withSpecials && r.IntN(3) == 0 {
			x[i] = specials[r.IntN(len(specials))]
		}
	}
}

func widen(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

// ulps is the distance of got from want in units in the last place of a
// float32 near want (never smaller than the least denormal).
func ulps(got float32, want float64) float64 {
	w := float32(want)
	switch {
	case want != want && got != got, got == w:
		return 0
	case want != want || got != got || math.IsInf(float64(got), 0) || math.IsInf(float64(w), 0):
		return math.Inf(1)
	}
	_, e := math.Frexp(want)
	return math.Abs(float64(got)-want) / math.Ldexp(1, max(e-24, -149))
}

// mapCase is a map kernel with its float64 twin. The bound is in ulps of the
// result; floor is an absolute error allowed beside it, times the largest |in|.
type mapCase struct {
	name  string
	nIn   int
	f32   func(dst []float32, in [][]float32)
	f64   func(dst []float64, in [][]float64)
	ulp   float64
	floor float64
}

func map1(name string, ulp float64, f32 func(dst, x []float32), f64 func(dst, x []float64)) mapCase {
	return mapCase{name, 1, func(d []float32, in [][]float32) { f32(d, in[0]) }, func(d []float64, in [][]float64) { f64(d, in[0]) }, ulp, 0}
}

func map2(name string, ulp float64, f32 func(dst, a, b []float32), f64 func(dst, a, b []float64)) mapCase {
	return mapCase{name, 2, func(d []float32, in [][]float32) { f32(d, in[0], in[1]) }, func(d []float64, in [][]float64) { f64(d, in[0], in[1]) }, ulp, 0}
}

func mapS(name string, ulp float64, s float32, f32 func(dst, x []float32, s float32), f64 func(dst, x []float64, s float64)) mapCase {
	return map1(name, ulp, func(d, x []float32) { f32(d, x, s) }, func(d, x []float64) { f64(d, x, float64(s)) })
}

// near loosens a case: floor is the error in units of the largest input that
// cancellation makes unavoidable.
func (c mapCase) near(floor float64) mapCase { c.floor = floor; return c }

func mapCases() []mapCase {
	const rounded = 0.5001 // one rounding of the float64 twin's result
	acc32 := func(f func(dst, a, b []float32)) func([]float32, []float32, []float32) {
		return func(d, a, b []float32) { copy(d, a); f(d, b, a) }
	}
	acc64 := func(f func(dst, a, b []float64)) func([]float64, []float64, []float64) {
		return func(d, a, b []float64) { copy(d, a); f(d, b, a) }
	}
	return []mapCase{
		map2("Add", rounded, Add[float32], Add[float64]),
		map2("Sub", rounded, Sub[float32], Sub[float64]),
		map2("Mul", rounded, Mul[float32], Mul[float64]),
		map2("Div", rounded, Div[float32], Div[float64]),
		map2("Max", 0, Max[float32], Max[float64]),
		map2("Min", 0, Min[float32], Min[float64]),
		mapS("AddS", rounded, 1.7, AddS[float32], AddS[float64]),
		mapS("MulS", rounded, 1.7, MulS[float32], MulS[float64]),
		mapS("RSubS", rounded, 1.7, RSubS[float32], RSubS[float64]),
		mapS("DivS", rounded, 1.7, DivS[float32], DivS[float64]),
		mapS("RDivS", rounded, 1.7, RDivS[float32], RDivS[float64]),
		mapS("MaxS", 0, 1.7, MaxS[float32], MaxS[float64]),
		mapS("MinS", 0, 1.7, MinS[float32], MinS[float64]),
		// Two roundings in the portable loop; the sum can cancel.
		map2("Axpy", rounded, acc32(func(d, b, _ []float32) { Axpy(d, 1.5, b) }), acc64(func(d, b, _ []float64) { Axpy(d, 1.5, b) })).near(3e-7),
		map2("MulAdd", rounded, acc32(func(d, b, _ []float32) { MulAdd(d, b, b) }), acc64(func(d, b, _ []float64) { MulAdd(d, b, b) })).near(1e-6),

		map1("Neg", 0, Neg[float32], Neg[float64]),
		map1("Abs", 0, Abs[float32], Abs[float64]),
		map1("Sign", 0, Sign[float32], Sign[float64]),
		map1("Square", rounded, Square[float32], Square[float64]),
		map1("Sqrt", rounded, Sqrt[float32], Sqrt[float64]),
		map1("Rsqrt", 1.5, Rsqrt[float32], Rsqrt[float64]),
		map1("Recip", rounded, Recip[float32], Recip[float64]),
		map1("Exp", 1.5, Exp[float32], Exp[float64]),
		map1("Tanh", 3, Tanh[float32], Tanh[float64]),
		map1("Sigmoid", 3, Sigmoid[float32], Sigmoid[float64]),
		map1("Erf", 3, Erf[float32], Erf[float64]),
		map1("ReLU", 0, ReLU[float32], ReLU[float64]),
		map2("ReLUGrad", 0, ReLUGrad[float32], ReLUGrad[float64]),
		// Where Φ or σ is denormal the product keeps its absolute error.
		map1("GELU", 6, GELU[float32], GELU[float64]).near(1e-44),
		// The gradients pass through zero, where ulps mean nothing.
		map2("GELUGrad", 6, GELUGrad[float32], GELUGrad[float64]).near(2e-7),
		// An error of the argument u = 2√(2/π)(x + …) is multiplied by |u| in e^u.
		map1("GELUTanh", 4, GELUTanh[float32], GELUTanh[float64]).near(1e-7),
		map2("GELUTanhGrad", 6, GELUTanhGrad[float32], GELUTanhGrad[float64]).near(4e-7),
		map1("QuickGELU", 4, QuickGELU[float32], QuickGELU[float64]).near(1e-7),
		map2("QuickGELUGrad", 6, QuickGELUGrad[float32], QuickGELUGrad[float64]).near(3e-7),
		map1("SiLU", 4, SiLU[float32], SiLU[float64]).near(1e-44),
		map2("SiLUGrad", 6, SiLUGrad[float32], SiLUGrad[float64]).near(3e-7),
	}
}

// excused: an input so large that float32 overflows on the way where the
// float64 twin does not (Axpy, MulAdd), or ±Inf, for which the clamp in
// GELUTanhGrad and QuickGELUGrad gives the limit 0 or dy and the twin Inf·0.
func excused(name string, in []float64) bool {
	for _, v := range in {
		switch name {
		case "GELUGrad", "SiLUGrad":
			if math.IsInf(v, 0) { // dy = ±Inf times what underflows in float32 alone
				return true
			}
		case "Axpy", "MulAdd":
			if math.Abs(v) > 1e18 {
				return true
			}
		case "GELUTanhGrad", "QuickGELUGrad":
			if math.IsInf(v, 0) {
				return true
			}
		}
	}
	return false
}

func (c mapCase) compare(t *testing.T, got []float32, in [][]float32) (worst float64) {
	t.Helper()
	in64 := make([][]float64, len(in))
	for i := range in {
		in64[i] = widen(in[i])
	}
	want := make([]float64, len(got))
	c.f64(want, in64)
	for i := range got {
		u := ulps(got[i], want[i])
		if u <= c.ulp {
			worst = max(worst, u)
			continue
		}
		args, scale := make([]float64, len(in)), 0.0
		for j := range in {
			args[j] = in64[j][i]
			scale = max(scale, math.Abs(args[j]), args[j]*args[j])
		}
		if c.floor > 0 && (math.Abs(float64(got[i])-want[i]) <= c.floor*max(scale, 1) || excused(c.name, args)) {
			continue
		}
		t.Fatalf("%s%v [%d of %d] = %v, want %v: %.2f ulp, bound %v", c.name, args, i, len(got), got[i], want[i], u, c.ulp)
	}
	return worst
}

func TestMaps(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		for _, c := range mapCases() {
			r := rand.New(rand.NewPCG(1, 2))
			for n := 0; n <= 3*16+1; n++ {
				for off := range 4 {
					dst := newGuarded(n, off)
					in, keep := make([][]float32, c.nIn), make([][]float32, c.nIn)
					var gs []guarded
					for j := range in {
						g := newGuarded(n, (off+j)%4)
						input(r, g.x, n > 5)
						gs, in[j], keep[j] = append(gs, g), g.x, append([]float32(nil), g.x...)
					}
					c.f32(dst.x, in)
					dst.check(t, c.name)
					for j := range in {
						gs[j].check(t, c.name)
						for i := range in[j] {
							if math.Float32bits(in[j][i]) != math.Float32bits(keep[j][i]) {
								t.Fatalf("%s: changed its input", c.name)
							}
						}
					}
					c.compare(t, dst.x, in)
				}
			}
			// A long slice goes through in chunks; in place, too.
			x := make([]float32, asmChunk+37)
			y := make([]float32, len(x))
			input(r, x, true)
			input(r, y, true)
			in := [][]float32{x, y}[:c.nIn]
			got := make([]float32, len(x))
			c.f32(got, in)
			c.compare(t, got, in)
			if c.name == "Axpy" || c.name == "MulAdd" {
				continue
			}
			c.f32(x, in)
			for i := range x {
				if math.Float32bits(x[i]) != math.Float32bits(got[i]) {
					t.Fatalf("%s: in place [%d] %v, apart %v", c.name, i, x[i], got[i])
				}
			}
		}
	})
}

// TestMapAccuracy walks through all of float32 with a stride and prints the
// largest error of the functions whose bound is in ulps.
func TestMapAccuracy(t *testing.T) {
	stride := uint32(4099)
	if testing.Short() {
		stride = 100003
	}
	var x []float32
	for b := uint64(0); b < 1<<32; b += uint64(stride) {
		x = append(x, math.Float32frombits(uint32(b)))
	}
	x = append(x, specials...)
	dy := make([]float32, len(x))
	for i := range dy {
		dy[i] = 1
	}
	got := make([]float32, len(x))
	eachPath(t, func(t *testing.T) {
		if !cpu.X86.AVX2 && !cpu.X86.AVX512 {
			return // the portable loops are the twin itself
		}
		for _, c := range mapCases() {
			if c.nIn == 2 && !(len(c.name) > 4 && c.name[len(c.name)-4:] == "Grad") {
				continue
			}
			in := [][]float32{x, x}[:c.nIn]
			if c.nIn == 2 {
				in = [][]float32{dy, x}
			}
			c.f32(got, in)
			t.Logf("%-14s max error %.3f ulp", c.name, c.compare(t, got, in))
		}
	})
}

func TestMapsAllocateNothing(t *testing.T) {
	x, y := make([]float32, 100), make([]float32, 100)
	d := make([]float64, 100)
	if n := testing.AllocsPerRun(10, func() {
		Add(y, x, x)
		Exp(y, x)
		GELUGrad(y, x, x)
		Softmax(y, x)
		LayerNormRows(y, x, nil, nil, nil, nil, 10, 10, 1e-5)
		Exp(d, d)
		Transpose(y, x, 10, 10, 10, 10)
		LogSoftmaxGrad(y, x, x)
		Dropout(y, x, 0.1, 1, 0)
		AdamStep(y, x, x, x, AdamArgs{BC1: 1, BC2: 1})
		_ = Sum(x) + Dot(x, y)
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func TestReductions(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		lengths := []int{1000, sumBlockTest - 1, sumBlockTest + 1, asmChunk + 3}
		for n := range 3*64 + 2 {
			lengths = append(lengths, n)
		}
		for _, n := range lengths {
			for off := range 4 {
				a, b := newGuarded(n, off), newGuarded(n, 3-off)
				input(r, a.x, false)
				input(r, b.x, false)
				a64, b64 := widen(a.x), widen(b.x)
				// Bound: 1e-6 of the sum of magnitudes.
				for _, c := range []struct {
					name           string
					got            float32
					want, magnitud float64
				}{
					{"Sum", Sum(a.x), Sum(a64), SumAbs(a64)},
					{"SumAbs", SumAbs(a.x), SumAbs(a64), SumAbs(a64)},
					{"SumSq", SumSq(a.x), SumSq(a64), SumSq(a64)},
					{"Dot", Dot(a.x, b.x), Dot(a64, b64), math.Sqrt(SumSq(a64) * SumSq(b64))},
				} {
					if math.Abs(float64(c.got)-c.want) > 1e-6*c.magnitud {
						t.Fatalf("%s of %d: %v, want %v", c.name, n, c.got, c.want)
					}
				}
				if n == 0 {
					continue
				}
				if MaxOf(a.x) != float32(MaxOf(a64)) || MinOf(a.x) != float32(MinOf(a64)) || ArgMax(a.x) != ArgMax(a64) {
					t.Fatalf("extremes of %d: %v %v %v", n, MaxOf(a.x), MinOf(a.x), ArgMax(a.x))
				}
				i := r.IntN(n)
				a.x[i] = float32(math.Inf(1))
				if MaxOf(a.x) != a.x[i] || ArgMax(a.x) != i {
					t.Fatalf("n %d: +Inf at %d: max %v at %d", n, i, MaxOf(a.x), ArgMax(a.x))
				}
				a.x[r.IntN(n)] = float32(math.Inf(-1))
				a.x[i] = float32(math.NaN())
				if m, k := MaxOf(a.x), MinOf(a.x); m == m || k == k || ArgMax(a.x) != i {
					t.Fatalf("n %d: NaN at %d: max %v min %v argmax %d", n, i, m, k, ArgMax(a.x))
				}
			}
		}
		if MaxOf[float32](nil) != float32(math.Inf(-1)) || ArgMax[float32](nil) != -1 || Sum[float32](nil) != 0 {
			t.Error("reductions of nothing")
		}
	})
}

const sumBlockTest = 4096

// A million ones and a million uneven numbers: plain float32 addition is off
// by 1e-3 or more there.
func TestSumOfAMillion(t *testing.T) {
	x := make([]float32, 1_000_000)
	r := rand.New(rand.NewPCG(5, 6))
	for i := range x {
		x[i] = r.Float32() + 0.1
	}
	eachPath(t, func(t *testing.T) {
		want := Sum(widen(x))
		if got := Sum(x); math.Abs(float64(got)-want) > 2e-7*want {
			t.Errorf("Sum = %v, want %v", got, want)
		}
	})
}

func BenchmarkMaps(b *testing.B) {
	const n = 4096
	x, y, dst := make([]float32, n), make([]float32, n), make([]float32, n)
	r := rand.New(rand.NewPCG(7, 8))
	input(r, x, false)
	input(r, y, false)
	for _, c := range mapCases() {
		in := [][]float32{x, y}[:c.nIn]
		eachPathBench(b, c.name, n, func() { c.f32(dst, in) })
	}
}

// The assembler takes registers 16 to 31 for AVX-512's own encoding without a
// word; in an AVX2 kernel that would be an illegal instruction on the
// machines it is for.
func TestAVX2UsesSixteenRegisters(t *testing.T) {
	files, err := filepath.Glob("*_amd64.s")
	if err != nil || len(files) == 0 {
		t.Fatal("no assembly found", err)
	}
	high := regexp.MustCompile(`\b([XY](1[6-9]|2[0-9]|3[01])|Z[0-9]+|K[0-7])\b`)
	functions := 0
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		name := ""
		for i, line := range strings.Split(string(src), "\n") {
			if strings.HasPrefix(line, "TEXT ") {
				name = line
				functions++
			}
			if strings.Contains(name, "AVX2(") && high.MatchString(line) && line != name {
				t.Errorf("%s:%d: %s", f, i+1, strings.TrimSpace(line))
			}
		}
	}
	if functions < 100 {
		t.Errorf("looked at %d functions only", functions)
	}
}

// GELUBoth has the bits of GELU and GELUGrad.
func TestGELUBoth(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(21, 22))
		for n := range 70 {
			x, y, d := newGuarded(n, 1), newGuarded(n, 2), newGuarded(n, 3)
			input(r, x.x, true)
			GELUBoth(y.x, d.x, x.x)
			y.check(t, "GELUBoth")
			d.check(t, "GELUBoth")
			wantY, wantD := make([]float32, n), make([]float32, n)
			GELU(wantY, x.x)
			Fill(wantD, 1)
			GELUGrad(wantD, wantD, x.x)
			for i := range n {
				if math.Float32bits(y.x[i]) != math.Float32bits(wantY[i]) || math.Float32bits(d.x[i]) != math.Float32bits(wantD[i]) {
					t.Fatalf("GELUBoth(%v) = %v, %v; apart %v, %v", x.x[i], y.x[i], d.x[i], wantY[i], wantD[i])
				}
			}
		}
	})
}
