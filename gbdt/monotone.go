package gbdt

import "math"

// bounds are the least and the largest output that a leaf may have.
type bounds struct{ min, max float64 }

var unbounded = bounds{-math.MaxFloat64, math.MaxFloat64}

func (b bounds) clamp(v float64) float64 {
	switch {
	case v < b.min:
		return b.min
	case v > b.max:
		return b.max
	}
	return v
}

// constraint is what monotone features above a leaf ask of a split of it. With the basic and the intermediate method
// both children have the leaf's own bounds; with the advanced one they depend on the threshold.
type constraint struct {
	bounds
	steps *stepConstraint // advanced method only
}

func (c *constraint) left() bounds {
	if c.steps != nil {
		return c.steps.left()
	}
	return c.bounds
}

func (c *constraint) right() bounds {
	if c.steps != nil {
		return c.steps.right()
	}
	return c.bounds
}

// start gets ready for a scan over thresholds, from the right if reverse.
func (c *constraint) start(reverse bool) {
	if c.steps != nil {
		c.steps.start(reverse)
	}
}

func (c *constraint) varies() bool { return c.steps != nil && c.steps.varies() }

// update moves on to the threshold before bin b.
func (c *constraint) update(b int) { c.steps.update(int32(b)) }

// monotone keeps the constraints of all leaves of a tree that is being grown (monotone_constraints.hpp; the methods are
// those of Auguste, Malory and Smirnov 2020, "A Better Method to Enforce Monotonic Constraints").
type monotone struct {
	l        *learner
	tree     *tree
	basic    bool
	advanced bool
	cons     []constraint       // by leaf; the basic and the intermediate method
	steps    [][]stepConstraint // by leaf and feature; the advanced method
	stepCons [][]constraint
	below    []bool  // leaf lies below a monotone split
	parent   []int32 // of splits
	changed  []int32 // leaves whose best split must be looked for again
}

func newMonotone(l *learner) *monotone {
	n, features := l.o.NumLeaves, len(l.ds.used)
	m := &monotone{l: l, basic: l.o.MonotoneConstraintsMethod == "basic", advanced: l.o.MonotoneConstraintsMethod == "advanced",
		cons: make([]constraint, n), below: make([]bool, n), parent: make([]int32, n)}
	if m.advanced {
		m.steps, m.stepCons = make([][]stepConstraint, n), make([][]constraint, n)
		for i := range n {
			m.steps[i], m.stepCons[i] = make([]stepConstraint, features), make([]constraint, features)
			for f := range features {
				m.stepCons[i][f].steps = &m.steps[i][f]
			}
		}
	}
	return m
}

func (m *monotone) reset(t *tree) {
	m.tree = t
	for i := range m.cons {
		m.cons[i].bounds = unbounded
		m.below[i], m.parent[i] = false, -1
		if m.advanced {
			for f := range m.steps[i] {
				m.steps[i][f].reset()
			}
		}
	}
}

// constraintOf gives the constraint for splitting a leaf on a feature.
func (m *monotone) constraintOf(leaf, f int32) *constraint {
	if !m.advanced {
		return &m.cons[leaf]
	}
	if s := &m.steps[leaf][f]; !m.l.meta[f].mapper.categorical && (s.staleMin || s.staleMax) {
		m.refresh(s, leaf, f)
	}
	return &m.stepCons[leaf][f]
}

// penalty multiplies the gain of a monotone split: monotone_penalty forbids them near the root.
func (m *monotone) penalty(leaf int32) float64 {
	depth, p := float64(m.tree.leafDepth[leaf]), m.l.o.MonotonePenalty
	switch {
	case p >= depth+1:
		return epsilon
	case p <= 1:
		return 1 - p/math.Pow(2, depth) + epsilon
	}
	return 1 - math.Pow(2, p-1-depth) + epsilon
}

// beforeSplit notes where the new split hangs.
func (m *monotone) beforeSplit(leaf, right int32, direction int8) {
	if direction != 0 || m.below[leaf] {
		m.below[leaf], m.below[right] = true, true
	}
	m.parent[right-1] = m.tree.leafParent[leaf]
}

// bound tightens the bounds of a leaf; it tells whether that changed anything.
func (m *monotone) bound(leaf int32, v float64, upper, refresh bool) (changed bool) {
	if m.advanced {
		for f := range m.steps[leaf] {
			m.steps[leaf][f].bound(v, upper, refresh)
		}
		return true // where the bounds depend on the threshold a look is always needed
	}
	b := &m.cons[leaf].bounds
	switch {
	case upper && v < b.max:
		b.max = v
	case !upper && v > b.min:
		b.min = v
	default:
		return false
	}
	return true
}

