package series

import "math"

// leastSquares solves min ‖y − Σ b[j]·cols[j]‖² by Householder reflections, without forming the normal equations (they
// square the condition number, and lags of a trending series are nearly collinear). It returns the coefficients and the
// squared error; ok is false where there are fewer rows than columns or a column is a combination of those before it.
// cols and y are not written to.
func leastSquares(cols [][]float64, y []float64) (b []float64, sse float64, ok bool) {
	p := len(cols)
	f := reflect(cols, y)
	if len(f.left) <= p {
		return nil, 0, false
	}
	b = make([]float64, p)
	for j := p - 1; j >= 0; j-- {
		s := f.r[j]
		for k := j + 1; k < p; k++ {
			s -= f.a[k][j] * b[k]
		}
		b[j] = s / f.diag[j]
	}
	return b, f.left[p], true
}

// reflected is a least-squares problem after Householder's reflections: columns above the diagonal, the diagonal apart,
// and the right-hand side.
type reflected struct {
	a       [][]float64
	diag, r []float64
	// left[k] is the squared error of a fit on the first k columns alone; as long as the columns are independent, and one
	// more. So one pass judges all of a chain of models, each with one column more than the last.
	left []float64
}

func reflect(cols [][]float64, y []float64) *reflected {
	n, p := len(y), len(cols)
	flat := make([]float64, (p+1)*n)
	f := &reflected{a: make([][]float64, p), diag: make([]float64, p), r: flat[p*n:], left: make([]float64, 0, p+1)}
	for j, c := range cols {
		f.a[j] = flat[j*n : (j+1)*n]
		copy(f.a[j], c)
	}
	copy(f.r, y)
	f.left = append(f.left, squares(y))
	for j, c := range f.a {
		if j >= n {
			break
		}
		whole, rest := norm(cols[j]), norm(c[j:])
		if !(rest > 1e-10*whole) { // what is left of the column is rounding
			break
		}
		f.diag[j] = -math.Copysign(rest, c[j])
		c[j] -= f.diag[j]
		v := c[j:]
		half := squares(v)
		for _, d := range append(f.a[j+1:p:p], f.r) {
			d = d[j:][:len(v)]
			s := 0.0
			for i, x := range v {
				s += x * d[i]
			}
			s *= 2 / half
			for i, x := range v {
				d[i] -= s * x
			}
		}
		f.left = append(f.left, squares(f.r[j+1:]))
	}
	return f
}

func squares(v []float64) float64 {
	s := 0.0
	for _, x := range v {
		s += x * x
	}
	return s
}

// norm is the length of v; the largest entry is taken out first, so that no square overflows or vanishes.
func norm(v []float64) float64 {
	most, s := 0.0, 0.0
	for _, x := range v {
		most = max(most, math.Abs(x))
	}
	if most == 0 || math.IsInf(most, 0) || math.IsNaN(most) {
		return most
	}
	for _, x := range v {
		x /= most
		s += x * x
	}
	return most * math.Sqrt(s)
}
