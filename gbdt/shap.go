package gbdt

import (
	"fmt"

	"github.com/hanji-ml/hanji/internal/par"
)

// maxPathElements bounds the scratch memory of one row's contributions: 64 Mi elements of 32 bytes.
const maxPathElements = 1 << 26

// Contrib writes SHAP values: for each row, for each class, one number a feature and then the expected value. They add
// up to the raw score. dst has NumClasses × (NumFeatures + 1) numbers for each row. The algorithm is TreeExplainer's
// over paths (Lundberg, Erion and Lee 2018, arXiv:1802.03888, algorithm 2), as in LightGBM. Trees need their counts;
// linear leaves have no such values.
func (m *Model) Contrib(dst, x []float64, o PredictOptions) error {
	features, k := m.NumFeatures(), m.treesPerIter
	width := features + 1
	rows, err := m.rowsOf("contributions", x, len(dst), k*width)
	if err != nil {
		return err
	}
	from, to := m.iterations(o.StartIteration, o.NumIteration)
	depth := 0
	for i, t := range m.trees[from*k : to*k] {
		if t.linear {
			return fmt.Errorf("gbdt: contributions: tree %d is linear: its leaves have no such values", from*k+i)
		}
		if t.numLeaves > 1 && (t.internalCount == nil || t.leafCount == nil) {
			return fmt.Errorf("gbdt: contributions: tree %d has no row counts", from*k+i)
		}
		depth = max(depth, t.depth)
	}
	if depth > 8000 || (depth+2)*(depth+3)/2 > maxPathElements {
		return fmt.Errorf("gbdt: contributions: a tree is %d deep, which would take too much memory", depth)
	}
	par.For(rows, 16, func(lo, hi int) {
		s := shap{path: make([]pathElement, (depth+2)*(depth+3)/2)}
		for i := lo; i < hi; i++ {
			s.row = x[i*features : (i+1)*features]
			out := dst[i*k*width : (i+1)*k*width]
			clear(out)
			for n := from * k; n < to*k; n++ {
				s.tree, s.phi = m.trees[n], out[n%k*width:][:width]
				s.phi[features] += s.tree.expected()
				if s.tree.numLeaves > 1 {
					s.walk(0, 0, 0, 1, 1, -1)
				}
			}
		}
	})
	return nil
}

// pathElement is a feature on the way down: the share of all rows, and of the row in question, that flow on where the
// feature is not, and is, known; weight is the share of the subsets of that size.
type pathElement struct {
	feature   int32
	zero, one float64
	weight    float64
}

// shap is the recursion over one tree. path is a triangle: each level copies its parent's path.
type shap struct {
	tree *tree
	row  []float64
	phi  []float64
	path []pathElement
}

// walk goes down from node. The path of its parent, depth elements, begins at base.
func (s *shap) walk(node int32, depth, base int, zero, one float64, feature int32) {
	path := s.path[base+depth:]
	copy(path[:depth], s.path[base:base+depth])
	path = path[:depth+1]
	extend(path, zero, one, feature)
	t := s.tree
	if node < 0 {
		for i := 1; i <= depth; i++ {
			e := &path[i]
			s.phi[e.feature] += unwoundSum(path, i) * (e.one - e.zero) * t.leafValue[^node]
		}
		return
	}
	f := t.splitFeature[node]
	hot := t.next(node, s.row[f])
	cold := t.left[node]
	if hot == cold {
		cold = t.right[node]
	}
	count := float64(t.dataCount(node))
	hotZero, coldZero := float64(t.dataCount(hot))/count, float64(t.dataCount(cold))/count
	inZero, inOne := 1.0, 1.0
	for i := 0; i <= depth; i++ {
		if path[i].feature != f {
			continue
		}
		// the feature has been split on before: undo that and do both together
		inZero, inOne = path[i].zero, path[i].one
		unwind(path, i)
		depth--
		break
	}
	at := len(s.path) - cap(path)
	s.walk(hot, depth+1, at, hotZero*inZero, inOne, f)
	s.walk(cold, depth+1, at, coldZero*inZero, 0, f)
}

// extend puts a feature at the end of the path (EXTEND of the paper).
func extend(path []pathElement, zero, one float64, feature int32) {
	d := len(path) - 1
	weight := 0.0
	if d == 0 {
		weight = 1
	}
	path[d] = pathElement{feature, zero, one, weight}
	for i := d - 1; i >= 0; i-- {
		path[i+1].weight += one * path[i].weight * float64(i+1) / float64(d+1)
		path[i].weight = zero * path[i].weight * float64(d-i) / float64(d+1)
	}
}

// unwind takes element at out of the path (UNWIND of the paper); the last place is then free.
func unwind(path []pathElement, at int) {
	d := len(path) - 1
	one, zero := path[at].one, path[at].zero
	next := path[d].weight
	for i := d - 1; i >= 0; i-- {
		if one != 0 {
			w := path[i].weight
			path[i].weight = next * float64(d+1) / (float64(i+1) * one)
			next = w - path[i].weight*zero*float64(d-i)/float64(d+1)
		} else {
			path[i].weight = path[i].weight * float64(d+1) / (zero * float64(d-i))
		}
	}
	for i := at; i < d; i++ {
		path[i].feature, path[i].zero, path[i].one = path[i+1].feature, path[i+1].zero, path[i+1].one
	}
}

// unwoundSum is the total weight after taking element at out.
func unwoundSum(path []pathElement, at int) float64 {
	d := len(path) - 1
	one, zero := path[at].one, path[at].zero
	next, total := path[d].weight, 0.0
	for i := d - 1; i >= 0; i-- {
		if one != 0 {
			w := next * float64(d+1) / (float64(i+1) * one)
			total += w
			next = path[i].weight - w*zero*(float64(d-i)/float64(d+1))
		} else {
			total += path[i].weight / zero / (float64(d-i) / float64(d+1))
		}
	}
	return total
}
