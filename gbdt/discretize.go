package gbdt

import (
	"fmt"
	"math"

	"github.com/hanji-ml/hanji/internal/par"
)

// discretizer rounds gradients and hessians of each tree to small integers, with use_quantized_grad (Shi et al. 2022,
// "Quantized Training of Gradient Boosting Decision Trees", arXiv:2207.09682; gradient_discretizer.cpp). Gradients become
// −bins/2…bins/2, hessians 0…bins, each a multiple of a scale that the largest of them gives. Rounding is up or down at
// random, so that sums come out right on average. What is drawn for a row is what LightGBM draws on one thread.
type discretizer struct {
	total                  int // rows of the data
	bins                   int
	nearest                bool      // round to the nearest integer instead
	constHess              bool      // all hessians are equal: each is 1, and counts rows
	gradRandom, hessRandom []float64 // in [0, 1), for each row
	starts                 *mersenne // draws where in these a tree begins
	trees                  int       // that were begun

	gradScale, hessScale float64
}

func newDiscretizer(rows int, constHess bool, o *Options) (*discretizer, error) {
	if most := math.MaxUint32 / int64(o.NumGradQuantBins); int64(rows) > most {
		return nil, fmt.Errorf("gbdt: num_grad_quant_bins=%d: sums of %d rows do not fit 32 bits, of %d they would", o.NumGradQuantBins, rows, most)
	}
	d := &discretizer{bins: o.NumGradQuantBins, nearest: !o.StochasticRounding, constHess: constHess, total: rows,
		starts: newMersenne(uint32(int32(o.Seed)))}
	if d.nearest {
		return d, nil
	}
	draw := func(seed int) []float64 {
		m, out := newMersenne(uint32(int32(seed))), make([]float64, rows)
		for i := range out {
			out[i] = m.float()
		}
		return out
	}
	d.gradRandom = draw(o.Seed)
	if !constHess {
		d.hessRandom = draw(o.Seed + 1)
	}
	return d, nil
}

// skip goes on as if so many trees had been begun.
func (d *discretizer) skip(trees int) {
	for range trees {
		d.starts.upTo(d.total)
	}
	d.trees += trees
}

// begin rounds the gradients and hessians of a tree into out. A bag is given if the tree knows only its rows, and
// numbers them anew.
func (d *discretizer) begin(grad, hess []float32, bag []int32, out []intSum) {
	n := len(grad)
	if bag != nil {
		n = len(bag)
	}
	d.setScales(grad, hess, bag, n)
	start := d.starts.upTo(d.total)
	d.trees++
	byGrad, byHess := 1/d.gradScale, 1/d.hessScale
	par.For(n, gradChunk, func(lo, hi int) {
		at := (lo + start) % n
		for i := lo; i < hi; i++ {
			row := i
			if bag != nil {
				row = int(bag[i])
			}
			up, upHess := 0.5, 0.5
			if !d.nearest {
				up = d.gradRandom[at]
			}
			if !d.nearest && !d.constHess {
				upHess = d.hessRandom[at]
			}
			h := uint8(1)
			if !d.constHess {
				// the inner conversion keeps processors from rounding product and sum at once
				h = uint8(truncate(float64(float64(hess[row])*byHess) + upHess))
			}
			v := float64(grad[row])
			g := int8(truncate(float64(v*byGrad) + math.Copysign(up, v)))
			out[row] = intSum(g)<<32 + intSum(h)
			if at++; at == n {
				at = 0
			}
		}
	})
}

// setScales finds the largest gradient and hessian of the rows.
func (d *discretizer) setScales(grad, hess []float32, bag []int32, n int) {
	most := make([][2]float64, par.Threads())
	par.ForWorker(n, gradChunk, func(worker, lo, hi int) {
		m := most[worker]
		for i := lo; i < hi; i++ {
			row := i
			if bag != nil {
				row = int(bag[i])
			}
			if a := math.Abs(float64(grad[row])); a > m[0] {
				m[0] = a
			}
			if a := math.Abs(float64(hess[row])); a > m[1] {
				m[1] = a
			}
		}
		most[worker] = m
	})
	for _, m := range most {
		most[0] = [2]float64{max(most[0][0], m[0]), max(most[0][1], m[1])}
	}
	d.gradScale, d.hessScale = most[0][0]/float64(d.bins/2), most[0][1]/float64(d.bins)
	if d.constHess {
		d.hessScale = most[0][1]
	}
}

// truncate drops the fraction. NaN comes of a scale of zero: nothing is to be rounded.
func truncate(v float64) int {
	if v != v {
		return 0
	}
	return int(v)
}

// root adds up the rows of a tree: the integers, and what they stand for in the order of rows as LightGBM does for the
// output of the root, with its two quirks. Scales are float32 for a bag that is not copied, and a hessian above 127
// counts as negative. (For such a bag it also takes the integers of the first rows instead of the bag's, so that its
// trees go wrong or its training fails: LightGBM's pull request 7397. That is not done here.)
func (d *discretizer) root(gh []intSum, rows []int32, narrow bool) (grad, hess float64, sum intSum) {
	for _, row := range rows {
		sum += gh[row]
		g, h := gh[row].grad(), float64(int8(gh[row]))
		if narrow {
			grad += float64(float32(g) * float32(d.gradScale))
			hess += float64(float32(h) * float32(d.hessScale))
		} else {
			grad += float64(g * d.gradScale)
			hess += float64(h * d.hessScale)
		}
	}
	return grad, hess, sum
}
