package gbdt

import (
	"fmt"
	"slices"
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
	obj, err := newObjective(ds, &o)
	if err != nil {
		return nil, err
	}
	if len(d.Columns) != m.NumFeatures() || obj.classes != m.treesPerIter {
		return nil, fmt.Errorf("gbdt: refit: %d columns and %d trees an iteration, the model has %d and %d", len(d.Columns), obj.classes, m.NumFeatures(), m.treesPerIter)
	}
	if o.PathSmooth > 0 {
		return nil, fmt.Errorf("gbdt: refit does not support path_smooth")
	}
	out := m.copyForRefit(obj.text, &o)
	leafs := make([]int, ds.rows*len(m.trees))
	x := make([]float64, ds.rows*m.NumFeatures())
	for i := range ds.rows {
		ds.row(x[i*m.NumFeatures():(i+1)*m.NumFeatures()], i)
	}
	if err := m.LeafIndex(leafs, x, PredictOptions{}); err != nil {
		return nil, err
	}
	n, k := ds.rows, obj.classes
	score, grad, hess := make([]float64, n*k), make([]float32, n*k), make([]float32, n*k)
	copy(score, ds.init)
	p := newSearchParams(&o)
	for i, t := range out.trees {
		if t.linear {
			return nil, fmt.Errorf("gbdt: refit: tree %d is linear, which is not supported", i)
		}
		c := i % k
		if c == 0 {
			obj.gradients(score, grad, hess)
		}
		leafOf := func(row int) int { return leafs[row*len(m.trees)+i] }
		t.refit(&p, grad[c*n:(c+1)*n], hess[c*n:(c+1)*n], leafOf, o.RefitDecayRate)
		for row := range n {
			score[c*n+row] += t.leafValue[leafOf(row)]
		}
	}
	out.transform, err = parseTransform(out.objective, out.numClass)
	return out, err
}

// refit gives the leaves of a tree new values (SerialTreeLearner::FitByExistingTree).
func (t *tree) refit(p *searchParams, grad, hess []float32, leafOf func(row int) int, decay float64) {
	g, h, n := make([]float64, t.numLeaves), make([]float64, t.numLeaves), make([]int, t.numLeaves)
	for i := range h {
		h[i] = epsilon
	}
	for row := range grad {
		leaf := leafOf(row)
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