// afterSplit gives the two new leaves their bounds, and looks again at other leaves that are bounded by them.
func (m *monotone) afterSplit(left, right int32, s *splitInfo) {
	numeric := !m.l.meta[s.inner].mapper.categorical
	if !m.basic && !m.below[left] {
		return
	}
	m.cons[right] = m.cons[left]
	if m.advanced {
		for f := range m.steps[right] {
			m.steps[right][f].copyFrom(&m.steps[left][f])
		}
	}
	toLeft, toRight := s.rightOutput, s.leftOutput // each is bounded by the other
	if m.basic {
		toLeft = (s.leftOutput + s.rightOutput) / 2
		toRight = toLeft
	}
	if numeric && s.monotone != 0 {
		m.bound(left, toLeft, s.monotone > 0, false)
		m.bound(right, toRight, s.monotone < 0, false)
	}
	if m.basic {
		return
	}
	m.changed = m.changed[:0]
	var up path
	m.goUp(m.tree.leafParent[right], &up, s)
	for _, leaf := range m.changed {
		m.l.searchAgain(leaf)
	}
}

// path is the way from a leaf up to the root: for each split whose other side matters its feature, threshold, and
// whether the leaf lies on its right.
type path struct {
	feature, threshold []int32
	right              []bool
}

func (p *path) push(feature, threshold int32, right bool) {
	p.feature, p.threshold, p.right = append(p.feature, feature), append(p.threshold, threshold), append(p.right, right)
}

// touches tells whether the other side of a split may touch the leaf below: not once the path has left a split of the
// same feature by the same side.
func (p *path) touches(feature int32, right bool) bool {
	for i, f := range p.feature {
		if f == feature && p.right[i] == right {
			return false
		}
	}
	return true
}

// sides tells which children of a split touch the leaf at the start of the path.
func (m *monotone) sides(p *path, node int32) (left, right bool) {
	left, right = true, true
	if m.categorical(node) {
		return
	}
	f, threshold := m.tree.splitInner[node], m.tree.thresholdBin[node]
	for i, pf := range p.feature {
		if pf != f {
			continue
		}
		if threshold >= p.threshold[i] && !p.right[i] {
			right = false
		}
		if threshold <= p.threshold[i] && p.right[i] {
			left = false
		}
	}
	return
}

func (m *monotone) categorical(node int32) bool {
	return m.tree.decisionType[node]&decisionCategorical != 0
}

func (m *monotone) direction(node int32) int8 {
	return m.l.o.MonotoneConstraints[m.tree.splitFeature[node]]
}

// goUp walks up from a split; where it meets a monotone one it goes down the other side to bound the leaves there.
func (m *monotone) goUp(node int32, up *path, s *splitInfo) {
	t := m.tree
	for at := m.parent[node]; at >= 0; node, at = at, m.parent[at] {
		right := t.right[at] == node
		if m.categorical(at) || !up.touches(t.splitInner[at], right) {
			continue
		}
		if d := m.direction(at); d != 0 {
			other := t.right[at]
			if right {
				other = t.left[at]
			}
			m.goDown(other, up, (d < 0) != right, s, true, true)
		}
		up.push(t.splitInner[at], t.thresholdBin[at], right)
	}
}

// goDown bounds the leaves below node by the outputs of the new leaves that they touch.
func (m *monotone) goDown(node int32, up *path, upper bool, s *splitInfo, useLeft, useRight bool) {
	t := m.tree
	if node < 0 {
		leaf := ^node
		if m.l.best[leaf].gain == minScore {
			return // it will not be split
		}
		lo, hi := s.leftOutput, s.leftOutput
		switch {
		case useLeft && useRight:
			lo, hi = min(s.leftOutput, s.rightOutput), max(s.leftOutput, s.rightOutput)
		case useRight:
			lo, hi = s.rightOutput, s.rightOutput
		}
		v := hi
		if upper {
			v = lo
		}
		if m.bound(leaf, v, upper, true) {
			m.changed = append(m.changed, leaf)
		}
		return
	}
	left, right := m.sides(up, node)
	leftForRight, rightForLeft := true, true
	if !m.categorical(node) && t.splitInner[node] == s.inner {
		leftForRight = t.thresholdBin[node] < s.threshold
		rightForLeft = t.thresholdBin[node] > s.threshold
	}
	if left {
		m.goDown(t.left[node], up, upper, s, useLeft, rightForLeft && useRight)
	}
	if right {
		m.goDown(t.right[node], up, upper, s, leftForRight && useLeft, useRight)
	}
}
