package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// emitTreeLeaves writes the walk of many rows through a tree: eight vectors of a byte a row stay in registers while all
// splits of the tree go by.
func emitTreeLeaves(zmm bool) {
	w := leavesWidth(zmm)
	name, doc := "treeLeavesAVX2", "walks 256 rows of ld apart; n > 0. sets are those of splits by a set, one after another."
	if zmm {
		name, doc = "treeLeavesAVX512", "walks 512 rows of ld apart; n > 0. sets are those of splits by a set, one after another."
	}
	text(name, "leaf, ranks []uint8, splits *byte, n int, sets *byte", doc)
	leaf, ranks := ptr("leaf"), ptr("ranks")
	split, sets := Load(Param("splits"), GP64()), Load(Param("sets"), GP64())
	n := Load(Param("n"), GP64())
	var at [8]reg.VecVirtual
	for i := range at {
		at[i] = w.vec()
		if zmm {
			VPXORD(at[i], at[i], at[i])
		} else {
			VPXOR(at[i], at[i], at[i])
		}
	}
	Label("loop")
	column, from, to := GP64(), w.vec(), w.vec()
	MOVL(Mem{Base: split}, column.As32())
	ADDQ(ranks, column)
	VPBROADCASTB(Mem{Base: split, Disp: 5}, from)
	VPBROADCASTB(Mem{Base: split, Disp: 6}, to)
	CMPB(Mem{Base: split, Disp: 7}, Imm(0))
	JNE(LabelRef("set"))
	right := w.vec()
	VPBROADCASTB(Mem{Base: split, Disp: 4}, right)
	for i := range at {
		w.compare(Mem{Base: column, Disp: i * w.bytes()}, right, from, to, at[i])
	}
	Label("next")
	ADDQ(Imm(8), split)
	DECQ(n)
	JNZ(LabelRef("loop"))
	for i := range at {
		if zmm {
			VMOVDQU8(at[i], Mem{Base: leaf, Disp: i * w.bytes()})
		} else {
			VMOVDQU(at[i], Mem{Base: leaf, Disp: i * w.bytes()})
		}
	}
	VZEROUPPER()
	RET()
	Label("set")
	lo, hi := w.vec(), w.vec() // bits 0…127 and 128…255 of the set, in each lane of 16 bytes
	if zmm {
		VBROADCASTI32X4(Mem{Base: sets}, lo)
		VBROADCASTI32X4(Mem{Base: sets, Disp: 16}, hi)
	} else {
		VBROADCASTI128(Mem{Base: sets}, lo)
		VBROADCASTI128(Mem{Base: sets, Disp: 16}, hi)
	}
	ADDQ(Imm(32), sets)
	for i := range at {
		w.set(Mem{Base: column, Disp: i * w.bytes()}, lo, hi, from, to, at[i])
	}
	JMP(LabelRef("next"))
}

type leavesWidth bool

func (w leavesWidth) vec() reg.VecVirtual {
	if w {
		return ZMM()
	}
	return YMM()
}

func (w leavesWidth) bytes() int {
	if w {
		return 64
	}
	return 32
}

// compare sends rows whose rank is at least right to the right.
func (w leavesWidth) compare(ranks Mem, right, from, to, at reg.VecVirtual) {
	if w {
		k, both := K(), K()
		VPCMPUB(Imm(2), ranks, right, k) // right ≤ rank
		VPCMPEQB(from, at, k, both)
		VMOVDQU8(to, both, at)
		return
	}
	a, b := w.vec(), w.vec()
	VPMAXUB(ranks, right, a)
	VPCMPEQB(ranks, a, a) // right ≤ rank
	VPCMPEQB(from, at, b)
	VPAND(a, b, b)
	VPBLENDVB(b, to, at, at)
}

// set sends rows whose rank r is not in a set to the right: bit r&7 of byte r>>3, looked up in both halves, of which the
// index has its uppermost bit set, and so finds zero, in the wrong one.
func (w leavesWidth) set(ranks Mem, lo, hi, from, to, at reg.VecVirtual) {
	r, i, j := w.vec(), w.vec(), w.vec()
	and := func(x, y, z Op) { VPAND(x, y, z) }
	if w {
		and = func(x, y, z Op) { VPANDD(x, y, z) }
		VMOVDQU8(ranks, r)
	} else {
		VMOVDQU(ranks, r)
	}
	VPSRLW(Imm(3), r, i)
	and(constant("low5", 0x1f), i, i)
	VPADDB(constant("second", 0xf0), i, j)
	VPADDB(constant("first", 0x70), i, i)
	VPSHUFB(i, lo, i)
	VPSHUFB(j, hi, j)
	bit := w.vec()
	and(constant("low3", 7), r, r)
	bits := bitTable()
	if w {
		VPORD(i, j, i)
		VMOVDQU8(bits, bit)
		VPSHUFB(r, bit, r)
		k, both := K(), K()
		VPTESTNMB(i, r, k)
		VPCMPEQB(from, at, k, both)
		VMOVDQU8(to, both, at)
		return
	}
	VPOR(i, j, i)
	VMOVDQU(bits, bit)
	VPSHUFB(r, bit, r)
	VPAND(i, r, i)
	VPCMPEQB(i, r, i) // in the set
	VPCMPEQB(from, at, j)
	VPANDN(j, i, j)
	VPBLENDVB(j, to, at, at)
}

var made = map[string]Mem{}

// constant is 64 bytes of a value.
func constant(name string, v uint8) Mem {
	if m, ok := made[name]; ok {
		return m
	}
	m := GLOBL("boost_"+name, RODATA|NOPTR)
	for i := 0; i < 64; i += 8 {
		DATA(i, U64(0x0101010101010101*uint64(v)))
	}
	made[name] = m
	return m
}

// bitTable is 1<<(i&7) in byte i.
func bitTable() Mem {
	if m, ok := made["bits"]; ok {
		return m
	}
	m := GLOBL("boost_bits", RODATA|NOPTR)
	for i := 0; i < 64; i += 8 {
		DATA(i, U64(0x8040201008040201))
	}
	made["bits"] = m
	return m
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
