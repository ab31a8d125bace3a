package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The number of vectors up to which a row stays in registers; the gradient
// holds two rows.
const (
	shortSoftmax = 8
	shortGrad    = 4
)

func emitRows(v vec) {
	v.emitSoftmax()
	v.emitSoftmaxGrad()
	v.emitGateRows()
	v.emitGateCols()
}

// byLength branches to short(k, mask) for rows of k <= most vectors, whose
// last vector is under mask, and to long otherwise. Both end the function's work
// by falling through to the label "return".
func (v vec) byLength(cols reg.GPVirtual, most int, short func(k int, mask Op), long func()) {
	for k := 1; k <= most; k++ {
		CMPQ(cols, U32(k*v.lanes()))
		JLE(LabelRef(fmt.Sprintf("short%d", k)))
	}
	long()
	JMP(LabelRef("return"))
	for k := 1; k <= most; k++ {
		Label(fmt.Sprintf("short%d", k))
		rest := GP64()
		MOVQ(cols, rest)
		SUBQ(U32((k-1)*v.lanes()), rest)
		short(k, v.tailMask(rest))
		JMP(LabelRef("return"))
	}
	Label("return")
}

// eachRow runs body rows times, moving every pointer on by its stride in bytes.
func eachRow(label string, rows reg.GPVirtual, ptrs, strides []reg.GPVirtual, body func()) {
	Label(label)
	body()
	for i, p := range ptrs {
		ADDQ(strides[i], p)
	}
	DECQ(rows)
	JNZ(LabelRef(label))
}

// stride loads an int parameter and makes it a distance in bytes.
func stride(name string) reg.GPVirtual {
	s := count(name)
	SHLQ(Imm(2), s)
	return s
}

// row loads k vectors, the last under mask.
func (v vec) row(p reg.GPVirtual, k int, mask Op) []R {
	var x []R
	for j := range k {
		m := mask
		if j < k-1 {
			m = nil
		}
		x = append(x, v.ld(Mem{Base: p, Disp: j * v.bytes()}, m))
	}
	return x
}

func (v vec) storeRow(x []R, p reg.GPVirtual, mask Op) {
	for j, r := range x {
		m := mask
		if j < len(x)-1 {
			m = nil
		}
		v.st(r, Mem{Base: p, Disp: j * v.bytes()}, m)
	}
}

// join folds the vectors into one, pairwise, then over the lanes.
func (v vec) join(op instr, x []R) R {
	for len(x) > 1 {
		d := v.new()
		op(x[1], x[0], d)
		x = append(x[2:len(x):len(x)], d)
	}
	return v.reduce(op, x[0])
}

const negInf = bits(0xff800000)

func (v vec) emitSoftmax() {
	v.text("softmaxRows", "func(dst, x []float32, rows, cols, ldDst, ldX int)", "is softmax of each row; rows, cols > 0.")
	dst, x := ptr("dst"), ptr("x")
	rows, cols := count("rows"), count("cols")
	ptrs, strides := []reg.GPVirtual{dst, x}, []reg.GPVirtual{stride("ldDst"), stride("ldX")}
	v.byLength(cols, shortSoftmax, func(k int, mask Op) {
		eachRow(fmt.Sprintf("rows%d", k), rows, ptrs, strides, func() {
			e := v.row(x, k, mask)
			e[k-1] = v.sel(mask, e[k-1], v.load(negInf)) // e^-Inf adds nothing below
			m := v.join(VMAXPS, e)
			for j := range e {
				e[j] = v.expNeg(v.sub(m, e[j]))
			}
			inv := v.div(v.join(VADDPS, e), v.load(lit(1)))
			for j := range e {
				v.mulTo(inv, e[j])
			}
			v.storeRow(e, dst, mask)
		})
	}, func() {
		eachRow("rows", rows, ptrs, strides, func() {
			acc := v.load(negInf)
			v.sweep("max", cols, func(i reg.GPVirtual, mask Op) {
				in := v.ld(at(x, i), mask)
				if mask != nil {
					in = v.sel(mask, in, v.load(negInf))
				}
				VMAXPS(in, acc, acc)
			})
			m, sum := v.reduce(VMAXPS, acc), v.zero()
			v.sweep("exp", cols, func(i reg.GPVirtual, mask Op) {
				e := v.expNeg(v.sub(m, v.ld(at(x, i), mask)))
				if mask != nil {
					e = v.keep(mask, e)
				}
				v.addTo(e, sum)
				v.st(e, at(dst, i), mask)
			})
			inv := v.div(v.reduce(VADDPS, sum), v.load(lit(1)))
			v.sweep("scale", cols, func(i reg.GPVirtual, mask Op) {
				v.st(v.mul(inv, v.ld(at(dst, i), mask)), at(dst, i), mask)
			})
		})
	})
	end()
}

