package tensor

import "fmt"

// GroupNorm normalises each group of C/groups channels of each sample over its channels and places (arXiv 1803.08494,
// eq. 1–3): (x − mean)/√(var + eps)·gamma + beta, population variance. x [B, C, ...], gamma and beta [C] or nil.
func (x *Tensor) GroupNorm(groups int, gamma, beta *Tensor, eps float64) *Tensor {
	if x.rank < 2 || groups < 1 || x.shape[1]%groups != 0 {
		fail("group_norm", fmt.Sprintf("x [B, C, ...], C a multiple of %d", groups), x)
	}
	for _, p := range [...]*Tensor{gamma, beta} {
		if p != nil && (p.rank != 1 || p.shape[0] != x.shape[1]) {
			fail("group_norm", "scale and shift are [C]", x, gamma, beta)
		}
	}
	c := ctxOf("group_norm", x, gamma, beta)
	x = c.Use(x)
	y := x.Reshape(x.shape[0], groups, -1).LayerNorm(nil, nil, eps).Reshape(x.shape[:x.rank]...)
	var column [MaxRank]int // [C, 1, …], which broadcasts over the places
	for i := range column {
		column[i] = 1
	}
	column[0] = x.shape[1]
	if gamma != nil {
		y = y.Mul(c.Use(gamma).Reshape(column[:x.rank-1]...))
	}
	if beta != nil {
		y = y.Add(c.Use(beta).Reshape(column[:x.rank-1]...))
	}
	return y
}
