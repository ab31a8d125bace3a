package tensor_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/internal/par"
	"github.com/hanji-ml/hanji/tensor"
)

// pagedCase is two sequences with pages in any order: the first's row 0 … 39 and two rows of the second, which saw 50 tokens.
type pagedCase struct {
	q, k, v     []float64 // [N, H, D], [N, Hkv, D]
	n, h, kv, d int
	rows        []tensor.PagedRow
	seq         []int // of each row
}

func newPagedCase(window, d int) pagedCase {
	c := pagedCase{n: 90, h: 6, kv: 2, d: d}
	r := rand.New(rand.NewPCG(1, 2))
	draw := func(n int) []float64 {
		v := make([]float64, n)
		for i := range v {
			v[i] = float64(float32(r.NormFloat64()))
		}
		return v
	}
	c.q, c.k, c.v = draw(c.n*c.h*c.d), draw(c.n*c.kv*c.d), draw(c.n*c.kv*c.d)
	tables := [2][]int32{{3, 0, 9, 5, 1}, {2, 4, 6, 7, 8, 10, 11}} // of 8 positions each
	for s, n := range []int{40, 50} {
		for p := range n {
			row := tensor.PagedRow{Table: tables[s], Pos: p}
			if window > 0 {
				row.First = max(0, p-window+1)
			}
			c.rows, c.seq = append(c.rows, row), append(c.seq, s)
		}
	}
	return c
}

// want is the definition, in float64.
func (c pagedCase) want(scale float64) []float64 {
	out := make([]float64, c.n*c.h*c.d)
	for i := range c.n {
		for h := range c.h {
			o, g := out[(i*c.h+h)*c.d:][:c.d], h/(c.h/c.kv)
			sum := 0.0
			for j := range c.n {
				if c.seq[j] != c.seq[i] || c.rows[j].Pos < c.rows[i].First || c.rows[j].Pos > c.rows[i].Pos {
					continue
				}
				dot := 0.0
				for d := range c.d {
					dot += c.q[(i*c.h+h)*c.d+d] * c.k[(j*c.kv+g)*c.d+d]
				}
				p := math.Exp(dot * scale)
				sum += p
				for d := range c.d {
					o[d] += p * c.v[(j*c.kv+g)*c.d+d]
				}
			}
			for d := range o {
				o[d] /= sum
			}
		}
	}
	return out
}

// run stores everything, and asks for the rows from lo on.
func (c pagedCase) run(dt, stored tensor.DType, scale float64, lo int) []float64 {
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	p := &tensor.Paged{Rows: c.rows}
	for range 12 {
		p.Pages = append(p.Pages, tensor.NewBuffer("page", stored, 3, 2, c.kv, 8, tensor.PagedWidth(stored, c.d)))
	}
	tensor.StoreKV(ctx.Constant(dt, c.k, c.n, c.kv, c.d), ctx.Constant(dt, c.v, c.n, c.kv, c.d), 2, p)
	p.Rows = c.rows[lo:]
	return tensor.PagedAttention(ctx.Constant(dt, c.q, c.n, c.h, c.d).Slice(0, lo, c.n), 2, scale, p).ReadF64()
}

func TestPagedAttention(t *testing.T) {
	defer par.SetThreads(0)
	golden.Paths(t, func(t *testing.T) {
		for _, window := range []int{0, 1, 11} {
			for _, k := range []struct {
				dt, stored tensor.DType
				d          int
				tol        float64
			}{
				{tensor.F64, tensor.F64, 20, 1e-12},
				{tensor.F32, tensor.F32, 20, 3e-6}, // some tens of roundings of numbers below 4
				{tensor.F32, tensor.F16, 20, 6e-3}, // 2⁻¹¹ of a value below 4, and of scores below 10 through the exponential
				// Elements are off by 3/254 at most (3 is about the largest of 32): a value by as much, a score with 64 of them at random by
				// 0.3·√64·0.007, some of each for the largest of all rows.
				{tensor.F32, tensor.U8, 64, 6e-2},
			} {
				c := newPagedCase(window, k.d)
				want := c.want(0.3)
				for _, lo := range []int{0, 37, 89} {
					par.SetThreads(1)
					got := c.run(k.dt, k.stored, 0.3, lo)
					for i, v := range got {
						if w := want[lo*c.h*c.d+i]; !(math.Abs(v-w) <= k.tol) {
							t.Fatalf("window %d, %v in %v, rows from %d: element %d is %v, want %v", window, k.dt, k.stored, lo, i, v, w)
						}
					}
					par.SetThreads(3)
					for i, v := range c.run(k.dt, k.stored, 0.3, lo) {
						if v != got[i] {
							t.Fatalf("window %d, %v in %v, rows from %d: element %d depends on threads", window, k.dt, k.stored, lo, i)
						}
					}
				}
			}
		}
	})
}

// A row far from its page's other rows, a page of the wrong shape, an unknown page: a typed error, not a panic in a slice.
func TestPagedMistakes(t *testing.T) {
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	q, kv := ctx.Zeros(tensor.F32, 1, 4, 8), ctx.Zeros(tensor.F32, 1, 2, 8)
	page := tensor.NewBuffer("page", tensor.F32, 1, 2, 2, 4, 8)
	good := tensor.PagedRow{Table: []int32{0}, Pos: 3}
	for name, k := range map[string]struct {
		page  T
		row   tensor.PagedRow
		layer int
	}{
		"position beyond the table": {page, tensor.PagedRow{Table: []int32{0}, Pos: 4}, 0},
		"position before the table": {page, tensor.PagedRow{Table: []int32{0}, Base: 4, Pos: 3}, 0},
		"nothing seen":              {page, tensor.PagedRow{Table: []int32{0}, First: 3, Pos: 2}, 0},
		"unknown page":              {page, tensor.PagedRow{Table: []int32{1}, Pos: 0}, 0},
		"negative page":             {page, tensor.PagedRow{Table: []int32{-1}, Pos: 0}, 0},
		"no page":                   {page, tensor.PagedRow{}, 0},
		"layer":                     {page, good, 1},
		"width":                     {tensor.NewBuffer("page", tensor.F32, 1, 2, 2, 4, 7), good, 0},
		"heads":                     {tensor.NewBuffer("page", tensor.F32, 1, 2, 3, 4, 8), good, 0},
		"q8 for heads of 8":         {tensor.NewBuffer("page", tensor.U8, 1, 2, 2, 4, 0), good, 0},
		"type":                      {tensor.NewBuffer("page", tensor.F64, 1, 2, 2, 4, 8), good, 0},
	} {
		p := &tensor.Paged{Pages: []T{k.page}, Rows: []tensor.PagedRow{k.row}}
		for what, f := range map[string]func(){
			"store":  func() { tensor.StoreKV(kv, kv, k.layer, p) },
			"attend": func() { tensor.PagedAttention(q, k.layer, 0, p) },
		} {
			var err error
			func() {
				defer tensor.Recover(&err)
				f()
			}()
			if err == nil {
				t.Errorf("%s: %s: no error", name, what)
			}
		}
	}
}
