package gbdt

import (
	"math"
	"unsafe"

	"github.com/hanji-ml/hanji/internal/kernel"
)

// splitInfo is the best split of a leaf, or of one feature of it (split_info.hpp). Hessians are without epsilon.
type splitInfo struct {
	feature, inner          int32 // −1: none
	threshold               int32 // bin
	defaultLeft             bool
	monotone                int8
	leftCount, rightCount   int
	leftOutput, rightOutput float64
	leftGrad, leftHess      float64
	rightGrad, rightHess    float64
	leftSum, rightSum       intSum // with use_quantized_grad
	gain                    float64
	categories              []int32 // bins that go left, of a categorical feature
}

var minScore = math.Inf(-1)

func (s *splitInfo) reset() {
	*s = splitInfo{feature: -1, gain: minScore, categories: s.categories[:0]}
}

// set copies a split; the list of categories keeps its memory.
func (s *splitInfo) set(from *splitInfo) {
	categories := append(s.categories[:0], from.categories...)
	*s = *from
	s.categories = categories
}

// better is the order of splits: by gain, then the smaller feature.
func (s *splitInfo) better(than *splitInfo) bool {
	if s.gain != than.gain {
		return s.gain > than.gain
	}
	return uint32(s.feature) < uint32(than.feature) // −1 comes last
}

// featureMeta is what the search for a split needs to know of a feature.
type featureMeta struct {
	feature    int32
	mapper     *binMapper
	offset     int  // 1 if the most frequent bin is bin 0, whose sums LightGBM does not keep
	shared     bool // nor does the histogram: see binView
	monotone   int8
	multiplier float64 // of gains, feature_contri
	rng        random  // for extra_trees
}

// searchParams are the options about splits.
type searchParams struct {
	l1, l2, maxDelta, smooth      float64
	minGain, minHess              float64
	minData                       int
	extraTrees                    bool
	monotone                      bool
	catL2, catSmooth              float64
	maxCatThreshold, maxCatOneHot int
	minDataPerGroup               int
	plain                         bool // gains are G²/(H+λ) and nothing else
}

func newSearchParams(o *Options) searchParams {
	p := searchParams{
		l1: o.LambdaL1, l2: o.LambdaL2, maxDelta: o.MaxDeltaStep, smooth: o.PathSmooth, minGain: o.MinGainToSplit,
		minHess: o.MinSumHessianInLeaf, minData: o.MinDataInLeaf, extraTrees: o.ExtraTrees, monotone: len(o.MonotoneConstraints) > 0,
		catL2: o.CatL2, catSmooth: o.CatSmooth, maxCatThreshold: o.MaxCatThreshold, maxCatOneHot: o.MaxCatToOneHot, minDataPerGroup: o.MinDataPerGroup,
	}
	if p.smooth <= epsilon {
		p.smooth = 0
	}
	p.maxDelta = max(p.maxDelta, 0)
	p.plain = p.l1 == 0 && p.maxDelta == 0 && p.smooth == 0 && !p.monotone && !p.extraTrees
	return p
}

// thresholdL1 moves a gradient sum towards zero.
func thresholdL1(s, l1 float64) float64 { return sign(s) * max(0, math.Abs(s)-l1) }

// output is the value of a leaf: −G/(H+λ₂), with L1, bound and smoothing (CalculateSplittedLeafOutput).
func (p *searchParams) output(grad, hess, l2 float64, count int, parent float64) float64 {
	v := 0.0
	if p.l1 > 0 {
		v = -thresholdL1(grad, p.l1) / (hess + l2)
	} else {
		v = -grad / (hess + l2)
	}
	if p.maxDelta > 0 && math.Abs(v) > p.maxDelta {
		v = sign(v) * p.maxDelta
	}
	if p.smooth > 0 {
		n := float64(count) / p.smooth
		v = v*n/(n+1) + parent/(n+1)
	}
	return v
}

// outputAtRoot is the value of a leaf without a parent: neither smoothing nor constraints.
func (p *searchParams) outputAtRoot(grad, hess float64) float64 {
	q := *p
	q.smooth = 0
	return q.output(grad, hess, p.l2, 0, 0)
}

// gainOf is what a leaf with that output takes off the loss, twice.
func (p *searchParams) gainOf(grad, hess, l2, output float64) float64 {
	if p.l1 > 0 {
		grad = thresholdL1(grad, p.l1)
	}
	return -(2*grad*output + (hess+l2)*output*output)
}

// leafGain is gainOf with the best output.
func (p *searchParams) leafGain(grad, hess, l2 float64, count int, parent float64) float64 {
	if p.maxDelta == 0 && p.smooth == 0 {
		if p.l1 > 0 {
			grad = thresholdL1(grad, p.l1)
		}
		return grad * grad / (hess + l2)
	}
	return p.gainOf(grad, hess, l2, p.output(grad, hess, l2, count, parent))
}

