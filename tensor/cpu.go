package tensor

import (
	"sync"

	"github.com/hanji-ml/hanji/internal/kernel"
	"github.com/hanji-ml/hanji/internal/par"
)

// grain is how many elements one worker takes at a time: enough to hide the hand-over, few enough to stay in L2.
const grain = 16 << 10

func cpuPrimitives() primitives {
	return primitives{
		fill: cpuFill, copy: cpuCopy, permute: cpuPermute, upload: cpuUpload, download: cpuDownload,
		unary: cpuUnary, unaryGrad: cpuUnaryGrad, binary: cpuBinary, scalar: cpuScalar,
		reduce: cpuReduce, argmax: cpuArgmax, sortRows: cpuSortRows, gemm: cpuGemm,
		softmax: cpuSoftmax, softmaxGrad: cpuSoftmaxGrad,
		layerNorm: cpuLayerNorm, layerNormGrad: cpuLayerNormGrad, rmsNorm: cpuRMSNorm, rmsNormGrad: cpuRMSNormGrad,
		colMoments: cpuColMoments, normCols: cpuNormCols, batchNormGrad: cpuBatchNormGrad,
		dropout: cpuDropout, random: cpuRandom, gather: cpuGather, scatterAdd: cpuScatterAdd,
		crossEntropy: cpuCrossEntropy, crossEntropyGrad: cpuCrossEntropyGrad,
		attention: cpuAttention, attentionGrad: cpuAttentionGrad, rope: cpuRoPE,
		storeKV: cpuStoreKV, pagedAttention: cpuPagedAttention,
		swiGLU: cpuSwiGLU, mlp: cpuMLP, mlpGrad: cpuMLPGrad, mlpOver: cpuMLPOver, gate: cpuGate,
		im2col: cpuIm2Col, col2im: cpuCol2Im, maxPool: cpuMaxPool, maxPoolGrad: cpuMaxPoolGrad,
		mulMatrix: cpuMulMatrix, mulMatrixT: cpuMulMatrixT, matrixRows: cpuMatrixRows,
		fakeQuant: cpuFakeQuant, fakeQuantGrad: cpuFakeQuantGrad,
		adam: cpuAdam, sumSquares: cpuSumSquares, absPowers: cpuAbsPowers,
	}
}

// walk visits operands that share one logical shape as few, long rows: axes that lie without gaps in every operand
// are joined first. An operand of inner stride 0 repeats one element along the row.
type walk struct {
	rank   int
	shape  [MaxRank + 1]int
	stride [4][MaxRank + 1]int
	n      int // operands

	f           func(at [4]int, n int) // of each
	rowsOf, cut func(lo, hi int)       // its loops, bound once: a closure a call would be allocated
}

// walks are lent by newWalk, since closures make them escape, and given back by done.
var walks = sync.Pool{New: func() any {
	w := new(walk)
	w.rowsOf, w.cut = w.someRows, w.someOfRow
	return w
}}

func (w *walk) done() {
	w.f = nil
	walks.Put(w)
}

func newWalk(ts ...*Tensor) *walk {
	w := walks.Get().(*walk)
	*w = walk{n: len(ts), rowsOf: w.rowsOf, cut: w.cut}
	r := 0 // axes so far, outermost first
	for i := range ts[0].rank {
		d := ts[0].shape[i]
		if d == 1 {
			continue
		}
		join := r > 0
		for k, t := range ts {
			join = join && w.stride[k][r-1] == t.stride[i]*d
		}
		if !join {
			r++
			w.shape[r-1] = 1
		}
		w.shape[r-1] *= d
		for k, t := range ts {
			w.stride[k][r-1] = t.stride[i]
		}
	}
	rowsReady := r > 0 && w.stride[0][r-1] == 1
	for k := range ts {
		rowsReady = rowsReady && (w.stride[k][r-1] == 0 || w.stride[k][r-1] == 1)
	}
	if !rowsReady { // a last axis of length 1 was dropped, or there is no axis: rows of one element
		r++
		w.shape[r-1] = 1
		for k := range ts {
			w.stride[k][r-1] = 1
		}
	}
	w.rank = r
	return w
}

func (w *walk) inner() int { return w.shape[w.rank-1] }

