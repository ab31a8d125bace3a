package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func emitNorms(v vec) {
	v.emitRowNorm("layerNormRows", false)
	v.emitRowNorm("rmsNormRows", true)
	v.emitRowNormGrad("layerNormGradRows", false)
	v.emitRowNormGrad("rmsNormGradRows", true)
	v.emitColSum()
	v.emitColMoments()
	v.emitColDot()
	v.emitNormCols()
	v.emitNormGradCols()
}

var labels int

// ifThere runs body only when the pointer is not nil.
func ifThere(p reg.GPVirtual, body func()) {
	labels++
	skip := fmt.Sprintf("skip%d", labels)
	TESTQ(p, p)
	JZ(LabelRef(skip))
	body()
	Label(skip)
}

// sweep4 is sweep with four vectors a turn; j names the accumulator.
func (v vec) sweep4(label string, n reg.GPVirtual, body func(j int, mem func(base reg.GPVirtual) Mem, mask Op)) {
	i, left := GP64(), GP64()
	XORQ(i, i)
	MOVQ(n, left)
	SUBQ(U32(4*v.lanes()), left)
	JL(LabelRef(label + "_few"))
	Label(label + "_four")
	for j := range 4 {
		body(j, func(base reg.GPVirtual) Mem { return at(base, i).Offset(j * v.bytes()) }, nil)
	}
	ADDQ(U32(4*v.lanes()), i)
	SUBQ(U32(4*v.lanes()), left)
	JGE(LabelRef(label + "_four"))
	Label(label + "_few")
	ADDQ(U32(3*v.lanes()), left)
	JL(LabelRef(label + "_rest"))
	Label(label + "_one")
	body(0, func(base reg.GPVirtual) Mem { return at(base, i) }, nil)
	ADDQ(U32(v.lanes()), i)
	SUBQ(U32(v.lanes()), left)
	JGE(LabelRef(label + "_one"))
	Label(label + "_rest")
	ADDQ(U32(v.lanes()), left)
	JZ(LabelRef(label + "_done"))
	body(0, func(base reg.GPVirtual) Mem { return at(base, i) }, v.tailMask(left))
	Label(label + "_done")
}

func (v vec) zeros(n int) []R {
	var r []R
	for range n {
		r = append(r, v.zero())
	}
	return r
}

// inverse is 1/n in every lane.
func (v vec) inverse(n reg.GPVirtual) R {
	x := XMM()
	VXORPS(x, x, x)
	VCVTSI2SSQ(n, x, x)
	r := v.new()
	VBROADCASTSS(x, r)
	return v.div(r, v.load(lit(1)))
}

// storeScalar writes lane 0 to the float at p and moves p on, if p is there.
func storeScalar(r R, p reg.GPVirtual) {
	ifThere(p, func() {
		VMOVSS(r.AsX(), Mem{Base: p})
		ADDQ(Imm(4), p)
	})
}

