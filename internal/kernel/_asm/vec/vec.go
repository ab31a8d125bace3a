package main

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// vec writes the same kernel for one of two instruction sets: AVX-512 (F, BW,
// DQ, VL) on ZMM registers, or AVX2 with FMA on YMM registers.
type vec struct{ zmm bool }

// R is a vector register.
type R = reg.VecVirtual

// lit is a float32 constant given by its value; bits one given by its bits.
type (
	lit  float64
	bits uint32
)

func (v vec) lanes() int {
	if v.zmm {
		return 16
	}
	return 8
}

func (v vec) bytes() int { return 4 * v.lanes() }

// text opens a function named for the instruction set.
func (v vec) text(name, sig, doc string) {
	suffix := "AVX2"
	if v.zmm {
		suffix = "AVX512"
	}
	TEXT(name+suffix, NOSPLIT, sig)
	Pragma("noescape")
	Doc(name + suffix + " " + doc)
}

func (v vec) new() R {
	if v.zmm {
		return ZMM()
	}
	return YMM()
}

// half is a register of half the width.
func (v vec) half() R {
	if v.zmm {
		return YMM()
	}
	return XMM()
}

var pool = map[string]Mem{}

// table is a static symbol of 32-bit words, written once.
func table(name string, words ...uint32) Mem {
	if m, ok := pool[name]; ok {
		return m
	}
	m := GLOBL(name, RODATA|NOPTR)
	for i, w := range words {
		DATA(4*i, U32(w))
	}
	pool[name] = m
	return m
}

// constant is the memory a constant stands in: one word, which AVX-512
// instructions broadcast, or eight for AVX2.
func (v vec) constant(b uint32) Mem {
	if v.zmm {
		return table(fmt.Sprintf("%s_one%08x", *group, b), b)
	}
	return table(fmt.Sprintf("%s_all%08x", *group, b), b, b, b, b, b, b, b, b)
}

func literal(a any) (uint32, bool) {
	switch a := a.(type) {
	case lit:
		return math.Float32bits(float32(a)), true
	case bits:
		return uint32(a), true
	}
	return 0, false
}

// load gives a constant in a register of its own.
func (v vec) load(a any) R {
	b, _ := literal(a)
	r := v.new()
	if v.zmm {
		VBROADCASTSS(v.constant(b), r)
	} else {
		VMOVUPS(v.constant(b), r)
	}
	return r
}

func (v vec) copy(a Op) R {
	r := v.new()
	if v.zmm {
		VMOVAPS(a, r)
	} else {
		VMOVAPS(a, r)
	}
	return r
}

type instr = func(...Op)

// op2 is dst = b op a in Go's operand order (a is the Intel second source).
// a may be a constant.
func (v vec) op2(plain, bcst instr, a any, b, dst Op) {
	if c, ok := literal(a); ok {
		if v.zmm {
			bcst(v.constant(c), b, dst)
			return
		}
		a = v.constant(c)
	}
	plain(a.(Op), b, dst)
}

func (v vec) new2(plain, bcst instr, a any, b Op) R {
	d := v.new()
	v.op2(plain, bcst, a, b, d)
	return d
}

func (v vec) add(a any, b Op) R { return v.new2(VADDPS, VADDPS_BCST, a, b) }
func (v vec) mul(a any, b Op) R { return v.new2(VMULPS, VMULPS_BCST, a, b) }

// sub is b - a, div b / a.
func (v vec) sub(a any, b Op) R { return v.new2(VSUBPS, VSUBPS_BCST, a, b) }
func (v vec) div(a any, b Op) R { return v.new2(VDIVPS, VDIVPS_BCST, a, b) }

// max and min give a if either is NaN or both are zero.
func (v vec) max(a any, b Op) R { return v.new2(VMAXPS, VMAXPS_BCST, a, b) }
func (v vec) min(a any, b Op) R { return v.new2(VMINPS, VMINPS_BCST, a, b) }

func (v vec) and(a any, b Op) R { return v.new2(VANDPS, VANDPS_BCST, a, b) }
func (v vec) or(a any, b Op) R  { return v.new2(VORPS, VORPS_BCST, a, b) }
func (v vec) xor(a any, b Op) R { return v.new2(VXORPS, VXORPS_BCST, a, b) }

func (v vec) abs(a Op) R  { return v.and(bits(0x7fffffff), a) }
func (v vec) sign(a Op) R { return v.and(bits(0x80000000), a) }

func (v vec) addTo(a any, dst Op) { v.op2(VADDPS, VADDPS_BCST, a, dst, dst) }
func (v vec) mulTo(a any, dst Op) { v.op2(VMULPS, VMULPS_BCST, a, dst, dst) }

// horner is acc = acc·x + c.
func (v vec) horner(c any, x, acc Op) { v.op2(VFMADD213PS, VFMADD213PS_BCST, c, x, acc) }

// fma is acc += a·b, fnma acc -= a·b.
func (v vec) fma(a any, b, acc Op)  { v.op2(VFMADD231PS, VFMADD231PS_BCST, a, b, acc) }
func (v vec) fnma(a any, b, acc Op) { v.op2(VFNMADD231PS, VFNMADD231PS_BCST, a, b, acc) }

// poly evaluates c[0] + c[1]·x + … by Horner's rule.
func (v vec) poly(x Op, c ...float64) R {
	acc := v.load(lit(c[len(c)-1]))
	for i := len(c) - 2; i >= 0; i-- {
		v.horner(lit(c[i]), x, acc)
	}
	return acc
}

func (v vec) zero() R {
	r := v.new()
	VXORPS(r, r, r)
	return r
}

