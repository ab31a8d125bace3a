package kernel

import (
	"math"
	"sync"
	"unsafe"

	"github.com/hanji-ml/hanji/internal/cpu"
	"github.com/hanji-ml/hanji/internal/par"
)

// gemmTask is one product on its way: the operands, how it is cut into blocks, and the loops that
// par runs. Blocks follow Goto and van de Geijn, "Anatomy of High-Performance Matrix
// Multiplication", 2008, but for one thing: a tile reads A with any strides, so A is copied only
// where its own layout would hurt, and B only where enough rows share the copy.
type gemmTask[T Float] struct {
	m, n, k int
	a, b    Mat[T]
	c       []T
	ldc     int
	ep      Epilogue[T]
	rest    Epilogue[T] // what of ep the tiles leave to do
	store   int         // how tiles store the first block of k

	s      tileShape
	kc     int // depth of a block of k; with k and the path it fixes the order of every sum
	packA  bool
	direct bool        // B is read in place
	ready  *PackedB[T] // or was packed before

	packed             []T // the panels of the current block
	p0, p1             int // the current block of k
	j0, j1             int // the current panels
	mc, jc, rows, cols int // size and number of the chunks: mc rows × jc panels
	partial            []T // sums of the slices of k

	aStride, bStride, cStride int // from product to product of a batch

	batch, pack, shared, local, slices, reduce, axpys, dots func(lo, hi int) // bound once: a closure a call would allocate
}

var tasks32, tasks64 sync.Pool

func taskPool[T Float]() *sync.Pool {
	if isF32[T]() {
		return &tasks32
	}
	return &tasks64
}

func newTask[T Float]() *gemmTask[T] {
	t, _ := taskPool[T]().Get().(*gemmTask[T])
	if t == nil {
		t = &gemmTask[T]{}
		t.batch = t.batchChunks
		t.pack, t.shared, t.local = t.packPanels, t.sharedChunks, t.localChunks
		t.slices, t.reduce = t.sliceChunks, t.reduceRows
		t.axpys, t.dots = t.fewAxpys, t.fewDots
	}
	t.s = tileOf[T]()
	return t
}

// free drops the operands, so that the pool keeps no caller's memory alive.
func (t *gemmTask[T]) free() {
	t.a, t.b, t.c, t.ready, t.packed, t.partial = Mat[T]{}, Mat[T]{}, nil, nil, nil, nil
	t.ep, t.rest = Epilogue[T]{}, Epilogue[T]{}
	taskPool[T]().Put(t)
}

// panels is the number of column panels.
func (t *gemmTask[T]) panels() int { return (t.n + t.s.nr - 1) / t.s.nr }

// blockDepth cuts k into equal blocks whose B panel takes L1 twice over: the tile reads it in order,
// so it comes from L2 in time, and longer blocks visit C less often (1.0 and 1.5 L1 were no faster on Zen 4).
func blockDepth(k int, s tileShape, size int) int {
	most := min(max(cpu.L1d*2/(s.nr*size), 128), 512)
	blocks := (k + most - 1) / most
	return ((k+blocks-1)/blocks + 7) &^ 7
}

// plan decides what does not depend on how the work is shared out.
func (t *gemmTask[T]) plan(size int) {
	t.kc = blockDepth(t.k, t.s, size)
	t.direct, t.packA = false, false
	t.rest, t.store = t.ep, storePlain
	switch {
	case t.ep.Accumulate:
		t.store = storeAdd
	case t.s.bias && t.ep.Bias != nil:
		t.rest.Bias, t.store = nil, storeColBias
	case t.s.bias && t.ep.RowBias != nil:
		t.rest.RowBias, t.store = nil, storeRowBias
	}
}

func (t *gemmTask[T]) run() {
	if t.k == 0 {
		t.empty()
		return
	}
	var z T
	size := int(unsafe.Sizeof(z))
	t.plan(size)
	switch {
	case t.ready == nil && t.sliced():
		t.runSlices()
	case t.few():
		t.runFew()
	case t.m <= 8*t.s.mr:
		t.runLocal(size)
	default:
		t.runShared(size)
	}
}

func (t *gemmTask[T]) empty() {
	for i := range t.m {
		row := t.c[i*t.ldc : i*t.ldc+t.n]
		if !t.ep.Accumulate {
			clear(row)
		}
		t.ep.finish(row, i, 0)
	}
}

