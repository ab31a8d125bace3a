package gbdt

import (
	"slices"
	"sync"
)

// Model is a trained ensemble: numbers only, no training state. It is immutable and safe for concurrent use.
type Model struct {
	version      string // of the file format
	numClass     int
	treesPerIter int
	labelIndex   int
	maxFeature   int
	objective    string // LightGBM's description, such as "binary sigmoid:1"; "" for none
	average      bool   // the prediction is the mean of the trees, not their sum
	featureNames []string
	featureInfos []string // "[min:max]", "c1:c2:…" or "none"
	monotone     []int8
	trees        []*tree

	header []string       // lines of the file it was read from, so that it is written as it was; nil for a trained one
	tail   string         // what follows the trees in that file
	params string         // the lines "[key: value]" of the parameters block
	saved  ImportanceKind // what the file lists of the features

	// BestIteration is the iteration with the best score when early stopping ended training, counted from 1; 0 otherwise.
	// The model holds no later trees then.
	BestIteration int

	transform transform
	compile   sync.Once
	flat      flatTrees
}

// NumFeatures is the length of a row.
func (m *Model) NumFeatures() int { return m.maxFeature + 1 }

// NumClasses is how many numbers a prediction has.
func (m *Model) NumClasses() int { return m.numClass }

// NumTrees counts all trees: iterations times trees per iteration, which is 1 or the number of classes.
func (m *Model) NumTrees() int { return len(m.trees) }

// NumIterations counts boosting iterations.
func (m *Model) NumIterations() int { return len(m.trees) / m.treesPerIter }

// Objective is LightGBM's description of the objective, such as "multiclass num_class:5"; "" where there was none.
func (m *Model) Objective() string { return m.objective }

// FeatureNames gives the names of the features, in order.
func (m *Model) FeatureNames() []string { return slices.Clone(m.featureNames) }

// iterations cuts the range of a prediction to the iterations there are: count ≤ 0 means all from start on.
func (m *Model) iterations(start, count int) (from, to int) {
	n := m.NumIterations()
	from = min(max(start, 0), n)
	to = n
	if count > 0 {
		to = min(from+count, n)
	}
	return from, to
}

// ImportanceKind says how Importance weighs a split.
type ImportanceKind uint8

const (
	ImportanceSplit ImportanceKind = iota // how many splits use the feature
	ImportanceGain                        // the sum of their gains
)

// Importance adds up, for each feature, the splits that use it and have a positive gain (GBDT::FeatureImportance).
func (m *Model) Importance(kind ImportanceKind) []float64 {
	sum := make([]float64, m.NumFeatures())
	for _, t := range m.trees {
		for i, f := range t.splitFeature {
			var gain float32
			if i < len(t.splitGain) {
				gain = t.splitGain[i]
			}
			switch {
			case !(gain > 0):
			case kind == ImportanceGain:
				sum[f] += float64(gain)
			default:
				sum[f]++
			}
		}
	}
	return sum
}
