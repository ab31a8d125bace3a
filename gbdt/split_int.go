package gbdt

// intSearch is what a search goes through with use_quantized_grad, in place of search.bins. Sums stay integers and become
// numbers only for gains and outputs (FindBestThresholdSequentiallyInt, FindBestThresholdCategoricalIntInner).
type intSearch struct {
	bins                 []intSum // nil: not used
	total                intSum   // of the leaf
	gradScale, hessScale float64
	factor               float64 // rows for each unit of hessian
}

// useInts makes a search one of integers.
func (s *search) useInts(bins []intSum, total intSum, d *discretizer) {
	s.ints = intSearch{bins, total, d.gradScale, d.hessScale, float64(s.count) / total.hess()}
	s.grad, s.hess = s.ints.values(total)
}

func (n *intSearch) values(p intSum) (grad, hess float64) {
	return p.grad() * n.gradScale, p.hess() * n.hessScale
}

// rows estimates how many rows have such a sum of hessians.
func (n *intSearch) rows(p intSum) int { return roundInt(p.hess() * n.factor) }

// gain of a split; the hessian of each side gets eps.
func (s *search) gainInt(left, right intSum, lc, rc int, l2, eps float64, monotone int8) float64 {
	lg, lh := s.ints.values(left)
	rg, rh := s.ints.values(right)
	return s.splitGain(lg, float64(lh)+eps, rg, float64(rh)+eps, l2, lc, rc, s.parent, s.cons, monotone)
}

// enoughInt tells whether a side may be that small.
func (s *search) enoughInt(count int, side intSum) bool {
	return count >= s.minData && side.hess()*s.ints.hessScale >= s.minHess
}

// weighInt looks at a threshold with enough rows on both sides.
func (s *search) weighInt(best *candidate, left, right intSum, lc, rc, threshold int) {
	gain := s.gainInt(left, right, lc, rc, s.l2, epsilon, s.meta.monotone)
	if gain <= s.shift {
		return
	}
	s.splittable = true
	if gain > best.gain && best.constrain(s.cons) {
		best.sum, best.threshold, best.gain = left, int32(threshold), gain
	}
}

// scanRightInt is scanRight.
func (s *search) scanRightInt(skipDefault, nan bool) {
	m := s.meta.mapper
	best := candidate{gain: minScore, threshold: int32(m.numBin)}
	if s.cons != nil {
		s.cons.start(true)
	}
	last := m.numBin - 1
	if nan {
		last--
	}
	var right intSum
	for b := last; b >= 1; b-- {
		if skipDefault && b == m.defaultBin {
			continue
		}
		right += s.ints.bins[b]
		rc := s.ints.rows(right)
		if !s.enoughInt(rc, right) {
			continue
		}
		left, lc := s.ints.total-right, s.count-rc
		if !s.enoughInt(lc, left) {
			break
		}
		if s.extraTrees && b-1 != s.random {
			continue
		}
		if s.cons != nil && s.cons.varies() {
			s.cons.update(b)
		}
		s.weighInt(&best, left, right, lc, rc, b-1)
	}
	s.take(&best, true)
}

// scanPlainInt is scanPlain. Integers are exact in float64 too, so the left side is the rest of the leaf there.
func (s *search) scanPlainInt() {
	n := &s.ints
	bins, count, l2, shift := n.bins, s.count, s.l2, s.shift
	gradScale, hessScale, factor, minData, minHess := n.gradScale, n.hessScale, n.factor, s.minData, s.minHess
	grad, hess := n.total.grad(), n.total.hess()
	best := candidate{gain: minScore, threshold: int32(len(bins))}
	var right intSum
	for b := len(bins) - 1; b >= 1; b-- {
		right += bins[b]
		h := right.hess()
		rc, rh := roundInt(h*factor), h*hessScale
		if rc < minData || rh < minHess {
			continue
		}
		lc, lh := count-rc, (hess-h)*hessScale
		if lc < minData || lh < minHess {
			break
		}
		g := right.grad()
		lg, rg := (grad-g)*gradScale, g*gradScale
		gain := lg*lg/(float64(lh)+epsilon+l2) + rg*rg/(float64(rh)+epsilon+l2)
		if gain > shift {
			s.splittable = true
			if gain > best.gain {
				best.sum, best.threshold, best.gain = n.total-right, int32(b-1), gain
			}
		}
	}
	s.take(&best, true)
}

