package tensor

import (
	"math"
	"sync"

	"github.com/hanji-ml/hanji/internal/kernel"
	"github.com/hanji-ml/hanji/internal/par"
)

func cpuStoreKV(k, v *Tensor, layer int, p *Paged) {
	if k.dt == F64 {
		storeKV[float64](k, v, layer, p)
	} else {
		storeKV[float32](k, v, layer, p)
	}
}

func storeKV[T kernel.Float](k, v *Tensor, layer int, p *Paged) {
	for which, x := range [...]*Tensor{k, v} {
		src := data[T](x)
		for i := range p.Rows {
			r := &p.Rows[i]
			page := p.Pages[r.Table[(r.Pos-r.Base)/p.size()]]
			for h := range x.shape[1] {
				row := src[i*x.stride[0]+h*x.stride[1]:][:x.shape[2]]
				at := page.kvAt(layer, which, h) + r.Pos%p.size()*x.shape[2]
				if page.dt == F16 {
					f, _ := any(row).([]float32)
					kernel.F32ToF16(data[uint16](page)[at:][:len(f)], f)
				} else {
					copy(data[T](page)[at:], row)
				}
			}
		}
	}
}

// size is P; there is at least one page.
func (p *Paged) size() int { return p.Pages[0].shape[3] }

// kvAt is where the keys (which 0) or values (1) of a head begin in a page.
func (t *Tensor) kvAt(layer, which, head int) int {
	return ((layer*2+which)*t.shape[2] + head) * t.shape[3] * t.shape[4]
}

func cpuPagedAttention(out, q *Tensor, layer int, scale float64, p *Paged) {
	if q.dt == F64 {
		pagedAttention[float64](&pagedTasks64, out, q, layer, scale, p)
	} else {
		pagedAttention[float32](&pagedTasks32, out, q, layer, scale, p)
	}
}

// pagedTask is one call. Its unit of work is some neighbouring rows of one sequence with the query heads that read one head
// of keys, so that each page is brought in once for all of them.
type pagedTask[T kernel.Float] struct {
	out, q       []T
	row, head    int // strides of q
	heads, group int // of keys; query heads to each
	d, size      int
	block        int // keys that are worked on together: whole pages
	layer        int
	scale        T
	p            *Paged
	spans        []pagedSpan
	loop         func(lo, hi int) // bound once, since a closure a call would be allocated
}

// pagedSpan is rows lo…hi−1, which share a table.
type pagedSpan struct{ lo, hi int }

// spanRows is how many rows make a span at most: the more, the less often a page is read, the fewer, the more units there are
// to share out. blockKeys is about how many keys are worked on together: they and their values stay in L2.
const (
	spanRows  = 16
	blockKeys = 128
)

var pagedTasks32, pagedTasks64 sync.Pool

func pagedAttention[T kernel.Float](pool *sync.Pool, out, q *Tensor, layer int, scale float64, p *Paged) {
	if len(p.Rows) == 0 {
		return
	}
	t, _ := pool.Get().(*pagedTask[T])
	if t == nil {
		t = &pagedTask[T]{}
		t.loop = t.units
	}
	defer pool.Put(t)
	t.heads = p.Pages[0].shape[2]
	t.out, t.q, t.row, t.head = data[T](out), data[T](q), q.stride[0], q.stride[1]
	t.group, t.d, t.size = q.shape[1]/t.heads, q.shape[2], p.size()
	t.block = max(1, blockKeys/t.size) * t.size
	t.layer, t.scale, t.p = layer, T(scale), p
	seen := 0
	t.spans = t.spans[:0]
	for i := range p.Rows {
		r := &p.Rows[i]
		seen += r.Pos - r.First + 1
		if n := len(t.spans) - 1; n >= 0 && i-t.spans[n].lo < spanRows && &r.Table[0] == &p.Rows[i-1].Table[0] && r.Base == p.Rows[i-1].Base {
			t.spans[n].hi = i + 1
		} else {
			t.spans = append(t.spans, pagedSpan{i, i + 1})
		}
	}
	units := len(t.spans) * t.heads
	work := 2*seen*t.group*t.heads*t.d/units + 1 // multiply-adds of a unit
	par.For(units, max(1, (1<<16)/work), t.loop) // a hand-over costs about as much as that many
	t.out, t.q, t.p = nil, nil, nil
}

