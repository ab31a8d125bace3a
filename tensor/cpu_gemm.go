package tensor

import "github.com/hanji-ml/hanji/internal/kernel"

func cpuGemm(dst, a, b *Tensor, ta, tb bool, ep epilogue) {
	if dst.dt == F64 {
		gemmLoop[float64](dst, a, b, ta, tb, ep)
	} else {
		gemmLoop[float32](dst, a, b, ta, tb, ep)
	}
}

var kernelActs = [...]kernel.Act{
	ActNone: kernel.None, ActReLU: kernel.ReLUAct, ActGELU: kernel.GELUAct, ActGELUTanh: kernel.GELUTanhAct,
	ActQuickGELU: kernel.QuickGELUAct, ActSiLU: kernel.SiLUAct, ActTanh: kernel.TanhAct, ActSigmoid: kernel.SigmoidAct,
}

func gemmLoop[T kernel.Float](dst, a, b *Tensor, ta, tb bool, ep epilogue) {
	m, n := dst.shape[dst.rank-2], dst.shape[dst.rank-1]
	k := a.shape[a.rank-1]
	if ta {
		k = a.shape[a.rank-2]
	}
	e := kernel.Epilogue[T]{Accumulate: ep.add, Act: kernelActs[ep.act]}
	if ep.bias != nil {
		e.Bias = data[T](ep.bias)[:n]
	}
	if ep.rowBias != nil {
		e.RowBias = data[T](ep.rowBias)[:m]
	}
	ma, mb := mat[T](a, ta), mat[T](b, tb)
	c := data[T](dst)
	if ep.residual != nil {
		e.Residual, e.LDR = data[T](ep.residual), ep.residual.stride[ep.residual.rank-2]
	}
	// Leading axes: what is left after joining is looped over, the innermost of them as one batch.
	la, lb, lc := leading(a, dst), leading(b, dst), leading(dst, dst)
	w := newWalk(&lc, &la, &lb)
	defer w.done()
	ldc := dst.stride[dst.rank-2]
	batch := w.inner()
	for r := range w.rows() {
		at := w.start(r)
		A, B := ma, mb
		A.Data, B.Data = sub(ma.Data, at[1]), sub(mb.Data, at[2])
		if batch == 1 {
			kernel.Gemm(m, n, k, A, B, sub(c, at[0]), ldc, e)
			continue
		}
		i := w.rank - 1
		kernel.GemmBatch(batch, m, n, k, A, w.stride[1][i], B, w.stride[2][i], sub(c, at[0]), ldc, w.stride[0][i], e)
	}
}

func sub[T any](s []T, at int) []T {
	if at >= len(s) {
		return nil
	}
	return s[at:]
}

func mat[T kernel.Float](t *Tensor, transposed bool) kernel.Mat[T] {
	m := kernel.Mat[T]{Data: data[T](t), RS: t.stride[t.rank-2], CS: t.stride[t.rank-1]}
	if transposed {
		m.RS, m.CS = m.CS, m.RS
	}
	return m
}

// leading is t without its last two axes, stretched to dst's leading axes.
func leading(t, dst *Tensor) Tensor {
	v, l := *t, *dst
	v.rank, l.rank = t.rank-2, dst.rank-2
	return *v.stretched(&l)
}