// round is to the nearest integer, ties to even.
func (v vec) round(a Op) R {
	r := v.new()
	if v.zmm {
		VRNDSCALEPS(Imm(8), a, r)
	} else {
		VROUNDPS(Imm(8), a, r)
	}
	return r
}

// Comparison predicates of VCMPPS: ordered and quiet.
const (
	cmpLT = 0x11
	cmpGT = 0x1e
	cmpEQ = 0
	unord = 3
)

// cmp is the mask of a pred b: a K register or a vector of all-ones lanes.
func (v vec) cmp(pred int, a, b Op) Op {
	if v.zmm {
		k := K()
		VCMPPS(Imm(uint64(pred)), b, a, k)
		return k
	}
	m := v.new()
	VCMPPS(Imm(uint64(pred)), b, a, m)
	return m
}

// negative is the mask of the lanes whose sign bit is set.
func (v vec) negative(a Op) Op {
	if v.zmm {
		k := K()
		VPMOVD2M(a, k)
		return k
	}
	return a // VBLENDVPS looks at the sign bit alone
}

// sel takes yes where the mask is set, else no.
func (v vec) sel(mask, yes, no Op) R {
	d := v.new()
	if v.zmm {
		VBLENDMPS(yes, no, mask, d)
	} else {
		VBLENDVPS(mask, yes, no, d)
	}
	return d
}

// keep clears the lanes outside the mask.
func (v vec) keep(mask Op, a Op) R {
	d := v.new()
	if v.zmm {
		VMOVAPS_Z(a, mask, d)
	} else {
		VANDPS(a, mask, d)
	}
	return d
}

// tailMask is the mask of the first n lanes, 0 <= n < lanes.
func (v vec) tailMask(n reg.GPVirtual) Op {
	if v.zmm {
		one := GP64()
		MOVQ(n, reg.RCX)
		MOVQ(U64(1), one)
		SHLQ(reg.CL, one)
		DECQ(one)
		k := K()
		KMOVW(one.As32(), k)
		return k
	}
	words := make([]uint32, 16)
	for i := range 8 {
		words[i] = math.MaxUint32
	}
	p, off := GP64(), GP64()
	LEAQ(table(*group+"_tail", words...).Offset(32), p)
	MOVQ(n, off)
	SHLQ(Imm(2), off)
	SUBQ(off, p)
	m := v.new()
	VMOVUPS(Mem{Base: p}, m)
	return m
}

// ld loads a vector; under a mask the other lanes are 0 and not touched.
func (v vec) ld(m Mem, mask Op) R {
	r := v.new()
	switch {
	case mask == nil:
		VMOVUPS(m, r)
	case v.zmm:
		VMOVUPS_Z(m, mask, r)
	default:
		VMASKMOVPS(m, mask, r)
	}
	return r
}

func (v vec) st(r Op, m Mem, mask Op) {
	switch {
	case mask == nil:
		VMOVUPS(r, m)
	case v.zmm:
		VMOVUPS(r, mask, m)
	default:
		VMASKMOVPS(r, mask, m)
	}
}

// bcast spreads the float32 parameter name over a register.
func (v vec) bcast(name string) R {
	a, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	r := v.new()
	VBROADCASTSS(a.Addr, r)
	return r
}

// reduce folds all lanes with op and leaves the result in every lane of a
// new register. The tree is halves, quarters, pairs: the same every time.
func (v vec) reduce(op instr, a R) R {
	lo := a
	if v.zmm {
		hi := YMM()
		VEXTRACTF64X4(Imm(1), a, hi)
		y := YMM()
		op(hi, a.AsY(), y)
		lo = y
	}
	t, s := YMM(), YMM()
	VPERM2F128(Imm(1), lo.AsY(), lo.AsY(), t)
	op(t, lo.AsY(), s)
	t2, s2 := YMM(), YMM()
	VPERMILPS(Imm(0x4e), s, t2)
	op(t2, s, s2)
	t3, s3 := YMM(), YMM()
	VPERMILPS(Imm(0xb1), s2, t3)
	op(t3, s2, s3)
	if !v.zmm {
		return s3
	}
	r := ZMM()
	VBROADCASTSS(s3.AsX(), r)
	return r
}

// end closes a function.
func end() {
	VZEROUPPER()
	RET()
}

// ptr loads the base of a slice parameter, count an int parameter.
func ptr(name string) reg.GPVirtual   { return Load(Param(name).Base(), GP64()).(reg.GPVirtual) }
func count(name string) reg.GPVirtual { return Load(Param(name), GP64()).(reg.GPVirtual) }

// sweep runs body over n elements: whole vectors first, then the rest under
// a mask. i counts elements. label must be unique in the function. n is kept.
func (v vec) sweep(label string, n reg.GPVirtual, body func(i reg.GPVirtual, mask Op)) {
	i, left := GP64(), GP64()
	XORQ(i, i)
	MOVQ(n, left)
	SUBQ(Imm(uint64(v.lanes())), left)
	JL(LabelRef(label + "_rest"))
	Label(label)
	body(i, nil)
	ADDQ(Imm(uint64(v.lanes())), i)
	SUBQ(Imm(uint64(v.lanes())), left)
	JGE(LabelRef(label))
	Label(label + "_rest")
	ADDQ(Imm(uint64(v.lanes())), left)
	JZ(LabelRef(label + "_done"))
	body(i, v.tailMask(left))
	Label(label + "_done")
}

func at(base, i reg.GPVirtual) Mem { return Mem{Base: base, Index: i, Scale: 4} }
