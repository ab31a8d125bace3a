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
				at := page.kvAt(layer, which, h) + r.Pos%p.size()*page.shape[4]
				f, _ := any(row).([]float32)
				switch page.dt {
				case F16:
					kernel.F32ToF16(data[uint16](page)[at:][:len(f)], f)
				case U8:
					kernel.F32ToQ8(data[uint8](page)[at:], f)
				default:
					copy(data[T](page)[at:], row)
				}
			}
		}
	}
}

// size is P; there is at least one page.
func (p *Paged) size() int { return p.Pages[0].shape[3] }

// kvAt is the element where the keys (which 0) or values (1) of a head begin in a page.
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
	n, block := spanRows*t.group, t.block()
	buf := pool.get(2*n*t.d + n*block + 2*block*t.d + 2*n)
	defer pool.put(buf)
	w := *buf
	take := func(size int) (part []T) {
		part, w = w[:size:size], w[size:]
		return part
	}
	u := pagedUnit[T]{pagedTask: t}
	u.qs, u.o, u.s, u.k, u.v = take(n*t.d), take(n*t.d), take(n*block), take(block*t.d), take(block*t.d)
	u.top, u.sum = take(n), take(n)
	for i := lo; i < hi; i++ {
		u.pagedSpan, u.h = t.spans[i/t.heads], i%t.heads
		u.run()
	}
}

// block is how many keys are worked on at once: whole pages, about 128.
func (t *pagedTask[T]) block() int { return t.size * max(1, 128/t.size) }

// pagedUnit is a unit with its working memory. Its queries are the N = rows·group of its span, row after row.
type pagedUnit[T kernel.Float] struct {
	*pagedTask[T]
	pagedSpan
	h        int // head of keys
	qs, o    []T // [N, D]: queries times scale; what has been added up so far
	s        []T // [N, block]: scores
	k, v     []T // [block, D]
	top, sum []T // of each query: the largest score so far, and Σ e^(s − top)
}

// run is the online softmax, block by block of keys: with a new largest score all that has been added up is scaled down.
// Blocks begin at positions that are multiples of their length (or with the first page that is left), and what a row does not see
// weighs 0, so a row's sums depend neither on the rows beside it nor on which pages its window has dropped.
func (u *pagedUnit[T]) run() {
	rows := u.p.Rows[u.lo:u.hi]
	n := len(rows) * u.group
	first, last := rows[0].First, rows[0].Pos
	for i := range rows {
		first, last = min(first, rows[i].First), max(last, rows[i].Pos)
		for g := range u.group {
			at := i*u.group + g
			kernel.MulS(u.qs[at*u.d:][:u.d], u.q[(u.lo+i)*u.row+(u.h*u.group+g)*u.head:][:u.d], u.scale)
			u.top[at], u.sum[at] = T(math.Inf(-1)), 0
		}
	}
	clear(u.o[:n*u.d])
	base, table, block := rows[0].Base, rows[0].Table, u.block()
	keys := 0
	for at := max(base, first/block*block); at <= last; at += keys {
		keys = min(at/block*block+block, last+1) - at
		for j := 0; j < keys; j += u.size {
			i := (at - base + j) / u.size
			if i+1 < len(table) {
				u.prefetch(u.p.Pages[table[i+1]])
			}
			u.load(u.p.Pages[table[i]], j, min(u.size, keys-j))
		}
		kernel.Gemm(n, keys, u.d, kernel.RowMajor(u.qs, u.d), kernel.RowMajor(u.k, u.d).T(), u.s, block, kernel.Epilogue[T]{})
		for i := range rows {
			lo, hi := max(0, rows[i].First-at), min(keys, rows[i].Pos+1-at)
			for g := range u.group {
				u.weigh(i*u.group+g, u.s[(i*u.group+g)*block:][:keys], lo, hi)
			}
		}
		kernel.Gemm(n, u.d, keys, kernel.RowMajor(u.s, block), kernel.RowMajor(u.v, u.d), u.o, u.d, kernel.Epilogue[T]{Accumulate: true})
	}
	for i := range rows {
		for g := range u.group {
			at := i*u.group + g
			out := u.out[((u.lo+i)*u.heads*u.group+u.h*u.group+g)*u.d:][:u.d]
			kernel.MulS(out, u.o[at*u.d:][:u.d], 1/u.sum[at])
		}
	}
}

// weigh turns a query's scores into weights e^(s − top); those outside lo…hi−1, which it does not see, into 0.
func (u *pagedUnit[T]) weigh(at int, s []T, lo, hi int) {
	if lo >= hi {
		clear(s)
		return
	}
	clear(s[:lo])
	clear(s[hi:])
	s = s[lo:hi]
	if m := kernel.MaxOf(s); m > u.top[at] || m != m {
		shrink := T(math.Exp(float64(u.top[at] - m))) // 0 on the first block
		u.top[at] = m
		u.sum[at] *= shrink
		o := u.o[at*u.d:][:u.d]
		kernel.MulS(o, o, shrink)
	}
	kernel.AddS(s, s, -u.top[at])
	kernel.Exp(s, s)
	u.sum[at] += kernel.Sum(s)
}

// load copies a page's first n keys and values of the unit's head to place j of the block, as T.
func (u *pagedUnit[T]) load(page *Tensor, j, n int) {
	for which, dst := range [...][]T{u.k, u.v} {
		dst, at := dst[j*u.d:][:n*u.d], page.kvAt(u.layer, which, u.h)
		f, _ := any(dst).([]float32)
		switch page.dt {
		case F16:
			kernel.F16ToF32(f, data[uint16](page)[at:][:len(f)])
		case U8:
			kernel.Q8ToF32(f, data[uint8](page)[at:])
		default:
			copy(dst, data[T](page)[at:])
		}
	}
}

// prefetch asks for what load will read of a page: a few KB here and there, which the processor does not see coming.
func (u *pagedUnit[T]) prefetch(page *Tensor) {
	size := page.dt.Size()
	for which := range 2 {
		kernel.Prefetch(page.st.b[(page.off+page.kvAt(u.layer, which, u.h))*size:][:u.size*page.shape[4]*size])
	}
}
