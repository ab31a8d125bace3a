package tensor

import (
	"math"

	"github.com/hanji-ml/hanji/internal/kernel"
	"github.com/hanji-ml/hanji/internal/par"
)

func cpuColMoments(mean, variance, x *Tensor) {
	if x.dt == F64 {
		colMomentsLoop[float64](mean, variance, x)
	} else {
		colMomentsLoop[float32](mean, variance, x)
	}
}

// colMomentsLoop takes each chunk's moments alone and joins them in order.
func colMomentsLoop[T kernel.Float](mean, variance, x *Tensor) {
	s, rows, n := data[T](x), x.shape[0], x.shape[1]
	parts := (rows + sumChunk - 1) / sumChunk
	buf := buffers64.zeroed(2 * (parts + 1) * n)
	defer buffers64.put(buf)
	m, m2 := (*buf)[:(parts+1)*n], (*buf)[(parts+1)*n:]
	par.For(rows, sumChunk, func(lo, hi int) {
		c := lo/sumChunk + 1
		kernel.ColMoments(m[c*n:(c+1)*n], m2[c*n:(c+1)*n], s[lo*n:hi*n], hi-lo, n)
	})
	for c := range parts {
		lo := c * sumChunk
		kernel.MergeMoments(m[:n], m2[:n], lo, m[(c+1)*n:(c+2)*n], m2[(c+1)*n:(c+2)*n], min(sumChunk, rows-lo))
	}
	outM, outV := data[T](mean), data[T](variance)
	for i := range n {
		outM[i], outV[i] = T(m[i]), T(m2[i]/float64(rows))
	}
}

func cpuNormCols(dst, x, mean, rstd, gamma, beta *Tensor) {
	if x.dt == F64 {
		normColsLoop[float64](dst, x, mean, rstd, gamma, beta)
	} else {
		normColsLoop[float32](dst, x, mean, rstd, gamma, beta)
	}
}

func normColsLoop[T kernel.Float](dst, x, mean, rstd, gamma, beta *Tensor) {
	d, s, m, r, g, b := data[T](dst), data[T](x), weights[T](mean), weights[T](rstd), weights[T](gamma), weights[T](beta)
	n := x.shape[x.rank-1]
	par.For(x.Len()/max(n, 1), rowGrain(n), func(lo, hi int) {
		kernel.NormCols(d[lo*n:hi*n], s[lo*n:hi*n], m, r, g, b, hi-lo, n)
	})
}

func cpuBatchNormGrad(dx, dgamma, dbeta, dy, x, mean, rstd, gamma *Tensor) {
	if x.dt == F64 {
		batchNormGradLoop[float64](dx, dgamma, dbeta, dy, x, mean, rstd, gamma)
	} else {
		batchNormGradLoop[float32](dx, dgamma, dbeta, dy, x, mean, rstd, gamma)
	}
}

func batchNormGradLoop[T kernel.Float](dx, dgamma, dbeta, dy, x, mean, rstd, gamma *Tensor) {
	d, g, s, m, r, w := data[T](dx), data[T](dy), data[T](x), weights[T](mean), weights[T](rstd), weights[T](gamma)
	n := x.shape[x.rank-1]
	rows := x.Len() / max(n, 1)
	parts := (rows + sumChunk - 1) / sumChunk
	sums := buffers64.zeroed(2 * parts * n)
	defer buffers64.put(sums)
	sumDy, sumDyX := (*sums)[:parts*n], (*sums)[parts*n:]
	par.For(rows, sumChunk, func(lo, hi int) {
		c := lo / sumChunk
		kernel.ColDot(sumDy[c*n:(c+1)*n], sumDyX[c*n:(c+1)*n], g[lo*n:hi*n], s[lo*n:hi*n], m, r, hi-lo, n)
	})
	dg, db := data[T](dgamma), data[T](dbeta)
	pool := buffersOf[T]()
	means := pool.get(2 * n)
	defer pool.put(means)
	meanDy, meanDyX := (*means)[:n], (*means)[n:]
	for i := range n {
		a, b := 0.0, 0.0
		for c := range parts {
			a += sumDy[c*n+i]
			b += sumDyX[c*n+i]
		}
		db[i], dg[i] = T(a), T(b)
		meanDy[i], meanDyX[i] = T(a/float64(rows)), T(b/float64(rows))
	}
	par.For(rows, rowGrain(n), func(lo, hi int) {
		kernel.NormGradCols(d[lo*n:hi*n], g[lo*n:hi*n], s[lo*n:hi*n], m, r, w, meanDy, meanDyX, hi-lo, n)
	})
}

func cpuAdam(p, g, m, v *Tensor, o AdamOptions) {
	args := kernel.AdamArgs{LR: o.LR, Beta1: o.Beta1, Beta2: o.Beta2, Eps: o.Eps, WeightDecay: o.WeightDecay, L2: !o.Decoupled,
		BC1: 1 - math.Pow(o.Beta1, float64(o.Step)), BC2: 1 - math.Pow(o.Beta2, float64(o.Step))}
	n := p.Len()
	if p.dt == F64 {
		kernel.AdamStep(data[float64](p)[:n], data[float64](g), data[float64](m), data[float64](v), args)
		return
	}
	pp, gg, mm, vv := data[float32](p), data[float32](g), data[float32](m), data[float32](v)
	if n <= grain { // no closure for the many small parameters
		kernel.AdamStep(pp[:n], gg[:n], mm[:n], vv[:n], args)
		return
	}
	par.For(n, grain, func(lo, hi int) {
		kernel.AdamStep(pp[lo:hi], gg[lo:hi], mm[lo:hi], vv[lo:hi], args)
	})
}

func cpuSumSquares(x *Tensor) float64 {
	n := x.Len()
	s := 0.0
	if x.dt == F64 {
		for _, v := range data[float64](x)[:n] {
			s += v * v
		}
		return s
	}
	d := data[float32](x)[:n]
	for len(d) > 0 {
		k := min(len(d), grain)
		s += float64(kernel.SumSq(d[:k]))
		d = d[k:]
	}
	return s
}

// cpuAbsPowers is Σ|x|^p, or max|x| for p = +Inf.
func cpuAbsPowers(x *Tensor, p float64) float64 {
	if x.dt == F64 {
		return absPowers(data[float64](x)[:x.Len()], p)
	}
	return absPowers(data[float32](x)[:x.Len()], p)
}

func absPowers[T kernel.Float](x []T, p float64) float64 {
	s := 0.0
	for _, v := range x {
		a := math.Abs(float64(v))
		switch {
		case math.IsInf(p, 1):
			s = math.Max(s, a) // NaN stays
		case p == 1:
			s += a
		default:
			s += math.Pow(a, p)
		}
	}
	return s
}
