package tensor

import (
	"math"
	"sync"

	"github.com/hanji-ml/hanji/internal/kernel"
	"github.com/hanji-ml/hanji/internal/par"
)

// rowGrain is how many rows of n elements one worker takes at a time.
func rowGrain(n int) int { return max(1, grain/max(n, 1)) }

func cpuSoftmax(dst, x *Tensor, log bool) {
	if dst.dt == F64 {
		softmaxLoop[float64](dst, x, log)
	} else {
		softmaxLoop[float32](dst, x, log)
	}
}

func softmaxLoop[T kernel.Float](dst, x *Tensor, log bool) {
	d, s := data[T](dst), data[T](x)
	n := x.shape[x.rank-1]
	if n == 0 {
		return
	}
	if rows := x.Len() / n; rows <= rowGrain(n) && !log { // no closure for the collector: a router's rows are few
		kernel.SoftmaxRows(d, s, rows, n, n, n)
		return
	}
	par.For(x.Len()/n, rowGrain(n), func(lo, hi int) {
		if log {
			kernel.LogSoftmaxRows(d[lo*n:], s[lo*n:], hi-lo, n, n, n)
		} else {
			kernel.SoftmaxRows(d[lo*n:], s[lo*n:], hi-lo, n, n, n)
		}
	})
}

func cpuSoftmaxGrad(dx, dy, y *Tensor, log bool) {
	if dx.dt == F64 {
		softmaxGradLoop[float64](dx, dy, y, log)
	} else {
		softmaxGradLoop[float32](dx, dy, y, log)
	}
}

func softmaxGradLoop[T kernel.Float](dx, dy, y *Tensor, log bool) {
	a, b, c := data[T](dx), data[T](dy), data[T](y)
	n := y.shape[y.rank-1]
	if n == 0 {
		return
	}
	par.For(y.Len()/n, rowGrain(n), func(lo, hi int) {
		if log {
			kernel.LogSoftmaxGradRows(a[lo*n:], b[lo*n:], c[lo*n:], hi-lo, n, n, n, n)
		} else {
			kernel.SoftmaxGradRows(a[lo*n:], b[lo*n:], c[lo*n:], hi-lo, n, n, n, n)
		}
	})
}

func cpuDropout(dst, x, residual *Tensor, p float64, key uint64) {
	if dst.dt == F64 {
		dropoutLoop[float64](dst, x, residual, p, key)
	} else {
		dropoutLoop[float32](dst, x, residual, p, key)
	}
}

func dropoutLoop[T kernel.Float](dst, x, residual *Tensor, p float64, key uint64) {
	d, s := data[T](dst), data[T](x)
	var r []T
	if residual != nil {
		r = data[T](residual)
	}
	par.For(x.Len(), grain, func(lo, hi int) {
		if r != nil {
			kernel.DropoutAdd(d[lo:hi], s[lo:hi], r[lo:hi], p, key, uint64(lo))
		} else {
			kernel.Dropout(d[lo:hi], s[lo:hi], p, key, uint64(lo))
		}
	})
}

func cpuRandom(dst *Tensor, normal bool, key uint64) {
	if dst.dt == F64 {
		randomLoop[float64](dst, normal, key)
	} else {
		randomLoop[float32](dst, normal, key)
	}
}

func randomLoop[T kernel.Float](dst *Tensor, normal bool, key uint64) {
	d := data[T](dst)[:dst.Len()]
	if normal {
		kernel.Normal(d, key, 0)
	} else {
		kernel.Uniform(d, key, 0)
	}
}

func cpuGather(dst, table, ids *Tensor) (bad int64, ok bool) {
	n := table.shape[1]
	size := n * table.dt.Size()
	id := data[int64](ids)[:ids.Len()]
	for _, i := range id {
		if i < 0 || i >= int64(table.shape[0]) {
			return i, false
		}
	}
	out := dst.st.b[dst.off*dst.dt.Size():]
	row := table.stride[0] * table.dt.Size()
	src := table.st.b[table.off*table.dt.Size():]
	for k, i := range id {
		copy(out[k*size:(k+1)*size], src[int(i)*row:])
	}
	return 0, true
}

