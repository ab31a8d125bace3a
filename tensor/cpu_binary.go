package tensor

import (
	"sync"

	"github.com/hanji-ml/hanji/internal/kernel"
)

func cpuBinary(op binaryOp, dst, a, b *Tensor) {
	if dst.dt == F64 {
		binaryLoop[float64](&binaryTasks64, op, dst, a, b)
	} else {
		binaryLoop[float32](&binaryTasks32, op, dst, a, b)
	}
}

// binaryTask is one call, lent by a pool: its rows are bound once.
type binaryTask[T kernel.Float] struct {
	op      binaryOp
	d, x, y []T
	sx, sy  int // 0: one element for the whole row
	rows    func(at [4]int, n int)
}

var binaryTasks32, binaryTasks64 sync.Pool

func binaryLoop[T kernel.Float](pool *sync.Pool, op binaryOp, dst, a, b *Tensor) {
	t, _ := pool.Get().(*binaryTask[T])
	if t == nil {
		t = &binaryTask[T]{}
		t.rows = t.row
	}
	defer pool.Put(t)
	w := newWalk(dst, a.stretched(dst), b.stretched(dst))
	defer w.done()
	t.op, t.d, t.x, t.y = op, data[T](dst), data[T](a), data[T](b)
	t.sx, t.sy = w.stride[1][w.rank-1], w.stride[2][w.rank-1]
	w.each(t.rows)
	t.d, t.x, t.y = nil, nil, nil
}

func (t *binaryTask[T]) row(at [4]int, n int) {
	row := t.d[at[0] : at[0]+n]
	switch {
	case t.sx == 1 && t.sy == 1:
		binaryRow(t.op, row, t.x[at[1]:at[1]+n], t.y[at[2]:at[2]+n])
	case t.sx == 1:
		binaryRowS(t.op, row, t.x[at[1]:at[1]+n], t.y[at[2]])
	case t.sy == 1:
		binarySRow(t.op, row, t.x[at[1]], t.y[at[2]:at[2]+n])
	default: // both repeat
		kernel.Fill(row, t.x[at[1]])
		binaryRowS(t.op, row, row, t.y[at[2]])
	}
}

func binaryRow[T kernel.Float](op binaryOp, dst, a, b []T) {
	switch op {
	case opAdd:
		kernel.Add(dst, a, b)
	case opSub:
		kernel.Sub(dst, a, b)
	case opMul:
		kernel.Mul(dst, a, b)
	case opDiv:
		kernel.Div(dst, a, b)
	case opMax:
		kernel.Max(dst, a, b)
	case opMin:
		kernel.Min(dst, a, b)
	case opMulAdd:
		kernel.MulAdd(dst, a, b)
	}
}

func binaryRowS[T kernel.Float](op binaryOp, dst, a []T, s T) {
	switch op {
	case opAdd:
		kernel.AddS(dst, a, s)
	case opSub:
		kernel.AddS(dst, a, -s)
	case opMul:
		kernel.MulS(dst, a, s)
	case opDiv:
		kernel.DivS(dst, a, s)
	case opMax:
		kernel.MaxS(dst, a, s)
	case opMin:
		kernel.MinS(dst, a, s)
	case opMulAdd:
		kernel.Axpy(dst, s, a)
	}
}

func binarySRow[T kernel.Float](op binaryOp, dst []T, s T, b []T) {
	switch op {
	case opSub:
		kernel.RSubS(dst, b, s)
	case opDiv:
		kernel.RDivS(dst, b, s)
	default: // the others commute
		binaryRowS(op, dst, b, s)
	}
}

func cpuScalar(op scalarOp, dst, a *Tensor, s float64) {
	if dst.dt == F64 {
		scalarLoop(&scalarTasks64, op, dst, a, s)
	} else {
		scalarLoop(&scalarTasks32, op, dst, a, float32(s))
	}
}

// scalarTask is one call, lent by a pool: its rows are bound once.
type scalarTask[T kernel.Float] struct {
	op   scalarOp
	d, x []T
	s    T
	rows func(at [4]int, n int)
}

var scalarTasks32, scalarTasks64 sync.Pool

func scalarLoop[T kernel.Float](pool *sync.Pool, op scalarOp, dst, a *Tensor, s T) {
	t, _ := pool.Get().(*scalarTask[T])
	if t == nil {
		t = &scalarTask[T]{}
		t.rows = t.row
	}
	defer pool.Put(t)
	w := newWalk(dst, a)
	defer w.done()
	t.op, t.d, t.x, t.s = op, data[T](dst), data[T](a), s
	w.each(t.rows)
	t.d, t.x = nil, nil
}

func (t *scalarTask[T]) row(at [4]int, n int) {
	row, in, s := t.d[at[0]:at[0]+n], t.x[at[1]:at[1]+n], t.s
	switch t.op {
	case opAddS:
		kernel.AddS(row, in, s)
	case opMulS:
		kernel.MulS(row, in, s)
	case opRSubS:
		kernel.RSubS(row, in, s)
	case opDivS:
		kernel.DivS(row, in, s)
	case opRDivS:
		kernel.RDivS(row, in, s)
	case opMaxS:
		kernel.MaxS(row, in, s)
	case opMinS:
		kernel.MinS(row, in, s)
	}
}
