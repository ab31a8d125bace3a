package kernel

import (
	"unsafe"

	"github.com/hanji-ml/hanji/internal/par"
)

// PackedB is a right operand that was packed once, for weights that many products share. It is
// read-only and may be used by many goroutines.
type PackedB[T Float] struct {
	k, n int
	s    tileShape
	kc   int
	data []T // block after block of k, each panel after panel
}

// PackB packs b [k, n] for the path that kernels take now. The result keeps no reference to b's data.
func PackB[T Float](k, n int, b Mat[T]) *PackedB[T] {
	p := &PackedB[T]{k: k, n: n, s: tileOf[T]()}
	if k == 0 || n == 0 {
		return p
	}
	need(len(b.Data), b.last(k, n), "B")
	var z T
	size := int(unsafe.Sizeof(z))
	p.kc = blockDepth(k, p.s, size)
	panels := (n + p.s.nr - 1) / p.s.nr
	mem := make([]T, panels*p.s.nr*k+64/size)
	skip := int(-uintptr(unsafe.Pointer(&mem[0]))&63) / size
	p.data = mem[skip : skip+panels*p.s.nr*k]
	for p0 := 0; p0 < k; p0 += p.kc {
		p1 := min(p0+p.kc, k)
		par.For(panels, 4, func(lo, hi int) {
			packB(p.panels(lo, p0, p1), &b, n, p.s.nr, lo, hi, p0, p1)
		})
	}
	return p
}

// panels is where panel j of the block p0…p1 begins.
func (p *PackedB[T]) panels(j, p0, p1 int) []T {
	panels := (p.n + p.s.nr - 1) / p.s.nr
	return p.data[(panels*p0+j*(p1-p0))*p.s.nr:]
}

// Shape is the k and n that b was packed with.
func (p *PackedB[T]) Shape() (k, n int) { return p.k, p.n }

// GemmPacked is [Gemm] with a packed right operand, which gives n and k. An
// operand packed for another path than is taken now (a test's cpu.Force) is unpacked at each call.
func GemmPacked[T Float](m int, a Mat[T], b *PackedB[T], c []T, ldc int, ep Epilogue[T]) {
	if m == 0 || b.n == 0 {
		return
	}
	if b.s != tileOf[T]() && b.k > 0 {
		Gemm(m, b.n, b.k, a, b.unpack(), c, ldc, ep)
		return
	}
	check(m, b.n, 0, &a, &Mat[T]{}, c, ldc, &ep)
	if b.k > 0 {
		need(len(a.Data), a.last(m, b.k), "A")
	}
	t := newTask[T]()
	t.m, t.n, t.k, t.a, t.c, t.ldc, t.ep, t.ready = m, b.n, b.k, a, c, ldc, ep, b
	t.run()
	t.free()
}

func (p *PackedB[T]) unpack() Mat[T] {
	out := RowMajor(make([]T, p.k*p.n), p.n)
	for p0 := 0; p0 < p.k; p0 += p.kc {
		p1 := min(p0+p.kc, p.k)
		for j := 0; j < p.n; j += p.s.nr {
			panel := p.panels(j/p.s.nr, p0, p1)
			for q := p0; q < p1; q++ {
				copy(out.Data[q*p.n+j:q*p.n+min(j+p.s.nr, p.n)], panel[(q-p0)*p.s.nr:])
			}
		}
	}
	return out
}
