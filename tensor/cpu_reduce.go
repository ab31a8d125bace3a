package tensor

import (
	"cmp"
	"slices"

	"github.com/hanji-ml/hanji/internal/kernel"
	"github.com/hanji-ml/hanji/internal/par"
)

func cpuReduce(op reduceOp, dst, x *Tensor, outer, n, inner int) {
	if dst.dt == F64 {
		reduceLoop(op, data[float64](dst), data[float64](x), outer, n, inner)
	} else {
		reduceLoop(op, data[float32](dst), data[float32](x), outer, n, inner)
	}
}

// sumChunk is the number of rows whose sum is formed alone; the chunks are then added in order in float64, so the
// result depends neither on threads nor, much, on the length.
const sumChunk = 512

func reduceLoop[T kernel.Float](op reduceOp, dst, x []T, outer, n, inner int) {
	if outer*inner == 0 {
		return
	}
	if n == 0 {
		kernel.Fill(dst[:outer*inner], 0)
		return
	}
	switch {
	case op != reduceSum && inner == 1:
		par.For(outer, max(1, grain/n), func(lo, hi int) {
			for o := lo; o < hi; o++ {
				if op == reduceMax {
					dst[o] = kernel.MaxOf(x[o*n : (o+1)*n])
				} else {
					dst[o] = kernel.MinOf(x[o*n : (o+1)*n])
				}
			}
		})
	case op != reduceSum:
		par.For(outer, max(1, grain/(n*inner)), func(lo, hi int) {
			for o := lo; o < hi; o++ {
				row := dst[o*inner : (o+1)*inner]
				copy(row, x[o*n*inner:])
				for i := 1; i < n; i++ {
					in := x[(o*n+i)*inner : (o*n+i+1)*inner]
					if op == reduceMax {
						kernel.Max(row, row, in)
					} else {
						kernel.Min(row, row, in)
					}
				}
			}
		})
	case inner == 1 && outer >= 4:
		par.For(outer, max(1, grain/n), func(lo, hi int) {
			for o := lo; o < hi; o++ {
				dst[o] = T(sumOf(x[o*n : (o+1)*n]))
			}
		})
	case inner == 1: // long rows: chunks in parallel, then in order
		const chunk = grain
		parts := (n + chunk - 1) / chunk
		buf := buffers64.get(parts)
		defer buffers64.put(buf)
		partial := *buf
		for o := range outer {
			row := x[o*n : (o+1)*n]
			par.For(n, chunk, func(lo, hi int) { partial[lo/chunk] = float64(kernel.Sum(row[lo:hi])) })
			sum := 0.0
			for _, p := range partial {
				sum += p
			}
			dst[o] = T(sum)
		}
	case outer > 1 && n*inner <= 4*grain: // many small planes
		par.For(outer, max(1, grain/(n*inner)), func(lo, hi int) {
			buf := buffers64.get(inner)
			defer buffers64.put(buf)
			acc := *buf
			for o := lo; o < hi; o++ {
				clear(acc)
				kernel.ColSum(acc, x[o*n*inner:(o+1)*n*inner], n, inner)
				for i, v := range acc {
					dst[o*inner+i] = T(v)
				}
			}
		})
	default:
		chunks := (n + sumChunk - 1) / sumChunk
		buf := buffers64.get(chunks * inner)
		defer buffers64.put(buf)
		partial := *buf
		for o := range outer {
			plane := x[o*n*inner : (o+1)*n*inner]
			clear(partial)
			par.For(n, sumChunk, func(lo, hi int) {
				c := lo / sumChunk
				kernel.ColSum(partial[c*inner:(c+1)*inner], plane[lo*inner:hi*inner], hi-lo, inner)
			})
			for i := range inner {
				sum := 0.0
				for c := range chunks {
					sum += partial[c*inner+i]
				}
				dst[o*inner+i] = T(sum)
			}
		}
	}
}

// sumOf adds a row in fixed chunks whose sums meet in float64.
func sumOf[T kernel.Float](x []T) float64 {
	s := 0.0
	for len(x) > grain {
		s += float64(kernel.Sum(x[:grain]))
		x = x[grain:]
	}
	return s + float64(kernel.Sum(x))
}

func cpuArgmax(dst, x *Tensor) {
	out := data[int64](dst)
	n := x.shape[x.rank-1]
	if x.dt == F64 {
		for i := range dst.Len() {
			out[i] = int64(kernel.ArgMax(data[float64](x)[i*n : (i+1)*n]))
		}
		return
	}
	for i := range dst.Len() {
		out[i] = int64(kernel.ArgMax(data[float32](x)[i*n : (i+1)*n]))
	}
}

func cpuSortRows(x *Tensor) {
	if x.dt == F64 {
		sortLoop[float64](x)
	} else {
		sortLoop[float32](x)
	}
}

func sortLoop[T kernel.Float](x *Tensor) {
	d, n := data[T](x), x.shape[x.rank-1]
	par.For(x.Len()/max(n, 1), rowGrain(n), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			row := d[r*n : (r+1)*n]
			slices.SortFunc(row, func(a, b T) int {
				switch {
				case a != a:
					return btoi(b == b)
				case b != b:
					return -1
				}
				return cmp.Compare(a, b)
			})
		}
	})
}
