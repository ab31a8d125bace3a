package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// The coefficients below were fitted here by iterated reweighted least
// squares (Lawson) on Chebyshev nodes in 30-digit arithmetic; the errors
// named are those of the fit in exact arithmetic.

const log2e = 1.44269504088896340735992468100189214

// expCoeff: eʳ = 1 + r + r²·(c0 + c1·r + …) for |r| <= ln2/2, to 3.2e-9.
var expCoeff = []float64{0.500000009538, 0.166665185894, 0.0416662052355, 0.00836891909333, 0.00139505279845}

// tailCoeff: ½erfc(t/√2) = e^(-t²/2)·u·P(2u-1), u = 1/(1 + 0.35t), for
// 0 <= t <= 15, to 3.2e-8 of the value.
const tailSlope = 0.35

var tailCoeff = []float64{0.25324427681, 0.17149580421, 0.071098943585, 0.010233861113, -0.0051087316111,
	-0.0017544067031, 0.00069005513212, 0.00021410570716, -0.00011392427232}

// erfCoeff: erf x = x·P(x²) for |x| <= 0.9, to 1.2e-8 of the value.
const erfSplit = 0.9

var erfCoeff = []float64{1.1283791538, -0.376125232704, 0.112821407563, -0.0267789070282, 0.00501196019179, -0.000609034713904}

// reduceExp splits x = n·ln2 + r, n an integer, |r| <= ln2/2. ln2 is taken
// in two pieces; FMA makes the first product exact.
func (v vec) reduceExp(x Op) (n, r R) {
	const ln2hi = float64(float32(math.Ln2))
	n = v.round(v.mul(lit(log2e), x))
	r = v.copy(x)
	v.fnma(lit(ln2hi), n, r)
	v.fnma(lit(math.Ln2-ln2hi), n, r)
	return n, r
}

// scale is p·2ⁿ, n a whole float from -150 to 129. AVX2 does it in two steps
// so that results below the normal range come out right.
func (v vec) scale(p, n R) R {
	d := v.new()
	if v.zmm {
		VSCALEFPS(n, p, d)
		return d
	}
	i, h := YMM(), YMM()
	VCVTPS2DQ(n, i)
	VPSRAD(Imm(1), i, h)
	VPSUBD(h, i, i)
	for _, e := range []R{h, i} {
		VPADDD(v.constant(127), e, e)
		VPSLLD(Imm(23), e, e)
	}
	VMULPS(h, p, d)
	VMULPS(i, d, d)
	return d
}

// exp is eˣ; NaN stays NaN.
func (v vec) exp(x Op) R {
	// -104 gives 0 and 89 +Inf by rounding; the operand order keeps NaN.
	x = v.min(v.max(x, v.load(lit(-104))), v.load(lit(89)))
	return v.expClamped(x)
}

// expNeg is eˣ for x <= 0.
func (v vec) expNeg(x Op) R { return v.expClamped(v.max(x, v.load(lit(-104)))) }

func (v vec) expClamped(x Op) R {
	n, r := v.reduceExp(x)
	p := v.poly(r, append([]float64{1, 1}, expCoeff...)...)
	return v.scale(p, n)
}

// tanh is em/(em+2) with em = e^2|x| - 1, which keeps small x exact, and the
// sign put back.
func (v vec) tanh(x Op) R {
	z := v.abs(x)
	v.addTo(z, z)
	z = v.min(z, v.load(lit(20))) // tanh 10 rounds to 1
	n, r := v.reduceExp(z)
	q := v.poly(r, expCoeff...)
	r2 := v.mul(r, r)
	v.horner(r, r2, q) // eʳ - 1
	one := v.load(lit(1))
	s := v.scale(one, n)
	em := v.sub(lit(1), s)
	v.fma(q, s, em)
	t := v.div(v.add(lit(2), em), em)
	return v.or(v.sign(x), t)
}

// logistic gives e = e^-|x|, rd = 1/(1+e) and s = σ(x), from which also
// σ(x)·σ(-x) = e·rd².
func (v vec) logistic(x Op) (e, rd, s R) {
	e = v.expNeg(v.or(bits(0x80000000), x))
	one := v.load(lit(1))
	rd = v.div(v.add(e, one), one)
	s = v.mul(v.sel(v.negative(x), e, one), rd)
	return e, rd, s
}

// sigmoid divides by itself: one rounding less than logistic.
func (v vec) sigmoid(x Op) R {
	e := v.expNeg(v.or(bits(0x80000000), x))
	one := v.load(lit(1))
	return v.div(v.add(e, one), v.sel(v.negative(x), e, one))
}

// tail gives u·P of tailCoeff for t >= 0.
func (v vec) tail(t Op, slope float64) R {
	one := v.load(lit(1))
	d := v.copy(one)
	v.fma(lit(slope), t, d)
	u := v.div(d, one)
	w := v.add(u, u)
	w = v.sub(lit(1), w)
	return v.mul(u, v.poly(w, tailCoeff...))
}

// gauss gives e = e^(-x²/2) and Φ(x).
func (v vec) gauss(x Op) (e, cdf R) {
	t := v.min(v.abs(x), v.load(lit(16))) // e^-128 is 0
	h := v.mul(t, t)
	low := v.copy(h) // what rounding took from t²
	VFMSUB231PS_(v, t, t, low)
	e = v.expNeg(v.mul(lit(-0.5), h))
	// low = t² - h; e^(-low/2) = 1 - low/2.
	c := v.mul(low, e)
	v.fma(lit(-0.5), c, e)
	q := v.mul(v.tail(t, tailSlope), e)
	cdf = v.sel(v.negative(x), q, v.sub(q, v.load(lit(1))))
	return e, cdf
}

// VFMSUB231PS_ is acc = a·b - acc.
func VFMSUB231PS_(v vec, a, b, acc Op) { VFMSUB231PS(a, b, acc) }

// erf by a power series inside, by the tail outside.
func (v vec) erf(x Op) R {
	a := v.abs(x)
	sq := v.mul(a, a)
	e := v.expNeg(v.xor(bits(0x80000000), sq))
	q := v.mul(v.tail(v.min(a, v.load(lit(16))), tailSlope*math.Sqrt2), e)
	big := v.load(lit(1))
	v.fnma(lit(2), q, big)
	small := v.mul(a, v.poly(sq, erfCoeff...))
	m := v.cmp(cmpLT, a, v.load(lit(erfSplit)))
	return v.or(v.sign(x), v.sel(m, small, big))
}
