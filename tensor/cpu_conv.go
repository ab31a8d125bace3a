package tensor

import (
	"math"

	"github.com/hanji-ml/hanji/internal/kernel"
	"github.com/hanji-ml/hanji/internal/par"
)

func cpuIm2Col(dst, x *Tensor, g window, oh, ow int) {
	if x.dt == F64 {
		im2colLoop[float64](dst, x, g, oh, ow)
	} else {
		im2colLoop[float32](dst, x, g, oh, ow)
	}
}

// span gives the places lo ≤ o < hi of n for which o·stride + at lies in [0, size).
func span(n, stride, at, size int) (lo, hi int) {
	if at < 0 {
		lo = (-at + stride - 1) / stride
	}
	if at < size {
		hi = min(n, (size-1-at)/stride+1)
	}
	return min(lo, n), max(hi, min(lo, n))
}

func im2colLoop[T kernel.Float](dst, x *Tensor, g window, oh, ow int) {
	h, w := x.shape[2], x.shape[3]
	d, s := data[T](dst), data[T](x)
	size := g.kh * g.kw * oh * ow // of one channel's columns
	par.For(x.shape[0]*x.shape[1], max(1, grain/max(size, 1)), func(lo, hi int) {
		for p := lo; p < hi; p++ {
			plane, out := s[p*h*w:][:h*w], d[p*size:][:size]
			for k := range g.kh * g.kw {
				top, left := k/g.kw*g.dh-g.ph, k%g.kw*g.dw-g.pw
				a, b := span(ow, g.sw, left, w)
				for i := range oh {
					row := out[(k*oh+i)*ow:][:ow]
					y := i*g.sh + top
					if y < 0 || y >= h || a == b {
						clear(row)
						continue
					}
					clear(row[:a])
					clear(row[b:])
					in := plane[y*w+a*g.sw+left:]
					if g.sw == 1 {
						copy(row[a:b], in)
						continue
					}
					for j := range row[a:b] {
						row[a+j] = in[j*g.sw]
					}
				}
			}
		}
	})
}

func cpuCol2Im(dst, cols *Tensor, g window, oh, ow int) {
	if dst.dt == F64 {
		col2imLoop[float64](dst, cols, g, oh, ow)
	} else {
		col2imLoop[float32](dst, cols, g, oh, ow)
	}
}

func col2imLoop[T kernel.Float](dst, cols *Tensor, g window, oh, ow int) {
	h, w := dst.shape[2], dst.shape[3]
	d, s := data[T](dst), data[T](cols)
	size := g.kh * g.kw * oh * ow
	par.For(dst.shape[0]*dst.shape[1], max(1, grain/max(size, 1)), func(lo, hi int) {
		for p := lo; p < hi; p++ {
			plane, in := d[p*h*w:][:h*w], s[p*size:][:size]
			clear(plane)
			for k := range g.kh * g.kw {
				top, left := k/g.kw*g.dh-g.ph, k%g.kw*g.dw-g.pw
				a, b := span(ow, g.sw, left, w)
				for i := range oh {
					y := i*g.sh + top
					if y < 0 || y >= h || a == b {
						continue
					}
					row, out := in[(k*oh+i)*ow:][a:b], plane[y*w+a*g.sw+left:]
					if g.sw == 1 {
						kernel.Add(out[:b-a], out[:b-a], row)
						continue
					}
					for j, v := range row {
						out[j*g.sw] += v
					}
				}
			}
		}
	})
}

func cpuMaxPool(dst, at, x *Tensor, size, stride, pad int) {
	if x.dt == F64 {
		maxPoolLoop[float64](dst, at, x, size, stride, pad)
	} else {
		maxPoolLoop[float32](dst, at, x, size, stride, pad)
	}
}

func maxPoolLoop[T kernel.Float](dst, at, x *Tensor, size, stride, pad int) {
	d, where, s := data[T](dst), data[int64](at), data[T](x)
	l, n := x.shape[x.rank-1], dst.shape[dst.rank-1]
	par.For(dst.Len()/max(n, 1), rowGrain(n*size), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			row := s[r*l : (r+1)*l]
			for i := range n {
				first := i*stride - pad
				best, j := T(math.Inf(-1)), max(first, 0)
				for k := j; k < min(first+size, l); k++ {
					if v := row[k]; v > best || v != v { // NaN wins, as in torch
						best, j = v, k
					}
				}
				d[r*n+i], where[r*n+i] = best, int64(j)
			}
		}
	})
}

func cpuMaxPoolGrad(dx, dy, at *Tensor) {
	if dx.dt == F64 {
		maxPoolGradLoop[float64](dx, dy, at)
	} else {
		maxPoolGradLoop[float32](dx, dy, at)
	}
}

func maxPoolGradLoop[T kernel.Float](dx, dy, at *Tensor) {
	d, g, where := data[T](dx), data[T](dy), data[int64](at)
	l, n := dx.shape[dx.rank-1], dy.shape[dy.rank-1]
	par.For(dy.Len()/max(n, 1), rowGrain(n+l), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			row := d[r*l : (r+1)*l]
			clear(row)
			for i := range n {
				row[where[r*n+i]] += g[r*n+i]
			}
		}
	})
}