func (v vec) emitSoftmaxGrad() {
	v.text("softmaxGradRows", "func(dx, dy, y []float32, rows, cols, ldDx, ldDy, ldY int)", "is y·(dy - Σ dy·y) of each row; rows, cols > 0.")
	dx, dy, y := ptr("dx"), ptr("dy"), ptr("y")
	rows, cols := count("rows"), count("cols")
	ptrs, strides := []reg.GPVirtual{dx, dy, y}, []reg.GPVirtual{stride("ldDx"), stride("ldDy"), stride("ldY")}
	v.byLength(cols, shortGrad, func(k int, mask Op) {
		eachRow(fmt.Sprintf("rows%d", k), rows, ptrs, strides, func() {
			d, p := v.row(dy, k, mask), v.row(y, k, mask)
			acc := v.mul(d[0], p[0])
			for j := 1; j < k; j++ {
				v.fma(d[j], p[j], acc)
			}
			dot := v.reduce(VADDPS, acc)
			for j := range d {
				d[j] = v.mul(v.sub(dot, d[j]), p[j])
			}
			v.storeRow(d, dx, mask)
		})
	}, func() {
		eachRow("rows", rows, ptrs, strides, func() {
			acc := v.zero()
			v.sweep("dot", cols, func(i reg.GPVirtual, mask Op) {
				v.fma(v.ld(at(dy, i), mask), v.ld(at(y, i), mask), acc)
			})
			dot := v.reduce(VADDPS, acc)
			v.sweep("grad", cols, func(i reg.GPVirtual, mask Op) {
				v.st(v.mul(v.sub(dot, v.ld(at(dy, i), mask)), v.ld(at(y, i), mask)), at(dx, i), mask)
			})
		})
	})
	end()
}

// emitGateRows keeps a row of weights in registers where softmax does, else
// in dst.
func (v vec) emitGateRows() {
	v.text("gateRows", "func(dst, x, g, residual []float32, rows, cols int)", "is residual + x·softmax(g) of each row; rows, cols > 0.")
	dst, x, g, res := ptr("dst"), ptr("x"), ptr("g"), ptr("residual")
	rows, cols := count("rows"), count("cols")
	next := GP64()
	MOVQ(cols, next)
	SHLQ(Imm(2), next)
	ptrs, strides := []reg.GPVirtual{dst, x, g, res}, []reg.GPVirtual{next, next, next, next}
	v.byLength(cols, shortSoftmax, func(k int, mask Op) {
		eachRow(fmt.Sprintf("rows%d", k), rows, ptrs, strides, func() {
			e := v.row(g, k, mask)
			e[k-1] = v.sel(mask, e[k-1], v.load(negInf))
			m := v.join(VMAXPS, e)
			for j := range e {
				e[j] = v.expNeg(v.sub(m, e[j]))
			}
			inv := v.div(v.join(VADDPS, e), v.load(lit(1)))
			for j := range e {
				m, at := mask, j*v.bytes()
				if j < k-1 {
					m = nil
				}
				v.gated(e[j], inv, Mem{Base: dst, Disp: at}, Mem{Base: x, Disp: at}, Mem{Base: res, Disp: at}, m)
			}
		})
	}, func() {
		eachRow("rows", rows, ptrs, strides, func() {
			acc := v.load(negInf)
			v.sweep("max", cols, func(i reg.GPVirtual, mask Op) {
				in := v.ld(at(g, i), mask)
				if mask != nil {
					in = v.sel(mask, in, v.load(negInf))
				}
				VMAXPS(in, acc, acc)
			})
			m, sum := v.reduce(VMAXPS, acc), v.zero()
			v.sweep("exp", cols, func(i reg.GPVirtual, mask Op) {
				e := v.expNeg(v.sub(m, v.ld(at(g, i), mask)))
				if mask != nil {
					e = v.keep(mask, e)
				}
				v.addTo(e, sum)
				v.st(e, at(dst, i), mask)
			})
			inv := v.div(v.reduce(VADDPS, sum), v.load(lit(1)))
			v.sweep("gate", cols, func(i reg.GPVirtual, mask Op) {
				v.gated(v.ld(at(dst, i), mask), inv, at(dst, i), at(x, i), at(res, i), mask)
			})
		})
	})
	end()
}

// gated stores residual + x·(e·inv), each step rounded as the steps by themselves.
func (v vec) gated(e, inv R, dst, x, res Mem, mask Op) {
	y := v.mul(v.ld(x, mask), v.mul(inv, e))
	v.st(v.add(v.ld(res, mask), y), dst, mask)
}

// emitGateCols takes a vector of columns at a time down all rows, thrice.
func (v vec) emitGateCols() {
	v.text("gateCols", "func(dst, x, g, residual []float32, rows, cols, ld int)", "is residual + x·softmax(g), the softmax down each column; rows stand ld apart; rows, cols > 0.")
	dst, x, g, res := ptr("dst"), ptr("x"), ptr("g"), ptr("residual")
	rows, cols := count("rows"), count("cols")
	next := stride("ld")
	v.sweep("cols", cols, func(i reg.GPVirtual, mask Op) {
		part := "whole"
		if mask != nil {
			part = "rest"
		}
		down := func(name string, ptrs []reg.GPVirtual, body func(at []Mem)) {
			left := GP64()
			MOVQ(rows, left)
			var ps []reg.GPVirtual
			var at []Mem
			for _, p := range ptrs {
				q := GP64()
				LEAQ(Mem{Base: p, Index: i, Scale: 4}, q)
				ps, at = append(ps, q), append(at, Mem{Base: q})
			}
			label := fmt.Sprintf("%s_%s", name, part)
			Label(label)
			body(at)
			for _, q := range ps {
				ADDQ(next, q)
			}
			DECQ(left)
			JNZ(LabelRef(label))
		}
		m, sum := v.load(negInf), v.zero()
		down("max", []reg.GPVirtual{g}, func(at []Mem) { VMAXPS(v.ld(at[0], mask), m, m) })
		down("exp", []reg.GPVirtual{g, dst}, func(at []Mem) {
			e := v.expNeg(v.sub(m, v.ld(at[0], mask)))
			v.addTo(e, sum)
			v.st(e, at[1], mask)
		})
		inv := v.div(sum, v.load(lit(1)))
		down("gate", []reg.GPVirtual{dst, x, res}, func(at []Mem) {
			v.gated(v.ld(at[0], mask), inv, at[0], at[1], at[2], mask)
		})
	})
	end()
}
