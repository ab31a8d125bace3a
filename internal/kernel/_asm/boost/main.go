// Command boost writes the assembly of the kernels for boosted trees. Regenerate with
//
//	cd internal/kernel/_asm && go generate ./boost
package main

import (
	"strings"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

//go:generate go run . -out ../../boost_amd64.s -stubs ../../boost_stub_amd64.go -pkg kernel

func main() {
	ConstraintExpr("!purego")
	emitAddBins()
	emitAddIntBins()
	emitGather("gatherBinsAVX2", "dst, src []uint8, stride int, rows []int32", true)
	emitGather("gatherPairsAVX2", "dst, src [][2]float32, rows []int32", false)
	emitTreeLeaves(true)
	emitTreeLeaves(false)
	emitRank()
	emitTreeWalk()
	emitScan()
	Generate()
}

func text(name, params, doc string) {
	TEXT(name, NOSPLIT, "func("+params+")")
	Pragma("noescape")
	Doc(name + " " + doc)
}

func ptr(name string) reg.GPVirtual {
	return Load(Param(name).Base(), GP64()).(reg.GPVirtual)
}

// histograms loads the addresses of four histograms.
func histograms() (to [4]reg.GPVirtual) {
	h := Load(Param("h"), GP64())
	for k := range to {
		to[k] = GP64()
		MOVQ(Mem{Base: h, Disp: 8 * k}, to[k])
	}
	return to
}

// emitAddBins writes the adding of rows to four histograms. A bin is two float64, so that one load, one addition and one
// store do for it; the store is what bounds the loop.
func emitAddBins() {
	text("addBinsAVX2", "h *[4]*[256][2]float64, bins []uint8, stride int, pairs [][2]float32", "adds len(pairs) > 0 rows.")
	to := histograms()
	bins, pairs := ptr("bins"), ptr("pairs")
	stride := Load(Param("stride"), GP64())
	n := Load(Param("pairs").Len(), GP64())
	Label("loop")
	p := XMM()
	VCVTPS2PD(Mem{Base: pairs}, p)
	var at [4]reg.GPVirtual
	for k := range at {
		at[k] = GP64()
		MOVBLZX(Mem{Base: bins, Disp: k}, at[k].As32())
	}
	ADDQ(stride, bins)
	ADDQ(Imm(8), pairs)
	for k := range at {
		ADDL(at[k].As32(), at[k].As32()) // × 16 bytes: once here, the rest in the address
	}
	var sum [4]reg.VecVirtual
	for k := range at {
		sum[k] = XMM()
		VADDPD(Mem{Base: to[k], Index: at[k], Scale: 8}, p, sum[k])
	}
	for k := range at {
		VMOVUPD(sum[k], Mem{Base: to[k], Index: at[k], Scale: 8})
	}
	DECQ(n)
	JNZ(LabelRef("loop"))
	RET()
}

// emitAddIntBins writes the same for integers, which are added in memory.
func emitAddIntBins() {
	text("addIntBinsAVX2", "h *[4]*[256]int64, bins []uint8, stride int, sums []int64", "adds len(sums) > 0 rows.")
	to := histograms()
	bins, sums := ptr("bins"), ptr("sums")
	stride := Load(Param("stride"), GP64())
	n := Load(Param("sums").Len(), GP64())
	v := GP64()
	Label("loop")
	MOVQ(Mem{Base: sums}, v)
	var at [4]reg.GPVirtual
	for k := range at {
		at[k] = GP64()
		MOVBLZX(Mem{Base: bins, Disp: k}, at[k].As32())
	}
	ADDQ(stride, bins)
	ADDQ(Imm(8), sums)
	for k := range at {
		ADDQ(v, Mem{Base: to[k], Index: at[k], Scale: 8})
	}
	DECQ(n)
	JNZ(LabelRef("loop"))
	RET()
}

// gatherAhead is how many rows ahead memory is asked for: the misses of so many are under way at a time.
const gatherAhead = 96

// emitGather writes the copying of rows, 32 bytes of each or the 8 of a pair. src has 32 bytes behind the last row.
func emitGather(name, params string, wide bool) {
	text(name, params, "copies len(rows) > 0 of them, in ascending order of memory best.")
	dst, src, rows := ptr("dst"), ptr("src"), ptr("rows")
	n := Load(Param("rows").Len(), GP64()).(reg.GPVirtual)
	var stride reg.Register
	if strings.Contains(params, "stride") {
		stride = Load(Param("stride"), GP64())
	}
	v := YMM()
	place := func(at reg.Register, disp int) Mem { // of the row whose number stands disp rows behind at
		i := GP64()
		MOVLQSX(Mem{Base: at, Disp: 4 * disp}, i)
		if !wide {
			return Mem{Base: src, Index: i, Scale: 8}
		}
		IMULQ(stride, i)
		return Mem{Base: src, Index: i, Scale: 1}
	}
	move := func() {
		m := place(rows, 0)
		if wide {
			VMOVDQU(m, v)
			VMOVDQU(v, Mem{Base: dst})
			ADDQ(Imm(32), dst)
		} else {
			w := GP64()
			MOVQ(m, w)
			MOVQ(w, Mem{Base: dst})
			ADDQ(Imm(8), dst)
		}
		ADDQ(Imm(4), rows)
	}
	first, left := GP64(), GP64()
	MOVQ(rows, first)
	MOVQ(U32(gatherAhead), left)
	CMPQ(n, left)
	CMOVQLT(n, left)
	Label("begin")
	PREFETCHT0(place(first, 0))
	ADDQ(Imm(4), first)
	DECQ(left)
	JNZ(LabelRef("begin"))
	SUBQ(Imm(gatherAhead), n)
	JLE(LabelRef("few"))
	Label("ahead")
	PREFETCHT0(place(rows, gatherAhead))
	move()
	DECQ(n)
	JNZ(LabelRef("ahead"))
	Label("few")
	ADDQ(Imm(gatherAhead), n)
	Label("rest")
	move()
	DECQ(n)
	JNZ(LabelRef("rest"))
	if wide {
		VZEROUPPER()
	}
	RET()
}
