package main

import (
	"strings"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

const (
	philoxM0 = 0xD2511F53
	philoxM1 = 0xCD9E8D57
)

// emitPhilox writes dropout. A vector holds one block in each 64-bit lane,
// a word of it in the lane's lower half; what gathers in the upper halves
// is never looked at. Blocks are laid out so that interleaving the words at
// the end brings the stream into order without a shuffle across lanes.
func emitPhilox(v vec) {
	v.emitDropout("dropout", "dst, x")
	v.emitDropout("dropoutAdd", "dst, x, residual")
	v.emitDropout("dropoutPair", "dst, pair")
}

// A dropped is one of the slices that an element's lane decides about: dst =
// res + drop(x), res possibly nil.
type dropped struct{ dst, x, res reg.GPVirtual }

func (v vec) emitDropout(name, slices string) {
	sig := "func(" + slices + " []float32, drop uint32, scale float32, keys *[20]uint32, block uint64)"
	v.text(name, sig, "drops from block on; keys are the round keys; len(dst) is a positive multiple of 64 (AVX2: 32).")
	var ptrs []reg.GPVirtual
	for _, s := range strings.Split(slices, ", ") {
		ptrs = append(ptrs, ptr(s))
	}
	n := Load(Param("dst").Len(), GP64()).(reg.GPVirtual)
	all := []dropped{{dst: ptrs[0], x: ptrs[1]}}
	switch name {
	case "dropoutAdd":
		all[0].res = ptrs[2]
	case "dropoutPair": // both in place
		all = []dropped{{dst: ptrs[0], x: ptrs[0]}, {dst: ptrs[1], x: ptrs[1]}}
	}
	keys := Load(Param("keys"), GP64()).(reg.GPVirtual)
	scale, drop := v.bcast("scale"), v.new()
	d := XMM()
	VMOVD(Load(Param("drop"), GP32()), d)
	VPBROADCASTW(d, drop)
	ctr := v.new()
	b, err := Param("block").Resolve()
	if err != nil {
		panic(err)
	}
	VPBROADCASTQ(b.Addr, ctr)
	var order, step []uint32
	perm, blocks := []uint32{0, 4, 1, 5, 2, 6, 3, 7}, 8
	if !v.zmm {
		perm, blocks = []uint32{0, 2, 1, 3}, 4
	}
	for _, p := range perm {
		order = append(order, p, 0)
		step = append(step, uint32(blocks), 0)
	}
	name512 := map[bool]string{true: "512", false: "256"}[v.zmm]
	VPADDQ(table("philox_order"+name512, order...), ctr, ctr)
	inc := table("philox_step"+name512, step...)
	m0, m1 := v.load(bits(philoxM0)), v.load(bits(philoxM1))
	var odd reg.OpmaskVirtual
	if v.zmm {
		odd = K()
		t := GP32()
		MOVL(U32(0xaaaa), t)
		KMOVW(t, odd)
	}

	Label("loop")
	c := []R{v.copyInt(ctr), v.new(), v.zero(), v.zero()}
	VPSRLQ(Imm(32), ctr, c[1])
	VPADDQ(inc, ctr, ctr)
	for round := range 10 {
		p0, p1, n0, n2 := v.new(), v.new(), v.new(), v.new()
		VPMULUDQ(m0, c[0], p0)
		VPMULUDQ(m1, c[2], p1)
		VPSRLQ(Imm(32), p1, n0)
		VPSRLQ(Imm(32), p0, n2)
		v.xor3(Mem{Base: keys, Disp: 8 * round}, c[1], n0)
		v.xor3(Mem{Base: keys, Disp: 8*round + 4}, c[3], n2)
		c = []R{n0, p1, n2, p0}
	}
	lo, hi := v.pairs(c[0], c[1], odd), v.pairs(c[2], c[3], odd)
	first, second := v.new(), v.new()
	VPUNPCKLQDQ(hi, lo, first)
	VPUNPCKHQDQ(hi, lo, second)
	for j, w := range []R{first, second} {
		v.applyDrop(w, drop, scale, all, 2*j*v.bytes())
	}
	for _, p := range ptrs {
		ADDQ(U32(4*v.bytes()), p)
	}
	SUBQ(U32(4*v.lanes()), n)
	JNZ(LabelRef("loop"))
	end()
}

func (v vec) copyInt(a R) R {
	d := v.new()
	if v.zmm {
		VMOVDQA64(a, d)
	} else {
		VMOVDQA(a, d)
	}
	return d
}

// xor3 is dst ^= a ^ the word at m in every lane.
func (v vec) xor3(m Mem, a, dst R) {
	if v.zmm {
		VPTERNLOGD_BCST(Imm(0x96), m, a, dst)
		return
	}
	k := v.new()
	VPBROADCASTD(m, k)
	VPXOR(a, dst, dst)
	VPXOR(k, dst, dst)
}

// pairs puts the lower half of b above the lower half of a in each lane.
func (v vec) pairs(a, b R, odd Op) R {
	t, d := v.new(), v.new()
	VPSLLQ(Imm(32), b, t)
	if v.zmm {
		VPBLENDMD(t, a, odd, d)
	} else {
		VPBLENDD(Imm(0xaa), t, a, d)
	}
	return d
}

// applyDrop does the elements whose 16-bit lanes stand in w.
func (v vec) applyDrop(w, drop, scale R, all []dropped, disp int) {
	masks := [2]Op{}
	if v.zmm {
		k0, k1 := K(), K()
		VPCMPUW(Imm(5), drop, w, k0) // not less than
		KSHIFTRD(Imm(16), k0, k1)
		masks = [2]Op{k0, k1}
	} else {
		t, lo, hi, h := YMM(), YMM(), YMM(), XMM()
		VPMAXUW(drop, w, t)
		VPCMPEQW(w, t, t)
		VPMOVSXWD(t.AsX(), lo)
		VEXTRACTI128(Imm(1), t, h)
		VPMOVSXWD(h, hi)
		masks = [2]Op{lo, hi}
	}
	for i, m := range masks {
		for _, d := range all {
			y, at := v.new(), disp+i*v.bytes()
			if v.zmm {
				VMULPS_Z(Mem{Base: d.x, Disp: at}, scale, m, y)
			} else {
				VMULPS(Mem{Base: d.x, Disp: at}, scale, y)
				VANDPS(m, y, y)
			}
			if d.res != nil {
				VADDPS(Mem{Base: d.res, Disp: at}, y, y)
			}
			VMOVUPS(y, Mem{Base: d.dst, Disp: at})
		}
	}
}
