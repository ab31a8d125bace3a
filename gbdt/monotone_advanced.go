package gbdt

import (
	"math"
	"slices"
)

// steps is a bound that depends on the bin of a feature: v[i] holds for the bins from at[i] up to at[i+1].
type steps struct {
	at []int32
	v  []float64
}

func (s *steps) reset(v float64) { s.at, s.v = append(s.at[:0], 0), append(s.v[:0], v) }

func (s *steps) copyFrom(o *steps) { s.at, s.v = append(s.at[:0], o.at...), append(s.v[:0], o.v...) }

// stepConstraint is the constraint of the advanced method for one feature of one leaf: a threshold's left child must
// keep the bounds of all bins on its left, the right child those of all bins on its right.
type stepConstraint struct {
	min, max           steps
	staleMin, staleMax bool // to be found anew before it is used

	minUp, minDown, maxUp, maxDown []float64 // running extremes, from the left and from the right
	iMinUp, iMinDown               int
	iMaxUp, iMaxDown               int
}

func (c *stepConstraint) reset() {
	c.min.reset(-math.MaxFloat64)
	c.max.reset(math.MaxFloat64)
}

func (c *stepConstraint) copyFrom(o *stepConstraint) {
	c.min.copyFrom(&o.min)
	c.max.copyFrom(&o.max)
	c.staleMin, c.staleMax = o.staleMin, o.staleMax
}

func (c *stepConstraint) bound(v float64, upper, refresh bool) {
	if upper {
		c.staleMax = c.staleMax || refresh
		for i := range c.max.v {
			c.max.v[i] = min(c.max.v[i], v)
		}
		return
	}
	c.staleMin = c.staleMin || refresh
	for i := range c.min.v {
		c.min.v[i] = max(c.min.v[i], v)
	}
}

func (c *stepConstraint) varies() bool { return len(c.min.at) > 1 || len(c.max.at) > 1 }

func (c *stepConstraint) start(reverse bool) {
	c.minUp, c.minDown = append(c.minUp[:0], c.min.v...), append(c.minDown[:0], c.min.v...)
	c.maxUp, c.maxDown = append(c.maxUp[:0], c.max.v...), append(c.maxDown[:0], c.max.v...)
	for i := 1; i < len(c.minUp); i++ {
		c.minUp[i] = max(c.minUp[i], c.minUp[i-1])
	}
	for i := len(c.minDown) - 2; i >= 0; i-- {
		c.minDown[i] = max(c.minDown[i], c.minDown[i+1])
	}
	for i := 1; i < len(c.maxUp); i++ {
		c.maxUp[i] = min(c.maxUp[i], c.maxUp[i-1])
	}
	for i := len(c.maxDown) - 2; i >= 0; i-- {
		c.maxDown[i] = min(c.maxDown[i], c.maxDown[i+1])
	}
	c.iMinUp, c.iMinDown, c.iMaxUp, c.iMaxDown = 0, 0, 0, 0
	if reverse {
		c.iMinUp, c.iMinDown = len(c.min.at)-1, len(c.min.at)-1
		c.iMaxUp, c.iMaxDown = len(c.max.at)-1, len(c.max.at)-1
	}
}

// update moves down to the split between bins b−1 and b.
func (c *stepConstraint) update(b int32) {
	back := func(i *int, at []int32, bin int32) {
		for *i > 0 && at[*i] > bin {
			*i--
		}
	}
	back(&c.iMinUp, c.min.at, b-1)
	back(&c.iMinDown, c.min.at, b)
	back(&c.iMaxUp, c.max.at, b-1)
	back(&c.iMaxDown, c.max.at, b)
}

func (c *stepConstraint) left() bounds  { return bounds{c.minUp[c.iMinUp], c.maxUp[c.iMaxUp]} }
func (c *stepConstraint) right() bounds { return bounds{c.minDown[c.iMinDown], c.maxDown[c.iMaxDown]} }

