package gbdt

import "math"

// zeroThreshold bounds what counts as zero: the float32 literal 1e-35f of LightGBM's meta.h, widened.
const zeroThreshold = float64(float32(1e-35))

// epsilon is added to hessian sums: kEpsilon of meta.h.
const epsilon = float64(float32(1e-15))

// Bits of a split's decision type (tree.h).
const (
	decisionCategorical = 1
	decisionDefaultLeft = 2
	missingShift        = 2
)

// missingType says which value of a feature stands for "not known".
type missingType uint8

const (
	missingNone missingType = iota
	missingZero
	missingNaN
)

func (m missingType) String() string { return [...]string{"None", "Zero", "NaN"}[m&3%3] }

// tree is one regression tree in LightGBM's arrays (tree.h): split i has children left[i] and right[i], a child c ≥ 0
// being another split and c < 0 the leaf ^c. Slices that a file did not have are nil.
type tree struct {
	numLeaves int
	numCat    int

	splitFeature  []int32
	splitGain     []float32
	threshold     []float64 // x ≤ threshold goes left; of a categorical split the index into catBoundaries
	decisionType  []int8
	left, right   []int32
	leafValue     []float64
	leafWeight    []float64 // sum of hessians
	leafCount     []int
	internalValue []float64
	internalWeigh []float64
	internalCount []int
	catBoundaries []int32 // split with threshold c owns the words catThreshold[catBoundaries[c]:catBoundaries[c+1]]
	catThreshold  []uint32

	hasLinear    bool // the file said is_linear
	linear       bool
	leafConst    []float64
	leafFeatures [][]int32
	leafCoeff    [][]float64

	shrinkage float64
	depth     int // of the deepest leaf; the root alone is 0

	*grown // of a tree made by training: what predicting by bins needs; dropped when training ends
}

// grown holds a tree in terms of bins.
type grown struct {
	splitInner   []int32 // feature among those used
	thresholdBin []int32
	catInner     [][]uint32 // bitsets over bins, by the index in thresholdBin
	leafParent   []int32
	leafDepth    []int32
	branch       [][]int32 // features above each leaf, kept for interaction constraints
}

func isZero(v float64) bool { return v >= -zeroThreshold && v <= zeroThreshold }

// roundToZero is Tree::MaybeRoundToZero.
func roundToZero(v float64) float64 {
	if isZero(v) {
		return 0
	}
	return v
}

func (t *tree) missing(i int32) missingType {
	return missingType(t.decisionType[i] >> missingShift & 3)
}

// next gives the child of split i for a feature's value (Tree::Decision).
func (t *tree) next(i int32, v float64) int32 {
	d := t.decisionType[i]
	if d&decisionCategorical != 0 {
		if t.inCategories(i, v) {
			return t.left[i]
		}
		return t.right[i]
	}
	m := t.missing(i)
	if v != v && m != missingNaN {
		v = 0
	}
	if m == missingZero && isZero(v) || m == missingNaN && v != v {
		if d&decisionDefaultLeft != 0 {
			return t.left[i]
		}
		return t.right[i]
	}
	if v <= t.threshold[i] {
		return t.left[i]
	}
	return t.right[i]
}

// inCategories tells whether v, cut to an integer, is in the set of categorical split i. NaN, negative values and those
// beyond 32 bits are in no set.
func (t *tree) inCategories(i int32, v float64) bool {
	if !(v > -1 && v < math.MaxInt32+1) { // NaN too
		return false
	}
	c := int32(t.threshold[i])
	return inBitset(t.catThreshold[t.catBoundaries[c]:t.catBoundaries[c+1]], uint32(v))
}

func inBitset(words []uint32, v uint32) bool {
	w := v / 32
	return w < uint32(len(words)) && words[w]>>(v%32)&1 != 0
}

// leaf gives the leaf that a row falls into.
func (t *tree) leaf(row []float64) int32 {
	if t.numLeaves == 1 {
		return 0
	}
	i := int32(0)
	for i >= 0 {
		i = t.next(i, row[t.splitFeature[i]])
	}
	return ^i
}

// output is the value of a leaf for a row: its constant or, in a linear tree, its linear model; a row with NaN in one
// of the model's features gets the constant.
func (t *tree) output(leaf int32, row []float64) float64 {
	if !t.linear {
		return t.leafValue[leaf]
	}
	sum, coeff := t.leafConst[leaf], t.leafCoeff[leaf]
	for i, f := range t.leafFeatures[leaf] {
		v := row[f]
		if v != v {
			return t.leafValue[leaf]
		}
		sum += coeff[i] * v
	}
	return sum
}

// shrink multiplies the tree's output (Tree::Shrinkage).
func (t *tree) shrink(rate float64) {
	scale := func(v []float64) {
		for i := range v {
			v[i] = roundToZero(v[i] * rate)
		}
	}
	scale(t.leafValue)
	scale(t.internalValue)
	if t.linear {
		scale(t.leafConst)
		for _, c := range t.leafCoeff {
			scale(c)
		}
	}
	t.shrinkage *= rate
}

// addBias moves the tree's output (Tree::AddBias), which makes its shrinkage meaningless.
func (t *tree) addBias(v float64) {
	add := func(x []float64) {
		for i := range x {
			x[i] = roundToZero(x[i] + v)
		}
	}
	add(t.leafValue)
	add(t.internalValue)
	if t.linear {
		add(t.leafConst)
	}
	t.shrinkage = 1
}

// dataCount is how many training rows fell into a child.
func (t *tree) dataCount(child int32) int {
	if child >= 0 {
		return t.internalCount[child]
	}
	return t.leafCount[^child]
}

// expected is the mean output over the training rows (Tree::ExpectedValue).
func (t *tree) expected() float64 {
	if t.numLeaves == 1 {
		return t.leafValue[0]
	}
	total, sum := float64(t.internalCount[0]), 0.0
	for i, v := range t.leafValue {
		sum += float64(t.leafCount[i]) / total * v
	}
	return sum
}

// constantTree has one leaf (Tree::AsConstantTree).
func constantTree(v float64, count int, linear bool) *tree {
	t := &tree{
		numLeaves: 1, leafValue: []float64{v}, leafWeight: []float64{}, leafCount: []int{count},
		splitFeature: []int32{}, splitGain: []float32{}, threshold: []float64{}, decisionType: []int8{}, left: []int32{}, right: []int32{},
		internalValue: []float64{}, internalWeigh: []float64{}, internalCount: []int{},
		hasLinear: true, linear: linear, shrinkage: 1, grown: &grown{},
	}
	if linear {
		t.leafConst, t.leafFeatures, t.leafCoeff, t.leafWeight = []float64{v}, [][]int32{nil}, [][]float64{nil}, []float64{0}
	}
	return t
}
