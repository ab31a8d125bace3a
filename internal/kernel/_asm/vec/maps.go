package main

import (
	"strings"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// A mapKernel writes its first slice from the others, element by element.
type mapKernel struct {
	name, args string // args: names of the slices, destination first
	accumulate bool   // the destination is read too, as in[0]
	scalar     bool   // takes s float32, spread over the register s
	doc        string
	body       func(v vec, in []R, s R) R
}

var mapKernels = []mapKernel{
	{"add", "dst a b", false, false, "is dst[i] = a[i] + b[i].", func(v vec, in []R, _ R) R { return v.add(in[1], in[0]) }},
	{"sub", "dst a b", false, false, "is dst[i] = a[i] - b[i].", func(v vec, in []R, _ R) R { return v.sub(in[1], in[0]) }},
	{"mul", "dst a b", false, false, "is dst[i] = a[i] * b[i].", func(v vec, in []R, _ R) R { return v.mul(in[1], in[0]) }},
	{"div", "dst a b", false, false, "is dst[i] = a[i] / b[i].", func(v vec, in []R, _ R) R { return v.div(in[1], in[0]) }},
	{"max", "dst a b", false, false, "is the larger of a[i] and b[i].", func(v vec, in []R, _ R) R { return v.nanFirst(in[0], v.max(in[1], in[0])) }},
	{"min", "dst a b", false, false, "is the smaller of a[i] and b[i].", func(v vec, in []R, _ R) R { return v.nanFirst(in[0], v.min(in[1], in[0])) }},
	{"mulAdd", "dst a b", true, false, "is dst[i] += a[i] * b[i].", func(v vec, in []R, _ R) R { v.fma(in[1], in[2], in[0]); return in[0] }},
	{"addS", "dst a", false, true, "is dst[i] = a[i] + s.", func(v vec, in []R, s R) R { return v.add(s, in[0]) }},
	{"mulS", "dst a", false, true, "is dst[i] = a[i] * s.", func(v vec, in []R, s R) R { return v.mul(s, in[0]) }},
	{"rsubS", "dst a", false, true, "is dst[i] = s - a[i].", func(v vec, in []R, s R) R { return v.sub(in[0], s) }},
	{"divS", "dst a", false, true, "is dst[i] = a[i] / s.", func(v vec, in []R, s R) R { return v.div(s, in[0]) }},
	{"rdivS", "dst a", false, true, "is dst[i] = s / a[i].", func(v vec, in []R, s R) R { return v.div(in[0], s) }},
	{"maxS", "dst a", false, true, "is the larger of a[i] and s.", func(v vec, in []R, s R) R { return v.nanFirst(in[0], v.max(s, in[0])) }},
	{"minS", "dst a", false, true, "is the smaller of a[i] and s.", func(v vec, in []R, s R) R { return v.nanFirst(in[0], v.min(s, in[0])) }},
	{"axpy", "dst x", true, true, "is dst[i] += s * x[i].", func(v vec, in []R, s R) R { v.fma(in[1], s, in[0]); return in[0] }},

	{"sqrt", "dst x", false, false, "is the square root.", func(v vec, in []R, _ R) R { return v.sqrt(in[0]) }},
	{"rsqrt", "dst x", false, false, "is 1 over the square root.", func(v vec, in []R, _ R) R { return v.div(v.sqrt(in[0]), v.load(lit(1))) }},
	{"exp", "dst x", false, false, "is eˣ.", func(v vec, in []R, _ R) R { return v.exp(in[0]) }},
	{"tanh", "dst x", false, false, "is tanh x.", func(v vec, in []R, _ R) R { return v.tanh(in[0]) }},
	{"sigmoid", "dst x", false, false, "is 1/(1 + e⁻ˣ).", func(v vec, in []R, _ R) R { return v.sigmoid(in[0]) }},
	{"erf", "dst x", false, false, "is erf x.", func(v vec, in []R, _ R) R { return v.erf(in[0]) }},

	{"relu", "dst x", false, false, "is max(0, x).", func(v vec, in []R, _ R) R { return v.max(in[0], v.zero()) }},
	{"reluGrad", "dx dy x", false, false, "is dy where x > 0.", func(v vec, in []R, _ R) R { return v.keep(v.cmp(cmpGT, in[1], v.zero()), in[0]) }},
	{"gelu", "dst x", false, false, "is x·Φ(x).", func(v vec, in []R, _ R) R {
		_, cdf := v.gauss(in[0])
		return v.mul(cdf, in[0])
	}},
	{"geluGrad", "dx dy x", false, false, "is dy·(Φ(x) + x·φ(x)).", func(v vec, in []R, _ R) R {
		_, d := v.geluBoth(in[1])
		return v.mul(d, in[0])
	}},
	{"geluTanh", "dst x", false, false, "is x·σ(2√(2/π)(x + 0.044715x³)).", func(v vec, in []R, _ R) R {
		p := v.poly(v.mul(in[0], in[0]), geluTanh0, geluTanh1)
		return v.mul(v.sigmoid(v.mul(in[0], p)), in[0])
	}},
	{"geluTanhGrad", "dx dy x", false, false, "is dy·GELUTanh'(x).", func(v vec, in []R, _ R) R {
		// Beyond ±50 the derivative is 0 or 1 to the last bit.
		x := v.min(v.max(in[1], v.load(lit(-50))), v.load(lit(50)))
		sq := v.mul(x, x)
		e, rd, s := v.logistic(v.mul(x, v.poly(sq, geluTanh0, geluTanh1)))
		v.mulTo(rd, e)
		v.mulTo(rd, e)
		v.mulTo(v.mul(x, v.poly(sq, geluTanh0, 3*geluTanh1)), e)
		return v.mul(v.add(e, s), in[0])
	}},
	{"quickGELU", "dst x", false, false, "is x·σ(1.702x).", func(v vec, in []R, _ R) R {
		return v.mul(v.sigmoid(v.mul(lit(1.702), in[0])), in[0])
	}},
	{"quickGELUGrad", "dx dy x", false, false, "is dy·QuickGELU'(x).", func(v vec, in []R, _ R) R {
		// The clamp keeps 1.702x finite; σ' is 0 from 104 on.
		x := v.min(v.max(in[1], v.load(lit(-200))), v.load(lit(200)))
		return v.siluGrad(in[0], v.mul(lit(1.702), x))
	}},
	{"silu", "dst x", false, false, "is x·σ(x).", func(v vec, in []R, _ R) R { return v.mul(v.sigmoid(in[0]), in[0]) }},
	{"siluGrad", "dx dy x", false, false, "is dy·(σ(x) + x·σ'(x)).", func(v vec, in []R, _ R) R { return v.siluGrad(in[0], in[1]) }},
}

// 2√(2/π) and that times 0.044715.
const (
	geluTanh0 = 2 * 0.79788456080286535587989211986876
	geluTanh1 = geluTanh0 * 0.044715
)

func (v vec) sqrt(a Op) R {
	d := v.new()
	VSQRTPS(a, d)
	return d
}

// nanFirst is r, or a where a is NaN (r already is b where b is NaN).
func (v vec) nanFirst(a, r R) R { return v.sel(v.cmp(unord, a, a), a, r) }

// siluGrad is dy·(σ(u) + u·σ'(u)).
func (v vec) siluGrad(dy, u R) R {
	e, rd, s := v.logistic(u)
	v.mulTo(rd, e)
	v.mulTo(rd, e)
	v.mulTo(u, e)
	return v.mul(v.add(e, s), dy)
}

// geluBoth is x·Φ(x) and its derivative Φ(x) + x·φ(x).
func (v vec) geluBoth(x R) (y, d R) {
	const invSqrt2Pi = 0.398942280401432677939946059934
	e, cdf := v.gauss(x)
	y = v.mul(cdf, x)
	v.mulTo(lit(invSqrt2Pi), e)
	v.fma(e, x, cdf)
	return y, cdf
}

func (v vec) emitGELUBoth() {
	v.text("geluBoth", "func(y, d, x []float32)", "is y[i] = GELU(x[i]) and d[i] = GELU'(x[i]).")
	y, d, x := ptr("y"), ptr("d"), ptr("x")
	n := Load(Param("y").Len(), GP64()).(reg.GPVirtual)
	v.sweep("loop", n, func(i reg.GPVirtual, mask Op) {
		a, b := v.geluBoth(v.ld(at(x, i), mask))
		v.st(a, at(y, i), mask)
		v.st(b, at(d, i), mask)
	})
	end()
}

func emitMaps(v vec) {
	for _, k := range mapKernels {
		k.emit(v)
	}
	v.emitGELUBoth()
	emitReductions(v)
}

func (k mapKernel) emit(v vec) {
	names := strings.Fields(k.args)
	sig := "func(" + strings.Join(names, ", ") + " []float32"
	if k.scalar {
		sig += ", s float32"
	}
	v.text(k.name, sig+")", k.doc)
	var ptrs []reg.GPVirtual
	for _, n := range names {
		ptrs = append(ptrs, ptr(n))
	}
	n := Load(Param(names[0]).Len(), GP64()).(reg.GPVirtual)
	var s R
	if k.scalar {
		s = v.bcast("s")
	}
	v.sweep("loop", n, func(i reg.GPVirtual, mask Op) {
		var in []R
		for j, p := range ptrs {
			if j > 0 || k.accumulate {
				in = append(in, v.ld(at(p, i), mask))
			}
		}
		v.st(k.body(v, in, s), at(ptrs[0], i), mask)
	})
	end()
}
