package gbdt

import (
	"errors"
	"fmt"
	"slices"

	"github.com/hanji-ml/hanji/internal/par"
)

// Refit keeps the splits of the model and moves its leaf values towards what other data asks for: a new value is
// RefitDecayRate times the old one plus the rest of what the leaf's rows would have been given (GBDT::RefitTree). The
// objective and its parameters come from the options. Linear leaves and path smoothing are not supported.
func (m *Model) Refit(d Data, o Options) (*Model, error) {
	o, err := o.resolve()
	if err != nil {
		return nil, err
	}
	d.fit(m.NumFeatures())
	ds := &Dataset{options: o}
	if err := ds.describe(d); err != nil {
		return nil, err
	}
	leafs, err := m.leafIDs(ds.rows, len(ds.columns))
	if err != nil {
		return nil, err
	}
	par.For(ds.rows, predictBlock, func(lo, hi int) {
		x := make([]float64, m.NumFeatures())
		for i := lo; i < hi; i++ {
			ds.row(x, i)
			m.noteLeafs(leafs, i, x)
		}
	})
	return m.refit(ds, leafs)
}

// RefitFile is [Model.Refit] to a file in the formats of [OpenData]. CSV, TSV and LibSVM are read piece by piece: memory holds
// labels and a byte, or two, for each row and tree.
func (m *Model) RefitFile(path string, o Options) (*Model, error) {
	out, err := m.refitText(path, o)
	if !errors.Is(err, errNoText) || o.TwoRound {
		return out, err
	}
	d, err := OpenData(path, o)
	if err != nil {
		return nil, err
	}
	if out, err = m.Refit(d, o); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return out, nil
}

func (m *Model) refitText(path string, o Options) (*Model, error) {
	o, err := o.resolve()
	if err != nil {
		return nil, err
	}
	read := o
	read.InitModel = m // columns to ignore are read: a tree may ask for them
	s, err := openStreamed(path, &read, m.NumFeatures())
	if err != nil {
		return nil, err
	}
	ds := &Dataset{options: o, rows: s.rows(), columns: s.file.roles().columns}
	leafs, err := m.leafIDs(ds.rows, len(ds.columns))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	err = ds.takeLabels(s, func(p pieceRows, first int) error {
		x := make([]float64, m.NumFeatures())
		return p.eachRow(x, 0, p.len(), func(i int) error {
			m.noteLeafs(leafs, first+i, x)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	out, err := m.refit(ds, leafs)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return out, nil
}

// leafIDs makes room for the leaf of each row in each tree.
func (m *Model) leafIDs(rows, columns int) ([]binColumn, error) {
	if columns != m.NumFeatures() {
		return nil, fmt.Errorf("gbdt: refit: the data has %d columns, the model %d", columns, m.NumFeatures())
	}
	leafs := make([]binColumn, len(m.trees))
	for i, t := range m.trees {
		switch {
		case t.linear:
			return nil, fmt.Errorf("gbdt: refit: tree %d is linear, which is not supported", i)
		case t.numLeaves > maxBins:
			return nil, fmt.Errorf("gbdt: refit: tree %d has %d leaves, at most %d are supported", i, t.numLeaves, maxBins)
		}
		leafs[i] = makeBins(rows, t.numLeaves)
	}
	return leafs, nil
}

func (m *Model) noteLeafs(leafs []binColumn, row int, x []float64) {
	for i, t := range m.trees {
		leafs[i].set(row, int(t.leaf(x)))
	}
}

// refit refits to labels whose rows fall into these leaves.
func (m *Model) refit(ds *Dataset, leafs []binColumn) (*Model, error) {
	o := &ds.options
	obj, err := newObjective(ds, o)
	if err != nil {
		return nil, err
	}
	if obj.classes != m.treesPerIter {
		return nil, fmt.Errorf("gbdt: refit: objective %s has %d trees an iteration, the model %d", obj.name, obj.classes, m.treesPerIter)
	}
	if o.PathSmooth > 0 {
		return nil, fmt.Errorf("gbdt: refit does not support path_smooth")
	}
	out := m.copyForRefit(obj.text, o)
	n, k := ds.rows, obj.classes
	score, grad, hess := make([]float64, n*k), make([]float32, n*k), make([]float32, n*k)
	copy(score, ds.init)
	p := newSearchParams(o)
	for i, t := range out.trees {
		c := i % k
		if c == 0 {
			obj.gradients(score, grad, hess)
		}
		t.refit(&p, grad[c*n:(c+1)*n], hess[c*n:(c+1)*n], &leafs[i], o.RefitDecayRate)
		for row := range n {
			score[c*n+row] += t.leafValue[leafs[i].at(row)]
		}
	}
	out.transform, err = parseTransform(out.objective, out.numClass)
	return out, err
}

// refit gives the leaves of a tree new values (SerialTreeLearner::FitByExistingTree).
func (t *tree) refit(p *searchParams, grad, hess []float32, leafs *binColumn, decay float64) {
	g, h, n := make([]float64, t.numLeaves), make([]float64, t.numLeaves), make([]int, t.numLeaves)
	for i := range h {
		h[i] = epsilon
	}
	for row := range grad {
		leaf := leafs.at(row)
		g[leaf] += float64(grad[row])
		h[leaf] += float64(hess[row])
		n[leaf]++
	}
	for i := range t.leafValue {
		v := p.output(g[i], h[i], p.l2, n[i], 0) * t.shrinkage
		t.setLeaf(i, decay*t.leafValue[i]+(1-decay)*v)
	}
}

// copyForRefit copies the model so that leaf values can be changed; what its file said of the old data is dropped.
func (m *Model) copyForRefit(objective string, o *Options) *Model {
	out := &Model{version: "v4", numClass: m.numClass, treesPerIter: m.treesPerIter, labelIndex: m.labelIndex, maxFeature: m.maxFeature,
		objective: objective, average: m.average, featureNames: m.featureNames, featureInfos: m.featureInfos, monotone: m.monotone, params: o.block()}
	for _, t := range m.trees {
		c := *t
		c.leafValue = slices.Clone(t.leafValue)
		c.hasLinear = true
		out.trees = append(out.trees, &c)
	}
	return out
}
