package tensor

import "unsafe"

// primitives is all that an op may do to storage. Shapes and types have been checked by the op; dst is contiguous
// and never overlaps an operand unless it is that operand, in elementwise primitives.
type primitives struct {
	fill     func(dst *Tensor, v float64)
	copy     func(dst, src *Tensor)             // equal shapes, any strides, converts between element types
	permute  func(dst, src *Tensor, axes []int) // dst axis i is src axis axes[i]
	upload   func(dst *Tensor, src []byte)
	download func(dst []byte, dt DType, src *Tensor)

	unary     func(op unaryOp, dst, x *Tensor, alpha float64)
	unaryGrad func(op unaryOp, dx, dy, x *Tensor, alpha float64) // dx = dy·f'(x)
	binary    func(op binaryOp, dst, a, b *Tensor)               // a and b broadcast to dst
	scalar    func(op scalarOp, dst, a *Tensor, s float64)
	reduce    func(op reduceOp, dst, x *Tensor, outer, n, inner int) // x contiguous, seen as [outer, n, inner]
	sortRows  func(x *Tensor)                                        // in place, each row of the last axis
	argmax    func(dst, x *Tensor)                                   // over the last axis; dst I64

	gemm func(dst, a, b *Tensor, ta, tb bool, ep epilogue)

	softmax     func(dst, x *Tensor, log bool)
	softmaxGrad func(dx, dy, y *Tensor, log bool)

	layerNorm     func(dst, x, gamma, beta, mean, rstd *Tensor, eps float64)
	layerNormGrad func(dx, dgamma, dbeta, dy, x, gamma, mean, rstd *Tensor)
	rmsNorm       func(dst, x, gamma, rstd *Tensor, eps float64)
	rmsNormGrad   func(dx, dgamma, dy, x, gamma, rstd *Tensor)
	colMoments    func(mean, variance, x *Tensor) // x [N, C]
	normCols      func(dst, x, mean, rstd, gamma, beta *Tensor)
	batchNormGrad func(dx, dgamma, dbeta, dy, x, mean, rstd, gamma *Tensor)

	dropout func(dst, x, residual *Tensor, p float64, key uint64)
	random  func(dst *Tensor, normal bool, key uint64)

	gather     func(dst, table, ids *Tensor) (bad int64, ok bool)
	scatterAdd func(dtable, dy, ids *Tensor, skip int)

	im2col      func(dst, x *Tensor, g window, oh, ow int)    // see Tensor.columns
	col2im      func(dst, cols *Tensor, g window, oh, ow int) // see Tensor.image
	maxPool     func(dst, at, x *Tensor, size, stride, pad int)
	maxPoolGrad func(dx, dy, at *Tensor)

	crossEntropy     func(rows, sums, x, targets *Tensor, o CrossEntropyOptions) (bad int64, ok bool)
	crossEntropyGrad func(dx, dy, x, sums, targets *Tensor, o CrossEntropyOptions)

	swiGLU func(dst, x, up *Tensor) // all contiguous; inference

	mlp     func(out, x, w1, b1, w2, b2 *Tensor, act Act, p float64, key uint64) // x and out [rows, …]
	mlpGrad func(dx *Tensor, g mlpGrads, dy, x, w1, b1, w2 *Tensor, act Act, p float64, key uint64)

	mlpOver func(out, x, w1, b1, w2, b2 *Tensor, act Act) // along the second-last axis; inference
	gate    func(out, x, g, residual *Tensor, down bool)  // softmax along the last axis, or down the second-last

	mulMatrix  func(y, x *Tensor, m Matrix, bias *Tensor) // y [rows, out], x [rows, in]
	mulMatrixT func(dx, dy *Tensor, m Matrix, add bool)   // dx [rows, in] = dy [rows, out]·m, or added to it
	matrixRows func(y, ids *Tensor, m Matrix) (bad int64, ok bool)

	fakeQuant     func(dst, x *Tensor, r Rounding) // all contiguous
	fakeQuantGrad func(dx, dy, x *Tensor, r Rounding)

	adam       func(p, g, m, v *Tensor, o AdamOptions)
	sumSquares func(x *Tensor) float64 // contiguous
	absPowers  func(x *Tensor, p float64) float64

	attention     func(out, scores, lse, q, k, v *Tensor, o AttentionOptions, key uint64)
	attentionGrad func(dq, dk, dv, dscores, dout, q, k, v, out, lse, scores *Tensor, o AttentionOptions, key uint64)

	rope func(dst, x, cos, sin, pos *Tensor, adjacent, inverse bool) (bad int64, ok bool) // x any strides; pos may be nil

	storeKV        func(k, v *Tensor, layer int, p *Paged)
	pagedAttention func(out, q *Tensor, layer int, scale float64, p *Paged)
}

// prim is where ops reach storage. Tests put guards around it.
var prim = cpuPrimitives()

// epilogue is what gemm does to the product before it stores it: add dst's old content, add a bias per column or row,
// apply an activation, add a residual.
type epilogue struct {
	add      bool
	bias     *Tensor
	rowBias  *Tensor
	act      Act
	residual *Tensor
}

// hostReads counts how deep we are inside a primitive when guarded is set; see TestNoHostAccess.
var (
	guarded   bool
	hostReads int
)

// data is the only way to a tensor's elements: from its first on, to the end of its storage.
func data[T any](t *Tensor) []T {
	if guarded && hostReads == 0 {
		panic("tensor: storage reached outside a primitive")
	}
	size := int(unsafe.Sizeof(*new(T)))
	n := len(t.st.b)/size - t.off
	if n <= 0 {
		return nil
	}
	return unsafe.Slice((*T)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(t.st.b)), t.off*size)), n)
}