func (v vec) emitRowNorm(name string, rms bool) {
	sig, doc := "func(dst, x, gamma, beta, mean, rstd []float32, rows, cols int, eps float32)", "normalises each row about its mean; rows, cols > 0."
	if rms {
		sig, doc = "func(dst, x, gamma, rstd []float32, rows, cols int, eps float32)", "divides each row by its root mean square; rows, cols > 0."
	}
	v.text(name, sig, doc)
	dst, x, gamma, rstd := ptr("dst"), ptr("x"), ptr("gamma"), ptr("rstd")
	var beta, mean reg.GPVirtual
	if !rms {
		beta, mean = ptr("beta"), ptr("mean")
	}
	rows, cols, ld := count("rows"), count("cols"), stride("cols")
	eps, inv := v.bcast("eps"), v.inverse(cols)
	eachRow("rows", rows, []reg.GPVirtual{dst, x}, []reg.GPVirtual{ld, ld}, func() {
		var m, delta R
		sq := v.zeros(4)
		var variance R
		if rms {
			v.sweep4("sq", cols, func(j int, mem func(reg.GPVirtual) Mem, mask Op) {
				in := v.ld(mem(x), mask)
				v.fma(in, in, sq[j])
			})
			variance = v.mul(inv, v.join(VADDPS, sq))
		} else {
			sum := v.zeros(4)
			v.sweep4("sum", cols, func(j int, mem func(reg.GPVirtual) Mem, mask Op) {
				v.addTo(v.ld(mem(x), mask), sum[j])
			})
			m = v.mul(inv, v.join(VADDPS, sum))
			// The second pass also finds by how much rounding moved m:
			// mean = m + delta, var = Σ(x-m)²/n - delta².
			rest := v.zeros(4)
			v.sweep4("sq", cols, func(j int, mem func(reg.GPVirtual) Mem, mask Op) {
				d := v.sub(m, v.ld(mem(x), mask))
				if mask != nil {
					d = v.keep(mask, d)
				}
				v.addTo(d, rest[j])
				v.fma(d, d, sq[j])
			})
			delta = v.mul(inv, v.join(VADDPS, rest))
			variance = v.mul(inv, v.join(VADDPS, sq))
			v.fnma(delta, delta, variance)
			variance = v.max(variance, v.zero())
		}
		v.addTo(eps, variance)
		r := v.div(v.sqrt(variance), v.load(lit(1)))
		v.sweep("out", cols, func(i reg.GPVirtual, mask Op) {
			y := v.ld(at(x, i), mask)
			if !rms {
				y = v.sub(delta, v.sub(m, y))
			}
			v.mulTo(r, y)
			ifThere(gamma, func() { v.mulTo(v.ld(at(gamma, i), mask), y) })
			if !rms {
				ifThere(beta, func() { v.addTo(v.ld(at(beta, i), mask), y) })
			}
			v.st(y, at(dst, i), mask)
		})
		storeScalar(r, rstd)
		if !rms {
			v.addTo(delta, m)
			storeScalar(m, mean)
		}
	})
	end()
}

func (v vec) emitRowNormGrad(name string, rms bool) {
	sig := "func(dx, dy, x, gamma, mean, rstd, dgamma, dbeta []float32, rows, cols int)"
	if rms {
		sig = "func(dx, dy, x, gamma, rstd, dgamma []float32, rows, cols int)"
	}
	v.text(name, sig, "is the gradient of each row, and adds to the parameters'; rows, cols > 0.")
	dx, dy, x, gamma, dgamma := ptr("dx"), ptr("dy"), ptr("x"), ptr("gamma"), ptr("dgamma")
	var dbeta reg.GPVirtual
	if !rms {
		dbeta = ptr("dbeta")
	}
	cols, row := count("cols"), GP64()
	inv := v.inverse(cols)
	XORQ(row, row)
	Label("rows")
	{
		m, r := v.new(), v.new()
		VBROADCASTSS(at(ptr("rstd"), row), r)
		if !rms {
			VBROADCASTSS(at(ptr("mean"), row), m)
		}
		// hat is (x - mean)·rstd, g is dy·gamma.
		hat := func(mem Mem, mask Op) R {
			h := v.ld(mem, mask)
			if !rms {
				h = v.sub(m, h)
			}
			return v.mul(r, h)
		}
		sumG, sumGX := v.zeros(2), v.zeros(2)
		v.sweep4("sums", cols, func(j int, mem func(reg.GPVirtual) Mem, mask Op) {
			g, h := v.ld(mem(dy), mask), hat(mem(x), mask)
			ifThere(dgamma, func() {
				a := v.ld(mem(dgamma), mask)
				v.fma(g, h, a)
				v.st(a, mem(dgamma), mask)
			})
			if !rms {
				ifThere(dbeta, func() { v.st(v.add(v.ld(mem(dbeta), mask), g), mem(dbeta), mask) })
			}
			ifThere(gamma, func() { v.mulTo(v.ld(mem(gamma), mask), g) })
			if !rms {
				v.addTo(g, sumG[j%2])
			}
			v.fma(g, h, sumGX[j%2])
		})
		ifThere(dx, func() {
			c2 := v.mul(inv, v.join(VADDPS, sumGX))
			var c1 R
			if !rms {
				c1 = v.mul(inv, v.join(VADDPS, sumG))
			}
			v.sweep("out", cols, func(i reg.GPVirtual, mask Op) {
				g, h := v.ld(at(dy, i), mask), hat(at(x, i), mask)
				ifThere(gamma, func() { v.mulTo(v.ld(at(gamma, i), mask), g) })
				if !rms {
					v.op2(VSUBPS, VSUBPS_BCST, c1, g, g)
				}
				v.fnma(h, c2, g)
				v.st(v.mul(r, g), at(dx, i), mask)
			})
			LEAQ(at(dx, cols), dx)
		})
		LEAQ(at(dy, cols), dy)
		LEAQ(at(x, cols), x)
		INCQ(row)
		CMPQ(row, count("rows"))
		JL(LabelRef("rows"))
	}
	end()
}

