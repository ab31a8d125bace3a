package tensor

// SortLast sorts each row of the last axis, smallest first (NaN last). No gradient flows: it is for outputs.
func (t *Tensor) SortLast() *Tensor {
	c := ctxOf("sort", t)
	sameFloat("sort", t)
	out := c.like(t)
	prim.copy(out, t)
	prim.sortRows(out)
	return out
}
