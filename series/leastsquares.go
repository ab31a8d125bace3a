package series

import "math"

// leastSquares solves min ‖y − Σ b[j]·cols[j]‖² by Householder reflections, without forming the normal equations (they
// square the condition number, and lags of a trending series are nearly collinear). It returns the coefficients and the
// squared error; ok is false where there are fewer rows than columns or a column is a combination of those before it.
// cols and y are not written to.
func leastSquares(cols [][]float64, y []float64) (b []float64, sse float64, ok bool) {
	n, p := len(y), len(cols)
	if n < p {
		return nil, 0, false
	}
	flat := make([]float64, (p+1)*n)
	a := make([][]float64, p)
	for j, c := range cols {
		a[j] = flat[j*n : (j+1)*n]
		copy(a[j], c)
	}
	r := flat[p*n:]
	copy(r, y)
	diag := make([]float64, p)
	for j, c := range a {
		whole, rest := norm(cols[j]), norm(c[j:])
		if !(rest > 1e-10*whole) { // what is left of the column is rounding
			return nil, 0, false
		}
		diag[j] = -math.Copysign(rest, c[j])
		c[j] -= diag[j]
		half := 0.0
		for _, v := range c[j:] {
			half += v * v
		}
		for _, d := range append(a[j+1:p:p], r) {
			s := 0.0
			for i := j; i < n; i++ {
				s += c[i] * d[i]
			}
			s *= 2 / half
			for i := j; i < n; i++ {
				d[i] -= s * c[i]
			}
		}
	}
	b = make([]float64, p)
	for j := p - 1; j >= 0; j-- {
		s := r[j]
		for k := j + 1; k < p; k++ {
			s -= a[k][j] * b[k]
		}
		b[j] = s / diag[j]
	}
	for _, v := range r[p:] {
		sse += v * v
	}
	return b, sse, true
}

func norm(v []float64) float64 {
	s := 0.0
	for _, x := range v {
		s = math.Hypot(s, x)
	}
	return s
}
