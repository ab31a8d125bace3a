package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// halves writes the products of a few rows of 16-bit floats with a few tokens, which stream the weights once.
func halves() {
	float16 := func(m Mem, r R) { VCVTPH2PS(m, r) }
	bfloat16 := func(m Mem, r R) { VPMOVZXWD(m, r); VPSLLD(Imm(16), r, r) }
	for _, tokens := range []int{4, 2} {
		halfDot("F16", tokens, float16)
		halfDot("BF16", tokens, bfloat16)
	}
	for _, wide := range []bool{true, false} {
		halfRows("F16", wide, float16)
		halfRows("BF16", wide, bfloat16)
	}
}

// halfRows takes one token and row after row: the weights are one stream, which a core reads faster than several.
func halfRows(format string, wide bool, widen func(m Mem, r R)) {
	path, lanes := "AVX2", 8
	vec, join := func() R { return YMM() }, foldY
	if wide {
		path, lanes = "AVX512", 16
		vec = func() R { return ZMM() }
		join = func(a R) reg.VecVirtual { return fold(VADDPS, a) }
	}
	name := "halfRows" + format + path
	TEXT(name, NOSPLIT, "func(y *float32, w *uint16, x *float32, n, rows, skip int)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s sets y[r] = Σ w[r]·x for rows of n weights, a positive multiple of 32; skip is the bytes of a row that are left out.", name))
	w, y, rows, skip := arg("w"), arg("y"), arg("rows"), arg("skip")
	chains := 32 / lanes
	Label("row")
	x, n := arg("x"), arg("n")
	var acc []R
	for range chains {
		z := vec()
		VXORPS(z, z, z)
		acc = append(acc, z)
	}
	Label("loop")
	PREFETCHT0(Mem{Base: w, Disp: 4096})
	for c, a := range acc {
		v := vec()
		widen(Mem{Base: w, Disp: 2 * lanes * c}, v)
		VFMADD231PS(Mem{Base: x, Disp: 4 * lanes * c}, v, a)
	}
	ADDQ(U32(64), w)
	ADDQ(U32(128), x)
	SUBQ(U32(32), n)
	JNZ(LabelRef("loop"))
	for len(acc) > 1 {
		VADDPS(acc[1], acc[0], acc[0])
		acc = append(acc[2:], acc[0])
	}
	VMOVSS(join(acc[0]), Mem{Base: y})
	ADDQ(Imm(4), y)
	ADDQ(skip, w)
	DECQ(rows)
	JNZ(LabelRef("row"))
	VZEROUPPER()
	RET()
}

// halfDot takes 4 rows at a time for a few tokens.
func halfDot(format string, tokens int, widen func(m Mem, r R)) {
	const lanes = 16
	name := fmt.Sprintf("halfDot%sx%dAVX512", format, tokens)
	TEXT(name, NOSPLIT, "func(y *float32, w *uint16, x *float32, n, ldy, ldw, ldx int)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s multiplies 4 rows of n weights, a positive multiple of %d, with %d tokens: y[t][r] = Σ w[r]·x[t]; strides in bytes.", name, lanes, tokens))
	w, x, n := arg("w"), arg("x"), arg("n")
	ldw, ldx := arg("ldw"), arg("ldx")
	ldw3, ldx3 := GP64(), GP64()
	LEAQ(Mem{Base: ldw, Index: ldw, Scale: 2}, ldw3)
	LEAQ(Mem{Base: ldx, Index: ldx, Scale: 2}, ldx3)
	next := GP64() // the 4 rows that come next: asked for while these are read
	LEAQ(Mem{Base: w, Index: ldw, Scale: 4}, next)
	row := func(base, ld, ld3 reg.GPVirtual, i int) Mem {
		m := Mem{Base: base}
		switch i {
		case 1:
			m.Index, m.Scale = ld, 1
		case 2:
			m.Index, m.Scale = ld, 2
		case 3:
			m.Index, m.Scale = ld3, 1
		}
		return m
	}
	var acc [4][]R // row, token
	for r := range acc {
		for range tokens {
			z := ZMM()
			VXORPS(z, z, z)
			acc[r] = append(acc[r], z)
		}
	}
	Label("loop")
	var xs []R
	for t := range tokens {
		v := ZMM()
		VMOVUPS(row(x, ldx, ldx3, t), v)
		xs = append(xs, v)
	}
	for r := range acc {
		PREFETCHT0(row(next, ldw, ldw3, r))
		v := ZMM()
		widen(row(w, ldw, ldw3, r), v)
		for t := range tokens {
			VFMADD231PS(v, xs[t], acc[r][t])
		}
	}
	ADDQ(U32(2*lanes), w)
	ADDQ(U32(2*lanes), next)
	ADDQ(U32(4*lanes), x)
	SUBQ(U32(lanes), n)
	JNZ(LabelRef("loop"))
	y, ldy := arg("y"), arg("ldy")
	for t := range tokens {
		for r := range acc {
			VMOVSS(fold(VADDPS, acc[r][t]), Mem{Base: y, Disp: 4 * r})
		}
		if t < tokens-1 {
			ADDQ(ldy, y)
		}
	}
	VZEROUPPER()
	RET()
}

// foldY is fold of half the width.
func foldY(a R) reg.VecVirtual {
	x, t := XMM(), XMM()
	VEXTRACTF128(Imm(1), a, x)
	VADDPS(x, a.AsX(), x)
	VPSHUFD(Imm(0x4e), x, t)
	VADDPS(t, x, x)
	VPSHUFD(Imm(0xb1), x, t)
	VADDPS(t, x, x)
	return x
}