// scanLeftInt is scanLeft.
func (s *search) scanLeftInt(skipDefault, nan bool) {
	m := s.meta.mapper
	best := candidate{gain: minScore, threshold: int32(m.numBin)}
	if s.cons != nil {
		s.cons.start(false)
	}
	first := s.meta.offset
	if nan {
		first = 0
	}
	var left intSum
	for b := first; b <= m.numBin-2; b++ {
		if skipDefault && b == m.defaultBin {
			continue
		}
		left += s.ints.bins[b]
		lc := s.ints.rows(left)
		if !s.enoughInt(lc, left) {
			continue
		}
		right, rc := s.ints.total-left, s.count-lc
		if !s.enoughInt(rc, right) {
			break
		}
		if s.extraTrees && b != s.random {
			continue
		}
		s.weighInt(&best, left, right, lc, rc, b)
	}
	s.take(&best, false)
}

// takeInt is takeWith.
func (s *search) takeInt(c *candidate, defaultLeft bool, l2 float64) {
	o, n := s.out, &s.ints
	o.threshold, o.defaultLeft, o.gain = c.threshold, defaultLeft, c.gain-s.shift
	o.leftSum, o.rightSum = c.sum, n.total-c.sum
	o.leftGrad, o.leftHess = n.values(o.leftSum)
	o.rightGrad, o.rightHess = n.values(o.rightSum)
	o.leftCount, o.rightCount = n.rows(o.leftSum), n.rows(o.rightSum)
	o.leftOutput = s.output(o.leftGrad, o.leftHess, l2, o.leftCount, s.parent)
	o.rightOutput = s.output(o.rightGrad, o.rightHess, l2, o.rightCount, s.parent)
	if s.cons != nil {
		o.leftOutput, o.rightOutput = c.left.clamp(o.leftOutput), c.right.clamp(o.rightOutput)
	}
}

// weighOneHotInt is what findOneHot does for a bin.
func (s *search) weighOneHotInt(best *candidate, b int, wanted bool) {
	this := s.ints.bins[b]
	other := s.ints.total - this
	count := s.ints.rows(this)
	rest := s.count - count
	if !s.enoughInt(count, this) || !s.enoughInt(rest, other) || !wanted {
		return
	}
	gain := s.gainInt(other, this, rest, count, s.l2, 0, 0)
	if gain <= s.shift {
		return
	}
	s.splittable = true
	if gain > best.gain {
		*best = candidate{sum: this, gain: gain, threshold: int32(b)}
	}
}

// scanCategoriesInt is scanCategories.
func (s *search) scanCategoriesInt(order []int32, back bool, most, random int, l2 float64, best *candidate) (found bool) {
	var left intSum
	lc, group := 0, 0
	for i := 0; i < len(order) && i < most; i++ {
		b := order[i]
		if back {
			b = order[len(order)-1-i]
		}
		left += s.ints.bins[b]
		n := s.ints.rows(s.ints.bins[b])
		lc += n
		group += n
		if !s.enoughInt(lc, left) {
			continue
		}
		right, rc := s.ints.total-left, s.count-lc
		if !s.enoughInt(rc, right) || rc < s.minDataPerGroup {
			break
		}
		if group < s.minDataPerGroup {
			continue
		}
		group = 0
		if s.extraTrees && i != random {
			continue
		}
		gain := s.gainInt(left, right, lc, rc, l2, 0, 0)
		if gain <= s.shift {
			continue
		}
		s.splittable = true
		if gain > best.gain {
			*best = candidate{sum: left, gain: gain, threshold: int32(i)}
			found = true
		}
	}
	return found
}
