package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// A fold runs over slices with four accumulators, so that the latency of an
// addition does not bind, and joins them pairwise.
type fold struct {
	name, args, doc string
	step            func(v vec, acc R, in []R) // acc += f(in)
}

var folds = []fold{
	{"sum", "x", "adds up x; len(x) > 0.", func(v vec, acc R, in []R) { v.addTo(in[0], acc) }},
	{"sumAbs", "x", "adds up |x|; len(x) > 0.", func(v vec, acc R, in []R) { v.addTo(v.abs(in[0]), acc) }},
	{"dot", "a b", "adds up a[i]·b[i]; len(a) > 0.", func(v vec, acc R, in []R) { v.fma(in[0], in[1], acc) }},
}

func emitReductions(v vec) {
	for _, f := range folds {
		f.emit(v)
	}
	v.emitExtreme("maxOf", "is the largest element of x, NaN if one is; len(x) > 0.", VMAXPS, 0xff800000)
	v.emitExtreme("minOf", "is the smallest element of x, NaN if one is; len(x) > 0.", VMINPS, 0x7f800000)
	v.emitSumExp()
}

func (f fold) emit(v vec) {
	args := []string{"x"}
	if f.args == "a b" {
		args = []string{"a", "b"}
	}
	sig := "func(x []float32) float32"
	if len(args) == 2 {
		sig = "func(a, b []float32) float32"
	}
	v.text(f.name, sig, f.doc)
	var ptrs []reg.GPVirtual
	for _, a := range args {
		ptrs = append(ptrs, ptr(a))
	}
	n := Load(Param(args[0]).Len(), GP64()).(reg.GPVirtual)
	acc := []R{v.zero(), v.zero(), v.zero(), v.zero()}
	block := 4 * v.lanes()
	Label("block")
	CMPQ(n, U32(block))
	JL(LabelRef("rest"))
	for j := range acc {
		var in []R
		for _, p := range ptrs {
			in = append(in, v.ld(Mem{Base: p, Disp: j * v.bytes()}, nil))
		}
		f.step(v, acc[j], in)
	}
	for _, p := range ptrs {
		ADDQ(U32(4*block), p)
	}
	SUBQ(U32(block), n)
	JMP(LabelRef("block"))
	Label("rest")
	v.sweep("loop", n, func(i reg.GPVirtual, mask Op) {
		var in []R
		for _, p := range ptrs {
			in = append(in, v.ld(at(p, i), mask))
		}
		f.step(v, acc[0], in)
	})
	v.addTo(acc[1], acc[0])
	v.addTo(acc[3], acc[2])
	v.addTo(acc[2], acc[0])
	s := v.reduce(VADDPS, acc[0])
	Store(s.AsX(), ReturnIndex(0))
	end()
}

// extreme keeps acc = op(acc, x) and remembers in seen which lanes met NaN.
func (v vec) emitExtreme(name, doc string, op instr, start uint32) {
	v.text(name, "func(x []float32) float32", doc)
	x := ptr("x")
	n := Load(Param("x").Len(), GP64()).(reg.GPVirtual)
	first := v.load(bits(start))
	acc, seen := v.copy(first), v.zero()
	v.sweep("loop", n, func(i reg.GPVirtual, mask Op) {
		in := v.ld(at(x, i), mask)
		if mask != nil {
			in = v.sel(mask, in, first)
		}
		op(in, acc, acc)
		// x - x is 0, or NaN for NaN and ±Inf; so compare instead.
		if v.zmm {
			k := K()
			VCMPPS(Imm(unord), in, in, k)
			VMOVAPS(in, k, seen)
		} else {
			VORPS(v.keep(v.cmp(unord, in, in), in), seen, seen)
		}
	})
	r := v.reduce(op, acc)
	// seen is 0 or NaN in every lane; adding keeps NaN.
	bad := v.reduce(VADDPS, seen)
	r = v.sel(v.cmp(unord, bad, bad), bad, r)
	Store(r.AsX(), ReturnIndex(0))
	end()
}

// emitSumExp is Σ e^(x-m) for x <= m.
func (v vec) emitSumExp() {
	v.text("sumExp", "func(x []float32, m float32) float32", "is Σ e^(x[i]-m), x[i] <= m.")
	x := ptr("x")
	n := Load(Param("x").Len(), GP64()).(reg.GPVirtual)
	m, acc := v.bcast("m"), v.zero()
	v.sweep("loop", n, func(i reg.GPVirtual, mask Op) {
		e := v.expNeg(v.sub(m, v.ld(at(x, i), mask)))
		if mask != nil {
			e = v.keep(mask, e)
		}
		v.addTo(e, acc)
	})
	Store(v.reduce(VADDPS, acc).AsX(), ReturnIndex(0))
	end()
}
