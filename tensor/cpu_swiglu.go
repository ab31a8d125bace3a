package tensor

import (
	"sync"

	"github.com/hanji-ml/hanji/internal/kernel"
	"github.com/hanji-ml/hanji/internal/par"
)

func cpuSwiGLU(dst, x, up *Tensor) {
	if x.dt == F64 {
		swiGLU[float64](&swiGLUTasks64, dst, x, up)
	} else {
		swiGLU[float32](&swiGLUTasks32, dst, x, up)
	}
}

// swiGLUTask is one call, lent by a pool: its loop is bound once.
type swiGLUTask[T kernel.Float] struct {
	d, x, up []T
	loop     func(lo, hi int)
}

var swiGLUTasks32, swiGLUTasks64 sync.Pool

func swiGLU[T kernel.Float](pool *sync.Pool, dst, x, up *Tensor) {
	t, _ := pool.Get().(*swiGLUTask[T])
	if t == nil {
		t = &swiGLUTask[T]{}
		t.loop = t.some
	}
	defer pool.Put(t)
	t.d, t.x, t.up = data[T](dst), data[T](x), data[T](up)
	par.For(x.Len(), grain/4, t.loop) // a quarter: the products need both operands in L1
	t.d, t.x, t.up = nil, nil, nil
}

func (t *swiGLUTask[T]) some(lo, hi int) {
	kernel.SiLU(t.d[lo:hi], t.x[lo:hi])
	kernel.Mul(t.d[lo:hi], t.d[lo:hi], t.up[lo:hi])
}
