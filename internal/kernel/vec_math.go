package kernel

import "math"

// apply is dst[i] = f(x[i]), evaluated in float64 and rounded once.
func apply[T Float](dst, x []T, f func(float64) float64) {
	for i, v := range x[:len(dst)] {
		dst[i] = T(f(float64(v)))
	}
}

// Neg is dst[i] = -x[i].
func Neg[T Float](dst, x []T) {
	for i, v := range x[:len(dst)] {
		dst[i] = -v
	}
}

// Abs is dst[i] = |x[i]|.
func Abs[T Float](dst, x []T) { apply(dst, x, math.Abs) }

// Sign is -1, 0 or 1; 0 for ±0 and for NaN, as torch.sign has it.
func Sign[T Float](dst, x []T) {
	for i, v := range x[:len(dst)] {
		var s T
		if v > 0 {
			s = 1
		} else if v < 0 {
			s = -1
		}
		dst[i] = s
	}
}

// Square is dst[i] = x[i]².
func Square[T Float](dst, x []T) { Mul(dst, x, x) }

// Sqrt is dst[i] = √x[i], correctly rounded; NaN below zero.
func Sqrt[T Float](dst, x []T) {
	x = x[:len(dst)]
	if isF32[T]() && sqrtF32(f32(dst), f32(x)) {
		return
	}
	apply(dst, x, math.Sqrt)
}

// Rsqrt is dst[i] = 1/√x[i]; +Inf at 0. Within 1 ulp.
func Rsqrt[T Float](dst, x []T) {
	x = x[:len(dst)]
	if isF32[T]() && rsqrtF32(f32(dst), f32(x)) {
		return
	}
	apply(dst, x, func(v float64) float64 { return 1 / math.Sqrt(v) })
}

// Recip is dst[i] = 1/x[i].
func Recip[T Float](dst, x []T) { RDivS(dst, x, 1) }

// Exp is dst[i] = eˣ. Results below the normal range keep their denormals.
func Exp[T Float](dst, x []T) {
	x = x[:len(dst)]
	if isF32[T]() && expF32(f32(dst), f32(x)) {
		return
	}
	apply(dst, x, math.Exp)
}

// Expm1 is dst[i] = eˣ - 1, exact to rounding near 0.
func Expm1[T Float](dst, x []T) { apply(dst, x, math.Expm1) }

// Log is dst[i] = ln x[i]; -Inf at 0, NaN below.
func Log[T Float](dst, x []T) { apply(dst, x, math.Log) }

// Log1p is dst[i] = ln(1 + x[i]), exact to rounding near 0.
func Log1p[T Float](dst, x []T) { apply(dst, x, math.Log1p) }

// Sin is dst[i] = sin x[i] (radians).
func Sin[T Float](dst, x []T) { apply(dst, x, math.Sin) }

// Cos is dst[i] = cos x[i] (radians).
func Cos[T Float](dst, x []T) { apply(dst, x, math.Cos) }

// Tanh is dst[i] = tanh x[i].
func Tanh[T Float](dst, x []T) {
	x = x[:len(dst)]
	if isF32[T]() && tanhF32(f32(dst), f32(x)) {
		return
	}
	apply(dst, x, math.Tanh)
}

// Sigmoid is dst[i] = 1/(1 + e⁻ˣ).
func Sigmoid[T Float](dst, x []T) {
	x = x[:len(dst)]
	if isF32[T]() && sigmoidF32(f32(dst), f32(x)) {
		return
	}
	apply(dst, x, sigmoid)
}

// Erf is dst[i] = erf x[i] = 2/√π ∫₀ˣ e^(-t²) dt.
func Erf[T Float](dst, x []T) {
	x = x[:len(dst)]
	if isF32[T]() && erfF32(f32(dst), f32(x)) {
		return
	}
	apply(dst, x, math.Erf)
}
