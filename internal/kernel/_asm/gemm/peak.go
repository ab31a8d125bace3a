package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// peak writes the two loops that measure the machine: fused multiply-adds on 24 accumulators (12
// where there are 16 registers), and sums over memory with 8.
func peak(wide bool) {
	name, bytes, chains := "AVX2", 32, 12
	vec := func() VecVirtual { return YMM() }
	if wide {
		name, bytes, chains = "AVX512", 64, 24
		vec = func() VecVirtual { return ZMM() }
	}
	zero := func(z VecVirtual) {
		if wide {
			VPXORD(z, z, z)
		} else {
			VXORPS(z, z, z)
		}
	}

	TEXT("peakFMA"+name, NOSPLIT, "func(n int, x, y float32)")
	Doc("peakFMA" + name + " does n rounds of acc = acc·x + y on every accumulator.")
	n := Load(Param("n"), GP64())
	x, y := vec(), vec()
	xp, _ := Param("x").Resolve()
	yp, _ := Param("y").Resolve()
	VBROADCASTSS(xp.Addr, x)
	VBROADCASTSS(yp.Addr, y)
	acc := make([]VecVirtual, chains)
	for i := range acc {
		acc[i] = vec()
		zero(acc[i])
	}
	Label("loop")
	for _, z := range acc {
		VFMADD213PS(y, x, z)
	}
	DECQ(n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()

	TEXT("peakRead"+name, NOSPLIT, "func(x []float32) float32")
	Pragma("noescape")
	Doc("peakRead" + name + " adds up x in its own order; len(x) is a positive multiple of 128.")
	p, count := Load(Param("x").Base(), GP64()), Load(Param("x").Len(), GP64())
	sum := make([]VecVirtual, 8)
	for i := range sum {
		sum[i] = vec()
		zero(sum[i])
	}
	Label("loop")
	for i, z := range sum {
		VADDPS(Mem{Base: p, Disp: i * bytes}, z, z)
	}
	ADDQ(U32(8*bytes), p)
	SUBQ(U32(2*bytes), count)
	JNZ(LabelRef("loop"))
	for _, z := range sum[1:] {
		VADDPS(z, sum[0], sum[0])
	}
	Store(sum[0].AsX(), ReturnIndex(0))
	VZEROUPPER()
	RET()
}
