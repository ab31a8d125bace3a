package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// few writes the kernels for products of few rows, which stream B once: axpy for a B stored by rows,
// dot for a B stored by columns. Eight rows (columns) of B are eight streams; while they are read the
// next eight are asked for, pf bytes further on.
func few(wide bool) {
	suffix, bytes := "AVX2", 32
	vec := func() VecVirtual { return YMM() }
	zero := func(z VecVirtual) { VXORPS(z, z, z) }
	if wide {
		suffix, bytes = "AVX512", 64
		vec = func() VecVirtual { return ZMM() }
		zero = func(z VecVirtual) { VPXORD(z, z, z) }
	}

	TEXT("gemmAxpy8"+suffix, NOSPLIT, "func(y, x, b *float32, m, ldy, stride, pf, n int)")
	Pragma("noescape")
	Doc("gemmAxpy8"+suffix+" adds x[i][0]·B[0] + … + x[i][7]·B[7] to row i of y, for m rows of n columns; rows",
		fmt.Sprintf("of y are ldy bytes apart, rows of B stride; n is a positive multiple of %d.", bytes/4))
	y, xp, b := Load(Param("y"), GP64()), Load(Param("x"), GP64()), Load(Param("b"), GP64())
	ldy, s, pf, n := Load(Param("ldy"), GP64()), Load(Param("stride"), GP64()), Load(Param("pf"), GP64()), Load(Param("n"), GP64())
	row, s3 := rows8(b, s)
	ahead, ahead4 := GP64(), GP64()
	LEAQ(Mem{Base: b, Index: pf, Scale: 1}, ahead)
	LEAQ(Mem{Base: ahead, Index: s, Scale: 4}, ahead4)
	Label("loop")
	bv := make([]VecVirtual, 8)
	for i := range bv {
		bv[i] = vec()
		PREFETCHT1(at8(i, ahead, ahead4, s, s3))
		VMOVUPS(at8(i, row[0], row[1], s, s3), bv[i])
	}
	yp, x, m := GP64(), GP64(), Load(Param("m"), GP64())
	MOVQ(y, yp)
	MOVQ(xp, x)
	Label("row")
	sum := vec()
	VMOVUPS(Mem{Base: yp}, sum)
	for i := range bv {
		f := Mem{Base: x, Disp: 4 * i}
		if wide {
			VFMADD231PS_BCST(f, bv[i], sum)
		} else {
			w := vec()
			VBROADCASTSS(f, w)
			VFMADD231PS(w, bv[i], sum)
		}
	}
	VMOVUPS(sum, Mem{Base: yp})
	ADDQ(ldy, yp)
	ADDQ(Imm(32), x)
	DECQ(m)
	JNZ(LabelRef("row"))
	for _, p := range []Register{y, row[0], row[1], ahead, ahead4} {
		ADDQ(U8(bytes), p)
	}
	SUBQ(U8(bytes/4), n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()

	TEXT("gemmDot8"+suffix, NOSPLIT, "func(out *[8]float32, x, b *float32, stride, pf, k int)")
	Pragma("noescape")
	Doc("gemmDot8"+suffix+" sets out[i] to the sum of x[p]·B[i][p] over k elements; rows of B are stride",
		fmt.Sprintf("bytes apart, k is a positive multiple of %d.", bytes/4))
	xp, b = Load(Param("x"), GP64()), Load(Param("b"), GP64())
	s, pf, n = Load(Param("stride"), GP64()), Load(Param("pf"), GP64()), Load(Param("k"), GP64())
	row, s3 = rows8(b, s)
	acc := make([]VecVirtual, 8)
	for i := range acc {
		acc[i] = vec()
		zero(acc[i])
	}
	ahead, ahead4 = GP64(), GP64()
	LEAQ(Mem{Base: b, Index: pf, Scale: 1}, ahead)
	LEAQ(Mem{Base: ahead, Index: s, Scale: 4}, ahead4)
	Label("loop")
	v := vec()
	VMOVUPS(Mem{Base: xp}, v)
	for i := range acc {
		PREFETCHT1(at8(i, ahead, ahead4, s, s3))
		VFMADD231PS(at8(i, row[0], row[1], s, s3), v, acc[i])
	}
	for _, p := range []Register{xp, row[0], row[1], ahead, ahead4} {
		ADDQ(U8(bytes), p)
	}
	SUBQ(U8(bytes/4), n)
	JNZ(LabelRef("loop"))
	half := make([]VecVirtual, 8)
	for i := range acc {
		half[i] = acc[i]
		if wide {
			h := YMM()
			VEXTRACTF64X4(Imm(1), acc[i], h)
			VADDPS(acc[i].AsY(), h, h)
			half[i] = h
		}
	}
	for i := 0; i < 8; i += 4 { // four sums of eight lanes to four numbers
		a, c, hi := YMM(), YMM(), XMM()
		VHADDPS(half[i+1].AsY(), half[i].AsY(), a)
		VHADDPS(half[i+3].AsY(), half[i+2].AsY(), c)
		VHADDPS(c, a, a)
		VEXTRACTF128(Imm(1), a, hi)
		VADDPS(hi, a.AsX(), hi)
		VMOVUPS(hi, Mem{Base: Load(Param("out"), GP64()), Disp: 4 * i})
	}
	VZEROUPPER()
	RET()
}

// rows8 prepares the addresses of eight rows: rows 0 and 4, and three strides.
func rows8(b, s Register) ([2]Register, Register) {
	b4, s3 := GP64(), GP64()
	LEAQ(Mem{Base: b, Index: s, Scale: 4}, b4)
	LEAQ(Mem{Base: s, Index: s, Scale: 2}, s3)
	return [2]Register{b, b4}, s3
}

func at8(i int, r0, r4, s, s3 Register) Mem {
	m := Mem{Base: r0}
	if i >= 4 {
		m.Base = r4
	}
	switch i % 4 {
	case 1:
		m.Index, m.Scale = s, 1
	case 2:
		m.Index, m.Scale = s, 2
	case 3:
		m.Index, m.Scale = s3, 1
	}
	return m
}
