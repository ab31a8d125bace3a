package tensor

import (
	"fmt"
	"math"

	"github.com/hanji-ml/hanji/internal/kernel"
)

// Paged says where the keys and values of some rows lie: in pages of P positions each, which sequences may share. Pages of u8
// hold each row as blocks of Q8_0 (32 int8 with a float16 scale), so PagedWidth(U8, D) bytes in place of D numbers.
type Paged struct {
	Pages []*Tensor  // buffers [L, 2, Hkv, P, D], of each layer the keys, then the values: f32, f16, u8, or f64 with rows of f64
	Rows  []PagedRow // one a row
}

// PagedWidth is the last dimension of pages of type dt for heads of D, which u8 wants to be multiples of 32.
func PagedWidth(dt DType, d int) int {
	if dt == U8 {
		return kernel.Q8Bytes(d)
	}
	return d
}

// PagedRow is one row's way to its sequence's pages.
type PagedRow struct {
	Table []int32 // of the sequence: which of Pages holds positions Base + i·P …; rows of one sequence share one slice
	Base  int     // a multiple of P; what lay before it is dropped
	First int     // first position that the row sees, ≥ Base
	Pos   int     // its own position, the last that it sees
}

// StoreKV puts the keys and values [N, Hkv, D] of N rows into a layer's part of their pages.
func StoreKV(k, v *Tensor, layer int, p *Paged) {
	ctxOf("store kv", k, v)
	sameFloat("store kv", k, v)
	if k.rank != 3 || !sameShape(k, v) {
		fail("store kv", "keys and values are [N, Hkv, D]", k, v)
	}
	p.check("store kv", k, layer, k.shape[1])
	prim.storeKV(k, v, layer, p)
}

// PagedAttention is softmax(q·kᵀ·scale)·v over the positions that each row sees, of keys and values in pages: q [N, H, D]
// → [N, H·D], H a multiple of the pages' Hkv (query head h reads head h/(H/Hkv)); scale 0 means 1/√D. The softmax runs
// block by block (arXiv 1805.02867), so the scores of a few pages are all that is kept, and the bits do not depend on the number of
// threads. It is for inference.
func PagedAttention(q *Tensor, layer int, scale float64, p *Paged) *Tensor {
	c := ctxOf("paged attention", q)
	sameFloat("paged attention", q)
	if q.rank != 3 || c.recording(q) {
		fail("paged attention", "queries are [N, H, D], without gradients", q)
	}
	p.check("paged attention", q, layer, 0)
	if scale == 0 {
		scale = 1 / math.Sqrt(float64(q.shape[2]))
	}
	out := c.empty(q.dt, []int{q.shape[0], q.shape[1] * q.shape[2]})
	prim.pagedAttention(out, q, layer, scale, p)
	return out
}

// check holds the pages against rows x [N, heads, D]; kv is the number of their heads, 0 where they only need to divide x's.
func (p *Paged) check(op string, x *Tensor, layer, kv int) {
	if len(p.Rows) != x.shape[0] {
		fail(op, fmt.Sprintf("pages for %d rows", len(p.Rows)), x)
	}
	for i := range p.Rows {
		r := &p.Rows[i]
		if len(r.Table) == 0 {
			fail(op, "a row without pages", x)
		}
		if i == 0 || &r.Table[0] != &p.Rows[i-1].Table[0] { // else they have just been looked at
			for _, id := range r.Table {
				if id < 0 || int(id) >= len(p.Pages) {
					fail(op, fmt.Sprintf("page %d of %d", id, len(p.Pages)), x)
				}
			}
		}
		page := p.Pages[r.Table[0]]
		if page.rank != 5 || !page.contiguous() || page.shape[1] != 2 || page.shape[4] != PagedWidth(page.dt, x.shape[2]) || layer < 0 || layer >= page.shape[0] ||
			kv > 0 && page.shape[2] != kv || page.shape[2] == 0 || x.shape[1]%page.shape[2] != 0 {
			fail(op, fmt.Sprintf("pages are [L, 2, Hkv, P, D]; layer %d", layer), x, page)
		}
		if page.dt != x.dt && !(x.dt == F32 && (page.dt == F16 || page.dt == U8 && x.shape[2]%32 == 0)) {
			fail(op, "pages are of the rows' type, f16, or for heads of a multiple of 32 u8", x, page)
		}
		if size := page.shape[3]; r.First < r.Base || r.Pos < r.First || r.Base%size != 0 || r.Pos-r.Base >= len(r.Table)*size {
			fail(op, fmt.Sprintf("row %d sees positions %d to %d of %d pages from %d on", i, r.First, r.Pos, len(r.Table), r.Base), x, page)
		}
	}
}
