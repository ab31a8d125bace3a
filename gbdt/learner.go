package gbdt

import (
	"context"
	"fmt"

	"github.com/hanji-ml/hanji/internal/par"
)

// learner grows trees leaf by leaf (SerialTreeLearner): it always splits the leaf that gains most.
type learner struct {
	ds     *Dataset
	o      *Options
	search searchParams
	meta   []featureMeta
	layout binLayout
	cols   *colSampler
	forced *forcedSplit
	cegb   *cegb
	mono   *monotone

	part *partition
	bag  []int32 // rows to train on; nil: all

	copied    bool         // LightGBM would train on a copy of the bag
	constHess bool         // see objective
	quant     *discretizer // nil: gradients are as they are
	constRow  int32

	pool []*histogram
	best []splitInfo // by leaf
	tree *tree
	gh   []gradPair // of all rows; with use_quantized_grad they are intSum

	smaller, larger leafState
	found           [2][]splitInfo // by feature, of the smaller and the larger leaf
	used            []bool         // features to look at
	columns         []bool         // columns that they are in, and last whether some are in none
	lookedUp        binColumn      // bins of a feature that has no column
	bundleTable     []uint8        // scratch, as partition.table
	nodeUsed        [2][]bool
	searches        []search // scratch, by feature
	nan             []bool   // features with missing values, once known
}

// leafState is a leaf whose split is being looked for (LeafSplits).
type leafState struct {
	leaf       int32 // −1: none
	count      int
	grad, hess float64
	output     float64
	sum        intSum // with use_quantized_grad
}

func newLearner(ds *Dataset, o *Options) (*learner, error) {
	l := &learner{ds: ds, o: o, search: newSearchParams(o)}
	features, leaves, most := len(ds.used), o.NumLeaves, 0
	if err := l.setMeta(); err != nil {
		return nil, err
	}
	for _, m := range l.meta {
		most = max(most, m.mapper.numBin)
	}
	if ds.sparse != nil {
		l.lookedUp = makeBins(ds.rows, most)
	}
	l.bundleTable = make([]uint8, most)
	for _, n := range ds.layout.bins {
		most = max(most, n)
	}
	l.layout = newBinLayout(ds)
	var err error
	if l.cols, err = newColSampler(ds, o); err != nil {
		return nil, err
	}
	if l.forced, err = readForcedSplits(o.ForcedSplitsFilename, ds); err != nil {
		return nil, err
	}
	if l.cegb, err = newCEGB(l); err != nil {
		return nil, err
	}
	if l.search.monotone {
		l.mono = newMonotone(l)
	}
	l.part = newPartition(ds.rows, leaves, most)
	l.pool = make([]*histogram, leaves)
	l.best = make([]splitInfo, leaves)
	l.gh = make([]gradPair, ds.rows)
	for i := range l.found {
		l.found[i] = make([]splitInfo, features)
		l.nodeUsed[i] = make([]bool, features)
	}
	l.used, l.columns = make([]bool, features), make([]bool, len(ds.layout.columns)+1)
	l.searches = make([]search, features)
	return l, nil
}

// setMeta gathers what the options say about each feature.
func (l *learner) setMeta() error {
	ds, o := l.ds, l.o
	for _, v := range []struct {
		name string
		n    int
	}{{"monotone_constraints", len(o.MonotoneConstraints)}, {"feature_contri", len(o.FeatureContri)}} {
		if v.n != 0 && v.n != len(ds.columns) {
			return fmt.Errorf("gbdt: %s has %d entries for %d features", v.name, v.n, len(ds.columns))
		}
	}
	l.meta = make([]featureMeta, len(ds.used))
	for j, f := range ds.used {
		m := featureMeta{feature: f, mapper: ds.mappers[f], multiplier: 1}
		if m.mapper.mostFreqBin == 0 {
			m.offset, m.shared = 1, !ds.places[j].alone
		}
		if o.MonotoneConstraints != nil {
			m.monotone = o.MonotoneConstraints[f]
			if m.monotone != 0 && m.mapper.categorical {
				return fmt.Errorf("gbdt: feature %d is categorical: it has no order to be monotone in", f)
			}
		}
		if o.FeatureContri != nil {
			m.multiplier = o.FeatureContri[f]
		}
		l.meta[j] = m
	}
	for i, j := range ds.layout.order {
		l.meta[j].rng = newRandom(o.ExtraSeed + i)
	}
	return nil
}

