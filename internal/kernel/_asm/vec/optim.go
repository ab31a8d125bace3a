package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func emitAdam(v vec) {
	v.text("adam", "func(p, g, m, v []float32, s *[8]float32)", "is one step of Adam; s are the fields of adamScalars.")
	p, g, m, vv := ptr("p"), ptr("g"), ptr("m"), ptr("v")
	n := Load(Param("p").Len(), GP64()).(reg.GPVirtual)
	s := Load(Param("s"), GP64()).(reg.GPVirtual)
	var c [8]R // in the order of adamScalars
	for i := range c {
		c[i] = v.new()
		VBROADCASTSS(Mem{Base: s, Disp: 4 * i}, c[i])
	}
	decay, l2, oneMinB1, b2, oneMinB2, step, invBC2, eps := c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7]
	v.sweep("loop", n, func(i reg.GPVirtual, mask Op) {
		pi := v.mul(decay, v.ld(at(p, i), mask))
		gi := v.ld(at(g, i), mask)
		v.fma(l2, pi, gi)
		mi := v.ld(at(m, i), mask)
		v.fma(v.sub(mi, gi), oneMinB1, mi)
		v.st(mi, at(m, i), mask)
		vi := v.mul(b2, v.ld(at(vv, i), mask))
		v.fma(gi, v.mul(oneMinB2, gi), vi)
		v.st(vi, at(vv, i), mask)
		d := v.sqrt(vi)
		v.horner(eps, invBC2, d)
		v.op2(VSUBPS, VSUBPS_BCST, v.div(d, v.mul(step, mi)), pi, pi)
		v.st(pi, at(p, i), mask)
	})
	end()
}
