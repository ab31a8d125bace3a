package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// acts writes the rounding of activations, one token of a tile: a unit of 32 columns is two vectors.
func acts() {
	quantizeQ80()
	quantizeQ81()
	quantizeQ8K()
}

func arg(name string) reg.GPVirtual { return Load(Param(name), GP64()).(reg.GPVirtual) }

// constant512 spreads a word over a vector.
func constant512(b uint32) R {
	g, r := GP32(), ZMM()
	MOVL(U32(b), g)
	VPBROADCASTD(g, r)
	return r
}

// fold joins the lanes of a vector with op into lane 0.
func fold(op func(...Op), a R) reg.VecVirtual {
	y, x, t := YMM(), XMM(), XMM()
	VEXTRACTF64X4(Imm(1), a, y)
	op(y, a.AsY(), y)
	VEXTRACTF32X4(Imm(1), y, x)
	op(x, y.AsX(), x)
	VPSHUFD(Imm(0x4e), x, t)
	op(t, x, x)
	VPSHUFD(Imm(0xb1), x, t)
	op(t, x, x)
	return x
}

func quantizeQ80() {
	TEXT("quantizeQ80AVX512", NOSPLIT, "func(q *byte, d *float32, slot *int32, x *float32, units, stride, offset int)")
	Pragma("noescape")
	Doc("quantizeQ80AVX512 is quantizeQ80 of units > 0 units, stride bytes apart; offset is what Σq is multiplied by.")
	offset := arg("offset")
	roundUnits(func(sum reg.GPVirtual, _ R, slot reg.GPVirtual) {
		IMULL(offset.As32(), sum.As32())
		MOVL(sum.As32(), Mem{Base: slot})
	})
}

func quantizeQ81() {
	TEXT("quantizeQ81AVX512", NOSPLIT, "func(q *byte, d, slot, x *float32, units, stride int)")
	Pragma("noescape")
	Doc("quantizeQ81AVX512 is quantizeQ80 of units > 0 units, stride bytes apart, with d·Σq as float16 in the slots.")
	roundUnits(func(sum reg.GPVirtual, d R, slot reg.GPVirtual) {
		s := XMM()
		VXORPS(s, s, s)
		VCVTSI2SSL(sum.As32(), s, s)
		VMULSS(d, s, s)
		VCVTPS2PH(Imm(0), s, s)
		VCVTPH2PS(s, s)
		VMOVSS(s, Mem{Base: slot})
	})
}

// roundUnits is the loop over units; end is given Σq and d before it is rounded.
func roundUnits(end func(sum reg.GPVirtual, d R, slot reg.GPVirtual)) {
	q, d, slot, x := arg("q"), arg("d"), arg("slot"), arg("x")
	units, stride := arg("units"), arg("stride")
	abs, half, sign := constant512(0x7fffffff), constant512(0x3f000000), constant512(0x80000000)
	most127, one := XMM(), XMM()
	g := GP32()
	MOVL(U32(0x42fe0000), g) // 127
	VMOVD(g, most127)
	MOVL(U32(0x3f800000), g)
	VMOVD(g, one)
	Label("loop")
	a, b, u, v := ZMM(), ZMM(), ZMM(), ZMM()
	VMOVUPS(Mem{Base: x}, a)
	VMOVUPS(Mem{Base: x, Disp: 64}, b)
	VPANDD(abs, a, u)
	VPANDD(abs, b, v)
	VMAXPS(v, u, u)
	m := fold(VMAXPS, u)
	scale, narrow, id, zero := XMM(), XMM(), XMM(), XMM()
	VDIVSS(most127, m, scale) // d
	VXORPS(zero, zero, zero)
	VDIVSS(scale, one, id)
	k := K()
	VCMPSS(Imm(0x1e), zero, scale, k) // d > 0, else id is 0
	VMOVSS_Z(id, id, k, id)
	VCVTPS2PH(Imm(0), scale, narrow)
	VCVTPH2PS(narrow, narrow)
	VMOVSS(narrow, Mem{Base: d})
	all := ZMM()
	VBROADCASTSS(id, all)
	for _, r := range []R{a, b} { // the nearest, halves away from zero
		h := ZMM()
		VMULPS(all, r, r)
		VPANDD(sign, r, h)
		VPORD(half, h, h)
		VADDPS(h, r, r)
		VCVTTPS2DQ(r, r)
	}
	VPMOVDB(a, Mem{Base: q})
	VPMOVDB(b, Mem{Base: q, Disp: 16})
	VPADDD(b, a, a)
	s := GP64()
	VMOVD(fold(VPADDD, a), s.As32())
	end(s, scale, slot)
	ADDQ(Imm(128), x)
	for _, p := range []reg.GPVirtual{q, d, slot} {
		ADDQ(stride, p)
	}
	DECQ(units)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

func quantizeQ8K() {
	TEXT("quantizeQ8KAVX512", NOSPLIT, "func(q *byte, sums *[16]int32, x *float32, scale float32, stride int)")
	Pragma("noescape")
	Doc("quantizeQ8KAVX512 rounds scale·x of 256 columns to the nearest, halves to even, at most 127; 32 columns are stride bytes apart. sums gets those of 16 columns each.")
	q, sums, x, stride := arg("q"), arg("sums"), arg("x"), arg("stride")
	scale := ZMM()
	p, err := Param("scale").Resolve()
	if err != nil {
		panic(err)
	}
	VBROADCASTSS(p.Addr, scale)
	n := GP64()
	MOVQ(U64(8), n)
	Label("loop")
	for h := range 2 {
		a := ZMM()
		VMULPS(Mem{Base: x, Disp: 64 * h}, scale, a)
		VCVTPS2DQ(a, a)
		VPMOVSDB(a, Mem{Base: q, Disp: 16 * h})
		VMOVD(fold(VPADDD, a), Mem{Base: sums, Disp: 4 * h})
	}
	ADDQ(Imm(128), x)
	ADDQ(Imm(8), sums)
	ADDQ(stride, q)
	DECQ(n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}
