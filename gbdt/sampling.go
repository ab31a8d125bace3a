package gbdt

import (
	"math"
	"slices"

	"github.com/hanji-ml/hanji/internal/par"
)

// sampler chooses the rows that a tree is trained on: bagging (bagging.hpp) or GOSS (goss.hpp). Each block of 1024 rows
// has a generator of its own.
type sampler struct {
	o        *Options
	ds       *Dataset
	goss     bool
	balanced bool // separate fractions of both classes
	active   bool
	fresh    bool // nothing drawn yet
	classes  int
	rngs     []random
	in, out  []int32 // rows in the bag and out of it
	subset   bool    // LightGBM would train on a copy of the bag
	queries  []int32 // in the bag, with bagging_by_query

	size            []float32 // of gradients, for GOSS
	inRoom, outRoom []int32   // memory of its bag
}

// bagBlock is the rows that share a generator (bagging_rand_block_).
const bagBlock = 1024

func newSampler(ds *Dataset, o *Options, obj *objective) *sampler {
	s := &sampler{o: o, ds: ds, classes: obj.classes, goss: o.DataSampleStrategy == "goss", fresh: true}
	s.balanced = !s.goss && (o.PosBaggingFraction < 1 || o.NegBaggingFraction < 1) && obj.positives > 0
	s.active = s.goss || (o.BaggingFraction < 1 || s.balanced) && o.BaggingFreq > 0
	if !s.active {
		return s
	}
	bag := float64(int(o.BaggingFraction * float64(ds.rows)))
	if s.balanced {
		bag = float64(int(float64(obj.positives)*o.PosBaggingFraction) + int(float64(ds.rows-obj.positives)*o.NegBaggingFraction))
	}
	s.subset = !s.goss && bag/float64(ds.rows)/float64(o.BaggingFreq) <= 0.5 && len(ds.used) < 100
	for i := range (ds.rows + bagBlock - 1) / bagBlock {
		s.rngs = append(s.rngs, newRandom(o.BaggingSeed+i))
	}
	return s
}

// draw makes the bag of an iteration; a nil bag is all rows. GOSS scales gradients and hessians of the rows that stand
// for others.
func (s *sampler) draw(iter int, grad, hess []float32) {
	switch {
	case !s.active:
	case s.goss:
		if s.in, s.out = nil, nil; iter >= int(1/s.o.LearningRate) {
			s.drawGOSS(grad, hess)
		}
	case s.fresh || iter%s.o.BaggingFreq == 0:
		s.fresh = false
		s.drawBag()
	}
}

// copied tells whether LightGBM would train on a copy of the bag, in which rows are numbered anew.
func (s *sampler) copied() bool {
	return s.in != nil && (s.subset || s.goss && s.o.TopRate+s.o.OtherRate <= 0.5)
}

// drawBag draws rows or queries. With queries and a bag of more than half the rows LightGBM does not bring the scores of
// the rows outside up to date; here they always are.
func (s *sampler) drawBag() {
	s.in, s.out = s.in[:0], s.out[:0]
	if s.o.BaggingByQuery {
		s.queries = s.queries[:0]
		for q := range len(s.ds.queries) - 1 {
			to := &s.out
			if float64(s.rngs[q/bagBlock].float()) < s.o.BaggingFraction {
				s.queries = append(s.queries, int32(q))
				to = &s.in
			}
			for i := s.ds.queries[q]; i < s.ds.queries[q+1]; i++ {
				*to = append(*to, i)
			}
		}
		return
	}
	for i := range s.ds.rows {
		fraction := s.o.BaggingFraction
		if s.balanced {
			if fraction = s.o.NegBaggingFraction; s.ds.label[i] > 0 {
				fraction = s.o.PosBaggingFraction
			}
		}
		if float64(s.rngs[i/bagBlock].float()) < fraction {
			s.in = append(s.in, int32(i))
		} else {
			s.out = append(s.out, int32(i))
		}
	}
}

// drawGOSS keeps the rows with the largest |gradient·hessian| and draws from the others.
func (s *sampler) drawGOSS(grad, hess []float32) {
	n := s.ds.rows
	if s.size == nil {
		s.size = make([]float32, n)
	}
	size := s.size
	par.For(n, gradChunk, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			size[i] = 0
			for c := range s.classes {
				size[i] += float32(math.Abs(float64(grad[c*n+i] * hess[c*n+i])))
			}
		}
	})
	top := max(1, int(float64(n)*s.o.TopRate))
	other := int(float64(n) * s.o.OtherRate)
	threshold := kthLargest(size, top)
	multiply := float32(n-top) / float32(other)
	in, out := slices.Grow(s.inRoom[:0], n), slices.Grow(s.outRoom[:0], n)
	big := 0
	for i := range n {
		if size[i] >= threshold {
			in = append(in, int32(i))
			big++
			continue
		}
		need := other - (len(in) - big)
		rest := n - i - (top - big)
		if float64(s.rngs[i/bagBlock].float()) >= float64(need)/float64(rest) {
			out = append(out, int32(i))
			continue
		}
		in = append(in, int32(i))
		for c := range s.classes {
			grad[c*n+i] *= multiply
			hess[c*n+i] *= multiply
		}
	}
	s.in, s.out, s.inRoom, s.outRoom = in, out, in, out
}

// kthLargest gives the k-th largest of numbers that are not negative, whose bits are in their order.
func kthLargest(v []float32, k int) float32 {
	count := make([]int32, 1<<16)
	for _, x := range v {
		count[math.Float32bits(x)>>16]++
	}
	pick := func() (bucket uint32) { // the one with the k-th, and k becomes its place in there
		for i := len(count) - 1; i >= 0; i-- {
			if k -= int(count[i]); k <= 0 {
				k += int(count[i])
				return uint32(i)
			}
		}
		return 0
	}
	high := pick()
	clear(count)
	for _, x := range v {
		if b := math.Float32bits(x); b>>16 == high {
			count[b&0xffff]++
		}
	}
	return math.Float32frombits(high<<16 | pick())
}
