package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// cache writes what reads keys and values.
func cache() {
	widenQ80("widenQ80AVX512", 16, func() R { return ZMM() })
	widenQ80("widenQ80AVX2", 8, func() R { return YMM() })
	TEXT("prefetchLines", NOSPLIT, "func(p *byte, lines int)")
	Pragma("noescape")
	Doc("prefetchLines asks for lines > 0 lines of 64 bytes.")
	p, n := arg("p"), arg("lines")
	Label("loop")
	PREFETCHT0(Mem{Base: p})
	ADDQ(Imm(64), p)
	DECQ(n)
	JNZ(LabelRef("loop"))
	RET()
}

func widenQ80(name string, lanes int, vec func() R) {
	TEXT(name, NOSPLIT, "func(dst *float32, src *byte, blocks int)")
	Pragma("noescape")
	Doc(name + " is Q8ToF32 of blocks > 0 blocks.")
	dst, src, n := arg("dst"), arg("src"), arg("blocks")
	Label("loop")
	d, all := XMM(), vec()
	VPBROADCASTW(Mem{Base: src}, d)
	VCVTPH2PS(d, d)
	VBROADCASTSS(d, all)
	for i := 0; i < unit; i += lanes {
		q := vec()
		VPMOVSXBD(Mem{Base: src, Disp: 2 + i}, q)
		VCVTDQ2PS(q, q)
		VMULPS(all, q, q)
		VMOVUPS(q, Mem{Base: dst, Disp: 4 * i})
	}
	ADDQ(Imm(2+unit), src)
	ADDQ(U32(4*unit), dst)
	DECQ(n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}
