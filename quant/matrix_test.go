package quant

import (
	"math"
	"math/rand/v2"
	"testing"
)

// Products with every type are those of its widened weights: to float32's own rounding, and where activations are rounded to 8
// bits too, to what that costs.
func TestMatrix(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const rows, k, tokens = 37, 512, 5
	w := make([]float32, rows*k)
	for i := range w {
		w[i] = float32(r.NormFloat64())
	}
	x := make([]float32, tokens*k)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	for _, typ := range []Type{F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS} {
		size, err := typ.Size([]int{rows, k})
		if err != nil {
			t.Fatal(err)
		}
		src := make([]byte, size)
		if err := Quantize(src, w, typ, Options{Cols: k}); err != nil {
			t.Fatalf("%s: %v", typ, err)
		}
		m, err := NewMatrix(typ, rows, k, src)
		if err != nil {
			t.Fatal(err)
		}
		if n, c := m.Shape(); n != rows || c != k || m.Type() != typ || m.Bytes() < size {
			t.Errorf("%s: %d × %d of %s in %d bytes", typ, n, c, m.Type(), m.Bytes())
		}
		wide, row := make([]float32, rows*k), make([]float32, k)
		if err := Dequantize(wide, src, typ); err != nil {
			t.Fatal(err)
		}
		y := make([]float32, tokens*rows)
		m.Mul(y, rows, x, tokens, k)
		_, rounded := qFormats[typ]
		for i := range rows {
			m.Row(row, i)
			for c, v := range row {
				if v != wide[i*k+c] {
					t.Fatalf("%s: row %d, column %d is %v, want %v", typ, i, c, v, wide[i*k+c])
				}
			}
			for j := range tokens {
				want, size := 0.0, 0.0
				for c, v := range row {
					p := float64(v) * float64(x[j*k+c])
					want, size = want+p, size+p*p
				}
				// Rounding errors add up as a random walk over k products: in float32 below 1e-6 of their norm each; x rounded to
				// 127 steps of a block's largest (about 3 here) errs by 3/254/√3 of 1, and 5 norms are far out.
				tol := 1e-5 * math.Sqrt(size*k)
				if rounded {
					tol = 5 * 0.007 * math.Sqrt(size)
				}
				if got := float64(y[j*rows+i]); !(math.Abs(got-want) <= tol) {
					t.Fatalf("%s: token %d, row %d is %v, want %v ± %.3g", typ, j, i, got, want, tol)
				}
			}
		}
	}
	if _, err := NewMatrix(Q4_K, 2, 100, make([]byte, 100)); err == nil {
		t.Error("rows of 100 in blocks of 256")
	}
	if _, err := NewMatrix(Q8_0, 2, 32, make([]byte, 60)); err == nil {
		t.Error("68 bytes in 60")
	}
}

// Integer products are those that Dot defines, to float32's rounding: with the activations' very blocks. What is kept for them
// is at most a twenty-fifth larger than the file.
func TestMatrixIsDot(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	const rows, k = 32, 1024
	w, x := make([]float32, rows*k), make([]float32, k)
	for i := range w {
		w[i] = float32(r.NormFloat64())
	}
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	for typ := range qFormats {
		size, err := typ.Size([]int{rows, k})
		if err != nil {
			t.Fatal(err)
		}
		src := make([]byte, size)
		if err := Quantize(src, w, typ, Options{Cols: k}); err != nil {
			t.Fatalf("%s: %v", typ, err)
		}
		m, err := NewMatrix(typ, rows, k, src)
		if err != nil {
			t.Fatal(err)
		}
		if m.Bytes() > size+size/25 {
			t.Errorf("%s: %d bytes are kept of %d", typ, m.Bytes(), size)
		}
		y := make([]float32, rows)
		m.Mul(y, rows, x, 1, k)
		with, _ := DotWith(typ)
		acts := make([]byte, k/with.Block()*with.BlockBytes())
		if err := Quantize(acts, x, with, Options{}); err != nil {
			t.Fatal(err)
		}
		for i, got := range y {
			want := Dot(typ, src[i*size/rows:(i+1)*size/rows], acts)
			// Sums of 1024 products of about 1, and of minima that cancel: some roundings of numbers up to 400.
			if !(math.Abs(float64(got-want)) <= 2e-4) {
				t.Errorf("%s: row %d is %v, Dot says %v", typ, i, got, want)
			}
		}
	}
}
