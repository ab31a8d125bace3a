package gbdt

import (
	"context"
	"fmt"
	"math"
)

// forest trains a random forest: every tree on the same gradients, the prediction is their mean (rf.hpp). Scores hold
// the mean of the trees so far.
type forest struct{ start []float64 }

func newForest(t *trainer) (*forest, error) {
	if t.ds.init != nil {
		return nil, fmt.Errorf("gbdt: a random forest takes no initial scores")
	}
	if t.obj.name == "custom" {
		return nil, fmt.Errorf("gbdt: a random forest takes no custom objective")
	}
	if t.first > 0 {
		return nil, fmt.Errorf("gbdt: a random forest cannot go on from a model")
	}
	f := &forest{start: make([]float64, t.obj.classes)}
	score := make([]float64, len(t.score))
	for c := range f.start {
		if t.o.BoostFromAverage && t.obj.average != nil {
			if v := t.obj.average(c); math.Abs(v) > epsilon {
				f.start[c] = v
			}
		}
		for i := range t.ds.rows {
			score[c*t.ds.rows+i] = f.start[c]
		}
	}
	t.obj.gradients(score, t.grad, t.hess)
	t.rate = 1
	return f, nil
}

func (f *forest) iterate(ctx context.Context, t *trainer) error {
	t.sample.draw(t.iter, t.grad, t.hess)
	for c := range t.obj.classes {
		tr, err := t.grow(ctx, c)
		if err != nil {
			return err
		}
		if tr != nil && tr.numLeaves > 1 {
			t.renew(tr, func(row int32) float64 { return float64(t.obj.labelOf(row)) - f.start[c] })
			if math.Abs(f.start[c]) > epsilon {
				tr.addBias(f.start[c])
			}
			f.scale(t, c, float64(t.iter))
			t.addScores(tr, c)
			f.scale(t, c, 1/float64(t.iter+1))
		} else {
			tr = f.constant(t, tr, c)
		}
		t.trees = append(t.trees, tr)
	}
	t.iter++
	return nil
}

// constant is the tree of a class that could not be split. In the first iteration it is the class's start if there is
// nothing to learn, else zero; later it is what the root would put out, which the scores do not see (both as in
// LightGBM).
func (f *forest) constant(t *trainer, tr *tree, c int) *tree {
	if t.iter > 0 {
		out := constantTree(0, 0, t.o.LinearTree)
		if tr != nil {
			out.leafValue, out.leafConst = tr.leafValue, tr.leafConst
		}
		return out
	}
	v := 0.0
	if tr == nil && t.obj.average != nil {
		v = t.obj.average(c)
	}
	tr = constantTree(v, t.ds.rows, t.o.LinearTree)
	f.scale(t, c, 0)
	t.addToTrain(tr, c)
	t.addToSets(tr, c)
	return tr
}

// scale multiplies all scores of a class.
func (f *forest) scale(t *trainer, c int, by float64) {
	multiply := func(score []float64, n int) {
		for i := range score[c*n : (c+1)*n] {
			score[c*n+i] *= by
		}
	}
	multiply(t.score, t.ds.rows)
	for _, s := range t.sets {
		if !s.train {
			multiply(s.score, s.ds.rows)
		}
	}
}
