package gbdt

import (
	"math"
	"slices"

	"github.com/hanji-ml/hanji/internal/par"
)

// fitLinear fits a linear model in each leaf on the numerical features above it (equation 3 of Shi, Li and Li 2019,
// "Gradient Boosting With Piece-Wise Linear Regression Trees", arXiv:1802.05640): −(XᵀHX + λ)⁻¹ Xᵀg. The first tree
// keeps its constants, and so does a leaf with too few rows. Rows with NaN in a feature of the
// model are left out. (LightGBM's own text reader leaves the value of the row before where a value is zero, which spoils
// its linear trees in a way that depends on the number of threads; from arrays it trains what is trained here.)
func (l *learner) fitLinear(t *tree, grad, hess []float32, first bool) {
	t.leafConst = slices.Clone(t.leafValue)
	t.leafFeatures, t.leafCoeff = make([][]int32, t.numLeaves), make([][]float64, t.numLeaves)
	if first {
		return
	}
	missing := false
	for _, f := range t.splitInner {
		missing = missing || l.hasNaN(f)
	}
	par.For(t.numLeaves, 1, func(leaf, _ int) {
		features := l.linearFeatures(t.branch[leaf])
		m := newLeastSquares(len(features))
		known := m.add(l, features, l.part.leaf(int32(leaf)), grad, hess)
		if !missing {
			known = int(l.part.count[leaf])
		}
		if known < len(features)+1 {
			return
		}
		coeff, ok := m.solve(l.o.LinearLambda)
		if !ok {
			return
		}
		for i, f := range features {
			if !isZero(coeff[i]) {
				t.leafFeatures[leaf] = append(t.leafFeatures[leaf], f)
				t.leafCoeff[leaf] = append(t.leafCoeff[leaf], coeff[i])
			}
		}
		t.leafConst[leaf] = roundToZero(coeff[len(features)])
	})
}

// linearFeatures sorts the features of a path; categorical ones are left out.
func (l *learner) linearFeatures(branch []int32) []int32 {
	features := slices.Clone(branch)
	slices.Sort(features)
	features = slices.Compact(features)
	return slices.DeleteFunc(features, func(f int32) bool { return l.ds.mappers[f].categorical })
}

// hasNaN tells whether a feature has missing values in the data.
func (l *learner) hasNaN(inner int32) bool {
	if l.nan == nil {
		l.nan = make([]bool, len(l.ds.used))
		for j, f := range l.ds.used {
			c := &l.ds.columns[f]
			for i := 0; i < c.Len() && !l.nan[j] && !l.ds.mappers[f].categorical; i++ {
				l.nan[j] = math.IsNaN(c.at(i))
			}
		}
	}
	return l.nan[inner]
}

// leastSquares holds XᵀHX, upper triangle by rows, and Xᵀg; the last column of X is 1.
type leastSquares struct {
	n   int // columns
	xhx []float64
	xg  []float64
	row []float64
}

func newLeastSquares(features int) *leastSquares {
	n := features + 1
	return &leastSquares{n: n, xhx: make([]float64, n*(n+1)/2), xg: make([]float64, n), row: make([]float64, n)}
}

// add takes in rows, and counts their known values as LightGBM does: value by value.
func (m *leastSquares) add(l *learner, features, rows []int32, grad, hess []float32) (known int) {
	m.row[m.n-1] = 1
rows:
	for _, i := range rows {
		for j, f := range features {
			v := float64(float32(l.ds.columns[f].at(int(i))))
			if v != v {
				continue rows
			}
			known++
			m.row[j] = v
		}
		g, h, k := float64(grad[i]), float64(hess[i]), 0
		for a, v := range m.row {
			m.xg[a] += v * g
			v *= h
			for _, w := range m.row[a:] {
				m.xhx[k] += v * w
				k++
			}
		}
	}
	return known
}

