package tensor

import (
	"sync"

	"github.com/hanji-ml/hanji/internal/kernel"
	"github.com/hanji-ml/hanji/internal/par"
)

func cpuRoPE(dst, x, cos, sin, pos *Tensor, adjacent, inverse bool) (bad int64, ok bool) {
	if x.dt == F64 {
		return ropeRows[float64](&ropeTasks64, dst, x, cos, sin, pos, adjacent, inverse)
	}
	return ropeRows[float32](&ropeTasks32, dst, x, cos, sin, pos, adjacent, inverse)
}

// ropeTask is one call; its loop is bound once, since a closure a call would be allocated.
type ropeTask[T kernel.Float] struct {
	dst, x, cos, sin []T
	pos              []int64
	row, head        int // strides of x
	heads, d, half   int
	apart, step      int // distance within a pair, and from pair to pair
	inverse          bool
	loop             func(lo, hi int)
}

var ropeTasks32, ropeTasks64 sync.Pool

func ropeRows[T kernel.Float](pool *sync.Pool, dst, x, cos, sin, pos *Tensor, adjacent, inverse bool) (bad int64, ok bool) {
	t, _ := pool.Get().(*ropeTask[T])
	if t == nil {
		t = &ropeTask[T]{}
		t.loop = t.rows
	}
	defer pool.Put(t)
	t.dst, t.x, t.cos, t.sin, t.pos = data[T](dst), data[T](x), data[T](cos), data[T](sin), nil
	if pos != nil {
		t.pos = data[int64](pos)[:pos.shape[0]]
		for _, p := range t.pos {
			if p < 0 || p >= int64(cos.shape[0]) {
				return p, false
			}
		}
	}
	t.row, t.head, t.heads, t.d, t.half = x.stride[0], x.stride[1], x.shape[1], x.shape[2], cos.shape[1]
	t.apart, t.step, t.inverse = t.half, 1, inverse
	if adjacent {
		t.apart, t.step = 1, 2
	}
	par.For(x.shape[0], rowGrain(t.heads*t.d), t.loop)
	t.dst, t.x, t.cos, t.sin, t.pos = nil, nil, nil, nil, nil
	return 0, true
}

func (t *ropeTask[T]) rows(lo, hi int) {
	for n := lo; n < hi; n++ {
		p := n
		if t.pos != nil {
			p = int(t.pos[n])
		}
		cos, sin := t.cos[p*t.half:][:t.half], t.sin[p*t.half:][:t.half]
		for h := range t.heads {
			x, y := t.x[n*t.row+h*t.head:][:t.d], t.dst[(n*t.heads+h)*t.d:][:t.d]
			copy(y[2*t.half:], x[2*t.half:])
			for i, c := range cos {
				s := sin[i]
				if t.inverse {
					s = -s
				}
				j := i * t.step
				a, b := x[j], x[j+t.apart]
				y[j], y[j+t.apart] = a*c-b*s, b*c+a*s
			}
		}
	}
}
