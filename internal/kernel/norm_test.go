package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

func randomSlice(r *rand.Rand, n, off int) []float32 {
	g := newGuarded(n, off)
	input(r, g.x, false)
	return g.x
}

func guardedCopies(t *testing.T, what string, gs ...guarded) {
	t.Helper()
	for _, g := range gs {
		g.check(t, what)
	}
}

// normCols is every length up to three blocks of four vectors and one.
func normLengths() (n []int) {
	for c := 1; c <= 3*64+1; c++ {
		n = append(n, c)
	}
	return n
}

func TestRowNorms(t *testing.T) {
	const eps = 1e-5
	eachPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for _, cols := range normLengths() {
			rows, off := 1+cols%3, cols%4
			n := rows * cols
			for _, affine := range []bool{true, false} {
				x, dy, gamma, beta := randomSlice(r, n, off), randomSlice(r, n, 3-off), randomSlice(r, cols, off), randomSlice(r, cols, off)
				gamma64, beta64 := widen(gamma), widen(beta)
				if !affine {
					gamma, beta, gamma64, beta64 = nil, nil, nil, nil
				}
				y, dx, dg, db := newGuarded(n, off), newGuarded(n, 1), newGuarded(cols, 2), newGuarded(cols, 3)
				mean, rstd := newGuarded(rows, off), newGuarded(rows, 3-off)
				want, wantDx := make([]float64, n), make([]float64, n)
				m64, s64 := make([]float64, rows), make([]float64, rows)

				LayerNormRows(y.x, x, gamma, beta, mean.x, rstd.x, rows, cols, eps)
				LayerNormRows(want, widen(x), gamma64, beta64, m64, s64, rows, cols, eps)
				// Few roundings of numbers near 10; a column of its own has
				// variance 0, where x - mean is all rounding times 1/√eps.
				tol := 3e-6
				if cols < 3 {
					tol = 3e-4
				}
				close64(t, fmt.Sprint("layer norm of ", cols), y.x, want, tol, 1+maxAbs(want))
				close64(t, "mean", mean.x, m64, 1e-6, 1+maxAbs(m64))
				close64(t, "rstd", rstd.x, s64, tol, 1+maxAbs(s64))

				// The gradient of the same mean and rstd.
				clear(dg.x)
				clear(db.x)
				wantG, wantB := make([]float64, cols), make([]float64, cols)
				LayerNormGradRows(dx.x, dy, x, gamma, mean.x, rstd.x, dg.x, db.x, rows, cols)
				LayerNormGradRows(wantDx, widen(dy), widen(x), gamma64, widen(mean.x), widen(rstd.x), wantG, wantB, rows, cols)
				close64(t, fmt.Sprint("layer norm dx of ", cols), dx.x, wantDx, tol, (1+maxAbs(wantDx))*10)
				close64(t, "dgamma", dg.x, wantG, tol, 1+maxAbs(wantG))
				close64(t, "dbeta", db.x, wantB, 1e-6, 1+maxAbs(wantB))
				guardedCopies(t, "layer norm", y, dx, dg, db, mean, rstd)

				RMSNormRows(y.x, x, gamma, rstd.x, rows, cols, eps)
				RMSNormRows(want, widen(x), gamma64, s64, rows, cols, eps)
				close64(t, fmt.Sprint("rms norm of ", cols), y.x, want, 1e-6, 1+maxAbs(want))
				clear(dg.x)
				clear(wantG)
				RMSNormGradRows(dx.x, dy, x, gamma, rstd.x, dg.x, rows, cols)
				RMSNormGradRows(wantDx, widen(dy), widen(x), gamma64, widen(rstd.x), wantG, rows, cols)
				close64(t, fmt.Sprint("rms norm dx of ", cols), dx.x, wantDx, 3e-6, (1+maxAbs(wantDx))*max(1, maxAbs(widen(rstd.x))))
				close64(t, "rms dgamma", dg.x, wantG, 1e-6, 1+maxAbs(wantG))
				guardedCopies(t, "rms norm", y, dx, dg, rstd)

				// Parameter gradients only, dx only, in place.
				LayerNormGradRows(nil, dy, x, gamma, mean.x, rstd.x, dg.x, nil, rows, cols)
				apart := append([]float32(nil), dx.x...)
				RMSNormGradRows(dy, dy, x, gamma, rstd.x, nil, rows, cols)
				for i := range apart {
					if apart[i] != dy[i] {
						t.Fatalf("rms gradient in place [%d] %v, apart %v", i, dy[i], apart[i])
					}
				}
			}
		}
	})
}

