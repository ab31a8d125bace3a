package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The half-precision kernels do whole vectors; the Go loop does the rest and
// gives the same bits.
func emitHalf(v vec) {
	const whole = "; len(dst) is a positive multiple of 16 (AVX2: 8)."
	widen, narrow := "func(dst []float32, src []uint16)", "func(dst []uint16, src []float32)"
	loop := func(name, sig, doc string, dstSize, srcSize int, body func(src, dst Mem)) {
		v.text(name, sig, doc+whole)
		dst, src := ptr("dst"), ptr("src")
		n := Load(Param("dst").Len(), GP64()).(reg.GPVirtual)
		Label("loop")
		body(Mem{Base: src}, Mem{Base: dst})
		ADDQ(Imm(uint64(srcSize*v.lanes())), src)
		ADDQ(Imm(uint64(dstSize*v.lanes())), dst)
		SUBQ(Imm(uint64(v.lanes())), n)
		JNZ(LabelRef("loop"))
		end()
	}
	loop("f16ToF32", widen, "widens binary16", 4, 2, func(src, dst Mem) {
		r := v.new()
		VCVTPH2PS(src, r)
		VMOVUPS(r, dst)
	})
	loop("bf16ToF32", widen, "widens bfloat16", 4, 2, func(src, dst Mem) {
		r := v.new()
		VPMOVZXWD(src, r)
		VPSLLD(Imm(16), r, r)
		VMOVUPS(r, dst)
	})
	loop("f32ToF16", narrow, "rounds to binary16", 2, 4, func(src, dst Mem) {
		r := v.new()
		VMOVUPS(src, r)
		VCVTPS2PH(Imm(0), r, dst) // to nearest, ties to even, whatever MXCSR says
	})
	loop("f32ToBF16", narrow, "rounds to bfloat16", 2, 4, func(src, dst Mem) {
		x, odd := v.new(), v.new()
		VMOVUPS(src, x)
		VPSRLD(Imm(16), x, odd)
		sum := v.and(bits(1), odd)
		v.op2(VPADDD, VPADDD_BCST, bits(0x7fff), sum, sum)
		VPADDD(x, sum, sum)
		y := v.sel(v.cmp(unord, x, x), v.or(bits(0x400000), x), sum)
		VPSRLD(Imm(16), y, y)
		if v.zmm {
			VPMOVDW(y, dst)
			return
		}
		VPACKUSDW(y, y, y)
		VPERMQ(Imm(0x08), y, y)
		VMOVUPS(y.AsX(), dst)
	})
}