// columns runs body over the columns, a vector at a time. Inside, down(ptrs,
// f) walks the rows: f sees the pointers at the current row and column.
// Parameters are read again at every use: there are more than registers.
func (v vec) columns(names []string, body func(c reg.GPVirtual, mask Op, down func(f func(p []Mem)))) {
	cols, ld := count("cols"), stride("cols")
	v.sweep("cols", cols, func(c reg.GPVirtual, mask Op) {
		body(c, mask, func(f func(p []Mem)) {
			labels++
			label := fmt.Sprintf("down%d", labels)
			var at, strides []reg.GPVirtual
			var mems []Mem
			for _, name := range names {
				q := ptr(name)
				LEAQ(Mem{Base: q, Index: c, Scale: 4}, q)
				at, strides, mems = append(at, q), append(strides, ld), append(mems, Mem{Base: q})
			}
			eachRow(label, count("rows"), at, strides, func() { f(mems) })
		})
	})
}

// widen turns a vector of float32 into two of float64.
func (v vec) widen(x R) [2]R {
	hi, d := v.half(), [2]R{v.new(), v.new()}
	if v.zmm {
		VCVTPS2PD(x.AsY(), d[0])
		VEXTRACTF64X4(Imm(1), x, hi)
	} else {
		VCVTPS2PD(x.AsX(), d[0])
		VEXTRACTF128(Imm(1), x, hi)
	}
	VCVTPS2PD(hi, d[1])
	return d
}

// wideMasks splits a tail mask for the two halves of float64.
func (v vec) wideMasks(mask Op) [2]Op {
	if mask == nil {
		return [2]Op{}
	}
	if v.zmm {
		k := K()
		KSHIFTRW(Imm(8), mask, k)
		return [2]Op{mask, k}
	}
	m := mask.(R)
	lo, hi, x := YMM(), YMM(), XMM()
	VPMOVSXDQ(m.AsX(), lo)
	VEXTRACTI128(Imm(1), m, x)
	VPMOVSXDQ(x, hi)
	return [2]Op{lo, hi}
}

// wideMem is where the two halves of vector c of a []float64 stand.
func (v vec) wideMem(p, c reg.GPVirtual) [2]Mem {
	m := Mem{Base: p, Index: c, Scale: 8}
	return [2]Mem{m, m.Offset(v.bytes())}
}

func (v vec) loadWide(p, c reg.GPVirtual, masks [2]Op) (d [2]R) {
	for i, m := range v.wideMem(p, c) {
		d[i] = v.new()
		switch {
		case masks[i] == nil:
			VMOVUPD(m, d[i])
		case v.zmm:
			VMOVUPD_Z(m, masks[i], d[i])
		default:
			VMASKMOVPD(m, masks[i], d[i])
		}
	}
	return d
}

func (v vec) storeWide(d [2]R, p, c reg.GPVirtual, masks [2]Op) {
	for i, m := range v.wideMem(p, c) {
		switch {
		case masks[i] == nil:
			VMOVUPD(d[i], m)
		case v.zmm:
			VMOVUPD(d[i], masks[i], m)
		default:
			VMASKMOVPD(d[i], masks[i], m)
		}
	}
}

func (v vec) emitColSum() {
	v.text("colSum", "func(acc []float64, x []float32, rows, cols int)", "adds column sums; rows, cols > 0.")
	v.columns([]string{"x"}, func(c reg.GPVirtual, mask Op, down func(func([]Mem))) {
		masks := v.wideMasks(mask)
		a := v.loadWide(ptr("acc"), c, masks)
		down(func(p []Mem) {
			for i, d := range v.widen(v.ld(p[0], mask)) {
				VADDPD(d, a[i], a[i])
			}
		})
		v.storeWide(a, ptr("acc"), c, masks)
	})
	end()
}