func cpuScatterAdd(dtable, dy, ids *Tensor, skip int) {
	if dtable.dt == F64 {
		scatterLoop[float64](dtable, dy, ids, skip)
	} else {
		scatterLoop[float32](dtable, dy, ids, skip)
	}
}

func scatterLoop[T kernel.Float](dtable, dy, ids *Tensor, skip int) {
	d, g, n := data[T](dtable), data[T](dy), dtable.shape[1]
	for k, i := range data[int64](ids)[:ids.Len()] {
		if int(i) != skip {
			row := d[int(i)*n : (int(i)+1)*n]
			kernel.Add(row, row, g[k*n:(k+1)*n])
		}
	}
}

func cpuCrossEntropy(rows, sums, x, targets *Tensor, o CrossEntropyOptions) (bad int64, ok bool) {
	ids := data[int64](targets)[:targets.Len()]
	for _, t := range ids {
		if !(o.Ignore && t == o.IgnoreIndex) && (t < 0 || t >= int64(x.shape[1])) {
			return t, false
		}
	}
	if x.dt == F64 {
		crossEntropyLoop[float64](rows, sums, x, ids, o)
	} else {
		crossEntropyLoop[float32](rows, sums, x, ids, o)
	}
	return 0, true
}

// crossEntropyLoop: with l = ln Σ e^x = m + ln s, m the largest x and s = Σ e^(x−m), which is what is kept for the gradient
// (l itself has too few digits where the logits are large), loss = (1−ε)·w[t]·(l − x[t]) + ε/V·Σᵥ w[v]·(l − x[v]) (torch's label smoothing).
func crossEntropyLoop[T kernel.Float](rows, sums, x *Tensor, ids []int64, o CrossEntropyOptions) {
	out, sum, in, v := data[T](rows), data[T](sums), data[T](x), x.shape[1]
	w := weights[T](o.Weight)
	par.For(len(ids), rowGrain(v), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			row := in[r*v : (r+1)*v]
			m := kernel.MaxOf(row)
			total := kernel.SumExp(row, m)
			sum[r], out[r] = T(total), 0
			z := float64(m) + math.Log(total)
			t := ids[r]
			if o.Ignore && t == o.IgnoreIndex {
				continue
			}
			loss := (1 - o.LabelSmoothing) * at(w, int(t)) * (z - float64(row[t]))
			if o.LabelSmoothing > 0 {
				s := 0.0
				for j, xj := range row {
					s += at(w, j) * (z - float64(xj))
				}
				loss += o.LabelSmoothing / float64(v) * s
			}
			out[r] = T(loss)
		}
	})
}

func weights[T kernel.Float](t *Tensor) []T {
	if t == nil {
		return nil
	}
	return data[T](t)[:t.Len()]
}

func at[T kernel.Float](w []T, i int) float64 {
	if w == nil {
		return 1
	}
	return float64(w[i])
}

func cpuCrossEntropyGrad(dx, dy, x, sums, targets *Tensor, o CrossEntropyOptions) {
	ids := data[int64](targets)[:targets.Len()]
	if x.dt == F64 {
		crossEntropyGradLoop[float64](dx, dy, x, sums, ids, o)
	} else {
		crossEntropyGradLoop[float32](dx, dy, x, sums, ids, o)
	}
}