// A mean 1e5 times the spread: one pass over squares would lose everything,
// two passes keep what float32 inputs hold.
func TestLayerNormLargeMean(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(9, 9))
		x := make([]float32, 768)
		for i := range x {
			x[i] = float32(1e5 + r.NormFloat64())
		}
		y, want := make([]float32, len(x)), make([]float64, len(x))
		LayerNormRows(y, x, nil, nil, nil, nil, 1, len(x), 1e-5)
		LayerNormRows(want, widen(x), nil, nil, nil, nil, 1, len(x), 1e-5)
		// x - mean is exact in float32 here; what remains is the rounding of sums.
		close64(t, "layer norm", y, want, 1e-5, 1)
	})
}

func TestColumnKernels(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(4, 4))
		for cols := 1; cols <= 3*16+1; cols++ {
			for _, rows := range []int{1, 2, 37} {
				n, off := rows*cols, cols%4
				x, dy := randomSlice(r, n, off), randomSlice(r, n, 3-off)
				for i := range x {
					x[i] += 1000 // a mean that would spoil Σx² in float32
				}
				x64, dy64 := widen(x), widen(dy)

				sum, want := make([]float64, cols+2), make([]float64, cols)
				sum[cols], sum[cols+1] = sentinel, sentinel
				ColSum(sum, x, rows, cols)
				ColSum(want, x64, rows, cols)
				m, m2, wm, wm2 := make([]float64, cols), make([]float64, cols), make([]float64, cols), make([]float64, cols)
				ColMoments(m, m2, x, rows, cols)
				ColMoments(wm, wm2, x64, rows, cols)
				for c := range cols {
					// float64 sums in another order at most.
					if math.Abs(sum[c]-want[c]) > 1e-12*math.Abs(want[c]) || math.Abs(m[c]-wm[c]) > 1e-12*1000 || math.Abs(m2[c]-wm2[c]) > 1e-10*(1+wm2[c]) {
						t.Fatalf("column %d of %d, %d rows: sum %v want %v, mean %v want %v, m2 %v want %v", c, cols, rows, sum[c], want[c], m[c], wm[c], m2[c], wm2[c])
					}
				}
				if sum[cols] != sentinel || sum[cols+1] != sentinel {
					t.Fatal("ColSum wrote outside")
				}

				mean, rstd, gamma, beta := make([]float32, cols), make([]float32, cols), randomSlice(r, cols, 1), randomSlice(r, cols, 2)
				for c := range mean {
					mean[c] = float32(m[c])
					rstd[c] = float32(1 / math.Sqrt(m2[c]/float64(rows)+1e-2))
				}
				y, y64 := newGuarded(n, off), make([]float64, n)
				NormCols(y.x, x, mean, rstd, gamma, beta, rows, cols)
				NormCols(y64, x64, widen(mean), widen(rstd), widen(gamma), widen(beta), rows, cols)
				close64(t, "norm columns", y.x, y64, 1e-6, 1+maxAbs(y64))
				NormCols(y.x, x, mean, rstd, nil, nil, rows, cols)
				NormCols(y64, x64, widen(mean), widen(rstd), nil, nil, rows, cols)
				close64(t, "norm columns", y.x, y64, 1e-6, 1+maxAbs(y64))

				sd, sx, wd, wx := make([]float64, cols), make([]float64, cols), make([]float64, cols), make([]float64, cols)
				ColDot(sd, sx, dy, x, mean, rstd, rows, cols)
				ColDot(wd, wx, dy64, x64, widen(mean), widen(rstd), rows, cols)
				c1, c2 := make([]float32, cols), make([]float32, cols)
				for c := range sd {
					// x̂ is rounded to float32, about 1e-7 of each of the rows.
					if math.Abs(sd[c]-wd[c]) > 1e-12*float64(rows)*10 || math.Abs(sx[c]-wx[c]) > 3e-6*float64(rows) {
						t.Fatalf("column %d of %d: Σdy %v want %v, Σdy·x̂ %v want %v", c, cols, sd[c], wd[c], sx[c], wx[c])
					}
					c1[c], c2[c] = float32(sd[c]/float64(rows)), float32(sx[c]/float64(rows))
				}
				for _, g := range [][]float32{gamma, nil} {
					g64 := widen(g)
					if g == nil {
						g64 = nil
					}
					NormGradCols(y.x, dy, x, mean, rstd, g, c1, c2, rows, cols)
					NormGradCols(y64, dy64, x64, widen(mean), widen(rstd), g64, widen(c1), widen(c2), rows, cols)
					close64(t, "norm gradient", y.x, y64, 2e-6, (1+maxAbs(y64))*10)
				}
				y.check(t, "column kernels")
			}
		}
	})
}

func TestMergeMoments(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	const rows, cols = 100, 3
	x := widen(randomSlice(r, rows*cols, 0))
	m, m2, mb, m2b := make([]float64, cols), make([]float64, cols), make([]float64, cols), make([]float64, cols)
	done := 0
	for _, n := range []int{1, 40, 0, 59} {
		ColMoments(mb, m2b, x[done*cols:], n, cols)
		MergeMoments(m, m2, done, mb, m2b, n)
		done += n
	}
	ColMoments(mb, m2b, x, rows, cols)
	for c := range m {
		if math.Abs(m[c]-mb[c]) > 1e-13 || math.Abs(m2[c]-m2b[c]) > 1e-10 {
			t.Errorf("column %d: merged %v %v, whole %v %v", c, m[c], m2[c], mb[c], m2b[c])
		}
	}
}