// train grows one tree on gradients and hessians by row. The rows of its leaves stay in l.part.
func (l *learner) train(ctx context.Context, grad, hess []float32) (*tree, error) {
	l.begin(grad, hess)
	t := l.tree
	if !l.o.LinearTree {
		t.setLeaf(0, l.search.outputAtRoot(l.smaller.grad, l.smaller.hess))
	}
	left, right := int32(0), int32(-1)
	done := 0
	if l.forced != nil {
		done, left, right = l.forceSplits()
	}
	for ; done < l.o.NumLeaves-1; done++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if l.prepare(left, right) {
			l.findSplits(nil)
		}
		leaf := l.bestLeaf()
		if l.best[leaf].gain <= 0 {
			break
		}
		left, right = l.split(leaf)
	}
	if l.quant != nil && l.o.QuantTrainRenewLeaf {
		l.renewLeaves(grad, hess)
	}
	return t, nil
}

// begin puts all rows into the root and adds up its sums.
func (l *learner) begin(grad, hess []float32) {
	l.cols.resetTree()
	l.part.reset(l.ds.rows, l.bag)
	l.tree = newTree(l.o.NumLeaves, l.o.LinearTree, l.o.LinearTree || l.cols.groups != nil)
	for i := range l.best {
		l.best[i].reset()
	}
	if l.mono != nil {
		l.mono.reset(l.tree)
	}
	l.cegb.begin()
	l.smaller, l.larger = l.root(grad, hess), leafState{leaf: -1}
}

// root gets gradients and hessians ready and adds up those of the root.
func (l *learner) root(grad, hess []float32) leafState {
	// the output is the last leaf's of the tree before, which only forced splits look at: a quirk of the reference
	root := leafState{count: int(l.part.count[0]), output: l.smaller.output}
	if l.quant != nil {
		var bag []int32
		if l.copied {
			bag = l.bag
		}
		l.quant.begin(grad, hess, bag, asInts(l.gh))
		root.grad, root.hess, root.sum = l.quant.root(asInts(l.gh), l.part.leaf(0), !l.copied && root.count < l.ds.rows)
		return root
	}
	const chunk = 1 << 14
	par.For(2+(len(grad)+chunk-1)/chunk, 1, func(task, _ int) {
		switch task {
		case 0: // in order, as the sums must not depend on the number of threads
			root.grad = sumOf(grad, l.bag)
		case 1:
			root.hess = sumOf(hess, l.bag)
		default:
			lo := (task - 2) * chunk
			for i := lo; i < min(lo+chunk, len(grad)); i++ {
				l.gh[i] = gradPair{grad[i], hess[i]}
				if l.constHess {
					l.gh[i].hess = hess[l.constRow]
				}
			}
		}
	})
	return root
}

// sumOf adds up those of the rows, nil for all, in order.
func sumOf(v []float32, rows []int32) (sum float64) {
	if rows == nil {
		for _, v := range v {
			sum += float64(v)
		}
		return sum
	}
	for _, row := range rows {
		sum += float64(v[row])
	}
	return sum
}

// bestLeaf is the leaf whose split gains most.
func (l *learner) bestLeaf() int32 {
	best := 0
	for i := range l.best {
		if l.best[i].better(&l.best[best]) {
			best = i
		}
	}
	return int32(best)
}

func (l *learner) histogramOf(leaf int32) *histogram {
	if l.pool[leaf] == nil {
		if l.quant != nil {
			l.pool[leaf] = l.layout.newIntHistogram()
		} else {
			l.pool[leaf] = l.layout.newHistogram()
		}
	}
	return l.pool[leaf]
}

// prepare tells whether the two newest leaves can be split at all, and moves their parent's histogram to the larger.
func (l *learner) prepare(left, right int32) bool {
	if l.o.MaxDepth > 0 && int(l.tree.leafDepth[left]) >= l.o.MaxDepth || !l.enough(left) && (right < 0 || !l.enough(right)) {
		l.best[left].gain = minScore
		if right >= 0 {
			l.best[right].gain = minScore
		}
		return false
	}
	if right < 0 {
		h := l.histogramOf(left)
		for i := range h.splittable {
			h.splittable[i] = true
		}
		return true
	}
	if l.smaller.leaf == left {
		l.histogramOf(right)
		l.pool[left], l.pool[right] = l.pool[right], l.pool[left]
	}
	return true
}

func (l *learner) enough(leaf int32) bool { return int(l.part.count[leaf]) >= 2*l.o.MinDataInLeaf }

