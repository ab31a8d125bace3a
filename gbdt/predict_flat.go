package gbdt

import (
	"math"

	"github.com/hanji-ml/hanji/internal/kernel"
)

// predictBlock is how many rows are taken through a tree together: the tree's splits are then read from the L1 cache.
const predictBlock = kernel.TreeRows

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
	cats  [][2]uint32 // range of words of each categorical split, whose threshold is the index here
	slow  bool        // linear leaves: not compiled
	runs  []rankedRun // the same trees once more, for many rows
}

type flatKind uint8

const (
	flatNaNLeft  flatKind = iota // NaN goes left
	flatNaNRight                 // NaN goes right
	flatZeroLeft                 // zero and NaN go left
	flatZeroRight
	flatCategory // left if in the set
)

// flatNode is a split. A child c ≥ 0 is a node; c < 0 is the leaf ^c of all. child[0] is the left one.
type flatNode struct {
	threshold float64
	child     [2]int32
	feature   int32
	kind      flatKind
}

// flatten compiles the trees once.
func (m *Model) flatten() {
	m.compile.Do(func() {
		m.flat = compileTrees(m.trees)
		m.flat.runs = rankTrees(m.trees)
	})
}

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
			n := flatNode{threshold: t.threshold[i] + 0, child: [2]int32{child(t.left[i]), child(t.right[i])}, feature: t.splitFeature[i]}
			n.kind = t.flatKind(int32(i))
			if n.kind == flatCategory {
				c := int(t.threshold[i])
				from := uint32(len(f.words))
				f.words = append(f.words, t.catThreshold[t.catBoundaries[c]:t.catBoundaries[c+1]]...)
				n.threshold = float64(len(f.cats))
				f.cats = append(f.cats, [2]uint32{from, uint32(len(f.words))})
			}
			plain = plain && n.kind <= flatNaNRight && n.threshold == n.threshold
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
func (f *flatTrees) value(n int, row []float64) float64 { return f.leafs[^f.leafOfRow(n, row)] }

// leafOfRow gives the complement of the leaf of a row in tree n.
func (f *flatTrees) leafOfRow(n int, row []float64) int32 {
	i := f.roots[n]
	for i >= 0 {
		i = f.step(&f.nodes[i], row)
	}
	return i
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
		w := f.cats[int(n.threshold)]
		left = v > -1 && v < 1<<31 && inBitset(f.words[w[0]:w[1]], uint32(v))
	}
	if left {
		return n.child[0]
	}
	return n.child[1]
}

// addBlock adds trees from..to to the scores of at most predictBlock rows; tree n counts for class n mod k, and from for
// class 0.
func (f *flatTrees) addBlock(s *rankScratch, p, x []float64, features, k, from, to int) {
	finite := allFinite(x)
	if len(x)/features >= minRankedRows {
		for i := range f.runs {
			r := &f.runs[i]
			lo, hi := max(r.from, from), min(r.from+len(r.trees), to)
			if lo >= hi {
				continue
			}
			f.walkBlock(p, x, features, k, from, lo, finite)
			s.rank(r, x, features, finite)
			s.add(r, p, k, lo, hi)
			from = hi
		}
	}
	f.walkBlock(p, x, features, k, from, to, finite)
}