// crossEntropyGradLoop: dx[j] = dy·(p[j]·W − (1−ε)·w[t]·[j = t] − ε/V·w[j]), W the sum of the three weights over j.
func crossEntropyGradLoop[T kernel.Float](dx, dy, x, sums *Tensor, ids []int64, o CrossEntropyOptions) {
	d, g, in, sum, v := data[T](dx), data[T](dy), data[T](x), data[T](sums), x.shape[1]
	w := weights[T](o.Weight)
	smooth := o.LabelSmoothing / float64(v)
	all := float64(v)
	if w != nil {
		all = 0
		for _, wj := range w {
			all += float64(wj)
		}
	}
	par.For(len(ids), rowGrain(v), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			out, row := d[r*v:(r+1)*v], in[r*v:(r+1)*v]
			t := ids[r]
			if o.Ignore && t == o.IgnoreIndex {
				clear(out)
				continue
			}
			hit := (1 - o.LabelSmoothing) * at(w, int(t))
			kernel.AddS(out, row, -kernel.MaxOf(row))
			kernel.Exp(out, out)
			kernel.MulS(out, out, T(float64(g[r])*(hit+smooth*all)/float64(sum[r])))
			out[t] -= T(float64(g[r]) * hit)
			if smooth > 0 {
				for j := range out {
					out[j] -= T(float64(g[r]) * smooth * at(w, j))
				}
			}
		}
	})
}

func cpuLayerNorm(dst, x, gamma, beta, mean, rstd *Tensor, eps float64) {
	if dst.dt == F64 {
		layerNormLoop[float64](dst, x, gamma, beta, mean, rstd, eps)
	} else {
		layerNormLoop[float32](dst, x, gamma, beta, mean, rstd, eps)
	}
}

func layerNormLoop[T kernel.Float](dst, x, gamma, beta, mean, rstd *Tensor, eps float64) {
	d, s, g, b, m, r := data[T](dst), data[T](x), weights[T](gamma), weights[T](beta), data[T](mean), data[T](rstd)
	n := x.shape[x.rank-1]
	par.For(x.Len()/max(n, 1), rowGrain(n), func(lo, hi int) {
		kernel.LayerNormRows(d[lo*n:hi*n], s[lo*n:hi*n], g, b, m[lo:hi], r[lo:hi], hi-lo, n, eps)
	})
}

func cpuLayerNormGrad(dx, dgamma, dbeta, dy, x, gamma, mean, rstd *Tensor) {
	if dx.dt == F64 {
		layerNormGradLoop[float64](dx, dgamma, dbeta, dy, x, gamma, mean, rstd)
	} else {
		layerNormGradLoop[float32](dx, dgamma, dbeta, dy, x, gamma, mean, rstd)
	}
}

func layerNormGradLoop[T kernel.Float](dx, dgamma, dbeta, dy, x, gamma, mean, rstd *Tensor) {
	d, g, s, w, m, r := data[T](dx), data[T](dy), data[T](x), weights[T](gamma), data[T](mean), data[T](rstd)
	n := x.shape[x.rank-1]
	byChunk(dgamma, dbeta, x.Len()/max(n, 1), n, func(lo, hi int, dg, db []T) {
		for lo < hi {
			if farMean(m[lo], r[lo]) {
				layerNormGradFar(d[lo*n:][:n], g[lo*n:][:n], s[lo*n:][:n], w, m[lo], r[lo:lo+1], dg, db)
				lo++
				continue
			}
			end := lo + 1
			for end < hi && !farMean(m[end], r[end]) {
				end++
			}
			kernel.LayerNormGradRows(d[lo*n:end*n], g[lo*n:end*n], s[lo*n:end*n], w, m[lo:end], r[lo:end], dg, db, end-lo, n)
			lo = end
		}
	})
}

// farMean tells whether a row's mean is so far from 0, in standard deviations, that rounding it to T shows: by 128·2⁻²⁴ or
// more of a normalised value in float32.
func farMean[T kernel.Float](mean, rstd T) bool { return mean*rstd > 128 || mean*rstd < -128 }

// layerNormGradFar is one row of the gradient about the mean's rounded value first, which loses nothing, and then about what
// the rounding left.
func layerNormGradFar[T kernel.Float](dx, dy, x, gamma []T, mean T, rstd, dg, db []T) {
	n := len(x)
	pool := buffersOf[T]()
	buf := pool.get(n + 1)
	defer pool.put(buf)
	near, rest := (*buf)[:n], (*buf)[n:]
	kernel.AddS(near, x, -mean)
	rest[0] = T(sumOf(near) / float64(n))
	kernel.LayerNormGradRows(dx, dy, near, gamma, rest, rstd, dg, db, 1, n)
}

