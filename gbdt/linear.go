package gbdt

import (
	"math"
	"slices"

	"github.com/hanji-ml/hanji/internal/par"
)

// fitLinear fits a linear model in each leaf on the numerical features above it (equation 3 of Shi, Li and Li 2019,
// "Gradient Boosting With Piece-Wise Linear Regression Trees", arXiv:1802.05640): −(XᵀHX + λ)⁻¹ Xᵀg. The first tree
// keeps its constants, and so does a leaf with too few rows. Rows with NaN in a feature of the
// model are left out.
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

// solve eliminates with full pivoting. Where the matrix is singular, pivots below a threshold are taken for zero and
// their unknowns set to zero, as Eigen's FullPivLU does for the reference.
func (m *leastSquares) solve(lambda float64) ([]float64, bool) {
	n := m.n
	a := make([][]float64, n) // the last column is the right side
	for i := range a {
		a[i] = make([]float64, n+1)
	}
	k := 0
	for i := range n {
		for j := i; j < n; j++ {
			a[i][j], a[j][i] = m.xhx[k], m.xhx[k]
			k++
		}
		if i < n-1 {
			a[i][i] += lambda
		}
		a[i][n] = -m.xg[i]
	}
	column := make([]int, n)
	for i := range column {
		column[i] = i
	}
	largest := 0.0
	rank := n
	for p := range n {
		r, c := largestPivot(a, p)
		if a[r][c] == 0 {
			rank = p
			break
		}
		a[p], a[r] = a[r], a[p]
		for i := range a {
			a[i][p], a[i][c] = a[i][c], a[i][p]
		}
		column[p], column[c] = column[c], column[p]
		largest = max(largest, math.Abs(a[p][p]))
		for i := p + 1; i < n; i++ {
			f := a[i][p] / a[p][p]
			for j := p; j <= n; j++ {
				a[i][j] -= f * a[p][j]
			}
		}
	}
	const eps = 0x1p-52
	for rank > 0 && math.Abs(a[rank-1][rank-1]) <= largest*eps*float64(n) {
		rank--
	}
	x := make([]float64, n)
	for p := rank - 1; p >= 0; p-- {
		v := a[p][n]
		for j := p + 1; j < rank; j++ {
			v -= a[p][j] * x[column[j]]
		}
		v /= a[p][p]
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, false
		}
		x[column[p]] = v
	}
	return x, true
}

// largestPivot finds the largest element from row and column p on.
func largestPivot(a [][]float64, p int) (row, column int) {
	row, column = p, p
	for i := p; i < len(a); i++ {
		for j := p; j < len(a); j++ {
			if math.Abs(a[i][j]) > math.Abs(a[row][column]) {
				row, column = i, j
			}
		}
	}
	return row, column
}
