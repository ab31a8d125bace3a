package tensor

import "fmt"

// Matrix is weights [out, in] that only multiply, in a format of their own: blocks of a few bits, half floats in a mapped
// file. Its methods are called by primitives, which reach storage; they must not write to x and may be called by many
// goroutines.
type Matrix interface {
	Shape() (out, in int)
	Mul(dst []float32, ldd int, x []float32, rows, ldx int) // dst[i·ldd+r] = Σ w[r]·x[i·ldx …], i < rows, r < out
	Row(dst []float32, r int)                               // row r in float32
	Bytes() int                                             // memory that a product reads
}

// MulMatrix is x·mᵀ + bias: x [..., in], bias [out] or nil → [..., out], in float32. It is for inference: the matrix
// has no gradient, and x gets none.
func (x *Tensor) MulMatrix(m Matrix, bias *Tensor) *Tensor {
	c := ctxOf("linear", x)
	out, in := m.Shape()
	if x.dt != F32 || x.rank < 1 || x.shape[x.rank-1] != in || bias != nil && (bias.dt != F32 || bias.rank != 1 || bias.shape[0] != out) {
		fail("linear", fmt.Sprintf("x [..., %d] and bias [%d] of f32 are wanted", in, out), x, bias)
	}
	if c.recording(x) {
		fail("linear", "weights in a format of their own have no gradients; load them as float32 to train", x)
	}
	x = x.rows()
	shape := x.shape
	shape[x.rank-1] = out
	y := c.empty(F32, shape[:x.rank])
	prim.mulMatrix(asMatrix(y), asMatrix(x), m, bias)
	return y
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