func (v vec) emitColMoments() {
	v.text("colMoments", "func(sum, sq []float64, x, first []float32, rows, cols int)",
		"adds Σ(x-first) and Σ(x-first)² of each column; rows, cols > 0.")
	v.columns([]string{"x"}, func(c reg.GPVirtual, mask Op, down func(func([]Mem))) {
		masks := v.wideMasks(mask)
		s, q := v.loadWide(ptr("sum"), c, masks), v.loadWide(ptr("sq"), c, masks)
		origin := v.widen(v.ld(at(ptr("first"), c), mask))
		down(func(p []Mem) {
			for i, d := range v.widen(v.ld(p[0], mask)) {
				VSUBPD(origin[i], d, d)
				VADDPD(d, s[i], s[i])
				VFMADD231PD(d, d, q[i])
			}
		})
		v.storeWide(s, ptr("sum"), c, masks)
		v.storeWide(q, ptr("sq"), c, masks)
	})
	end()
}

func (v vec) emitColDot() {
	v.text("colDot", "func(sumDy, sumDyX []float64, dy, x, mean, rstd []float32, rows, cols int)",
		"adds Σ dy and Σ dy·(x-mean)·rstd of each column; rows, cols > 0.")
	v.columns([]string{"dy", "x"}, func(c reg.GPVirtual, mask Op, down func(func([]Mem))) {
		masks := v.wideMasks(mask)
		s, q := v.loadWide(ptr("sumDy"), c, masks), v.loadWide(ptr("sumDyX"), c, masks)
		m, r := v.ld(at(ptr("mean"), c), mask), v.ld(at(ptr("rstd"), c), mask)
		down(func(p []Mem) {
			d := v.widen(v.ld(p[0], mask))
			h := v.widen(v.mul(r, v.sub(m, v.ld(p[1], mask))))
			for i := range d {
				VADDPD(d[i], s[i], s[i])
				VFMADD231PD(d[i], h[i], q[i])
			}
		})
		v.storeWide(s, ptr("sumDy"), c, masks)
		v.storeWide(q, ptr("sumDyX"), c, masks)
	})
	end()
}

func (v vec) emitNormCols() {
	v.text("normCols", "func(dst, x, mean, rstd, gamma, beta []float32, rows, cols int)",
		"is (x-mean)·rstd·gamma + beta by columns; rows, cols > 0.")
	v.columns([]string{"dst", "x"}, func(c reg.GPVirtual, mask Op, down func(func([]Mem))) {
		m, r, b := v.ld(at(ptr("mean"), c), mask), v.ld(at(ptr("rstd"), c), mask), v.zero()
		gamma := ptr("gamma")
		ifThere(gamma, func() { v.mulTo(v.ld(at(gamma, c), mask), r) })
		beta := ptr("beta")
		ifThere(beta, func() { v.addTo(v.ld(at(beta, c), mask), b) })
		down(func(p []Mem) {
			y := v.sub(m, v.ld(p[1], mask))
			v.horner(b, r, y)
			v.st(y, p[0], mask)
		})
	})
	end()
}

func (v vec) emitNormGradCols() {
	v.text("normGradCols", "func(dx, dy, x, mean, rstd, gamma, meanDy, meanDyX []float32, rows, cols int)",
		"is gamma·rstd·(dy - meanDy - x̂·meanDyX) by columns; rows, cols > 0.")
	v.columns([]string{"dx", "dy", "x"}, func(c reg.GPVirtual, mask Op, down func(func([]Mem))) {
		m, r := v.ld(at(ptr("mean"), c), mask), v.ld(at(ptr("rstd"), c), mask)
		c1, c2 := v.ld(at(ptr("meanDy"), c), mask), v.ld(at(ptr("meanDyX"), c), mask)
		s := v.copy(r)
		gamma := ptr("gamma")
		ifThere(gamma, func() { v.mulTo(v.ld(at(gamma, c), mask), s) })
		down(func(p []Mem) {
			g := v.sub(c1, v.ld(p[1], mask))
			h := v.mul(r, v.sub(m, v.ld(p[2], mask)))
			v.fnma(h, c2, g)
			v.st(v.mul(s, g), p[0], mask)
		})
	})
	end()
}
