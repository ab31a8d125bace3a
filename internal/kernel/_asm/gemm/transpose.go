package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// transpose writes the packer of transposed operands: blocks of 16 × 16 floats turned around in
// registers. Four rounds of swaps at distance 1, 2, 4 and 8; Z0…Z15 and Z16…Z31 take turns.
func transpose() {
	TEXT("gemmTransposeAVX512", NOSPLIT, "func(dst, src *float32, dstStride, srcStride, blocks int)")
	Pragma("noescape")
	Doc("gemmTransposeAVX512 sets dst[c·dstStride+r] = src[r·srcStride+c] for 16 rows r and 16·blocks columns c; strides in bytes.")
	dst, src := Load(Param("dst"), GP64()), Load(Param("src"), GP64())
	ds, ss := Load(Param("dstStride"), GP64()), Load(Param("srcStride"), GP64())
	blocks := Load(Param("blocks"), GP64())
	in, out := make([]VecVirtual, 16), make([]VecVirtual, 16)
	Label("block")
	p := GP64()
	MOVQ(src, p)
	for i := range in {
		in[i] = ZMM()
		VMOVUPS(Mem{Base: p}, in[i])
		if i < 15 {
			ADDQ(ss, p)
		}
	}
	for i := range out {
		out[i] = ZMM()
	}
	for i := 0; i < 16; i += 2 { // pairs of rows, interleaved in each 128-bit lane
		VUNPCKLPS(in[i+1], in[i], out[i])
		VUNPCKHPS(in[i+1], in[i], out[i+1])
	}
	in, out = out, in
	for i := 0; i < 16; i += 4 { // out[i+q], lane l: column 4l+q of rows i…i+3
		VUNPCKLPD(in[i+2], in[i], out[i])
		VUNPCKHPD(in[i+2], in[i], out[i+1])
		VUNPCKLPD(in[i+3], in[i+1], out[i+2])
		VUNPCKHPD(in[i+3], in[i+1], out[i+3])
	}
	in, out = out, in
	for i := 0; i < 16; i += 8 { // even and odd lanes of rows i…i+3 and i+4…i+7
		for q := range 4 {
			VSHUFF32X4(Imm(0x88), in[i+4+q], in[i+q], out[i+q])
			VSHUFF32X4(Imm(0xDD), in[i+4+q], in[i+q], out[i+4+q])
		}
	}
	in, out = out, in
	for q := range 4 { // columns q, 8+q of the even lanes, 4+q, 12+q of the odd
		VSHUFF32X4(Imm(0x88), in[8+q], in[q], out[q])
		VSHUFF32X4(Imm(0xDD), in[8+q], in[q], out[8+q])
		VSHUFF32X4(Imm(0x88), in[12+q], in[4+q], out[4+q])
		VSHUFF32X4(Imm(0xDD), in[12+q], in[4+q], out[12+q])
	}
	for i := range out {
		VMOVUPS(out[i], Mem{Base: dst})
		ADDQ(ds, dst)
	}
	ADDQ(Imm(64), src)
	DECQ(blocks)
	JNZ(LabelRef("block"))
	VZEROUPPER()
	RET()
}
