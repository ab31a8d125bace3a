package kernel

import (
	"math/bits"
	"sync"
	"unsafe"
)

// packB copies rows p0…p1 and the columns of panels j0…j1 of b, n columns in all, into dst: panel
// after panel of nr columns, each [p1-p0][nr], what lies beyond column n zero.
func packB[T Float](dst []T, b *Mat[T], n, nr, j0, j1, p0, p1 int) {
	k := p1 - p0
	if n < j1*nr { // the last panel's padding
		last := dst[(j1-1-j0)*k*nr : (j1-j0)*k*nr]
		for p := range k {
			clear(last[p*nr+n-(j1-1)*nr : (p+1)*nr])
		}
	}
	c0, c1 := j0*nr, min(j1*nr, n)
	switch {
	case b.CS == 1 && packRows(dst, b, c0, c1, nr, p0, p1):
	case b.CS == 1:
		for p := range k {
			at := (p0 + p) * b.RS
			row := b.Data[at+c0 : at+c1]
			d := dst[p*nr:]
			for len(row) > nr {
				copy(d[:nr], row)
				row, d = row[nr:], d[k*nr:]
			}
			copy(d, row)
		}
	case b.RS == 1:
		for c := c0; c < c1; c += nr {
			packTransposed(dst[(c-c0)*k:], b.Data[c*b.CS+p0:], min(nr, c1-c), k, nr, b.CS)
		}
	default:
		for c := c0; c < c1; c++ {
			d := dst[(c-c0)/nr*nr*k+(c-c0)%nr:]
			for p := range k {
				d[p*nr] = b.Data[(p0+p)*b.RS+c*b.CS]
			}
		}
	}
}

// packAhead is how many rows ahead packRows asks for memory. Rows are far apart, so no hardware
// prefetcher helps; 4 and 8 were up to a quarter slower at 8×4096×4096 on Zen 4.
const packAhead = 16

// packRows packs a B stored by rows with assembly, all or nothing.
func packRows[T Float](dst []T, b *Mat[T], c0, end, nr, p0, p1 int) bool {
	if !isF32[T]() {
		return false
	}
	k := p1 - p0
	for c := c0; c < end; c += nr {
		d, src := f32(dst[(c-c0)*k:(c-c0+nr)*k]), f32(b.Data[p0*b.RS+c:])
		if w := end - c; w < nr {
			for p := range k {
				copy(d[p*nr:p*nr+w], src[p*b.RS:])
			}
		} else if !gemmPackF32(&d[0], &src[0], b.RS, packAhead*b.RS, k) {
			return false
		}
	}
	return true
}

// packTransposed sets dst[p·nr+c] = src[c·stride+p] for c < cols, p < k.
func packTransposed[T Float](dst, src []T, cols, k, nr, stride int) {
	c := 0
	if isF32[T]() && k >= 16 {
		for ; c+16 <= cols; c += 16 {
			d, s := f32(dst[c:]), f32(src[c*stride:])
			if !gemmTransposeF32(&d[0], &s[0], nr, stride, k/16) {
				break
			}
			for p := k &^ 15; p < k; p++ {
				for q := range 16 {
					d[p*nr+q] = s[q*stride+p]
				}
			}
		}
	}
	for ; c+4 <= cols; c += 4 {
		s0, s1, s2, s3 := src[c*stride:], src[(c+1)*stride:], src[(c+2)*stride:], src[(c+3)*stride:]
		s0, s1, s2, s3 = s0[:k], s1[:k], s2[:k], s3[:k]
		for p := range k {
			d := dst[p*nr+c : p*nr+c+4 : p*nr+c+4]
			d[0], d[1], d[2], d[3] = s0[p], s1[p], s2[p], s3[p]
		}
	}
	for ; c < cols; c++ {
		for p, v := range src[c*stride : c*stride+k] {
			dst[p*nr+c] = v
		}
	}
}

// packA copies rows i0…i1 and columns p0…p1 of a into dst and returns the copy as a matrix. It
// keeps the order of a: rows of an A stored by rows stay rows, so this is a plain copy, yet the
// rows no longer fall into the same sets of the cache.
func packA[T Float](dst []T, a *Mat[T], i0, i1, p0, p1 int) Mat[T] {
	rows, k := i1-i0, p1-p0
	if a.RS == 1 && a.CS != 1 {
		out := Mat[T]{dst, 1, (rows + 15) &^ 15}
		for p := range k {
			copy(dst[p*out.CS:p*out.CS+rows], a.Data[(p0+p)*a.CS+i0:])
		}
		return out
	}
	out := Mat[T]{dst, (k+15)&^15 + 16, 1}
	for i := range rows {
		d := dst[i*out.RS : i*out.RS+k]
		if a.CS == 1 {
			copy(d, a.Data[(i0+i)*a.RS+p0:])
			continue
		}
		at := (i0+i)*a.RS + p0*a.CS
		for p := range d {
			d[p] = a.Data[at+p*a.CS]
		}
	}
	return out
}

// packASize is how much room packA needs for rows × k.
func packASize(rows, k int) int { return max(k*((rows+15)&^15), rows*((k+15)&^15+16)) }

// buffer is scratch memory that begins at a multiple of 64 bytes.
type buffer struct {
	mem   []uint64
	class int
}

// buffers[c] keeps buffers of 1<<c bytes.
var buffers [48]sync.Pool

// scratch takes n elements of undefined content from the pool; give the buffer back with free.
func scratch[T Float](n int) ([]T, *buffer) {
	var z T
	size := int(unsafe.Sizeof(z))
	class := bits.Len(uint(max(n*size+64, 4096) - 1))
	b, _ := buffers[class].Get().(*buffer)
	if b == nil {
		b = &buffer{make([]uint64, 1<<class/8), class}
	}
	p := unsafe.Pointer(unsafe.SliceData(b.mem))
	skip := -uintptr(p) & 63
	return unsafe.Slice((*T)(unsafe.Add(p, skip)), n), b
}

func (b *buffer) free() { buffers[b.class].Put(b) }
