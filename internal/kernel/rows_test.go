package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/hanji-ml/hanji/internal/cpu"
)

// matrix is a guarded rows×cols matrix whose rows stand ld apart; gaps hold
// the sentinel.
type matrix struct {
	guarded
	rows, cols, ld int
}

func newMatrix(r *rand.Rand, rows, cols, ld, off int) matrix {
	m := matrix{newGuarded((rows-1)*ld+cols, off), rows, cols, ld}
	for i := range rows {
		input(r, m.row(i), false)
	}
	return m
}

func (m matrix) row(i int) []float32 { return m.x[i*m.ld:][:m.cols] }

func (m matrix) checkGaps(t *testing.T, what string) {
	t.Helper()
	m.check(t, what)
	for i := range m.rows - 1 {
		for _, v := range m.x[i*m.ld+m.cols : (i+1)*m.ld] {
			if v != sentinel {
				t.Fatalf("%s: wrote between the rows", what)
			}
		}
	}
}

// close64 fails where |got - want| > tol·scale.
func close64(t *testing.T, what string, got []float32, want []float64, tol, scale float64) {
	t.Helper()
	for i, w := range want[:len(got)] {
		if w != w && got[i] != got[i] || math.Abs(float64(got[i])-w) <= tol*scale {
			continue
		}
		t.Fatalf("%s [%d of %d] = %v, want %v (tolerance %g)", what, i, len(got), got[i], w, tol*scale)
	}
}

func maxAbs(x []float64) float64 {
	m := 0.0
	for _, v := range x {
		m = max(m, math.Abs(v))
	}
	return m
}

func TestSoftmaxRows(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 1))
		for cols := 1; cols <= 150; cols++ {
			for off := range 4 {
				rows := 1 + off
				x := newMatrix(r, rows, cols, cols+off, off)
				y := newMatrix(r, rows, cols, cols+2*off, 3-off)
				dy := newMatrix(r, rows, cols, cols+1, off)
				dx := newMatrix(r, rows, cols, cols+3, off)
				SoftmaxRows(y.x, x.x, rows, cols, y.ld, x.ld)
				SoftmaxGradRows(dx.x, dy.x, y.x, rows, cols, dx.ld, dy.ld, y.ld)
				for _, m := range []matrix{x, y, dy, dx} {
					m.checkGaps(t, "softmax")
				}
				for i := range rows {
					want, wantDx := make([]float64, cols), make([]float64, cols)
					Softmax(want, widen(x.row(i)))
					// exp, sum and division err by a few ulp; rounding the argument
					// x - max (half an ulp of it) errs by up to |x - max| more.
					top := float64(MaxOf(x.row(i)))
					for j, w := range want {
						if u := ulps(y.row(i)[j], w); u > 5+top-float64(x.row(i)[j]) {
							t.Fatalf("softmax of %d [%d] = %v, want %v: %.1f ulp", cols, j, y.row(i)[j], w, u)
						}
					}
					SoftmaxGrad(wantDx, widen(dy.row(i)), widen(y.row(i)))
					// dy - Σ dy·y cancels: the bound is in units of the largest dy.
					close64(t, "softmax gradient", dx.row(i), wantDx, 1e-6, maxAbs(widen(dy.row(i))))
				}
			}
		}
	})
}

func TestSoftmaxExtremes(t *testing.T) {
	inf := float32(math.Inf(1))
	nan := float32(math.NaN())
	eachPath(t, func(t *testing.T) {
		for _, n := range []int{1, 2, 7, 8, 16, 17, 42, 64, 65, 200} {
			x, y := make([]float32, n), make([]float32, n)
			fill := func(v float32) { Fill(x, v) }
			fill(-inf)
			Softmax(y, x)
			for _, v := range y {
				if v == v {
					t.Fatalf("n %d: all -Inf gives %v, want NaN", n, v)
				}
			}
			x[n/2] = -3e38
			Softmax(y, x)
			for i, v := range y {
				if i == n/2 && v != 1 || i != n/2 && v != 0 {
					t.Fatalf("n %d: masked row gives %v at %d", n, v, i)
				}
			}
			fill(3e38)
			Softmax(y, x)
			for _, v := range y {
				if math.Abs(float64(v)*float64(n)-1) > 1e-6 {
					t.Fatalf("n %d: constant row gives %v", n, v)
				}
			}
			for _, bad := range []float32{inf, nan} {
				fill(1)
				x[n-1] = bad
				Softmax(y, x)
				if v := y[n-1]; v == v {
					t.Fatalf("n %d: %v gives %v, want NaN", n, bad, v)
				}
			}
			// In place.
			for i := range x {
				x[i] = float32(i%5) - 2
			}
			Softmax(y, x)
			Softmax(x, x)
			for i := range x {
				if x[i] != y[i] {
					t.Fatalf("n %d: in place %v, apart %v", n, x[i], y[i])
				}
			}
		}
	})
}