// splitGain adds the gains of both sides; with constraints it uses outputs within them, and a split against a
// feature's direction gains nothing.
func (p *searchParams) splitGain(lg, lh, rg, rh, l2 float64, lc, rc int, parent float64, c *constraint, monotone int8) float64 {
	if c == nil {
		return p.leafGain(lg, lh, l2, lc, parent) + p.leafGain(rg, rh, l2, rc, parent)
	}
	left := c.left().clamp(p.output(lg, lh, l2, lc, parent))
	right := c.right().clamp(p.output(rg, rh, l2, rc, parent))
	if monotone > 0 && left > right || monotone < 0 && left < right {
		return 0
	}
	return p.gainOf(lg, lh, l2, left) + p.gainOf(rg, rh, l2, right)
}

// search looks for the best split of one feature of one leaf.
type search struct {
	*searchParams
	meta       *featureMeta
	bins       []binSum
	ints       intSearch
	grad, hess float64 // sums of the leaf, hess with 2·epsilon
	count      int
	parent     float64 // output of the leaf itself, for smoothing
	cons       *constraint
	shift      float64 // gain of not splitting, plus min_gain_to_split
	random     int     // the only threshold that counts with extra_trees
	out        *splitInfo
	splittable bool
	scratch    []int32
}

// roundInt is LightGBM's RoundInt.
func roundInt(v float64) int { return int(v + 0.5) }

// find fills in out and tells whether the feature can still be split below this leaf (FindBestThreshold).
func (s *search) find() {
	s.out.reset()
	s.out.defaultLeft = true
	s.splittable = false
	s.out.feature = s.meta.feature
	if s.ints.bins == nil {
		s.hess += 2 * epsilon
	} else if s.hess == 0 {
		return // no rows to estimate
	}
	m := s.meta.mapper
	if m.categorical {
		s.findCategorical()
	} else {
		s.out.monotone = s.meta.monotone
		s.shift = s.leafGain(s.grad, s.hess, s.l2, s.count, s.parent) + s.minGain
		if s.random = 0; s.extraTrees && m.numBin > 2 {
			s.random = s.meta.rng.int(0, m.numBin-2)
		}
		switch {
		case m.numBin > 2 && m.missing == missingZero:
			s.scanRight(true, false)
			s.scanLeft(true, false)
		case m.numBin > 2 && m.missing == missingNaN:
			s.scanRight(false, true)
			s.scanLeft(false, true)
		default:
			s.scanRight(false, false)
			if m.missing == missingNaN {
				s.out.defaultLeft = false
			}
		}
	}
	s.out.gain *= s.meta.multiplier
}

// scanRight goes through thresholds from the last bin down; what is missing is on the left. With skipDefault zero is
// missing, with nan the last bin.
func (s *search) scanRight(skipDefault, nan bool) {
	m := s.meta.mapper
	common := s.plain && !skipDefault
	switch {
	case s.ints.bins != nil && common && !nan:
		s.scanPlainInt()
	case s.ints.bins != nil:
		s.scanRightInt(skipDefault, nan)
	case common:
		bins := s.bins[1 : m.numBin-boolIndex(nan)]
		moved, best := s.scanPlain(bins, true)
		best.threshold = int32(len(bins) - moved)
		best.grad, best.hess, best.count = s.grad-best.grad, s.hess-best.hess, s.count-best.count // the left side is the rest
		s.take(&best, true)
	default:
		s.walkRight(skipDefault, nan)
	}
}

// walkRight is scanRight bin by bin.
func (s *search) walkRight(skipDefault, nan bool) {
	m := s.meta.mapper
	factor := float64(s.count) / s.hess
	rg, rh, rc := 0.0, epsilon, 0
	best := candidate{gain: minScore, threshold: int32(m.numBin)}
	if s.cons != nil {
		s.cons.start(true)
	}
	last := m.numBin - 1
	if nan {
		last--
	}
	for b := last; b >= 1; b-- {
		if skipDefault && b == m.defaultBin {
			continue
		}
		e := s.bins[b]
		rg += e.grad
		rh += e.hess
		rc += roundInt(e.hess * factor)
		if rc < s.minData || rh < s.minHess {
			continue
		}
		lc := s.count - rc
		lh := s.hess - rh
		if lc < s.minData || lh < s.minHess {
			break
		}
		if s.extraTrees && b-1 != s.random {
			continue
		}
		lg := s.grad - rg
		var gain float64
		if s.plain {
			gain = lg*lg/(lh+s.l2) + rg*rg/(rh+s.l2)
		} else {
			if s.cons != nil && s.cons.varies() {
				s.cons.update(b)
			}
			gain = s.splitGain(lg, lh, rg, rh, s.l2, lc, rc, s.parent, s.cons, s.meta.monotone)
		}
		if gain <= s.shift {
			continue
		}
		s.splittable = true
		if gain > best.gain && best.constrain(s.cons) {
			best.grad, best.hess, best.count, best.threshold, best.gain = lg, lh, lc, int32(b-1), gain
		}
	}
	s.take(&best, true)
}

