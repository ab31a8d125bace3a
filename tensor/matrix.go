package tensor

import (
	"fmt"

	"github.com/hanji-ml/hanji/internal/kernel"
	"github.com/hanji-ml/hanji/internal/par"
)

// Matrix is weights [out, in] that only multiply, in a format of their own: blocks of a few bits, half floats in a mapped
// file. Its methods are called by primitives, which reach storage; they must not write to x and may be called by many
// goroutines.
type Matrix interface {
	Shape() (out, in int)
	Mul(dst []float32, ldd int, x []float32, rows, ldx int) // dst[i·ldd+r] = Σ w[r]·x[i·ldx …], i < rows, r < out
	Row(dst []float32, r int)                               // row r in float32
	Bytes() int                                             // memory that a product reads
}

// MulMatrix is x·mᵀ + bias: x [..., in], bias [out] or nil → [..., out]. The matrix is frozen: x and bias get gradients, it has
// none. In float32 the product is the matrix's own, which may round x (as blocks of integers do); the gradient is that of the
// product with the weights that Row gives. In float64, for checks, nothing is rounded.
func (x *Tensor) MulMatrix(m Matrix, bias *Tensor) *Tensor {
	c := ctxOf("linear", x)
	sameFloat("linear", x, bias)
	out, in := m.Shape()
	if x.rank < 1 || x.shape[x.rank-1] != in || bias != nil && (bias.rank != 1 || bias.shape[0] != out) {
		fail("linear", fmt.Sprintf("x [..., %d] and bias [%d] are wanted", in, out), x, bias)
	}
	x = x.rows()
	shape := x.shape
	shape[x.rank-1] = out
	y := c.empty(x.dt, shape[:x.rank])
	prim.mulMatrix(asMatrix(y), asMatrix(x), m, bias)
	if n := c.record("linear", mulMatrixBack, y, x, bias); n != nil {
		n.with = m
	}
	return y
}

func mulMatrixBack(n *node) {
	x, bias, dy := n.in[0], n.in[1], n.out.grad.rows()
	dy2 := asMatrix(dy)
	if bias != nil && bias.needs {
		bias.accumulate(dy.detachedView(dy2).reduced(reduceSum, 0, 1).Reshape(-1))
	}
	if x.needs { // dx = dy·W
		dx, add := x.gradInto()
		prim.mulMatrixT(asMatrix(dx), dy2, n.with.(Matrix), add)
	}
}

// MatrixRows looks up rows of a matrix: ids of any shape (i64) → [ids..., in] in float32.
func (ids *Tensor) MatrixRows(m Matrix) *Tensor {
	c := ctxOf("embedding", ids)
	out, in := m.Shape()
	if ids.dt != I64 || ids.rank == MaxRank {
		fail("embedding", "ids are i64", ids)
	}
	ids = ids.packed()
	var shape [MaxRank]int
	copy(shape[:], ids.shape[:ids.rank])
	shape[ids.rank] = in
	y := c.empty(F32, shape[:ids.rank+1])
	if bad, ok := prim.matrixRows(y, ids, m); !ok {
		fail("embedding", fmt.Sprintf("id %d is outside the table of %d rows", bad, out), ids)
	}
	return y
}

func cpuMulMatrix(y, x *Tensor, m Matrix, bias *Tensor) {
	if x.dt == F64 {
		mulMatrixWide(y, x, m, bias)
		return
	}
	dst := data[float32](y)
	m.Mul(dst, y.stride[0], data[float32](x), x.shape[0], x.stride[0])
	if bias != nil {
		b := data[float32](bias)[:y.shape[1]]
		for i := range y.shape[0] {
			row := dst[i*y.stride[0]:][:len(b)]
			for j, v := range b {
				row[j] += v
			}
		}
	}
}

// mulMatrixWide is the product in float64, of the weights as they are.
func mulMatrixWide(y, x *Tensor, m Matrix, bias *Tensor) {
	dst := data[float64](y)
	someRows(m, func(w []float64, lo, hi int) {
		var e kernel.Epilogue[float64]
		if bias != nil {
			e.Bias = data[float64](bias)[lo:hi]
		}
		kernel.Gemm(x.shape[0], hi-lo, x.shape[1], mat[float64](x, false), kernel.RowMajor(w, x.shape[1]).T(), dst[lo:], y.stride[0], e)
	})
}

func cpuMulMatrixT(dx, dy *Tensor, m Matrix, add bool) {
	if dx.dt == F64 {
		mulMatrixT[float64](dx, dy, m, add)
	} else {
		mulMatrixT[float32](dx, dy, m, add)
	}
}

// mulMatrixT is dx = dy·W, or is added to it: a sum over blocks of W's rows, in their order.
func mulMatrixT[T kernel.Float](dx, dy *Tensor, m Matrix, add bool) {
	dst, g := data[T](dx), mat[T](dy, false)
	someRows(m, func(w []T, lo, hi int) {
		part := g
		part.Data = g.Data[min(lo, len(g.Data)):]
		kernel.Gemm(dx.shape[0], dx.shape[1], hi-lo, part, kernel.RowMajor(w, dx.shape[1]), dst, dx.stride[0], kernel.Epilogue[T]{Accumulate: add || lo > 0})
	})
}

// matrixBlock is about how many weights are widened at a time: enough rows for a product to be bound by arithmetic.
const matrixBlock = 1 << 20

// someRows widens a matrix's rows block by block, for f to work with.
func someRows[T kernel.Float](m Matrix, f func(w []T, lo, hi int)) {
	out, in := m.Shape()
	step := min(out, max(64, matrixBlock/max(in, 1)))
	wide := buffersOf[T]().get(step * in)
	defer buffersOf[T]().put(wide)
	for lo := 0; lo < out; lo += step {
		hi := min(lo+step, out)
		par.For(hi-lo, max(1, grain/max(in, 1)), func(i, j int) {
			if w, ok := any(*wide).([]float32); ok {
				for ; i < j; i++ {
					m.Row(w[i*in:][:in], lo+i)
				}
				return
			}
			row := buffers32.get(in)
			defer buffers32.put(row)
			for ; i < j; i++ {
				m.Row(*row, lo+i)
				for k, v := range *row {
					(*wide)[i*in+k] = T(v)
				}
			}
		})
		f((*wide)[:(hi-lo)*in], lo, hi)
	}
}

func cpuMatrixRows(y, ids *Tensor, m Matrix) (bad int64, ok bool) {
	rows, in := m.Shape()
	id, dst := data[int64](ids)[:ids.Len()], data[float32](y)
	for _, i := range id {
		if i < 0 || i >= int64(rows) {
			return i, false
		}
	}
	for k, i := range id {
		m.Row(dst[k*in:][:in], int(i))
	}
	return 0, true
}

// Reserve makes a parameter that has no memory yet: a shape for a checkpoint to be held against. The first Set gives it
// memory; ops must not see it before.
func Reserve(name string, dt DType, shape ...int) *Tensor {
	t := &Tensor{dt: dt, name: name, param: true, needs: true}
	t.setShape("reserve", shape)
	t.st = &storage{class: -1}
	return t
}

// Reserved reports whether a parameter was made by Reserve and has no memory yet.
func (t *Tensor) Reserved() bool { return len(t.st.b) == 0 && t.Len() > 0 }

// provide gives a reserved parameter its memory.
func (t *Tensor) provide() {
	if t.Reserved() {
		t.st.b = alignedBytes(t.Len() * t.dt.Size())
	}
}