// finite differences of the float64 loops: the gradients mean what they say.
func TestNormGradientsByDifferences(t *testing.T) {
	const rows, cols, eps, h = 4, 5, 1e-5, 1e-5
	r := rand.New(rand.NewPCG(6, 6))
	x, dy, gamma, beta := widen(randomSlice(r, rows*cols, 0)), widen(randomSlice(r, rows*cols, 0)), widen(randomSlice(r, cols, 0)), widen(randomSlice(r, cols, 0))
	mean, rstd := make([]float64, rows), make([]float64, rows)
	y, dx, dg, db := make([]float64, rows*cols), make([]float64, rows*cols), make([]float64, cols), make([]float64, cols)
	check := func(what string, loss func() float64, p, grad []float64) {
		t.Helper()
		for i := range p {
			was := p[i]
			p[i] = was + h
			up := loss()
			p[i] = was - h
			down := loss()
			p[i] = was
			if d := (up - down) / (2 * h); math.Abs(d-grad[i]) > 1e-6 {
				t.Errorf("%s[%d] = %v, want %v", what, i, grad[i], d)
			}
		}
	}
	layer := func() float64 {
		LayerNormRows(y, x, gamma, beta, mean, rstd, rows, cols, eps)
		return Dot(y, dy)
	}
	layer()
	LayerNormGradRows(dx, dy, x, gamma, mean, rstd, dg, db, rows, cols)
	check("layer norm dx", layer, x, dx)
	check("layer norm dgamma", layer, gamma, dg)
	check("layer norm dbeta", layer, beta, db)
	rms := func() float64 {
		RMSNormRows(y, x, gamma, rstd, rows, cols, eps)
		return Dot(y, dy)
	}
	rms()
	clear(dg)
	RMSNormGradRows(dx, dy, x, gamma, rstd, dg, rows, cols)
	check("rms norm dx", rms, x, dx)
	check("rms norm dgamma", rms, gamma, dg)

	cm, cs, m2 := make([]float64, cols), make([]float64, cols), make([]float64, cols)
	batch := func() float64 {
		ColMoments(cm, m2, x, rows, cols)
		for c := range cs {
			cs[c] = 1 / math.Sqrt(m2[c]/rows+eps)
		}
		NormCols(y, x, cm, cs, gamma, beta, rows, cols)
		return Dot(y, dy)
	}
	batch()
	clear(dg)
	clear(db)
	ColDot(db, dg, dy, x, cm, cs, rows, cols)
	c1, c2 := make([]float64, cols), make([]float64, cols)
	MulS(c1, db, 1./rows)
	MulS(c2, dg, 1./rows)
	NormGradCols(dx, dy, x, cm, cs, gamma, c1, c2, rows, cols)
	check("batch norm dx", batch, x, dx)
	check("batch norm dgamma", batch, gamma, dg)
	check("batch norm dbeta", batch, beta, db)
}

func BenchmarkNorms(b *testing.B) {
	for _, cols := range []int{16, 128, 768} {
		rows := 65536 / cols
		n := rows * cols
		r := rand.New(rand.NewPCG(1, 1))
		x, dy, y := randomSlice(r, n, 0), randomSlice(r, n, 0), make([]float32, n)
		gamma, beta, mean, rstd := randomSlice(r, cols, 0), randomSlice(r, cols, 0), make([]float32, max(rows, cols)), make([]float32, max(rows, cols))
		dg, db := make([]float32, cols), make([]float32, cols)
		s, q := make([]float64, cols), make([]float64, cols)
		bench := func(name string, f func()) { eachPathBench(b, fmt.Sprintf("%s/cols=%d", name, cols), n, f) }
		bench("LayerNorm", func() { LayerNormRows(y, x, gamma, beta, mean, rstd, rows, cols, 1e-5) })
		bench("LayerNormGrad", func() { LayerNormGradRows(y, dy, x, gamma, mean, rstd, dg, db, rows, cols) })
		bench("RMSNorm", func() { RMSNormRows(y, x, gamma, rstd, rows, cols, 1e-5) })
		bench("ColMoments", func() { ColMoments(s, q, x, rows, cols) })
		bench("NormCols", func() { NormCols(y, x, mean, rstd, gamma, beta, rows, cols) })
		bench("ColDot", func() { ColDot(s, q, dy, x, mean, rstd, rows, cols) })
		bench("NormGradCols", func() { NormGradCols(y, dy, x, mean, rstd, gamma, dg, db, rows, cols) })
	}
}
