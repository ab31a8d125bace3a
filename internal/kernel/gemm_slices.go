package kernel

import "github.com/hanji-ml/hanji/internal/par"

// sliceDepth is how much of k one slice takes, whatever the number of threads.
const sliceDepth = 2048

// sliced reports a product of few results but long sums, the gradient of a weight: its work is cut
// along k. It depends on the shape alone, for it changes the order of the sums.
func (t *gemmTask[T]) sliced() bool {
	return t.k >= 2*sliceDepth && t.m*t.n <= 64*48*32 && t.m > 8 && t.k/sliceDepth*8 >= t.panels()
}

// runSlices computes the product of every slice of k by itself and adds these up in their order.
func (t *gemmTask[T]) runSlices() {
	n := (t.k + sliceDepth - 1) / sliceDepth
	mem, buf := scratch[T](n * t.m * t.n)
	t.partial = mem
	par.For(n, 1, t.slices)
	par.For(t.m, max(1, (1<<14)/t.n/n), t.reduce)
	buf.free()
}

func (t *gemmTask[T]) sliceChunks(lo, hi int) {
	for i := lo; i < hi; i++ {
		p0, p1 := i*sliceDepth, min((i+1)*sliceDepth, t.k)
		s := newTask[T]()
		s.m, s.n, s.k, s.ldc = t.m, t.n, p1-p0, t.n
		s.a, s.b, s.c = t.a, t.b, t.partial[i*t.m*t.n:(i+1)*t.m*t.n]
		s.a.Data, s.b.Data = t.a.Data[p0*t.a.CS:], t.b.Data[p0*t.b.RS:]
		s.run()
		s.free()
	}
}

func (t *gemmTask[T]) reduceRows(lo, hi int) {
	slices, alpha := (t.k+sliceDepth-1)/sliceDepth, t.ep.alpha()
	for i := lo; i < hi; i++ {
		row := t.c[i*t.ldc : i*t.ldc+t.n]
		if !t.ep.Accumulate {
			clear(row)
		}
		for s := range slices {
			at := (s*t.m + i) * t.n
			Axpy(row, alpha, t.partial[at:at+t.n])
		}
		t.ep.finish(row, i, 0)
	}
}
