package gbdt

// newTree is a tree of one leaf with room for more.
func newTree(maxLeaves int, linear, branches bool) *tree {
	n := maxLeaves - 1
	t := &tree{
		numLeaves:     1,
		splitFeature:  make([]int32, 0, n),
		splitGain:     make([]float32, 0, n),
		threshold:     make([]float64, 0, n),
		decisionType:  make([]int8, 0, n),
		left:          make([]int32, 0, n),
		right:         make([]int32, 0, n),
		leafValue:     append(make([]float64, 0, maxLeaves), 0),
		leafWeight:    append(make([]float64, 0, maxLeaves), 0),
		leafCount:     append(make([]int, 0, maxLeaves), 0),
		internalValue: make([]float64, 0, n),
		internalWeigh: make([]float64, 0, n),
		internalCount: make([]int, 0, n),
		catBoundaries: []int32{0},
		hasLinear:     true,
		linear:        linear,
		shrinkage:     1,
		grown: &grown{
			splitInner:   make([]int32, 0, n),
			thresholdBin: make([]int32, 0, n),
			leafParent:   append(make([]int32, 0, maxLeaves), -1),
			leafDepth:    append(make([]int32, 0, maxLeaves), 0),
		},
	}
	if branches {
		t.branch = append(make([][]int32, 0, maxLeaves), nil)
	}
	return t
}

// split turns a leaf into a split with two leaves: the left one keeps its number, the right one gets the next
// (Tree::Split). It returns the right one.
func (t *tree) split(leaf int32, s *splitInfo, m *binMapper, gain float64) int32 {
	node, right := int32(t.numLeaves-1), int32(t.numLeaves)
	if p := t.leafParent[leaf]; p >= 0 {
		if t.left[p] == ^leaf {
			t.left[p] = node
		} else {
			t.right[p] = node
		}
	}
	t.splitFeature = append(t.splitFeature, s.feature)
	t.splitInner = append(t.splitInner, s.inner)
	t.splitGain = append(t.splitGain, float32(gain))
	t.left, t.right = append(t.left, ^leaf), append(t.right, ^right)
	t.internalWeigh = append(t.internalWeigh, s.leftHess+s.rightHess)
	t.internalValue = append(t.internalValue, t.leafValue[leaf])
	t.internalCount = append(t.internalCount, s.leftCount+s.rightCount)
	t.leafParent[leaf] = node
	t.leafParent = append(t.leafParent, node)
	t.leafValue[leaf], t.leafWeight[leaf], t.leafCount[leaf] = zeroIfNaN(s.leftOutput), s.leftHess, s.leftCount
	t.leafValue = append(t.leafValue, zeroIfNaN(s.rightOutput))
	t.leafWeight = append(t.leafWeight, s.rightHess)
	t.leafCount = append(t.leafCount, s.rightCount)
	t.leafDepth[leaf]++
	t.leafDepth = append(t.leafDepth, t.leafDepth[leaf])
	t.depth = max(t.depth, int(t.leafDepth[leaf]))
	if t.branch != nil {
		path := append(t.branch[leaf][:len(t.branch[leaf]):len(t.branch[leaf])], s.feature)
		t.branch[leaf] = path
		t.branch = append(t.branch, path)
	}
	d := int8(m.missing) << missingShift
	if m.categorical {
		d |= decisionCategorical
		t.thresholdBin = append(t.thresholdBin, int32(t.numCat))
		t.threshold = append(t.threshold, float64(t.numCat))
		t.numCat++
		t.catThreshold = append(t.catThreshold, bitset(s.categories, func(bin int32) int32 { return m.categories[bin] })...)
		t.catBoundaries = append(t.catBoundaries, int32(len(t.catThreshold)))
		t.catInner = append(t.catInner, bitset(s.categories, func(bin int32) int32 { return bin }))
	} else {
		if s.defaultLeft {
			d |= decisionDefaultLeft
		}
		t.thresholdBin = append(t.thresholdBin, s.threshold)
		t.threshold = append(t.threshold, m.value(int(s.threshold)))
	}
	t.decisionType = append(t.decisionType, d)
	t.numLeaves++
	return right
}

func zeroIfNaN(v float64) float64 {
	if v != v {
		return 0
	}
	return v
}

func bitset(bins []int32, value func(int32) int32) []uint32 {
	var words []uint32
	for _, b := range bins {
		v := value(b)
		for int(v/32) >= len(words) {
			words = append(words, 0)
		}
		words[v/32] |= 1 << (v % 32)
	}
	return words
}

// leftTable says for each bin of a split's feature whether it goes left.
func leftTable(table []uint8, m *binMapper, threshold int32, defaultLeft bool, categories []uint32) {
	for b := range table[:m.numBin] {
		var left bool
		switch {
		case m.categorical:
			left = inBitset(categories, uint32(b))
		case m.missing == missingZero && b == m.defaultBin, m.missing == missingNaN && b == m.numBin-1:
			left = defaultLeft
		default:
			left = int32(b) <= threshold
		}
		table[b] = uint8(boolIndex(left))
	}
}

// setLeaf sets a leaf's output (Tree::SetLeafOutput).
func (t *tree) setLeaf(leaf int, v float64) { t.leafValue[leaf] = roundToZero(v) }
