package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// softmax is one step of the online softmax (Milakov & Gimelshein, arXiv
// 1805.02867), a query per lane.
func (w width) softmax() {
	w.text("attnSoftmax", "tile *float32, n int, top, sum, alpha *float32",
		"raises top[i] to the largest of tile[j][i], j < n, replaces these by\n"+
			"exp(tile[j][i] − top[i]) and adds them to sum[i] after scaling it with\n"+
			"alpha[i] = exp(old top − new). A top of −Inf counts as 0; n ≥ 1.")
	tile, n, top, sum, alpha := ptr("tile"), ptr("n"), ptr("top"), ptr("sum"), ptr("alpha")
	old := w.load(Mem{Base: top})
	m, m2 := w.vec(), w.vec()
	VMOVAPS(old, m)
	VMOVAPS(old, m2)
	t, pairs := copyOf(tile), copyOf(n)
	SHRQ(Imm(1), pairs)
	unless0(pairs, func() {
		loop(pairs, func() {
			VMAXPS(Mem{Base: t}, m, m)
			VMAXPS(Mem{Base: t, Disp: w.bytes()}, m2, m2)
			ADDQ(I32(2*w.bytes()), t)
		})
	})
	even := fresh("even")
	TESTQ(U32(1), n)
	JZ(LabelRef(even))
	VMAXPS(Mem{Base: t}, m, m)
	Label(even)
	VMAXPS(m2, m, m)
	VMOVUPS(m, Mem{Base: top})
	ref := w.vec()
	if w == 16 {
		k := K()
		VCMPPS(Imm(4), w.con(cNegInf), m, k) // ≠, NaN too
		VMOVAPS_Z(m, k, ref)
	} else {
		none := w.vec()
		VCMPPS(Imm(0), w.con(cNegInf), m, none)
		VANDNPS(m, none, ref)
	}
	exp := w.exp()
	VSUBPS(ref, old, old)
	exp(old)
	VMOVUPS(old, Mem{Base: alpha})
	s := w.vec()
	VMULPS(Mem{Base: sum}, old, s)
	loop(n, func() {
		x := w.load(Mem{Base: tile})
		VSUBPS(ref, x, x)
		exp(x)
		VMOVUPS(x, Mem{Base: tile})
		VADDPS(x, s, s)
		ADDQ(I32(w.bytes()), tile)
	})
	VMOVUPS(s, Mem{Base: sum})
	VZEROUPPER()
	RET()
}

func (w width) finish() {
	w.text("attnFinish", "top, sum, logSum, inv *float32", "sets logSum[i] = top[i] + log(sum[i]) and inv[i] = 1/sum[i]; sum[i] is 0, NaN or ≥ 1.")
	top, sum := ptr("top"), ptr("sum")
	x := w.load(Mem{Base: sum})
	one := w.reg(cOne)
	inv := w.vec()
	VDIVPS(x, one, inv)
	VMOVUPS(inv, Mem{Base: ptr("inv")})
	e, m := w.vec(), w.vec()
	if w == 16 {
		VGETEXPPS(x, e)
		VGETMANTPS(Imm(0), x, m) // in [1, 2)
	} else {
		VPSRLD(Imm(23), x, e)
		VPSUBD(table.Offset(c127*32), e, e)
		VCVTDQ2PS(e, e)
		VANDPS(table.Offset(cMantissa*32), x, m)
		VORPS(one, m, m)
	}
	a, b, z, y, p := w.vec(), w.vec(), w.vec(), w.vec(), w.vec()
	VSUBPS(one, m, a)
	VADDPS(one, m, b)
	VDIVPS(b, a, z)
	VMULPS(z, z, y)
	VMOVAPS(w.reg(cLog+4), p)
	for i := 3; i >= 0; i-- {
		VFMADD213PS(w.con(cLog+i), y, p)
	}
	VMULPS(z, p, p)
	VFMADD231PS(w.con(cLn2), e, p)
	if w == 8 {
		// The bits of a NaN passed for a number; of 0 too, but top is −Inf then.
		zero := w.vec()
		w.zero(zero)
		VFMADD231PS(zero, x, p)
	}
	VADDPS(Mem{Base: top}, p, p)
	VMOVUPS(p, Mem{Base: ptr("logSum")})
	VZEROUPPER()
	RET()
}

func (w width) gradTile() {
	w.text("attnGradTile", "p, ds *float32, n int, logSum, delta *float32",
		"replaces the scores p[j][i], j < n, by exp(p[j][i] − logSum[i]) and\nds[j][i] by that times (ds[j][i] − delta[i]); n ≥ 1.")
	p, ds, n := ptr("p"), ptr("ds"), ptr("n")
	logSum, delta := w.load(Mem{Base: ptr("logSum")}), w.load(Mem{Base: ptr("delta")})
	exp := w.exp()
	loop(n, func() {
		x := w.load(Mem{Base: p})
		VSUBPS(logSum, x, x)
		exp(x)
		y := w.load(Mem{Base: ds})
		VSUBPS(delta, y, y)
		VMULPS(x, y, y)
		VMOVUPS(x, Mem{Base: p})
		VMOVUPS(y, Mem{Base: ds})
		ADDQ(I32(w.bytes()), p)
		ADDQ(I32(w.bytes()), ds)
	})
	VZEROUPPER()
	RET()
}