func (w *walk) rows() int {
	n := 1
	for _, d := range w.shape[:w.rank-1] {
		n *= d
	}
	return n
}

// start is the offset of each operand's row.
func (w *walk) start(row int) (at [4]int) {
	for i := w.rank - 2; i >= 0; i-- {
		j := row % w.shape[i]
		row /= w.shape[i]
		for k := range w.n {
			at[k] += j * w.stride[k][i]
		}
	}
	return at
}

// each runs f over all rows, or over pieces of the row where there is but one.
func (w *walk) each(f func(at [4]int, n int)) {
	inner, rows := w.inner(), w.rows()
	if inner == 0 || rows == 0 {
		return
	}
	w.f = f
	switch {
	case rows == 1 && inner <= grain:
		f([4]int{}, inner)
	case rows == 1:
		par.For(inner, grain, w.cut)
	case rows*inner <= grain:
		w.someRows(0, rows)
	default:
		par.For(rows, max(1, grain/inner), w.rowsOf)
	}
}

func (w *walk) someRows(lo, hi int) {
	for r := lo; r < hi; r++ {
		w.f(w.start(r), w.inner())
	}
}

func (w *walk) someOfRow(lo, hi int) {
	var at [4]int
	for k := range w.n {
		at[k] = lo * w.stride[k][w.rank-1]
	}
	w.f(at, hi-lo)
}

func cpuFill(dst *Tensor, v float64) {
	switch dst.dt {
	case F32:
		fillLoop(dst, float32(v))
	case F64:
		fillLoop(dst, v)
	case I32:
		fillLoop(dst, int32(v))
	case I64:
		fillLoop(dst, int64(v))
	case U8:
		fillLoop(dst, uint8(v))
	default:
		one := [1]float32{float32(v)}
		half := [1]uint16{}
		narrow(dst.dt, half[:], one[:])
		fillLoop(dst, half[0])
	}
}

func fillLoop[T any](dst *Tensor, v T) {
	d := data[T](dst)
	w := newWalk(dst)
	defer w.done()
	w.each(func(at [4]int, n int) {
		row := d[at[0] : at[0]+n]
		for i := range row {
			row[i] = v
		}
	})
}

func cpuCopy(dst, src *Tensor) {
	if dst.dt == src.dt {
		switch dst.dt.Size() {
		case 4:
			copyLoop[uint32](dst, src)
		case 8:
			copyLoop[uint64](dst, src)
		case 2:
			copyLoop[uint16](dst, src)
		case 1:
			copyLoop[uint8](dst, src)
		}
		return
	}
	switch dst.dt {
	case F32:
		convertTo[float32](dst, src)
	case F64:
		convertTo[float64](dst, src)
	case I32:
		convertTo[int32](dst, src)
	case I64:
		convertTo[int64](dst, src)
	case U8:
		convertTo[uint8](dst, src)
	default: // f16, bf16: through f32
		tmp := Tensor{dt: F32, st: &storage{b: alignedBytes(4 * src.Len()), class: -1}}
		tmp.setShape("copy", src.shape[:src.rank])
		if src.dt == F32 {
			copyLoop[uint32](&tmp, src)
		} else {
			convertTo[float32](&tmp, src)
		}
		f := data[float32](&tmp)
		d := data[uint16](dst)
		w := newWalk(dst, &tmp)
		defer w.done()
		w.each(func(at [4]int, n int) { narrow(dst.dt, d[at[0]:at[0]+n], f[at[1]:at[1]+n]) })
	}
}

func copyLoop[T any](dst, src *Tensor) {
	d, s := data[T](dst), data[T](src)
	w := newWalk(dst, src)
	defer w.done()
	repeat := w.stride[1][w.rank-1] == 0
	if inner, rows := w.inner(), w.rows(); !repeat && inner > 0 && inner*rows <= grain { // no closure for the collector
		for r := range rows {
			at := w.start(r)
			copy(d[at[0]:at[0]+inner], s[at[1]:at[1]+inner])
		}
		return
	}
	w.each(func(at [4]int, n int) {
		row := d[at[0] : at[0]+n]
		if !repeat {
			copy(row, s[at[1]:at[1]+n])
			return
		}
		v := s[at[1]]
		for i := range row {
			row[i] = v
		}
	})
}

