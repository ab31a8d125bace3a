package gbdt

import "slices"

// findCategorical looks for the best set of categories to send left (FindBestThresholdCategoricalInner): one against
// the rest where there are few; otherwise the first or last ones in the order of G/(H + cat_smooth), which for one
// split is optimal (Fisher 1958).
func (s *search) findCategorical() {
	s.out.defaultLeft = false
	m := s.meta.mapper
	if s.cons != nil {
		s.cons.start(true)
	}
	if s.smooth > 0 {
		s.shift = s.gainOf(s.grad, s.hess, s.l2, s.parent) + s.minGain
	} else {
		s.shift = s.leafGain(s.grad, s.hess, s.l2, s.count, 0) + s.minGain
	}
	if m.numBin <= s.maxCatOneHot {
		s.findOneHot()
	} else {
		s.findManyVsMany()
	}
}

func (s *search) findOneHot() {
	n := s.meta.mapper.numBin
	factor := float64(s.count) / s.hess
	random := 0
	if s.extraTrees && n-1 > 0 {
		lo := 1 - s.meta.offset // the reference draws and compares the place in its histogram
		random = s.meta.rng.int(lo, n-s.meta.offset) + s.meta.offset
	}
	best := candidate{gain: minScore, threshold: -1}
	for b := 1; b < n; b++ {
		if s.ints.bins != nil {
			s.weighOneHotInt(&best, b, !s.extraTrees || b == random)
			continue
		}
		e := s.bins[b]
		count := roundInt(e.hess * factor)
		if count < s.minData || e.hess < s.minHess {
			continue
		}
		other := s.count - count
		otherHess := s.hess - e.hess - epsilon
		if other < s.minData || otherHess < s.minHess || s.extraTrees && b != random {
			continue
		}
		gain := s.splitGain(s.grad-e.grad, otherHess, e.grad, e.hess+epsilon, s.l2, other, count, s.parent, s.cons, 0)
		if gain <= s.shift {
			continue
		}
		s.splittable = true
		if gain > best.gain {
			best = candidate{grad: e.grad, hess: e.hess + epsilon, gain: gain, count: count, threshold: int32(b)}
		}
	}
	s.takeCategories(&best, s.l2, func(out []int32) []int32 { return append(out, best.threshold) })
}

func (s *search) findManyVsMany() {
	factor := float64(s.count) / s.hess
	order := s.scratch[:0]
	for b := 1; b < s.meta.mapper.numBin; b++ {
		if _, _, rows := s.bin(b, factor); float64(rows) >= s.catSmooth {
			order = append(order, int32(b))
		}
	}
	s.scratch = order
	key := func(b int32) float64 {
		grad, hess, _ := s.bin(int(b), factor)
		return grad / (hess + s.catSmooth)
	}
	slices.SortStableFunc(order, func(a, b int32) int {
		switch x, y := key(a), key(b); {
		case x < y:
			return -1
		case y < x:
			return 1
		}
		return 0
	})
	most := min(s.maxCatThreshold, (len(order)+1)/2)
	random := 0
	if top := max(min(most, len(order))-1, 0); s.extraTrees && top > 0 {
		random = s.meta.rng.int(0, top)
	}
	l2 := s.l2 + s.catL2
	best, backwards := candidate{gain: minScore, threshold: -1}, false
	for _, back := range []bool{false, true} {
		if s.scanCategories(order, back, most, random, l2, factor, &best) {
			backwards = back
		}
	}
	s.takeCategories(&best, l2, func(out []int32) []int32 {
		for i := range int(best.threshold) + 1 {
			if backwards {
				i = len(order) - 1 - i
			}
			out = append(out, order[i])
		}
		return out
	})
}

// bin gives the sums of a bin and an estimate of its rows.
func (s *search) bin(b int, factor float64) (grad, hess float64, rows int) {
	if s.ints.bins != nil {
		grad, hess = s.ints.values(s.ints.bins[b])
		return grad, hess, s.ints.rows(s.ints.bins[b])
	}
	e := s.bins[b]
	return e.grad, e.hess, roundInt(e.hess * factor)
}

// scanCategories sends one category after another left; best.threshold is the place of the last.
func (s *search) scanCategories(order []int32, back bool, most, random int, l2, factor float64, best *candidate) (found bool) {
	if s.ints.bins != nil {
		return s.scanCategoriesInt(order, back, most, random, l2, best)
	}
	lg, lh, lc, group := 0.0, epsilon, 0, 0
	for i := 0; i < len(order) && i < most; i++ {
		b := order[i]
		if back {
			b = order[len(order)-1-i]
		}
		e := s.bins[b]
		n := roundInt(e.hess * factor)
		lg += e.grad
		lh += e.hess
		lc += n
		group += n
		if lc < s.minData || lh < s.minHess {
			continue
		}
		rc := s.count - lc
		rh := s.hess - lh
		if rc < s.minData || rc < s.minDataPerGroup || rh < s.minHess {
			break
		}
		if group < s.minDataPerGroup {
			continue
		}
		group = 0
		if s.extraTrees && i != random {
			continue
		}
		gain := s.splitGain(lg, lh, s.grad-lg, rh, l2, lc, rc, s.parent, s.cons, 0)
		if gain <= s.shift {
			continue
		}
		s.splittable = true
		if gain > best.gain {
			*best = candidate{grad: lg, hess: lh, gain: gain, count: lc, threshold: int32(i)}
			found = true
		}
	}
	return found
}

func (s *search) takeCategories(c *candidate, l2 float64, list func([]int32) []int32) {
	if !s.splittable {
		return
	}
	if s.cons != nil {
		c.left, c.right = s.cons.left(), s.cons.right()
	}
	s.takeWith(c, false, l2) // the larger penalty holds for outputs too
	s.out.categories = list(s.out.categories[:0])
}