// scanPlain is the most common case: no bin is skipped, nothing is constrained or smoothed. It gives how many bins the best
// threshold moves, and what these have.
func (s *search) scanPlain(bins []binSum, backwards bool) (moved int, best candidate) {
	k := kernel.SplitScan{Grad: s.grad, Hess: s.hess, L2: s.l2, Gain: s.shift, MinHess: s.minHess, Factor: float64(s.count) / s.hess,
		Count: s.count, MinData: s.minData, Moved: [2]float64{0, epsilon}}
	kernel.ScanSplits(unsafe.Slice((*[2]float64)(unsafe.Pointer(unsafe.SliceData(bins))), len(bins)), backwards, &k)
	if k.At == 0 {
		return 0, candidate{gain: minScore}
	}
	s.splittable = true
	return k.At, candidate{gain: k.Gain, grad: k.Moved[0], hess: k.Moved[1], count: k.Count}
}

// scanLeft goes through thresholds from the first bin up; what is missing is on the right.
func (s *search) scanLeft(skipDefault, nan bool) {
	switch {
	case s.ints.bins != nil:
		s.scanLeftInt(skipDefault, nan)
	case s.plain && !skipDefault && s.meta.offset == 0:
		moved, best := s.scanPlain(s.bins[:s.meta.mapper.numBin-1], false)
		best.threshold = int32(moved - 1)
		s.take(&best, false)
	default:
		s.walkLeft(skipDefault, nan)
	}
}

// walkLeft is scanLeft bin by bin.
func (s *search) walkLeft(skipDefault, nan bool) {
	m := s.meta.mapper
	factor := float64(s.count) / s.hess
	lg, lh, lc := 0.0, epsilon, 0
	best := candidate{gain: minScore, threshold: int32(m.numBin)}
	if s.cons != nil {
		s.cons.start(false)
	}
	first := s.meta.offset
	rest := nan && s.meta.offset == 1 // bin 0 is what the others leave
	if rest {
		lg, lh, lc = s.grad, s.hess-epsilon, s.count
		for _, e := range s.bins[1:] {
			lg -= e.grad
			lh -= e.hess
			lc -= roundInt(e.hess * factor)
		}
		first = 0
	}
	for b := first; b <= m.numBin-2; b++ {
		if skipDefault && b == m.defaultBin {
			continue
		}
		if b > 0 || !rest {
			e := s.bins[b]
			lg += e.grad
			lh += e.hess
			lc += roundInt(e.hess * factor)
		}
		if lc < s.minData || lh < s.minHess {
			continue
		}
		rc := s.count - lc
		rh := s.hess - lh
		if rc < s.minData || rh < s.minHess {
			break
		}
		if s.extraTrees && b != s.random {
			continue
		}
		rg := s.grad - lg
		var gain float64
		if s.plain {
			gain = lg*lg/(lh+s.l2) + rg*rg/(rh+s.l2)
		} else {
			gain = s.splitGain(lg, lh, rg, rh, s.l2, lc, rc, s.parent, s.cons, s.meta.monotone)
		}
		if gain <= s.shift {
			continue
		}
		s.splittable = true
		if gain > best.gain && best.constrain(s.cons) {
			best.grad, best.hess, best.count, best.threshold, best.gain = lg, lh, lc, int32(b), gain
		}
	}
	s.take(&best, false)
}

// candidate is the left side of the best threshold of one scan.
type candidate struct {
	grad, hess, gain float64
	sum              intSum // in place of grad, hess and count
	count            int
	threshold        int32
	left, right      bounds
}

// constrain notes the constraints that hold at this threshold; false if nothing can satisfy them.
func (c *candidate) constrain(cons *constraint) bool {
	if cons == nil {
		return true
	}
	c.left, c.right = cons.left(), cons.right()
	return c.left.min <= c.left.max && c.right.min <= c.right.max
}

// take makes a candidate the split if it beats the one so far.
func (s *search) take(c *candidate, defaultLeft bool) { s.takeWith(c, defaultLeft, s.l2) }

func (s *search) takeWith(c *candidate, defaultLeft bool, l2 float64) {
	if !s.splittable || !(c.gain > s.out.gain+s.shift) {
		return
	}
	if s.ints.bins != nil {
		s.takeInt(c, defaultLeft, l2)
		return
	}
	o := s.out
	o.threshold, o.defaultLeft = c.threshold, defaultLeft
	rg, rh, rc := s.grad-c.grad, s.hess-c.hess, s.count-c.count
	o.leftOutput = s.output(c.grad, c.hess, l2, c.count, s.parent)
	o.rightOutput = s.output(rg, rh, l2, rc, s.parent)
	if s.cons != nil {
		o.leftOutput, o.rightOutput = c.left.clamp(o.leftOutput), c.right.clamp(o.rightOutput)
	}
	o.leftCount, o.leftGrad, o.leftHess = c.count, c.grad, c.hess-epsilon
	o.rightCount, o.rightGrad, o.rightHess = rc, rg, rh-epsilon
	o.gain = c.gain - s.shift
}
