package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// pack writes the packer of one full panel of a B stored by rows.
func pack(wide bool) {
	name, bytes := "gemmPackAVX2", 32
	vec := func() VecVirtual { return YMM() }
	if wide {
		name, bytes = "gemmPackAVX512", 64
		vec = func() VecVirtual { return ZMM() }
	}
	TEXT(name, NOSPLIT, "func(dst, src *float32, stride, pf, k int)")
	Pragma("noescape")
	Doc(name + " copies k rows of one panel, stride bytes apart, and asks for what lies pf bytes beyond each.")
	dst, src := Load(Param("dst"), GP64()), Load(Param("src"), GP64())
	s, pf, k := Load(Param("stride"), GP64()), Load(Param("pf"), GP64()), Load(Param("k"), GP64())
	Label("loop")
	x, y := vec(), vec()
	VMOVUPS(Mem{Base: src}, x)
	VMOVUPS(Mem{Base: src, Disp: bytes}, y)
	PREFETCHT0(Mem{Base: src, Index: pf, Scale: 1})
	if wide {
		PREFETCHT0(Mem{Base: src, Index: pf, Scale: 1, Disp: bytes})
	}
	ADDQ(s, src)
	VMOVUPS(x, Mem{Base: dst})
	VMOVUPS(y, Mem{Base: dst, Disp: bytes})
	ADDQ(U32(2*bytes), dst)
	DECQ(k)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}