// walkBlock is addBlock for trees that rows walk down.
func (f *flatTrees) walkBlock(p, x []float64, features, k, from, to int, finite bool) {
	rows, c := len(x)/features, from%k
	for n := from; n < to; n++ {
		switch {
		case f.roots[n] < 0:
			for i := range rows {
				p[i*k+c] += f.leafs[^f.roots[n]]
			}
		case finite && f.plain[n] && rows >= 4:
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

// addPlain walks finite rows through a tree that only compares, four rows at a time: the steps of one row wait for each
// other, those of four do not. A row that has arrived makes place for the next.
func (f *flatTrees) addPlain(p, x []float64, features, k, rows int, root int32) {
	nodes, leafs := f.nodes, f.leafs
	at := [4]int{0, 1, 2, 3}
	a, b, c, d := root, root, root, root
	ra, rb, rc, rd := x[:features], x[features:][:features], x[2*features:][:features], x[3*features:][:features]
	next := 4
	for next < rows {
		a = plainStep(&nodes[a], ra)
		b = plainStep(&nodes[b], rb)
		c = plainStep(&nodes[c], rc)
		d = plainStep(&nodes[d], rd)
		if a|b|c|d >= 0 {
			continue
		}
		if a < 0 {
			p[at[0]*k] += leafs[^a]
			a, at[0], ra = root, next, x[next*features:][:features]
			next++
		}
		if b < 0 && next < rows {
			p[at[1]*k] += leafs[^b]
			b, at[1], rb = root, next, x[next*features:][:features]
			next++
		}
		if c < 0 && next < rows {
			p[at[2]*k] += leafs[^c]
			c, at[2], rc = root, next, x[next*features:][:features]
			next++
		}
		if d < 0 && next < rows {
			p[at[3]*k] += leafs[^d]
			d, at[3], rd = root, next, x[next*features:][:features]
			next++
		}
		if next == rows { // some lane may have arrived with no row left to take its place
			break
		}
	}
	for i, node := range [4]int32{a, b, c, d} {
		row := x[at[i]*features:][:features]
		for node >= 0 {
			node = plainStep(&nodes[node], row)
		}
		p[at[i]*k] += leafs[^node]
	}
}

// rowTrees is how many trees a single row goes through together.
const rowTrees = 64

// addRow adds trees from..to to the scores of one row; tree n counts for class n mod len(p), and from for class 0.
func (f *flatTrees) addRow(p, row []float64, from, to int) {
	finite := allFinite(row)
	for i := range f.runs {
		r := &f.runs[i]
		lo, hi := max(r.from, from), min(r.from+len(r.trees), to)
		if lo < hi && r.nodes != nil {
			f.walkRow(p, row, from, lo, finite)
			r.addRow(p, row, lo, hi, finite)
			from = hi
		}
	}
	f.walkRow(p, row, from, to, finite)
}

// walkRow is addRow for trees that are walked down by value.
func (f *flatTrees) walkRow(p, row []float64, from, to int, finite bool) {
	c := from % len(p)
	var leaf [rowTrees]int32
	for from < to {
		n := min(to-from, rowTrees)
		if finite {
			f.leavesOfRow(leaf[:n], row, from)
		} else {
			for i := range n {
				leaf[i] = f.leafOfRow(from+i, row)
			}
		}
		for _, l := range leaf[:n] { // in the order of the trees, whichever arrived first
			p[c] += f.leafs[^l]
			if c++; c == len(p) {
				c = 0
			}
		}
		from += n
	}
}

// leavesOfRow finds the leaves of a finite row in consecutive trees, four of them at a time.
func (f *flatTrees) leavesOfRow(leaf []int32, row []float64, from int) {
	nodes := f.nodes
	at, node := [4]int{}, [4]int32{}
	lanes, next := 0, 0
	start := func(lane int) bool { // the next tree that has to be walked through
		for ; next < len(leaf); next++ {
			switch root := f.roots[from+next]; {
			case root < 0:
				leaf[next] = root
			case !f.plain[from+next]:
				leaf[next] = f.leafOfRow(from+next, row)
			default:
				at[lane], node[lane] = next, root
				next++
				return true
			}
		}
		return false
	}
	for lanes < 4 && start(lanes) {
		lanes++
	}
	for lanes == 4 {
		a, b, c, d := node[0], node[1], node[2], node[3]
		for a|b|c|d >= 0 {
			a = plainStep(&nodes[a], row)
			b = plainStep(&nodes[b], row)
			c = plainStep(&nodes[c], row)
			d = plainStep(&nodes[d], row)
		}
		node = [4]int32{a, b, c, d}
		for i := 0; i < lanes; i++ {
			if node[i] >= 0 {
				continue
			}
			leaf[at[i]] = node[i]
			if !start(i) {
				lanes--
				at[i], node[i] = at[lanes], node[lanes]
				i--
			}
		}
	}
	for i := range lanes {
		for node[i] >= 0 {
			node[i] = plainStep(&nodes[node[i]], row)
		}
		leaf[at[i]] = node[i]
	}
}

func allFinite(x []float64) bool {
	var a, b, c, d float64
	for ; len(x) >= 4; x = x[4:] { // NaN if one is NaN or infinite
		a += x[0] - x[0]
		b += x[1] - x[1]
		c += x[2] - x[2]
		d += x[3] - x[3]
	}
	for _, v := range x {
		a += v - v
	}
	return a+b+c+d == 0
}

// plainStep takes the sign of threshold − value for the side: a branch would be predicted wrong half of the time. A
// threshold of −0 would give −0 for the value 0, so compileTrees makes it +0.
func plainStep(n *flatNode, row []float64) int32 {
	return n.child[math.Float64bits(n.threshold-row[n.feature])>>63]
}
