package tensor

import (
	"github.com/hanji-ml/hanji/internal/kernel"
	"github.com/hanji-ml/hanji/internal/par"
)

func cpuMLPOver(out, x, w1, b1, w2, b2 *Tensor, act Act) {
	if x.dt == F64 {
		mlpOverLoop(buffers64, out, x, w1, b1, w2, b2, act)
	} else {
		mlpOverLoop(buffers32, out, x, w1, b1, w2, b2, act)
	}
}

// mlpOverLoop takes a few planes at a time through both layers: w·x, so that nothing is transposed.
func mlpOverLoop[T kernel.Float](pool *buffers[T], out, x, w1, b1, w2, b2 *Tensor, act Act) {
	in, n := x.shape[x.rank-2], x.shape[x.rank-1]
	hidden, outs := w1.shape[0], w2.shape[0]
	xs, os := data[T](x), data[T](out)
	m1, m2 := mat[T](w1, false), mat[T](w2, false)
	e1, e2 := kernel.Epilogue[T]{Act: kernelActs[act], RowBias: weights[T](b1)}, kernel.Epilogue[T]{RowBias: weights[T](b2)}
	planes := x.Len() / max(in*n, 1)
	step := max(1, mlpRows(hidden)/max(n, 1)) // planes whose hidden layer stays in L2
	par.For(planes, step, func(lo, hi int) {
		buf := pool.get(step * hidden * n)
		defer pool.put(buf)
		h := *buf
		kernel.GemmBatch(hi-lo, hidden, n, in, m1, 0, kernel.RowMajor(xs[lo*in*n:], n), in*n, h, n, hidden*n, e1)
		kernel.GemmBatch(hi-lo, outs, n, hidden, m2, 0, kernel.RowMajor(h, n), hidden*n, os[lo*outs*n:], n, outs*n, e2)
	})
}

func cpuGate(out, x, g, residual *Tensor, down bool) {
	if x.dt == F64 {
		gateLoop[float64](out, x, g, residual, down)
	} else {
		gateLoop[float32](out, x, g, residual, down)
	}
}

func gateLoop[T kernel.Float](out, x, g, residual *Tensor, down bool) {
	o, a, b, r := data[T](out), data[T](x), data[T](g), data[T](residual)
	n := x.shape[x.rank-1]
	if !down {
		par.For(x.Len()/max(n, 1), rowGrain(n), func(lo, hi int) {
			kernel.GateRows(o[lo*n:], a[lo*n:], b[lo*n:], r[lo*n:], hi-lo, n)
		})
		return
	}
	rows := x.shape[x.rank-2]
	size := rows * n
	par.For(x.Len()/max(size, 1), rowGrain(size), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			kernel.GateCols(o[i*size:], a[i*size:], b[i*size:], r[i*size:], rows, n)
		}
	})
}
