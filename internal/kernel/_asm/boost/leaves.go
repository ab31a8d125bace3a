package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// emitTreeLeaves writes the walk of many rows through a tree: eight vectors of a byte a row stay in registers while all
// splits of the tree go by.
func emitTreeLeaves(zmm bool) {
	name, width, doc := "treeLeavesAVX2", 32, "walks 256 rows of ld apart; n > 0."
	if zmm {
		name, width, doc = "treeLeavesAVX512", 64, "walks 512 rows of ld apart; n > 0."
	}
	text(name, "leaf, ranks []uint8, splits *byte, n int", doc)
	leaf, ranks := ptr("leaf"), ptr("ranks")
	split := Load(Param("splits"), GP64())
	n := Load(Param("n"), GP64())
	vec := func() reg.VecVirtual {
		if zmm {
			return ZMM()
		}
		return YMM()
	}
	var at [8]reg.VecVirtual
	for i := range at {
		at[i] = vec()
		if zmm {
			VPXORD(at[i], at[i], at[i])
		} else {
			VPXOR(at[i], at[i], at[i])
		}
	}
	Label("loop")
	column := GP64()
	MOVL(Mem{Base: split}, column.As32())
	ADDQ(ranks, column)
	right, from, to := vec(), vec(), vec()
	VPBROADCASTB(Mem{Base: split, Disp: 4}, right)
	VPBROADCASTB(Mem{Base: split, Disp: 5}, from)
	VPBROADCASTB(Mem{Base: split, Disp: 6}, to)
	for i := range at {
		m := Mem{Base: column, Disp: i * width}
		if zmm {
			k, both := K(), K()
			VPCMPUB(Imm(2), m, right, k) // right ≤ rank
			VPCMPEQB(from, at[i], k, both)
			VMOVDQU8(to, both, at[i])
			continue
		}
		a, b := vec(), vec()
		VPMAXUB(m, right, a)
		VPCMPEQB(m, a, a) // right ≤ rank
		VPCMPEQB(from, at[i], b)
		VPAND(a, b, b)
		VPBLENDVB(b, to, at[i], at[i])
	}
	ADDQ(Imm(8), split)
	DECQ(n)
	JNZ(LabelRef("loop"))
	for i := range at {
		if zmm {
			VMOVDQU8(at[i], Mem{Base: leaf, Disp: i * width})
		} else {
			VMOVDQU(at[i], Mem{Base: leaf, Disp: i * width})
		}
	}
	VZEROUPPER()
	RET()
}

// rankVectors is how many vectors are searched for together: a step waits for the memory of the last.
const rankVectors = 4

// emitRank writes the binary search of 8·rankVectors numbers at a time among 255 bounds.
func emitRank() {
	text("rankAVX512", "dst []uint8, x []float64, bounds *[255]float64", "ranks len(x) numbers, a positive multiple of 32.")
	dst, x := ptr("dst"), ptr("x")
	n := Load(Param("x").Len(), GP64())
	bounds := Load(Param("bounds"), GP64())
	var step [8]reg.VecVirtual
	for i := range step {
		w := GP32()
		MOVL(U32(128>>i), w)
		step[i] = YMM()
		VPBROADCASTD(w, step[i])
	}
	middle := ZMM()
	VBROADCASTSD(Mem{Base: bounds, Disp: 8 * 127}, middle)
	ones := K()
	KXNORB(ones, ones, ones)
	Label("loop")
	var v, at [rankVectors]reg.VecVirtual
	for i := range v {
		v[i], at[i] = ZMM(), YMM()
		VMOVUPD(Mem{Base: x, Disp: 64 * i}, v[i])
		k := K()
		VCMPPD(Imm(0x1e), middle, v[i], k) // x > bound, false for NaN
		VMOVDQU32_Z(step[0], k, at[i])
	}
	for s := 1; s < 8; s++ {
		for i := range v {
			b, all, k := ZMM(), K(), K()
			KMOVB(ones, all)
			VPXORD(middle, middle, b) // the gather would wait for what was there
			VGATHERDPD(Mem{Base: bounds, Index: at[i], Scale: 8, Disp: 8 * (128>>s - 1)}, all, b)
			VCMPPD(Imm(0x1e), b, v[i], k)
			VPADDD(step[s], at[i], k, at[i])
		}
	}
	for i := range v {
		VPMOVDB(at[i], Mem{Base: dst, Disp: 8 * i})
	}
	ADDQ(U32(64*rankVectors), x)
	ADDQ(Imm(8*rankVectors), dst)
	SUBQ(Imm(8*rankVectors), n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// walkLanes is how many trees one row walks down together: a step waits for the memory of the last.
const walkLanes = 8

// emitTreeWalk writes the walk of one row through many trees. Lanes that have arrived go on standing, as a branch for
// each would be predicted wrong.
func emitTreeWalk() {
	text("treeWalkAVX2", "at []int32, nodes []uint32, ranks *[256]uint8", "walks down len(at) trees, a positive multiple of 8.")
	at, ranks := ptr("at"), Load(Param("ranks"), GP64())
	n := Load(Param("at").Len(), GP64())
	Label("trees")
	var lane [walkLanes]reg.GPVirtual // pointers to nodes
	nodes := ptr("nodes")
	for i := range lane {
		lane[i] = GP64()
		MOVLQSX(Mem{Base: at, Disp: 4 * i}, lane[i])
		LEAQ(Mem{Base: nodes, Index: lane[i], Scale: 4}, lane[i])
	}
	Label("step")
	moved := GP32()
	XORL(moved, moved)
	for i := range lane {
		node, rank, by := GP64(), GP64(), GP64()
		MOVL(Mem{Base: lane[i]}, node.As32())
		MOVBLZX(node.As8(), rank.As32())
		MOVBLZX(Mem{Base: ranks, Index: rank, Scale: 1}, rank.As32())
		MOVL(node.As32(), by.As32())
		SHRL(Imm(16), by.As32())
		SHRL(Imm(8), node.As32())
		CMPB(rank.As8(), node.As8())
		MOVL(U32(1), node.As32())
		CMOVLCS(node.As32(), by.As32()) // below: left
		LEAQ(Mem{Base: lane[i], Index: by, Scale: 4}, lane[i])
		ORL(by.As32(), moved)
	}
	TESTL(moved, moved)
	JNZ(LabelRef("step"))
	nodes = ptr("nodes")
	for i := range lane {
		SUBQ(nodes, lane[i])
		SHRQ(Imm(2), lane[i])
		MOVL(lane[i].As32(), Mem{Base: at, Disp: 4 * i})
	}
	ADDQ(Imm(4*walkLanes), at)
	SUBQ(Imm(walkLanes), n)
	JNZ(LabelRef("trees"))
	RET()
}
