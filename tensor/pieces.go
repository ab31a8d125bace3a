package tensor

import (
	"sync"

	"github.com/hanji-ml/hanji/internal/par"
)

// Pieces computes f piece by piece of the first axis, which all tensors of in share (nil ones are passed on as nil), and
// joins the results of f along theirs; piece is the length of a piece. Several pieces are worked on at once, each in a Ctx of its
// own, so that every core is busy from f's first op to its last and activations stay in its cache. It is for
// inference: with a tape, or in training, f sees everything at once. The bits do not depend on the number of threads.
func Pieces(c *Ctx, piece int, in []*Tensor, f func(c *Ctx, in []*Tensor) []*Tensor) []*Tensor {
	n := 0
	for _, t := range in {
		if t != nil {
			t.check("pieces")
			if n = t.shape[0]; t.rank == 0 {
				fail("pieces", "no first axis", t)
			}
		}
	}
	for _, t := range in {
		if t != nil && t.shape[0] != n {
			fail("pieces", "first axes differ in length", in...)
		}
	}
	piece = max(piece, 1)
	if c.Grad || c.Train || n <= piece {
		return f(c, in)
	}
	var mu sync.Mutex
	var out []*Tensor
	par.For(n, piece, func(lo, hi int) {
		w := New(c.Options)
		defer w.Close()
		part := make([]*Tensor, len(in))
		for i, t := range in {
			if t != nil {
				part[i] = w.view("pieces", t)
				part[i].shape[0], part[i].off = hi-lo, t.off+lo*t.stride[0]
			}
		}
		got := f(w, part)
		mu.Lock()
		if out == nil {
			out = make([]*Tensor, len(got))
			for i, g := range got {
				if g != nil {
					shape := g.shape
					shape[0] = n
					out[i] = c.empty(g.dt, shape[:g.rank])
				}
			}
		}
		mu.Unlock()
		for i, g := range got {
			if g != nil {
				rows := *out[i]
				rows.shape[0], rows.off = hi-lo, rows.off+lo*rows.stride[0]
				prim.copy(&rows, g)
			}
		}
	})
	return out
}
