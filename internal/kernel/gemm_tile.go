package kernel

import (
	"unsafe"

	"github.com/hanji-ml/hanji/internal/cpu"
)

// gemmTile is what a tile function gets: operands and how to walk them, strides in bytes. The
// assembly knows the layout; see _asm/gemm.
type gemmTile[T Float] struct {
	a        unsafe.Pointer
	ars, acs int // from row to row of A, from k to k+1
	b        unsafe.Pointer
	brs      int // from k to k+1; along a row B is contiguous
	c        unsafe.Pointer
	crs      int
	k        int    // ≥ 1
	tiles    int    // ≥ 1, one under another
	mask     uint64 // which columns exist; only tileShape.masked heeds it
	add      int    // what joins the product: one of the store constants
	alpha    T
	ahead    int // while at k, ask for what lies ahead + k·step bytes from the tile's first row
	step     int
	bias     unsafe.Pointer // of the first tile's first column or row
	biasAt   int            // of the tile's first row beyond bias, in bytes; counted up by the assembly
	stream   bool           // A is contiguous and met for the first time: ask for the next tile's rows
}

// What a tile adds to alpha times the product before it stores it.
const (
	storePlain   = iota
	storeAdd     // C
	storeColBias // a bias per column
	storeRowBias // a bias per row
)

// tileShape is the size of a path's register tile.
type tileShape struct {
	mr, nr int
	masked bool // narrow panels may be read and written in place; else they are packed with zeros
	halves bool // there are tiles of half the width
	bias   bool // tiles know storeColBias and storeRowBias
}

const maxMR, maxNR = 12, 32

func tileOf[T Float]() tileShape {
	if isF32[T]() {
		switch {
		case cpu.X86.AVX512:
			return tileShape{12, 32, true, true, true}
		case cpu.X86.AVX2:
			return tileShape{6, 16, false, true, true}
		case cpu.ARM64.ASIMD:
			return tileShape{8, 8, false, false, false}
		}
	}
	return tileShape{2, 4, false, false, false}
}

// rows is the tallest tile there is for what remains of a column.
func (s tileShape) rows(remain int) int {
	switch {
	case remain >= s.mr:
		return s.mr
	case remain >= 8:
		return 8
	case remain >= 4:
		return 4
	case remain >= 2:
		return 2
	}
	return 1
}

// column computes m rows of one panel of w ≤ nr columns, g.k deep, into c. g.a is the first row;
// edge is scratch of mr·nr for panels that the path cannot write in place.
func (g *gemmTile[T]) column(s tileShape, m, w int, c []T, ldc int, edge []T) {
	g.mask = 1<<w - 1
	g.crs = ldc * int(unsafe.Sizeof(g.alpha))
	half := s.halves && w <= s.nr/2
	inPlace := s.masked || w == s.nr || half && w == s.nr/2
	a, bias := g.a, g.bias
	for i := 0; i < m; {
		r := s.rows(m - i)
		tiles := 1
		if r == s.mr && inPlace {
			tiles = (m - i) / r
		}
		g.tiles = tiles // counted down by the assembly
		g.ahead, g.step = 0, 0
		if g.stream {
			g.ahead, g.step = r*g.ars, r*int(unsafe.Sizeof(g.alpha))
		}
		g.a = unsafe.Add(a, i*g.ars)
		if g.biasAt = 0; g.add == storeRowBias {
			g.bias = unsafe.Add(bias, i*int(unsafe.Sizeof(g.alpha)))
		}
		if inPlace {
			g.c = unsafe.Pointer(&c[i*ldc])
			g.run(r, half)
		} else {
			g.viaEdge(s, r, w, half, c[i*ldc:], ldc, edge)
		}
		i += r * tiles
	}
	g.a = a
}

// viaEdge computes a tile in scratch and copies what exists of it.
func (g *gemmTile[T]) viaEdge(s tileShape, r, w int, half bool, c []T, ldc int, edge []T) {
	crs, add := g.crs, g.add
	g.c, g.crs, g.add = unsafe.Pointer(&edge[0]), s.nr*int(unsafe.Sizeof(g.alpha)), storePlain
	g.run(r, half)
	g.crs, g.add = crs, add
	for i := range r {
		dst, src := c[i*ldc:i*ldc+w], edge[i*s.nr:i*s.nr+w]
		switch add {
		case storePlain:
			copy(dst, src)
		case storeAdd:
			Add(dst, dst, src)
		case storeColBias:
			Add(dst, src, unsafe.Slice((*T)(g.bias), w))
		case storeRowBias:
			AddS(dst, src, *(*T)(unsafe.Add(g.bias, i*int(unsafe.Sizeof(g.alpha)))))
		}
	}
}

func (g *gemmTile[T]) run(rows int, half bool) {
	if isF32[T]() && gemmTileF32((*[16]uint64)(unsafe.Pointer(g)), rows, half) {
		return
	}
	g.portable(rows)
}

// portable computes tiles of 1 or 2 rows and 4 columns: eight sums, which with what feeds them fill
// the sixteen registers of amd64 without a spill.
func (g *gemmTile[T]) portable(rows int) {
	size := int(unsafe.Sizeof(g.alpha))
	brs, acs := g.brs/size, g.acs/size
	a, c := g.a, g.c
	b := unsafe.Slice((*T)(g.b), (g.k-1)*brs+4)
	for t := range g.tiles {
		if t > 0 { // never a pointer beyond the last tile, which may lie outside the slice
			a, c = unsafe.Add(a, rows*g.ars), unsafe.Add(c, rows*g.crs)
		}
		a0 := unsafe.Slice((*T)(a), (g.k-1)*acs+1)
		a1 := a0
		if rows == 2 {
			a1 = unsafe.Slice((*T)(unsafe.Add(a, g.ars)), (g.k-1)*acs+1)
		}
		var s00, s01, s02, s03, s10, s11, s12, s13 T
		p, q := 0, 0
		for range g.k {
			x, y := a0[q], a1[q]
			v := b[p : p+4 : p+4]
			s00 += x * v[0]
			s10 += y * v[0]
			s01 += x * v[1]
			s11 += y * v[1]
			s02 += x * v[2]
			s12 += y * v[2]
			s03 += x * v[3]
			s13 += y * v[3]
			p += brs
			q += acs
		}
		g.store(c, s00, s01, s02, s03)
		if rows == 2 {
			g.store(unsafe.Add(c, g.crs), s10, s11, s12, s13)
		}
	}
}

func (g *gemmTile[T]) store(c unsafe.Pointer, s0, s1, s2, s3 T) {
	d := (*[4]T)(c)
	if g.add == storeAdd {
		d[0] += s0 * g.alpha
		d[1] += s1 * g.alpha
		d[2] += s2 * g.alpha
		d[3] += s3 * g.alpha
		return
	}
	*d = [4]T{s0 * g.alpha, s1 * g.alpha, s2 * g.alpha, s3 * g.alpha}
}