// work is what one chunk has to be worth to be handed to a worker, in multiply-adds: about 20 µs.
const work = 1 << 20

// runLocal serves few rows: each worker takes column panels and packs them for itself, if at all.
func (t *gemmTask[T]) runLocal(size int) {
	t.direct = t.ready == nil && t.b.CS == 1 && t.k*t.n*size <= cpu.L2/2
	var buf *buffer
	if t.a.RS*size >= 2048 && t.m > 1 && t.n > 2*t.s.nr { // rows a page apart share cache sets
		var mem []T
		mem, buf = scratch[T](packASize(t.m, t.k))
		t.a = packA(mem, &t.a, 0, t.m, 0, t.k)
	}
	grain := max(1, min(16, t.panels()/8)) // 8 panels: B is read in runs of 1 KB
	par.For(t.panels(), grain, t.local)
	if buf != nil {
		buf.free()
	}
}

func (t *gemmTask[T]) localChunks(lo, hi int) {
	mem, buf := scratch[T]((hi-lo)*t.s.nr*t.kc + maxMR*maxNR)
	defer buf.free()
	edge, panels := mem[:maxMR*maxNR], mem[maxMR*maxNR:]
	for p0 := 0; p0 < t.k; p0 += t.kc {
		p1 := min(p0+t.kc, t.k)
		b := panels
		switch {
		case t.ready != nil:
			b = t.ready.panels(lo, p0, p1)
		case !t.direct:
			packB(panels, &t.b, t.n, t.s.nr, lo, hi, p0, p1)
		default:
			b = nil
		}
		t.block(0, t.m, lo, hi, p0, p1, &t.a, 0, 0, b, panels, edge)
	}
	t.finish(0, t.m, lo, hi)
}

// runShared serves many rows: a block of B is packed once for all, then workers take blocks of rows.
func (t *gemmTask[T]) runShared(size int) {
	t.direct = t.ready == nil && t.b.CS == 1 && t.b.RS*size <= 2048 && t.k*t.n*size <= cpu.L2/4
	t.packA = t.n > 4*t.s.nr && (t.a.RS != 1 && t.a.CS != 1 || max(t.a.RS, t.a.CS)*size >= 1024)
	panels := t.panels()
	wide := max(1, cpu.L3/8/(t.kc*t.s.nr*size)) // panels in a packed block
	var buf *buffer
	if t.ready == nil && !t.direct {
		t.packed, buf = scratch[T](min(wide, panels) * t.s.nr * t.kc)
	} else {
		wide = panels
	}
	for t.j0 = 0; t.j0 < panels; t.j0 = t.j1 {
		t.j1 = min(t.j0+wide, panels)
		t.cut(size)
		for t.p0 = 0; t.p0 < t.k; t.p0 = t.p1 {
			t.p1 = min(t.p0+t.kc, t.k)
			if buf != nil {
				grain := max(1, 1<<15/((t.p1-t.p0)*t.s.nr))
				par.For(t.j1-t.j0, grain, t.pack)
			}
			par.For(t.rows*t.cols, 1, t.shared)
		}
	}
	if buf != nil {
		buf.free()
	}
}

// cut chooses the chunks: rows × cols of them, about four for each thread where the work is worth it, as equal as whole
// tiles allow. Of all such grids it takes the one that the busiest thread is through with first, by these costs: a tile's
// sums take 1, the panel of B that it meets comes from L2 (0.2 for the panel), and rows of A may have to be
// copied (0.15 for a tile). It moves no sum.
func (t *gemmTask[T]) cut(size int) {
	mr, panels, threads := t.s.mr, t.j1-t.j0, par.Threads()
	tiles := (t.m + mr - 1) / mr
	most := max(cpu.L2/2/(t.kc*size)/mr, 1) // tiles whose rows of A take half of L2
	want := 1
	if threads > 1 {
		want = min(4*threads, max(1, t.m*panels*t.s.nr*t.kc/work))
	}
	best := math.Inf(1)
	least := (tiles + most - 1) / most
	for rows := least; rows <= max(least, min(want, tiles/4)); rows++ {
		for cols := 1; cols <= max(1, min(want, panels/4)); cols++ {
			mt, jc := (tiles+rows-1)/rows, (panels+cols-1)/cols
			r, c := (tiles+mt-1)/mt, (panels+jc-1)/jc
			cost := float64(mt*jc) + 0.2*float64(jc)
			if t.packA {
				cost += 0.15 * float64(mt)
			}
			rounds := (r*c + threads - 1) / threads
			if cost *= float64(rounds); r*c < want {
				cost *= 1.25 // too few to make up for a thread that is held up
			}
			if cost < best {
				best, t.mc, t.jc, t.rows, t.cols = cost, mt*mr, jc, r, c
			}
		}
	}
}