type number interface {
	~float32 | ~float64 | ~int32 | ~int64 | ~uint8
}

func convertTo[D number](dst, src *Tensor) {
	switch src.dt {
	case F32:
		convertLoop[D, float32](dst, src)
	case F64:
		convertLoop[D, float64](dst, src)
	case I32:
		convertLoop[D, int32](dst, src)
	case I64:
		convertLoop[D, int64](dst, src)
	case U8:
		convertLoop[D, uint8](dst, src)
	case F16, BF16:
		d, s := data[D](dst), data[uint16](src)
		w := newWalk(dst, src)
		defer w.done()
		w.each(func(at [4]int, n int) {
			if f, ok := any(d).([]float32); ok {
				widen(src.dt, f[at[0]:at[0]+n], s[at[1]:at[1]+n])
				return
			}
			var one [1]float32
			for i := range n {
				widen(src.dt, one[:], s[at[1]+i:at[1]+i+1])
				d[at[0]+i] = D(one[0])
			}
		})
	}
}

func convertLoop[D, S number](dst, src *Tensor) {
	d, s := data[D](dst), data[S](src)
	w := newWalk(dst, src)
	defer w.done()
	w.each(func(at [4]int, n int) {
		row := s[at[1] : at[1]+n]
		for i, v := range row {
			d[at[0]+i] = D(v)
		}
	})
}

func narrow(dt DType, dst []uint16, src []float32) {
	if dt == BF16 {
		kernel.F32ToBF16(dst, src)
	} else {
		kernel.F32ToF16(dst, src)
	}
}

func widen(dt DType, dst []float32, src []uint16) {
	if dt == BF16 {
		kernel.BF16ToF32(dst, src)
	} else {
		kernel.F16ToF32(dst, src)
	}
}

func cpuPermute(dst, src *Tensor, axes []int) {
	v := *src // src with the strides of dst's axis order
	for i, a := range axes {
		v.shape[i], v.stride[i] = src.shape[a], src.stride[a]
	}
	switch dst.dt.Size() {
	case 4: // any four bytes: kernel.Transpose has its fast path for this type
		permuteLoop[float32](dst, &v)
	case 8:
		permuteLoop[uint64](dst, &v)
	case 2:
		permuteLoop[uint16](dst, &v)
	default:
		permuteLoop[uint8](dst, &v)
	}
}

// permuteLoop copies planes: the last axis of dst and the axis that is contiguous in src are transposed blockwise.
func permuteLoop[T any](dst, src *Tensor) {
	last := dst.rank - 1
	p := -1
	for i := range last {
		if src.stride[i] == 1 && src.shape[i] > 1 {
			p = i
		}
	}
	if p < 0 || src.stride[last] < src.shape[p] { // windows that overlap are no matrix that the kernel takes
		copyLoop[T](dst, src)
		return
	}
	outerD, outerS := *dst, *src // the plane's axes shrink to 1: what is left is walked plane by plane
	for _, t := range []*Tensor{&outerD, &outerS} {
		t.shape[p], t.shape[last] = 1, 1
	}
	planes := outerD.Len()
	rows, cols := dst.shape[p], dst.shape[last]
	d, s := data[T](dst), data[T](src)
	if planes*rows*cols == 0 {
		return
	}
	par.For(planes, max(1, grain/(rows*cols)), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			a, b := 0, 0
			for k, r := last, i; k >= 0; k-- {
				j := r % outerD.shape[k]
				r /= outerD.shape[k]
				a += j * dst.stride[k]
				b += j * src.stride[k]
			}
			// dst plane is [rows, cols]; in src the columns run with stride src.stride[last] and rows lie side by side
			kernel.Transpose(d[a:], s[b:], cols, rows, dst.stride[p], src.stride[last])
		}
	})
}

func cpuUpload(dst *Tensor, src []byte) { copy(dst.st.b[dst.off*dst.dt.Size():], src) }

func cpuDownload(out []byte, dt DType, src *Tensor) {
	if src.dt == dt && src.contiguous() {
		copy(out, src.st.b[src.off*dt.Size():])
		return
	}
	cpuCopy(Wrap("", dt, out, src.shape[:src.rank]...), src)
}
