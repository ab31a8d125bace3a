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
	layer        int
	scale        T
	p            *Paged
	spans        []pagedSpan
	loop         func(lo, hi int) // bound once, since a closure a call would be allocated
}

// pagedSpan is rows lo…hi−1, which share a table.
type pagedSpan struct{ lo, hi int }

// spanRows is how many rows make a span at most: the more, the less often a page is read, the fewer, the more units there are
// to share out.
const spanRows = 16

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
	buf := pool.get(2*t.size*t.d + t.size + 2*n)
	defer pool.put(buf)
	w := *buf
	u := pagedUnit[T]{pagedTask: t}
	u.k, w = w[:t.size*t.d], w[t.size*t.d:]
	u.v, w = w[:t.size*t.d], w[t.size*t.d:]
	u.s, w = w[:t.size], w[t.size:]
	u.top, u.sum = w[:n], w[n:2*n]
	for i := lo; i < hi; i++ {
		u.pagedSpan, u.h = t.spans[i/t.heads], i%t.heads
		u.run()
	}
}

// pagedUnit is a unit with its working memory.
type pagedUnit[T kernel.Float] struct {
	*pagedTask[T]
	pagedSpan
	h        int // head of keys
	k, v, s  []T // a page's keys and values, widened, and one query's scores
	top, sum []T // of each row and query head: the largest score so far, and Σ e^(s − top)
}

// run is the online softmax: with a new largest score all that has been added up is scaled down.
func (u *pagedUnit[T]) run() {
	rows := u.p.Rows[u.lo:u.hi]
	first, last := rows[0].First, rows[0].Pos
	for i := range rows {
		first, last = min(first, rows[i].First), max(last, rows[i].Pos)
		for g := range u.group {
			clear(u.o(i, g))
			u.top[i*u.group+g], u.sum[i*u.group+g] = T(math.Inf(-1)), 0
		}
	}
	base, table := rows[0].Base, rows[0].Table
	for j := (first - base) / u.size; j <= (last-base)/u.size; j++ {
		at := base + j*u.size // the page's first position
		k, v := u.load(u.p.Pages[table[j]], min(u.size, last+1-at))
		for i := range rows {
			lo, hi := max(0, rows[i].First-at), min(u.size, rows[i].Pos+1-at)
			for g := range u.group {
				if lo < hi {
					u.add(i, g, k[lo*u.d:hi*u.d], v[lo*u.d:hi*u.d], u.s[:hi-lo])
				}
			}
		}
	}
	for i := range rows {
		for g := range u.group {
			o := u.o(i, g)
			kernel.MulS(o, o, 1/u.sum[i*u.group+g])
		}
	}
}

// o is the output of a row's query head.
func (u *pagedUnit[T]) o(i, g int) []T {
	return u.out[((u.lo+i)*u.heads*u.group+u.h*u.group+g)*u.d:][:u.d]
}

// load gives a page's first n keys and values of the unit's head, as T.
func (u *pagedUnit[T]) load(page *Tensor, n int) (k, v []T) {
	a, b := page.kvAt(u.layer, 0, u.h), page.kvAt(u.layer, 1, u.h)
	n *= u.d
	if page.dt != F16 {
		x := data[T](page)
		return x[a:][:n], x[b:][:n]
	}
	x := data[uint16](page)
	k32, _ := any(u.k[:n]).([]float32)
	v32, _ := any(u.v[:n]).([]float32)
	kernel.F16ToF32(k32, x[a:][:n])
	kernel.F16ToF32(v32, x[b:][:n])
	return u.k[:n], u.v[:n]
}

// add takes keys and values k, v [len(s), D] into the softmax of row i, query head g.
func (u *pagedUnit[T]) add(i, g int, k, v, s []T) {
	q := u.q[(u.lo+i)*u.row+(u.h*u.group+g)*u.head:][:u.d]
	for j := range s {
		s[j] = kernel.Dot(q, k[j*u.d:][:u.d]) * u.scale
	}
	o, n := u.o(i, g), i*u.group+g
	if m := kernel.MaxOf(s); m > u.top[n] || m != m {
		shrink := T(math.Exp(float64(u.top[n] - m))) // 0 on the first page
		u.top[n] = m
		u.sum[n] *= shrink
		kernel.MulS(o, o, shrink)
	}
	kernel.AddS(s, s, -u.top[n])
	kernel.Exp(s, s)
	u.sum[n] += kernel.Sum(s)
	for j, p := range s {
		kernel.Axpy(o, p, v[j*u.d:][:u.d])
	}
}
