package tensor

import (
	"github.com/hanji-ml/hanji/internal/kernel"
	"github.com/hanji-ml/hanji/internal/par"
)

// mlpRows is the number of rows of a block: the hidden layer of a block, and its gradient, take about half of L2.
func mlpRows(hidden int) int { return max(32, min(512, (64<<10)/max(hidden, 1))) }

func cpuMLP(out, x, w1, b1, w2, b2 *Tensor, act Act, p float64, key uint64) {
	if x.dt == F64 {
		mlpLoop(buffers64, out, x, w1, b1, w2, b2, act, p, key)
	} else {
		mlpLoop(buffers32, out, x, w1, b1, w2, b2, act, p, key)
	}
}

func mlpLoop[T kernel.Float](pool *buffers[T], out, x, w1, b1, w2, b2 *Tensor, act Act, p float64, key uint64) {
	rows, in, hidden, n := x.shape[0], x.shape[1], w1.shape[0], w2.shape[0]
	xs, os := data[T](x), data[T](out)
	m1, m2 := mat[T](w1, true), mat[T](w2, true)
	e1, e2 := kernel.Epilogue[T]{Act: kernelActs[act], Bias: weights[T](b1)}, kernel.Epilogue[T]{Bias: weights[T](b2)}
	block := mlpRows(hidden)
	par.For(rows, block, func(lo, hi int) {
		buf := pool.get(block * hidden)
		defer pool.put(buf)
		r := hi - lo
		h := (*buf)[:r*hidden]
		kernel.Gemm(r, hidden, in, kernel.Mat[T]{Data: xs[lo*x.stride[0]:], RS: x.stride[0], CS: 1}, m1, h, hidden, e1)
		if p > 0 {
			kernel.Dropout(h, h, p, key, uint64(lo*hidden))
		}
		kernel.Gemm(r, n, hidden, kernel.RowMajor(h, hidden), m2, os[lo*n:], n, e2)
	})
}

func cpuMLPGrad(dx *Tensor, g mlpGrads, dy, x, w1, b1, w2 *Tensor, act Act, p float64, key uint64) {
	if x.dt == F64 {
		mlpGradLoop(buffers64, dx, g, dy, x, w1, b1, w2, act, p, key)
	} else {
		mlpGradLoop(buffers32, dx, g, dy, x, w1, b1, w2, act, p, key)
	}
}

// mlpGradLoop goes back through blocks of rows. Each block adds its parameter gradients up alone; they are joined in
// the order of the blocks.
func mlpGradLoop[T kernel.Float](pool *buffers[T], dx *Tensor, g mlpGrads, dy, x, w1, b1, w2 *Tensor, act Act, p float64, key uint64) {
	rows, in, hidden, n := x.shape[0], x.shape[1], w1.shape[0], w2.shape[0]
	xs, dys := data[T](x), data[T](dy)
	m1, m2 := mat[T](w1, true), mat[T](w2, false)
	bias := weights[T](b1)
	block := mlpRows(hidden)
	blocks := (rows + block - 1) / block
	size := hidden*in + hidden + n*hidden + n // w1, b1, w2, b2 of one block
	partial := pool.get(blocks * size)
	defer pool.put(partial)
	apply, grad := unaryKernel[T](actOps[act]), unaryGradKernel[T](actOps[act])
	par.For(rows, block, func(lo, hi int) {
		r := hi - lo
		buf := pool.get(3 * block * hidden)
		defer pool.put(buf)
		part := func(i int) []T { return (*buf)[i*block*hidden:][:r*hidden] }
		a, d, dh := part(0), part(1), part(2)
		dW1, dB1, dW2, dB2 := cut((*partial)[lo/block*size:][:size], hidden*in, hidden, n*hidden, n)
		xm := kernel.Mat[T]{Data: xs[lo*x.stride[0]:], RS: x.stride[0], CS: 1}
		dym := kernel.Mat[T]{Data: dys[lo*dy.stride[0]:], RS: dy.stride[0], CS: 1}

		// The hidden layer again, and its derivative in d.
		kernel.Gemm(r, hidden, in, xm, m1, dh, hidden, kernel.Epilogue[T]{Bias: bias})
		if act == ActGELU {
			kernel.GELUBoth(a, d, dh)
		} else {
			apply(a, dh, 0)
			kernel.Fill(d, 1)
			grad(d, d, dh, 0)
		}
		if p > 0 {
			kernel.DropoutPair(a, d, p, key, uint64(lo*hidden))
		}
		if g.w2 != nil {
			kernel.Gemm(n, hidden, r, dym.T(), kernel.RowMajor(a, hidden), dW2, hidden, kernel.Epilogue[T]{})
		}
		if g.b2 != nil {
			colSums(dB2, dym, r, n)
		}
		kernel.Gemm(r, hidden, n, dym, m2, dh, hidden, kernel.Epilogue[T]{})
		kernel.Mul(dh, dh, d)
		if g.w1 != nil {
			kernel.Gemm(hidden, in, r, kernel.RowMajor(dh, hidden).T(), xm, dW1, in, kernel.Epilogue[T]{})
		}
		if g.b1 != nil {
			colSums(dB1, kernel.RowMajor(dh, hidden), r, hidden)
		}
		if dx != nil {
			kernel.Gemm(r, in, hidden, kernel.RowMajor(dh, hidden), mat[T](w1, false), data[T](dx)[lo*in:], in, kernel.Epilogue[T]{})
		}
	})
	at := 0
	for _, t := range [...]struct {
		g *Tensor
		n int
	}{{g.w1, hidden * in}, {g.b1, hidden}, {g.w2, n * hidden}, {g.b2, n}} {
		if t.g != nil {
			joinBlocks(data[T](t.g)[:t.n], *partial, at, size, blocks)
		}
		at += t.n
	}
}

func cut[T any](s []T, a, b, c, d int) (w, x, y, z []T) {
	return s[:a], s[a : a+b], s[a+b : a+b+c], s[a+b+c:][:d]
}

// colSums is Σ over rows of m [rows, cols].
func colSums[T kernel.Float](dst []T, m kernel.Mat[T], rows, cols int) {
	copy(dst, m.Data[:cols])
	for i := 1; i < rows; i++ {
		kernel.Add(dst, dst, m.Data[i*m.RS:][:cols])
	}
}

// joinBlocks adds up part at of every block, in order.
func joinBlocks[T kernel.Float](dst, partial []T, at, size, blocks int) {
	par.For(len(dst), 4096, func(lo, hi int) {
		copy(dst[lo:hi], partial[at+lo:])
		for b := 1; b < blocks; b++ {
			kernel.Add(dst[lo:hi], dst[lo:hi], partial[b*size+at+lo:])
		}
	})
}
