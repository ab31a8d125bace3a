package gbdt

import (
	"fmt"
	"math"
	"slices"
)

// Node is a split or a leaf of a tree, in the words of LightGBM's trees_to_dataframe.
type Node struct {
	Index       int   // the split's or the leaf's, as in the file
	Left, Right *Node // where rows go that meet the condition, and the others; nil in a leaf

	Feature     int     // of a split, as are the next five
	Threshold   float64 // a number goes left that is not above it
	Categories  []int   // of a categorical split: what goes left, ascending; nil of another
	MissingType string  // which values count as missing: "None" (NaN is then 0), "Zero" (NaN too) or "NaN"
	DefaultLeft bool    // missing values go left; those of a categorical split always go right
	Gain        float64 // NaN where the file does not say

	Value  float64     // output of a leaf, shrinkage included; of a split its output if it were one. NaN where the file does not say
	Weight float64     // sum of the hessians; NaN where the file does not say
	Count  int         // training rows; -1 where the file does not say
	Linear *LinearLeaf // of a leaf with a linear model; Value then stands for rows with a missing feature
}

// LinearLeaf is Const + Σ Coeff[i]·x[Features[i]].
type LinearLeaf struct {
	Const    float64
	Features []int
	Coeff    []float64
}

// Tree gives the root of a tree; those of an iteration stand one after another, a tree for each class.
func (m *Model) Tree(i int) (*Node, error) {
	switch n := len(m.trees); {
	case n == 0:
		return nil, fmt.Errorf("gbdt: the model has no trees")
	case i < 0 || i >= n:
		return nil, fmt.Errorf("gbdt: tree %d: the model's trees are 0 to %d", i, n-1)
	}
	t, nan := m.trees[i], math.NaN()
	splits := t.numLeaves - 1
	nodes := make([]Node, splits+t.numLeaves) // splits, then leaves
	child := func(c int32) *Node {
		if c < 0 {
			return &nodes[splits+int(^c)]
		}
		return &nodes[c]
	}
	for i := range splits {
		d, gain := t.decisionType[i], nan
		if t.splitGain != nil {
			gain = float64(t.splitGain[i])
		}
		nodes[i] = Node{Index: i, Left: child(t.left[i]), Right: child(t.right[i]), Feature: int(t.splitFeature[i]), Threshold: t.threshold[i],
			MissingType: t.missing(int32(i)).String(), DefaultLeft: d&decisionDefaultLeft != 0, Gain: gain,
			Value: valueAt(t.internalValue, i, nan), Weight: valueAt(t.internalWeigh, i, nan), Count: valueAt(t.internalCount, i, -1)}
		if d&decisionCategorical != 0 {
			nodes[i].Categories, nodes[i].Threshold, nodes[i].DefaultLeft = t.categories(int32(i)), 0, false
		}
	}
	for i := range t.numLeaves {
		leaf := Node{Index: i, Gain: nan, Value: t.leafValue[i], Weight: valueAt(t.leafWeight, i, nan), Count: valueAt(t.leafCount, i, -1)}
		if t.linear {
			leaf.Linear = &LinearLeaf{Const: t.leafConst[i], Coeff: slices.Clone(t.leafCoeff[i])}
			for _, f := range t.leafFeatures[i] {
				leaf.Linear.Features = append(leaf.Linear.Features, int(f))
			}
		}
		nodes[splits+i] = leaf
	}
	return &nodes[0], nil
}

// valueAt is v[i], or what stands for a field that the file did not have.
func valueAt[T any](v []T, i int, missing T) T {
	if i >= len(v) {
		return missing
	}
	return v[i]
}
