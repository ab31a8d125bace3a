package kernel

import (
	"unsafe"

	"github.com/hanji-ml/hanji/internal/cpu"
	"github.com/hanji-ml/hanji/internal/par"
)

const (
	fewRows    = 8    // up to so many rows a product is bound by reading B
	fewDotRows = 3    // the same for a transposed B: from here on packing it wins
	fewCols    = 1024 // columns (or depth, for a transposed B) that one pass takes: 8 streams of them fill L1
	fewLanes   = 16   // the kernels' step
)

// few reports a product of few rows and a B too large for L2: B is streamed once, eight rows at a
// time, and every row of A meets them while they are in L1.
func (t *gemmTask[T]) few() bool {
	if !isF32[T]() || t.ready != nil || !(cpu.X86.AVX512 || cpu.X86.AVX2) {
		return false
	}
	return t.k >= 64 && t.n >= 64 && t.k*t.n*4 >= cpu.L2/2 &&
		(t.b.CS == 1 && t.m <= fewRows || t.b.RS == 1 && t.m <= fewDotRows)
}

func (t *gemmTask[T]) runFew() {
	if t.b.CS == 1 {
		// Columns to each chunk so that all threads have work; no sum crosses columns.
		grain := min(fewCols, max(256, (t.n/par.Threads()+63)&^63))
		par.For(t.n, grain, t.axpys)
		return
	}
	par.For((t.n+7)/8, 8, t.dots)
}

// fewAxpys computes columns lo…hi for a B stored by rows.
func (t *gemmTask[T]) fewAxpys(lo, hi int) {
	alpha, whole := t.ep.alpha(), (hi-lo)&^(fewLanes-1)
	ldy := hi - lo + fewLanes
	y, buf := scratch[T](t.m * ldy)
	defer buf.free()
	clear(y)
	var x [fewRows][8]float32
	for p := 0; p < t.k; p += 8 {
		rows := min(8, t.k-p)
		for i := range t.m {
			for q := range rows {
				x[i][q] = float32(alpha * t.a.Data[i*t.a.RS+(p+q)*t.a.CS])
			}
		}
		vector := 0
		if rows == 8 && whole > 0 {
			vector = whole
			pf := 0
			if p+16 <= t.k {
				pf = 8 * t.b.RS * 4
			}
			gemmAxpy8F32(&f32(y)[0], &x[0][0], (*float32)(unsafe.Pointer(&t.b.Data[p*t.b.RS+lo])), t.m, 4*ldy, 4*t.b.RS, pf, whole)
		}
		for i := 0; i < t.m && vector < hi-lo; i++ {
			y := y[i*ldy : i*ldy+hi-lo]
			for q := range rows {
				row, f := t.b.Data[(p+q)*t.b.RS+lo:(p+q)*t.b.RS+hi], T(x[i][q])
				for j := vector; j < len(y); j++ {
					y[j] += f * row[j]
				}
			}
		}
	}
	for i := range t.m {
		row := t.c[i*t.ldc+lo : i*t.ldc+hi]
		if t.ep.Accumulate {
			Add(row, row, y[i*ldy:i*ldy+len(row)])
		} else {
			copy(row, y[i*ldy:])
		}
		t.ep.finish(row, i, lo)
	}
}

// fewDots computes columns 8·lo…8·hi for a B stored by columns.
func (t *gemmTask[T]) fewDots(lo, hi int) {
	alpha := t.ep.alpha()
	c0, c1 := 8*lo, min(8*hi, t.n)
	whole := t.k &^ (fewLanes - 1)
	a := &t.a
	if a.CS != 1 {
		ld := t.k
		mem, buf := scratch[T](t.m * ld)
		defer buf.free()
		rows := Mat[T]{mem, ld, 1}
		for i := range t.m {
			for p := range t.k {
				mem[i*ld+p] = a.Data[i*a.RS+p*a.CS]
			}
		}
		a = &rows
	}
	var out [8]float32
	for c := c0; c < c1; c += 8 {
		cols := min(8, c1-c)
		pf := 0
		if c+16 <= c1 {
			pf = 8 * t.b.CS * 4
		}
		var sum [fewRows][8]T
		for p := 0; p < t.k && cols == 8; p += fewCols {
			depth := min(fewCols, whole-p)
			if depth <= 0 {
				break
			}
			ahead := pf
			for i := range t.m {
				gemmDot8F32(&out, (*float32)(unsafe.Pointer(&a.Data[i*a.RS+p])), (*float32)(unsafe.Pointer(&t.b.Data[c*t.b.CS+p])), 4*t.b.CS, ahead, depth)
				for q, v := range out {
					sum[i][q] += T(v)
				}
				ahead = 0
			}
		}
		from := whole
		if cols < 8 {
			from = 0
		}
		for i := range t.m {
			row := t.c[i*t.ldc+c : i*t.ldc+c+cols]
			for q := range row {
				s := sum[i][q]
				col := t.b.Data[(c+q)*t.b.CS:]
				for p := from; p < t.k; p++ {
					s += a.Data[i*a.RS+p] * col[p]
				}
				if t.ep.Accumulate {
					row[q] += alpha * s
				} else {
					row[q] = alpha * s
				}
			}
		}
	}
	for i := range t.m {
		t.ep.finish(t.c[i*t.ldc+c0:i*t.ldc+c1], i, c0)
	}
}