func (t *pagedTask[T]) units(lo, hi int) {
	pool := buffersOf[T]()
	n := spanRows * t.group
	buf := pool.get(2*t.block*t.d + n*(2*t.d+t.block+2))
	defer pool.put(buf)
	w := *buf
	cut := func(n int) (x []T) { x, w = w[:n:n], w[n:]; return x }
	u := pagedUnit[T]{pagedTask: t, k: cut(t.block * t.d), v: cut(t.block * t.d), q: cut(n * t.d), o: cut(n * t.d), s: cut(n * t.block), top: cut(n), sum: cut(n)}
	for i := lo; i < hi; i++ {
		u.run(t.spans[i/t.heads], i%t.heads)
	}
}

// pagedUnit is a unit with its working memory. Its queries are those of each row and of each query head, in this order.
type pagedUnit[T kernel.Float] struct {
	*pagedTask[T]
	k, v     []T // a block's keys and values, widened: [block, D]
	q, o     []T // queries, scaled, and what has been added up for each: [queries, D]
	s        []T // a block's scores: [queries, block]
	top, sum []T // of each query: the largest score so far, and Σ e^(s − top)
}

// run is the online softmax for a span's rows and one head of keys: with a new largest score all that has been added up
// is scaled down.
func (u *pagedUnit[T]) run(span pagedSpan, head int) {
	rows := u.p.Rows[span.lo:span.hi]
	n := len(rows) * u.group
	first, last := rows[0].First, rows[0].Pos
	for i := range rows {
		first, last = min(first, rows[i].First), max(last, rows[i].Pos)
		for g := range u.group {
			at := i*u.group + g
			kernel.MulS(u.q[at*u.d:][:u.d], u.pagedTask.q[(span.lo+i)*u.row+(head*u.group+g)*u.head:][:u.d], u.scale)
			u.top[at], u.sum[at] = T(math.Inf(-1)), 0
		}
	}
	clear(u.o[:n*u.d])
	base := rows[0].Base
	for at := first - (first-base)%u.size; at <= last; at += u.block {
		keys := min(u.block, last+1-at)
		u.load(rows[0].Table[(at-base)/u.size:], head, keys)
		kernel.Gemm(n, keys, u.d, kernel.RowMajor(u.q, u.d), kernel.Mat[T]{Data: u.k, RS: 1, CS: u.d}, u.s, keys, kernel.Epilogue[T]{})
		for i := range rows {
			lo, hi := max(0, rows[i].First-at), min(keys, rows[i].Pos+1-at)
			for g := range u.group {
				u.softmax(i*u.group+g, u.s[(i*u.group+g)*keys:][:keys], lo, hi)
			}
		}
		kernel.Gemm(n, u.d, keys, kernel.RowMajor(u.s, keys), kernel.RowMajor(u.v, u.d), u.o, u.d, kernel.Epilogue[T]{Accumulate: true})
	}
	for i := range n {
		to := u.out[((span.lo+i/u.group)*u.heads*u.group+head*u.group+i%u.group)*u.d:][:u.d]
		kernel.MulS(to, u.o[i*u.d:][:u.d], 1/u.sum[i])
	}
}

// load brings in a head's keys and values of the first n positions in the pages of a table.
func (u *pagedUnit[T]) load(table []int32, head, n int) {
	for i := 0; i < n; i += u.size {
		page := u.p.Pages[table[i/u.size]]
		m := min(u.size, n-i) * u.d
		k, v := u.k[i*u.d:][:m], u.v[i*u.d:][:m]
		a, b := page.kvAt(u.layer, 0, head), page.kvAt(u.layer, 1, head)
		if page.dt != F16 {
			x := data[T](page)
			copy(k, x[a:])
			copy(v, x[b:])
			continue
		}
		x := data[uint16](page)
		k32, _ := any(k).([]float32)
		v32, _ := any(v).([]float32)
		kernel.F16ToF32(k32, x[a:][:m])
		kernel.F16ToF32(v32, x[b:][:m])
	}
}

// softmax turns a query's scores against a block's keys, of which it sees lo…hi−1, into e^(s − top), 0 where it does not see.
func (u *pagedUnit[T]) softmax(query int, s []T, lo, hi int) {
	if lo >= hi {
		clear(s)
		return
	}
	clear(s[:lo])
	clear(s[hi:])
	s = s[lo:hi]
	if m := kernel.MaxOf(s); m > u.top[query] || m != m {
		shrink := T(math.Exp(float64(u.top[query] - m))) // 0 in the first block
		u.top[query] = m
		u.sum[query] *= shrink
		o := u.o[query*u.d:][:u.d]
		kernel.MulS(o, o, shrink)
	}
	kernel.AddS(s, s, -u.top[query])
	kernel.Exp(s, s)
	u.sum[query] += kernel.Sum(s)
}