// solve gives −(XᵀHX + λ)⁻¹ Xᵀg by way of the inverse, with full pivoting and, as far as that goes, in the order of
// operations of Eigen, which the reference uses: whether a coefficient comes out as exactly zero decides whether its
// feature is kept. Where the matrix is singular, pivots below a threshold are taken for zero and their unknowns set to
// zero.
func (m *leastSquares) solve(lambda float64) ([]float64, bool) {
	n := m.n
	lu := fullPivLU{a: make([][]float64, n)}
	for i := range n {
		lu.a[i] = make([]float64, n)
	}
	k := 0
	for i := range n {
		for j := i; j < n; j++ {
			lu.a[i][j], lu.a[j][i] = m.xhx[k], m.xhx[k]
			k++
		}
		if i < n-1 {
			lu.a[i][i] += lambda
		}
	}
	lu.decompose()
	x := make([]float64, n)
	column := make([]float64, n)
	for j, g := range m.xg {
		lu.inverseColumn(column, j)
		for i, v := range column {
			x[i] += v * g
		}
	}
	for i := range x {
		if x[i] = -x[i]; math.IsNaN(x[i]) || math.IsInf(x[i], 0) {
			return nil, false
		}
	}
	return x, true
}

// fullPivLU is P⁻¹LUQ⁻¹ of a square matrix, L and U in place.
type fullPivLU struct {
	a    [][]float64
	row  []int // row i was row row[i]
	col  []int
	rank int
}

func (lu *fullPivLU) decompose() {
	a := lu.a
	n := len(a)
	for i := range n {
		lu.row, lu.col = append(lu.row, i), append(lu.col, i)
	}
	largest := 0.0
	lu.rank = n
	for p := range n {
		r, c := p, p
		for j := p; j < n; j++ {
			for i := p; i < n; i++ {
				if math.Abs(a[i][j]) > math.Abs(a[r][c]) {
					r, c = i, j
				}
			}
		}
		if a[r][c] == 0 {
			lu.rank = p
			break
		}
		largest = max(largest, math.Abs(a[r][c]))
		a[p], a[r] = a[r], a[p]
		lu.row[p], lu.row[r] = lu.row[r], lu.row[p]
		for i := range a {
			a[i][p], a[i][c] = a[i][c], a[i][p]
		}
		lu.col[p], lu.col[c] = lu.col[c], lu.col[p]
		for i := p + 1; i < n; i++ {
			a[i][p] /= a[p][p]
			for j := p + 1; j < n; j++ {
				a[i][j] -= a[i][p] * a[p][j]
			}
		}
	}
	const eps = 0x1p-52
	for rank := range lu.rank { // the count of large pivots, wherever they are
		if math.Abs(a[rank][rank]) <= largest*eps*float64(n) {
			lu.rank = rank
			break
		}
	}
}

// luPanel is how many unknowns are solved for one by one before the others are brought up to date.
const luPanel = 4

func dotRange(a, b []float64, lo, hi int) float64 {
	sum := 0.0
	for i := lo; i < hi; i++ {
		sum += a[i] * b[i]
	}
	return sum
}

// inverseColumn writes column j of the inverse.
func (lu *fullPivLU) inverseColumn(out []float64, j int) {
	a, n := lu.a, len(lu.a)
	c := make([]float64, n)
	for i, r := range lu.row {
		if r == j {
			c[i] = 1
		}
	}
	for lo := 0; lo < n; lo += luPanel {
		hi := min(lo+luPanel, n)
		for k := lo; k < hi; k++ {
			for i := k + 1; i < hi; i++ {
				c[i] -= c[k] * a[i][k]
			}
		}
		for i := hi; i < n; i++ {
			c[i] -= dotRange(a[i], c, lo, hi)
		}
	}
	for hi := lu.rank; hi > 0; hi -= luPanel {
		lo := max(hi-luPanel, 0)
		for k := hi - 1; k >= lo; k-- {
			c[k] *= 1 / a[k][k]
			for i := lo; i < k; i++ {
				c[i] -= c[k] * a[i][k]
			}
		}
		for i := range lo {
			c[i] -= dotRange(a[i], c, lo, hi)
		}
	}
	clear(out)
	for k := range lu.rank {
		out[lu.col[k]] = c[k]
	}
}
