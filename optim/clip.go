package optim

import (
	"fmt"
	"math"

	"github.com/hanji-ml/hanji/nn"
)

// ClipNorm scales all gradients together so that their L2 norm is at most limit, by torch's rule (the factor is
// limit/(norm + 1e-6), at most 1), and returns the norm from before. limit ≤ 0 only measures.
func ClipNorm(params []nn.Param, limit float64) (norm float64) { return ClipNormOf(params, limit, 2) }

// ClipNormOf is ClipNorm by another norm: (Σ|g|^p)^(1/p) over all gradients, p > 0; p = +Inf is the largest |g|.
func ClipNormOf(params []nn.Param, limit, p float64) (norm float64) {
	if !(p > 0) {
		panic(fmt.Sprintf("optim: clip: no norm of order %v", p))
	}
	norm = normOf(params, p)
	if f := limit / (norm + 1e-6); limit > 0 && f < 1 {
		for _, q := range params {
			if g := q.Tensor.Grad(); g != nil {
				g.ScaleInPlace(f)
			}
		}
	}
	return norm
}

func normOf(params []nn.Param, p float64) float64 {
	sum := 0.0
	for _, q := range params {
		g := q.Tensor.Grad()
		switch {
		case g == nil:
		case p == 2:
			sum += g.SumSquares()
		case math.IsInf(p, 1):
			sum = math.Max(sum, g.AbsPowers(p))
		default:
			sum += g.AbsPowers(p)
		}
	}
	switch {
	case p == 2:
		return math.Sqrt(sum)
	case math.IsInf(p, 1):
		return sum
	}
	return math.Pow(sum, 1/p)
}
