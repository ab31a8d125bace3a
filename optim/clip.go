package optim

import (
	"math"

	"github.com/hanji-ml/hanji/nn"
)

// ClipNorm scales all gradients together so that their L2 norm is at most limit, by torch's rule (the factor is
// limit/(norm + 1e-6), at most 1), and returns the norm from before. limit ≤ 0 only measures.
func ClipNorm(params []nn.Param, limit float64) (norm float64) {
	for _, p := range params {
		if g := p.Tensor.Grad(); g != nil {
			norm += g.SumSquares()
		}
	}
	norm = math.Sqrt(norm)
	if f := limit / (norm + 1e-6); limit > 0 && f < 1 {
		for _, p := range params {
			if g := p.Tensor.Grad(); g != nil {
				g.ScaleInPlace(f)
			}
		}
	}
	return norm
}