// tighten makes v the bound of bins from…to−1 where it is the tighter one (AdvancedLeafConstraints::
// UpdateConstraints); end is the number of bins. With lower it is a lower bound.
func (s *steps) tighten(v float64, from, to int32, lower bool, end int32) {
	tighter := func(a, b float64) bool { return lower && a > b || !lower && a < b }
	started, ended := false, false
	before := math.MaxFloat64 // what held before the step in hand, as it was
	if lower {
		before = -before
	}
	insert := func(i int, at int32, v float64) {
		s.at, s.v = slices.Insert(s.at, i, at), slices.Insert(s.v, i, v)
	}
	for i := 0; i < len(s.at); i++ {
		now := s.v[i]
		inside := s.at[i] == from || s.at[i] > from && s.at[i] < to
		if inside && tighter(v, s.v[i]) {
			s.v[i] = v
		}
		if s.at[i] == from {
			started = true
		}
		if s.at[i] > from && !started {
			started = true
			if tighter(v, before) {
				insert(i, from, v)
				i++
			}
		}
		if s.at[i] == to {
			ended = true
			break
		}
		if s.at[i] > to {
			if i != 0 && before != s.v[i-1] {
				insert(i, to, before)
			}
			ended = true
			break
		}
		if i != 0 && s.v[i] == s.v[i-1] { // two equal steps are one
			s.at, s.v = slices.Delete(s.at, i, i+1), slices.Delete(s.v, i, i+1)
			i--
		}
		before = now
	}
	if !started {
		if tighter(v, s.v[len(s.v)-1]) {
			s.at, s.v = append(s.at, from), append(s.v, v)
		} else {
			ended = true
		}
	}
	if !ended && to != end && before != s.v[len(s.v)-1] {
		s.at, s.v = append(s.at, to), append(s.v, before)
	}
}

// refresh finds the bounds of a feature of a leaf anew, from the leaves that touch it.
func (m *monotone) refresh(c *stepConstraint, leaf, f int32) {
	lower := c.staleMin
	s := &c.max
	if lower {
		s = &c.min
		s.reset(-math.MaxFloat64)
	} else {
		s.reset(math.MaxFloat64)
	}
	end := int32(m.l.meta[f].mapper.numBin)
	w := boundWalk{m: m, feature: f, lower: lower, end: end, out: s}
	w.goUp(^leaf)
	c.staleMin, c.staleMax = false, false
}

// boundWalk looks for the leaves that bound one leaf.
type boundWalk struct {
	m       *monotone
	feature int32 // the bounds are steps over its bins
	lower   bool
	end     int32
	out     *steps
	up      path
}

func (w *boundWalk) goUp(node int32) {
	t := w.m.tree
	from, to := int32(0), w.end
	for {
		var at int32
		if node < 0 {
			at = t.leafParent[^node]
		} else {
			at = w.m.parent[node]
		}
		if at < 0 {
			return
		}
		right, f := t.right[at] == node, t.splitInner[at]
		if f == w.feature && !w.m.categorical(at) {
			if right {
				from = max(t.thresholdBin[at], from)
			} else {
				to = min(t.thresholdBin[at]+1, to)
			}
		}
		if !w.m.categorical(at) && w.up.touches(f, right) {
			if d := w.m.direction(at); d != 0 && ((d < 0) != right) == w.lower {
				other := t.right[at]
				if right {
					other = t.left[at]
				}
				w.goDown(other, f, from, to)
			}
			w.up.push(f, t.thresholdBin[at], right)
		}
		node = at
	}
}

// goDown takes the outputs of leaves below node as bounds for bins from…to−1; root is the feature of the monotone split
// that it came by.
func (w *boundWalk) goDown(node, root, from, to int32) {
	t := w.m.tree
	if node < 0 {
		w.out.tighten(t.leafValue[^node], from, to, w.lower, w.end)
		return
	}
	left, right := w.m.sides(&w.up, node)
	same := t.splitInner[node] == w.feature
	needLeft, needRight := true, true
	if d := w.m.direction(node); d != 0 && !(same && root != w.feature) {
		// of two sides that are ordered only the one that bounds more matters
		needLeft = (d < 0) == w.lower
		needRight = !needLeft
	}
	if left && (needLeft || !right) {
		end := to
		if same {
			end = min(t.thresholdBin[node]+1, to)
		}
		w.goDown(t.left[node], root, from, end)
	}
	if right && (needRight || !left) {
		begin := from
		if same {
			begin = max(t.thresholdBin[node]+1, from)
		}
		w.goDown(t.right[node], root, begin, to)
	}
}