func TestLogSoftmax(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(2, 2))
		for n := 1; n <= 100; n++ {
			x, y, dy, dx := make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
			input(r, x, false)
			input(r, dy, false)
			want := make([]float64, n)
			LogSoftmax(want, widen(x))
			LogSoftmax(y, x)
			close64(t, "log softmax", y, want, 1e-6, max(1, maxAbs(want)))
			close64(t, "log sum exp", []float32{LogSumExp(x)}, []float64{LogSumExp(widen(x))}, 1e-6, max(1, maxAbs(widen(x))))
			LogSoftmaxGrad(want, widen(dy), widen(y))
			LogSoftmaxGrad(dx, dy, y)
			close64(t, "log softmax gradient", dx, want, 2e-6, float64(SumAbs(dy)))
		}
		inf := float32(math.Inf(1))
		if v := LogSumExp([]float32{-inf, -inf}); v != -inf {
			t.Errorf("LogSumExp(-Inf, -Inf) = %v", v)
		}
		if v := LogSumExp([]float32{1, inf}); v != inf {
			t.Errorf("LogSumExp(1, Inf) = %v", v)
		}
		y := []float32{-inf, -inf}
		LogSoftmax(y, y)
		if y[0] == y[0] {
			t.Errorf("LogSoftmax of -Inf gives %v, want NaN", y[0])
		}
		y = []float32{1e30, -inf, 1e30}
		LogSoftmax(y, y)
		if math.Abs(float64(y[0])+math.Ln2) > 1e-6 || y[1] != -inf {
			t.Errorf("LogSoftmax of large numbers gives %v", y)
		}
	})
}

// The fused gate has the bits of softmax, product and sum apart; down the columns those of the transposed
// operands, but for the order of the sum in the softmax.
func TestGate(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 3))
		for cols := 1; cols <= 150; cols++ {
			rows := 1 + cols%9
			x, g, res, y := newMatrix(r, rows, cols, cols, 1), newMatrix(r, rows, cols, cols, 2), newMatrix(r, rows, cols, cols, 3), newMatrix(r, rows, cols, cols, 0)
			GateRows(y.x, x.x, g.x, res.x, rows, cols)
			for _, m := range []matrix{x, g, res, y} {
				m.checkGaps(t, "gate")
			}
			want := make([]float32, rows*cols)
			SoftmaxRows(want, g.x, rows, cols, cols, cols)
			Mul(want, want, x.x)
			Add(want, want, res.x)
			for i, w := range want {
				if y.x[i] != w {
					t.Fatalf("%d × %d: element %d is %v, want %v", rows, cols, i, y.x[i], w)
				}
			}

			GateCols(y.x, x.x, g.x, res.x, rows, cols)
			for _, m := range []matrix{x, g, res, y} {
				m.checkGaps(t, "gate down")
			}
			flip := func(s []float32) []float64 {
				f := make([]float64, len(s))
				for i, v := range s {
					f[i%cols*rows+i/cols] = float64(v)
				}
				return f
			}
			down := make([]float64, rows*cols)
			GateRows(down, flip(x.x), flip(g.x), flip(res.x), cols, rows)
			// The weights are at most 1 and err by a few ulp, as softmax does.
			close64(t, "gate down", y.x, transpose64(down, cols, rows), 1e-6, 1+maxAbs(flip(x.x)))
		}
	})
}

// GateCols on more rows than one call of assembly takes.
func TestGateColsTall(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		const rows, cols = 3000, 40
		r := rand.New(rand.NewPCG(4, 4))
		x, g, y := make([]float32, rows*cols), make([]float32, rows*cols), make([]float32, rows*cols)
		input(r, x, false)
		input(r, g, false)
		GateCols(y, x, g, x, rows, cols)
		want := make([]float64, rows*cols)
		GateCols(want, widen(x), widen(g), widen(x), rows, cols)
		close64(t, "gate down", y, want, 1e-6, 1+maxAbs(widen(x)))
	})
}

func transpose64(x []float64, rows, cols int) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i%cols*rows+i/cols] = v
	}
	return y
}

// eachPathBench runs f once per path; f works on elems elements.
func eachPathBench(b *testing.B, name string, elems int, f func()) {
	for _, path := range cpu.Paths() {
		restore, err := cpu.Force(path)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name+"/"+path, func(b *testing.B) {
			for b.Loop() {
				f()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(elems), "ns/elem")
		})
		restore()
	}
}

func BenchmarkSoftmaxRows(b *testing.B) {
	for _, cols := range []int{4, 16, 42, 64, 512, 4096} {
		rows := 16384 / cols
		x, y, dx := make([]float32, rows*cols), make([]float32, rows*cols), make([]float32, rows*cols)
		input(rand.New(rand.NewPCG(1, 1)), x, false)
		eachPathBench(b, fmt.Sprintf("forward/cols=%d", cols), rows*cols, func() { SoftmaxRows(y, x, rows, cols, cols, cols) })
		eachPathBench(b, fmt.Sprintf("grad/cols=%d", cols), rows*cols, func() { SoftmaxGradRows(dx, x, y, rows, cols, cols, cols, cols) })
	}
}