// findSplits builds the smaller leaf's histogram, gets the larger one's by subtraction, and finds the best split of
// both. always names inner features to look at whatever was drawn.
func (l *learner) findSplits(always map[int32]bool) {
	small := l.histogramOf(l.smaller.leaf)
	var large *histogram
	if l.larger.leaf >= 0 {
		large = l.pool[l.larger.leaf]
	}
	clear(l.columns)
	for f := range l.used {
		l.used[f] = l.cols.treeUsed[f] || always[int32(f)]
		if l.used[f] && large != nil && !large.splittable[f] {
			small.splittable[f] = false
			l.used[f] = false
		}
		if c := int(l.ds.places[f].column); l.used[f] && c >= 0 {
			l.columns[c] = true
		} else if l.used[f] {
			l.columns[len(l.columns)-1] = true
		}
	}
	rows := l.part.leaf(l.smaller.leaf)
	l.layout.build(small, l.columns, l.rowsOrAll(rows), l.gh)
	l.drawNode(0, l.smaller.leaf)
	if large != nil {
		l.drawNode(1, l.larger.leaf)
	}
	l.eachUsed(func(f int) { l.searchBoth(f, small, large) })
	l.pickBest(0, l.smaller.leaf)
	if large != nil {
		l.pickBest(1, l.larger.leaf)
	}
}

// eachUsed calls do with the features to look at, at the same time: some together, where there are many.
func (l *learner) eachUsed(do func(f int)) {
	par.For(len(l.used), 1+len(l.used)/256, func(f, end int) {
		for ; f < end; f++ {
			if l.used[f] {
				do(f)
			}
		}
	})
}

// searchBoth completes a feature's histograms of the two newest leaves, large nil if there is one only, and looks for splits.
func (l *learner) searchBoth(f int, small, large *histogram) {
	v := l.layout.views[f]
	switch {
	case l.quant == nil:
		fixMostFrequent(small.bins[v.lo:v.hi], l.meta[f].mapper.mostFreqBin, l.smaller.grad, l.smaller.hess)
	case !l.ds.places[f].alone:
		fixMostFrequentInt(small.ints[v.lo:v.hi], l.meta[f].mapper.mostFreqBin, l.smaller.sum)
	}
	small.splittable[f] = l.searchFeature(f, small, &l.smaller, &l.found[0][f])
	switch {
	case large == nil:
		return
	case l.quant != nil:
		subtractInt(large.ints[v.lo+v.skip:v.hi], small.ints[v.lo+v.skip:v.hi])
	default:
		subtract(large.bins[v.lo+v.skip:v.hi], small.bins[v.lo+v.skip:v.hi])
	}
	large.splittable[f] = l.searchFeature(f, large, &l.larger, &l.found[1][f])
}

// rowsOrAll gives nil where the rows are all, in order.
func (l *learner) rowsOrAll(rows []int32) []int32 {
	if len(rows) == l.ds.rows && l.smaller.leaf == 0 && l.tree.numLeaves == 1 {
		return nil
	}
	return rows
}

func (l *learner) drawNode(which int, leaf int32) {
	var branch []int32
	if l.tree.branch != nil {
		branch = l.tree.branch[leaf]
	}
	l.cols.node(branch, l.nodeUsed[which])
}

// searchFeature finds the best split of a feature of a leaf and tells whether there can be one below.
func (l *learner) searchFeature(f int, h *histogram, leaf *leafState, out *splitInfo) bool {
	s := &l.searches[f]
	v := l.layout.views[f]
	*s = search{searchParams: &l.search, meta: &l.meta[f], grad: leaf.grad, hess: leaf.hess, count: leaf.count,
		parent: leaf.output, out: out, scratch: s.scratch}
	if l.quant != nil {
		s.useInts(h.ints[v.lo:v.hi], leaf.sum, l.quant)
	} else {
		s.bins = h.bins[v.lo:v.hi]
	}
	if l.tree.numLeaves == 1 { // the root has no parent: it is smoothed towards itself
		s.parent = l.search.outputAtRoot(leaf.grad, leaf.hess)
	}
	if l.mono != nil {
		s.cons = l.mono.constraintOf(leaf.leaf, int32(f))
	}
	s.find()
	out.inner = int32(f)
	if l.cegb != nil {
		out.gain -= l.cegb.delta(int32(f), leaf.leaf, s.count, out)
	}
	if out.monotone != 0 && l.mono != nil {
		out.gain *= l.mono.penalty(leaf.leaf)
	}
	return s.splittable
}

