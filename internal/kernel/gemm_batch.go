package kernel

import (
	"unsafe"

	"github.com/hanji-ml/hanji/internal/cpu"
	"github.com/hanji-ml/hanji/internal/par"
)

// GemmBatch computes batch equal products: product i reads A at i·aStride and B at i·bStride
// elements into their data and writes C at i·cStride. Stride 0 shares one A or B among all; C may not
// be shared. The epilogue is the same for all, but for Residual, which advances as C does:
// product i takes it at i·m·LDR, and for RowBias, of which every product has the same m. Each product has the bits that [Gemm] gives it, unless all
// are in truth one product of more rows: then it has those of that one.
func GemmBatch[T Float](batch, m, n, k int, a Mat[T], aStride int, b Mat[T], bStride int, c []T, ldc, cStride int, ep Epilogue[T]) {
	if batch <= 0 || m == 0 || n == 0 {
		return
	}
	stacked := (aStride == m*a.RS || k == 0) && cStride == m*ldc
	if batch == 1 || bStride == 0 && stacked && ep.RowBias == nil {
		Gemm(batch*m, n, k, a, b, c, ldc, ep)
		return
	}
	checkBatch(batch, m, n, k, &a, aStride, &b, bStride, c, ldc, cStride, &ep)
	t := newTask[T]()
	t.m, t.n, t.k, t.a, t.b, t.c, t.ldc, t.ep = m, n, k, a, b, c, ldc, ep
	t.aStride, t.bStride, t.cStride = aStride, bStride, cStride
	if bStride == 0 && k > 0 && b.CS != 1 {
		t.ready = PackB(k, n, b)
	}
	if cost := m * n * max(k, 1); cost < work {
		par.For(batch, max(1, work/2/cost), t.batch)
	} else {
		t.batchChunks(0, batch) // each is large enough to be shared out itself
	}
	t.free()
}

// checkBatch checks the last product, which reaches furthest.
func checkBatch[T Float](batch, m, n, k int, a *Mat[T], aStride int, b *Mat[T], bStride int, c []T, ldc, cStride int, ep *Epilogue[T]) {
	if aStride < 0 || bStride < 0 || cStride < (m-1)*ldc+n {
		panic("kernel: GemmBatch: negative stride, or products overlap in C")
	}
	last := batch - 1
	la, lb, le := *a, *b, *ep
	if k > 0 {
		need(len(a.Data), last*aStride+a.last(m, k), "A")
		need(len(b.Data), last*bStride+b.last(k, n), "B")
		la.Data, lb.Data = a.Data[last*aStride:], b.Data[last*bStride:]
	}
	need(len(c), last*cStride+(m-1)*ldc+n, "C")
	if ep.Residual != nil {
		need(len(ep.Residual), last*m*ep.LDR+(m-1)*ep.LDR+n, "Residual")
		le.Residual = ep.Residual[last*m*ep.LDR:]
	}
	check(m, n, k, &la, &lb, c[last*cStride:], ldc, &le)
}

func (t *gemmTask[T]) batchChunks(lo, hi int) {
	if t.small() {
		t.smallChunks(lo, hi)
		return
	}
	s := newTask[T]()
	for i := lo; i < hi; i++ {
		s.m, s.n, s.k, s.a, s.b, s.ldc, s.ep, s.ready = t.m, t.n, t.k, t.a, t.b, t.ldc, t.ep, t.ready
		s.c = t.c[i*t.cStride:]
		if t.k > 0 {
			s.a.Data, s.b.Data = t.a.Data[i*t.aStride:], t.b.Data[i*t.bStride:]
		}
		if t.ep.Residual != nil {
			s.ep.Residual = t.ep.Residual[i*t.m*t.ep.LDR:]
		}
		s.run()
	}
	s.free()
}

// small reports products of one block each that read B in place, where deciding anew for every product would take
// as long as the product.
func (t *gemmTask[T]) small() bool {
	var z T
	size := int(unsafe.Sizeof(z))
	return t.k > 0 && t.k <= blockDepth(t.k, t.s, size) && t.m <= 8*t.s.mr && t.b.CS == 1 && t.ready == nil &&
		t.k*t.n*size <= cpu.L2/4 && !t.few()
}

func (t *gemmTask[T]) smallChunks(lo, hi int) {
	var z T
	s := newTask[T]()
	s.m, s.n, s.k, s.a, s.b, s.ldc, s.ep = t.m, t.n, t.k, t.a, t.b, t.ldc, t.ep
	s.plan(int(unsafe.Sizeof(z)))
	mem, buf := scratch[T](maxMR*maxNR + s.s.nr*s.kc)
	edge, spare := mem[:maxMR*maxNR], mem[maxMR*maxNR:]
	panels := s.panels()
	for i := lo; i < hi; i++ {
		s.a.Data, s.b.Data, s.c = t.a.Data[i*t.aStride:], t.b.Data[i*t.bStride:], t.c[i*t.cStride:]
		if t.ep.Residual != nil {
			s.rest.Residual = t.ep.Residual[i*t.m*t.ep.LDR:]
		}
		s.block(0, s.m, 0, panels, 0, s.k, &s.a, 0, 0, nil, spare, edge)
		s.finish(0, s.m, 0, panels)
	}
	buf.free()
	s.free()
}