func (t *gemmTask[T]) packPanels(lo, hi int) {
	k := t.p1 - t.p0
	packB(t.packed[lo*k*t.s.nr:], &t.b, t.n, t.s.nr, t.j0+lo, t.j0+hi, t.p0, t.p1)
}

func (t *gemmTask[T]) sharedChunks(lo, hi int) {
	k := t.p1 - t.p0
	room := maxMR*maxNR + t.s.nr*t.kc
	if t.packA {
		room += packASize(t.mc, k)
	}
	mem, buf := scratch[T](room)
	defer buf.free()
	edge, spare := mem[:maxMR*maxNR], mem[maxMR*maxNR:]
	for u := lo; u < hi; u++ {
		i0, c0 := u/t.cols*t.mc, u%t.cols*t.jc
		i1, c1 := min(i0+t.mc, t.m), min(c0+t.jc, t.j1-t.j0)
		a, ai, ap := t.a, 0, 0
		if t.packA {
			a, ai, ap = packA(spare[t.s.nr*t.kc:], &t.a, i0, i1, t.p0, t.p1), i0, t.p0
		}
		var b []T
		if t.ready != nil {
			b = t.ready.panels(t.j0+c0, t.p0, t.p1)
		} else if !t.direct {
			b = t.packed[c0*k*t.s.nr:]
		}
		t.block(i0, i1, t.j0+c0, t.j0+c1, t.p0, t.p1, &a, ai, ap, b, spare, edge)
		if t.p1 == t.k {
			t.finish(i0, i1, t.j0+c0, t.j0+c1)
		}
	}
}

// block adds the part p0…p1 of the sums to rows i0…i1 of panels j0…j1. Element (ai, ap) of A is the
// first of a; b holds the packed panels from j0 on, or is nil: read B in place.
func (t *gemmTask[T]) block(i0, i1, j0, j1, p0, p1 int, a *Mat[T], ai, ap int, b, spare, edge []T) {
	var z T
	size, nr, k := int(unsafe.Sizeof(z)), t.s.nr, p1-p0
	g := gemmTile[T]{
		a:   unsafe.Pointer(&a.Data[(i0-ai)*a.RS+(p0-ap)*a.CS]),
		ars: a.RS * size, acs: a.CS * size, brs: nr * size, k: k, alpha: t.ep.alpha(),
	}
	if g.add = t.store; p0 > 0 {
		g.add = storeAdd
	}
	contiguous := a.CS == 1 && a.RS == k
	for j := j0; j < j1; j++ {
		w := min(nr, t.n-j*nr)
		switch {
		case b != nil:
			g.b = unsafe.Pointer(&b[(j-j0)*k*nr])
		case w < nr && !t.s.masked:
			packB(spare, &t.b, t.n, nr, j, j+1, p0, p1)
			g.b, g.brs = unsafe.Pointer(&spare[0]), nr*size
		default:
			g.b, g.brs = unsafe.Pointer(&t.b.Data[p0*t.b.RS+j*nr]), t.b.RS*size
		}
		switch g.add {
		case storeColBias:
			g.bias = unsafe.Pointer(&t.ep.Bias[j*nr])
		case storeRowBias:
			g.bias = unsafe.Pointer(&t.ep.RowBias[i0])
		}
		g.stream = contiguous && j == j0
		g.column(t.s, i1-i0, w, t.c[i0*t.ldc+j*nr:], t.ldc, edge)
	}
}

// finish runs what is left of the epilogue on rows i0…i1 of panels j0…j1.
func (t *gemmTask[T]) finish(i0, i1, j0, j1 int) {
	if !t.rest.rowwise() {
		return
	}
	c0, c1 := j0*t.s.nr, min(j1*t.s.nr, t.n)
	if c0 == 0 && c1 == t.n && t.ldc == t.n && (t.ep.Residual == nil || t.ep.LDR == t.n) {
		t.rest.finishBlock(t.c[i0*t.n:i1*t.n], i0, t.n)
		return
	}
	for i := i0; i < i1; i++ {
		t.rest.finish(t.c[i*t.ldc+c0:i*t.ldc+c1], i, c0)
	}
}
