package gbdt

// predictBlock is how many rows are taken through a tree together: the tree's splits are then read from the L1 cache.
const predictBlock = 64

// flatTrees are the trees of a model compiled for prediction: the splits of all trees in one array, each with all that a
// step needs. Where NaN is 0 for a split, it goes where 0 goes; so of the missing types only Zero needs a test of its
// own.
type flatTrees struct {
	nodes []flatNode
	roots []int32     // first node of each tree; ^leaf of a constant tree
	leafs []float64   // leaf values of all trees
	first []int32     // first leaf of each tree
	words []uint32    // bitsets of categories
	plain []bool      // the tree compares only: without NaN in a row its kinds need no look
	cats  [][2]uint32 // range of words of each categorical split
	slow  bool        // linear leaves: not compiled
}

type flatKind uint8

const (
	flatNaNLeft  flatKind = iota // NaN goes left
	flatNaNRight                 // NaN goes right
	flatZeroLeft                 // zero and NaN go left
	flatZeroRight
	flatCategory // left if in the set
)

// flatNode is a split. A child c ≥ 0 is a node; c < 0 is the leaf ^c of all.
type flatNode struct {
	threshold   float64
	left, right int32
	feature     int32
	kind        flatKind
	category    int32 // index into cats
}

// flatten compiles the trees once.
func (m *Model) flatten() { m.compile.Do(func() { m.flat = compileTrees(m.trees) }) }

func compileTrees(trees []*tree) flatTrees {
	var f flatTrees
	for _, t := range trees {
		if t.linear {
			return flatTrees{slow: true}
		}
		base, leafBase := int32(len(f.nodes)), int32(len(f.leafs))
		child := func(c int32) int32 {
			if c < 0 {
				return ^(leafBase + ^c)
			}
			return base + c
		}
		root, plain := base, true
		if t.numLeaves == 1 {
			root = ^leafBase
		}
		for i := range t.splitFeature {
			n := flatNode{threshold: t.threshold[i], left: child(t.left[i]), right: child(t.right[i]), feature: t.splitFeature[i]}
			n.kind = t.flatKind(int32(i))
			if n.kind == flatCategory {
				c := int(t.threshold[i])
				from := uint32(len(f.words))
				f.words = append(f.words, t.catThreshold[t.catBoundaries[c]:t.catBoundaries[c+1]]...)
				n.category = int32(len(f.cats))
				f.cats = append(f.cats, [2]uint32{from, uint32(len(f.words))})
			}
			plain = plain && n.kind <= flatNaNRight
			f.nodes = append(f.nodes, n)
		}
		f.roots = append(f.roots, root)
		f.first = append(f.first, leafBase)
		f.leafs = append(f.leafs, t.leafValue...)
		f.plain = append(f.plain, plain)
	}
	return f
}

func (t *tree) flatKind(i int32) flatKind {
	d := t.decisionType[i]
	left := d&decisionDefaultLeft != 0
	switch {
	case d&decisionCategorical != 0:
		return flatCategory
	case t.missing(i) == missingZero && left:
		return flatZeroLeft
	case t.missing(i) == missingZero:
		return flatZeroRight
	case t.missing(i) == missingNone:
		left = 0 <= t.threshold[i]
	}
	if left {
		return flatNaNLeft
	}
	return flatNaNRight
}

// value gives the output of tree n for one row.
func (f *flatTrees) value(n int, row []float64) float64 {
	i := f.roots[n]
	for i >= 0 {
		i = f.step(&f.nodes[i], row)
	}
	return f.leafs[^i]
}

func (f *flatTrees) step(n *flatNode, row []float64) int32 {
	v := row[n.feature]
	var left bool
	switch n.kind {
	case flatNaNLeft:
		left = !(v > n.threshold)
	case flatNaNRight:
		left = v <= n.threshold
	case flatZeroLeft:
		left = v != v || isZero(v) || v <= n.threshold
	case flatZeroRight:
		left = v == v && !isZero(v) && v <= n.threshold
	case flatCategory:
		w := f.cats[n.category]
		left = v > -1 && v < 1<<31 && inBitset(f.words[w[0]:w[1]], uint32(v))
	}
	if left {
		return n.left
	}
	return n.right
}

// addBlock adds trees from..to to the scores of some rows; tree n counts for class n mod k.
func (f *flatTrees) addBlock(p, x []float64, features, k, from, to int) {
	whole := true
	for _, v := range x {
		if v != v {
			whole = false
			break
		}
	}
	rows, c := len(x)/features, 0
	for n := from; n < to; n++ {
		switch {
		case f.roots[n] < 0:
			for i := range rows {
				p[i*k+c] += f.leafs[^f.roots[n]]
			}
		case whole && f.plain[n]:
			f.addPlain(p[c:], x, features, k, rows, f.roots[n])
		default:
			for i := range rows {
				p[i*k+c] += f.value(n, x[i*features:(i+1)*features])
			}
		}
		if c++; c == k {
			c = 0
		}
	}
}

// addPlain walks rows without NaN through a tree that only compares, four rows at a time: the steps of one row wait for
// each other, those of four do not.
func (f *flatTrees) addPlain(p, x []float64, features, k, rows int, root int32) {
	nodes, leafs := f.nodes, f.leafs
	i := 0
	for ; i+4 <= rows; i += 4 {
		r0 := x[i*features:][:features]
		r1 := x[(i+1)*features:][:features]
		r2 := x[(i+2)*features:][:features]
		r3 := x[(i+3)*features:][:features]
		a, b, c, d := root, root, root, root
		for a >= 0 && b >= 0 && c >= 0 && d >= 0 {
			a = plainStep(&nodes[a], r0)
			b = plainStep(&nodes[b], r1)
			c = plainStep(&nodes[c], r2)
			d = plainStep(&nodes[d], r3)
		}
		for a >= 0 {
			a = plainStep(&nodes[a], r0)
		}
		for b >= 0 {
			b = plainStep(&nodes[b], r1)
		}
		for c >= 0 {
			c = plainStep(&nodes[c], r2)
		}
		for d >= 0 {
			d = plainStep(&nodes[d], r3)
		}
		p[i*k] += leafs[^a]
		p[(i+1)*k] += leafs[^b]
		p[(i+2)*k] += leafs[^c]
		p[(i+3)*k] += leafs[^d]
	}
	for ; i < rows; i++ {
		row, a := x[i*features:][:features], root
		for a >= 0 {
			a = plainStep(&nodes[a], row)
		}
		p[i*k] += leafs[^a]
	}
}

func plainStep(n *flatNode, row []float64) int32 {
	next := n.right
	if row[n.feature] <= n.threshold {
		next = n.left
	}
	return next
}