// pickBest chooses among the features that may be used at this node.
func (l *learner) pickBest(which int, leaf int32) {
	best := &l.best[leaf]
	best.reset()
	for f := range l.used {
		if s := &l.found[which][f]; l.used[f] && l.nodeUsed[which][f] && s.better(best) {
			best.set(s)
		}
	}
}

// split splits a leaf by its best split and gets ready to look at its children.
func (l *learner) split(leaf int32) (left, right int32) {
	s := &l.best[leaf]
	m := &l.meta[s.inner]
	l.cegb.update(leaf, s)
	right = int32(l.tree.numLeaves)
	if l.mono != nil {
		l.mono.beforeSplit(leaf, right, s.monotone)
	}
	var categories []uint32
	if m.mapper.categorical {
		categories = bitset(s.categories, func(b int32) int32 { return b })
	}
	leftTable(l.part.table, m.mapper, s.threshold, s.defaultLeft, categories)
	l.part.split(leaf, right, l.columnOf(leaf, s.inner))
	s.leftCount, s.rightCount = int(l.part.count[leaf]), int(l.part.count[right])
	l.tree.split(leaf, s, m.mapper, s.gain+l.o.MinGainToSplit)
	a := leafState{leaf, s.leftCount, s.leftGrad, s.leftHess, s.leftOutput, s.leftSum}
	b := leafState{right, s.rightCount, s.rightGrad, s.rightHess, s.rightOutput, s.rightSum}
	if s.leftCount < s.rightCount {
		l.smaller, l.larger = a, b
	} else {
		l.smaller, l.larger = b, a
	}
	if l.mono != nil {
		done := *s // looking again at leaves may overwrite it
		l.mono.afterSplit(leaf, right, &done)
	}
	return leaf, right
}

// columnOf gives a column that tells the bins of a feature in the rows of a leaf, and makes part.table one of its numbers.
func (l *learner) columnOf(leaf, f int32) *binColumn {
	p, m := &l.ds.places[f], l.meta[f].mapper
	if p.column < 0 {
		l.ds.lookUp(&l.lookedUp, f, l.part.leaf(leaf))
		return &l.lookedUp
	}
	if !p.alone {
		own := l.bundleTable[:m.numBin]
		copy(own, l.part.table)
		table := l.part.table[:l.ds.layout.bins[p.column]]
		for number := range table {
			table[number] = own[m.mostFreqBin]
		}
		copy(table[p.lo:], own[p.skip:])
	}
	if p.packed {
		var own [16]uint8
		copy(own[:], l.part.table)
		for number := range l.part.table[:256] {
			l.part.table[number] = own[number>>p.shift&15]
		}
	}
	return &l.ds.bins[p.store]
}

// searchAgain looks for the best split of a leaf whose constraints have changed (RecomputeBestSplitForLeaf).
func (l *learner) searchAgain(leaf int32) {
	old, h := &l.best[leaf], l.pool[leaf]
	state := leafState{leaf: leaf, count: old.leftCount + old.rightCount, grad: old.leftGrad + old.rightGrad, hess: old.leftHess + old.rightHess,
		sum: old.leftSum + old.rightSum}
	if l.search.smooth > 0 {
		state.output = l.search.outputAtRoot(state.grad, state.hess)
	}
	l.drawNode(0, leaf)
	for f := range l.used {
		l.used[f] = l.cols.treeUsed[f] && h.splittable[f]
	}
	l.eachUsed(func(f int) { h.splittable[f] = l.searchFeature(f, h, &state, &l.found[0][f]) })
	l.pickBest(0, leaf)
}

// renewLeaves sets outputs to those of the true gradients and hessians, without smoothing or constraints
// (RenewIntGradTreeOutput).
func (l *learner) renewLeaves(grad, hess []float32) {
	par.For(l.tree.numLeaves, 1, func(leaf, _ int) {
		var g, h float64
		for _, row := range l.part.leaf(int32(leaf)) {
			g += float64(grad[row])
			h += float64(hess[row])
		}
		l.tree.setLeaf(leaf, l.search.outputAtRoot(g, h))
	})
}

// addScores adds the tree's output to the scores of the rows that it was trained on.
func (l *learner) addScores(t *tree, score []float64) {
	par.For(t.numLeaves, 1, func(leaf, _ int) {
		v := t.leafValue[leaf]
		for _, row := range l.part.leaf(int32(leaf)) {
			if t.linear {
				score[row] += l.ds.linearOutput(t, int32(leaf), row)
			} else {
				score[row] += v
			}
		}
	})
}