// byChunk runs f over fixed chunks of rows, each with its own zeroed dgamma and dbeta (nil where none is wanted), and
// adds the parts in order.
func byChunk[T kernel.Float](dgamma, dbeta *Tensor, rows, n int, f func(lo, hi int, dg, db []T)) {
	const chunk = sumChunk
	parts := (rows + chunk - 1) / chunk
	pool := buffersOf[T]()
	buf := pool.zeroed(2 * parts * n)
	defer pool.put(buf)
	var dg, db []T
	if dgamma != nil {
		dg = (*buf)[:parts*n]
	}
	if dbeta != nil {
		db = (*buf)[parts*n:]
	}
	par.For(rows, chunk, func(lo, hi int) {
		c := lo / chunk
		var g, b []T
		if dg != nil {
			g = dg[c*n : (c+1)*n]
		}
		if db != nil {
			b = db[c*n : (c+1)*n]
		}
		f(lo, hi, g, b)
	})
	for _, p := range [...]struct {
		t *Tensor
		v []T
	}{{dgamma, dg}, {dbeta, db}} {
		if p.t == nil {
			continue
		}
		out := data[T](p.t)[:n]
		for i := range out {
			sum := 0.0
			for c := range parts {
				sum += float64(p.v[c*n+i])
			}
			out[i] = T(sum)
		}
	}
}

func cpuRMSNorm(dst, x, gamma, rstd *Tensor, eps float64) {
	if dst.dt == F64 {
		rmsNormLoop[float64](&rmsNormTasks64, dst, x, gamma, rstd, eps)
	} else {
		rmsNormLoop[float32](&rmsNormTasks32, dst, x, gamma, rstd, eps)
	}
}

// rmsNormTask is one call, lent by a pool: its loop is bound once.
type rmsNormTask[T kernel.Float] struct {
	d, s, g, r []T
	n          int
	eps        float64
	loop       func(lo, hi int)
}

var rmsNormTasks32, rmsNormTasks64 sync.Pool

func rmsNormLoop[T kernel.Float](pool *sync.Pool, dst, x, gamma, rstd *Tensor, eps float64) {
	t, _ := pool.Get().(*rmsNormTask[T])
	if t == nil {
		t = &rmsNormTask[T]{}
		t.loop = t.rows
	}
	defer pool.Put(t)
	t.d, t.s, t.g, t.r, t.n, t.eps = data[T](dst), data[T](x), weights[T](gamma), data[T](rstd), x.shape[x.rank-1], eps
	par.For(x.Len()/max(t.n, 1), rowGrain(t.n), t.loop)
	t.d, t.s, t.g, t.r = nil, nil, nil, nil
}

func (t *rmsNormTask[T]) rows(lo, hi int) {
	kernel.RMSNormRows(t.d[lo*t.n:hi*t.n], t.s[lo*t.n:hi*t.n], t.g, t.r[lo:hi], hi-lo, t.n, t.eps)
}

func cpuRMSNormGrad(dx, dgamma, dy, x, gamma, rstd *Tensor) {
	if dx.dt == F64 {
		rmsNormGradLoop[float64](dx, dgamma, dy, x, gamma, rstd)
	} else {
		rmsNormGradLoop[float32](dx, dgamma, dy, x, gamma, rstd)
	}
}

func rmsNormGradLoop[T kernel.Float](dx, dgamma, dy, x, gamma, rstd *Tensor) {
	d, g, s, w, r := data[T](dx), data[T](dy), data[T](x), weights[T](gamma), data[T](rstd)
	n := x.shape[x.rank-1]
	byChunk(dgamma, nil, x.Len()/max(n, 1), n, func(lo, hi int, dg, _ []T) {
		kernel.RMSNormGradRows(d[lo*n:hi*n], g[lo*n:hi*n], s[lo*n:hi*n], w, r[lo:hi], dg, hi-lo, n)
	})
}
