package kernel

import "math"

// Activations and their gradients. XGrad(dx, dy, x) is dx[i] = dy[i]·X'(x[i]):
// it overwrites dx (which may be dy or x) and takes the activation's input.
// TanhGradOut and SigmoidGradOut take its output instead, for callers who
// have kept only that. Definitions, thresholds and the gradients at kinks are
// those of torch.nn.functional.

// applyGrad is dx[i] = dy[i]·d(x[i]), d evaluated in float64.
func applyGrad[T Float](dx, dy, x []T, d func(float64) float64) {
	dy, x = dy[:len(dx)], x[:len(dx)]
	for i := range dx {
		dx[i] = T(float64(dy[i]) * d(float64(x[i])))
	}
}

// sigmoid keeps its relative precision on both sides.
func sigmoid(v float64) float64 {
	if v >= 0 {
		return 1 / (1 + math.Exp(-v))
	}
	e := math.Exp(v)
	return e / (1 + e)
}

// dSigmoid is σ'(v) = σ(v)·σ(-v), which does not cancel far out.
func dSigmoid(v float64) float64 { return sigmoid(v) * sigmoid(-v) }

// normCDF is Φ(v), the standard normal distribution function. By erfc rather
// than 1 + erf, so that the lower tail keeps its digits.
func normCDF(v float64) float64 { return 0.5 * math.Erfc(-v*(1/math.Sqrt2)) }

// normPDF is φ(v) = Φ'(v).
func normPDF(v float64) float64 {
	const invSqrt2Pi = 0.39894228040143267793994605993438186847585863116493
	return invSqrt2Pi * math.Exp(-0.5*v*v)
}

// TanhGrad is dx = dy·(1 - tanh²x).
func TanhGrad[T Float](dx, dy, x []T) {
	applyGrad(dx, dy, x, dTanh)
}

func dTanh(v float64) float64 {
	t := math.Tanh(v)
	return 1 - t*t
}

// TanhGradOut is dx = dy·(1 - y²) with y = tanh x.
func TanhGradOut[T Float](dx, dy, y []T) {
	dy, y = dy[:len(dx)], y[:len(dx)]
	for i := range dx {
		dx[i] = dy[i] * (1 - y[i]*y[i])
	}
}

// SigmoidGrad is dx = dy·σ(x)·(1 - σ(x)).
func SigmoidGrad[T Float](dx, dy, x []T) { applyGrad(dx, dy, x, dSigmoid) }

// SigmoidGradOut is dx = dy·y·(1 - y) with y = σ(x).
func SigmoidGradOut[T Float](dx, dy, y []T) {
	dy, y = dy[:len(dx)], y[:len(dx)]
	for i := range dx {
		dx[i] = dy[i] * y[i] * (1 - y[i])
	}
}

// ReLU is max(x, 0); NaN stays NaN.
func ReLU[T Float](dst, x []T) {
	x = x[:len(dst)]
	if isF32[T]() && reluF32(f32(dst), f32(x)) {
		return
	}
	for i, v := range x {
		dst[i] = maxOf(0, v)
	}
}

// ReLUGrad is dx = dy where x > 0, else 0.
func ReLUGrad[T Float](dx, dy, x []T) {
	dy, x = dy[:len(dx)], x[:len(dx)]
	if isF32[T]() && reluGradF32(f32(dx), f32(dy), f32(x)) {
		return
	}
	for i := range dx {
		if x[i] > 0 {
			dx[i] = dy[i]
		} else {
			dx[i] = 0
		}
	}
}

// ReLU2 is max(x, 0)².
func ReLU2[T Float](dst, x []T) {
	for i, v := range x[:len(dst)] {
		v = maxOf(0, v)
		dst[i] = v * v
	}
}

// ReLU2Grad is dx = dy·2·max(x, 0).
func ReLU2Grad[T Float](dx, dy, x []T) {
	dy, x = dy[:len(dx)], x[:len(dx)]
	for i := range dx {
		dx[i] = dy[i] * (2 * maxOf(0, x[i]))
	}
}

// LeakyReLU is x above 0, alpha·x elsewhere.
func LeakyReLU[T Float](dst, x []T, alpha T) {
	for i, v := range x[:len(dst)] {
		if !(v > 0) {
			v *= alpha
		}
		dst[i] = v
	}
}

// LeakyReLUGrad is dx = dy above 0, alpha·dy elsewhere.
func LeakyReLUGrad[T Float](dx, dy, x []T, alpha T) {
	dy, x = dy[:len(dx)], x[:len(dx)]
	for i := range dx {
		d := dy[i]
		if !(x[i] > 0) {
			d *= alpha
		}
		dx[i] = d
	}
}

// ELU is x above 0, alpha·(eˣ - 1) elsewhere.
func ELU[T Float](dst, x []T, alpha T) {
	for i, v := range x[:len(dst)] {
		if !(v > 0) {
			v = T(float64(alpha) * math.Expm1(float64(v)))
		}
		dst[i] = v
	}
}

// ELUGrad is dx = dy above 0, alpha·eˣ·dy elsewhere.
func ELUGrad[T Float](dx, dy, x []T, alpha T) {
	applyGrad(dx, dy, x, func(v float64) float64 {
		if v > 0 {
			return 1
		}
		return float64(alpha) * math.Exp(v)
	})
}

// GELU is x·Φ(x), Φ the standard normal distribution function.
// The float32 code is within 6 ulp of that while Φ(x) is a normal float32.
func GELU[T Float](dst, x []T) {
	x = x[:len(dst)]
	if isF32[T]() && geluF32(f32(dst), f32(x)) {
		return
	}
	apply(dst, x, func(v float64) float64 { return v * normCDF(v) })
}

// GELUGrad is dx = dy·(Φ(x) + x·φ(x)).
func GELUGrad[T Float](dx, dy, x []T) {
	dy, x = dy[:len(dx)], x[:len(dx)]
	if isF32[T]() && geluGradF32(f32(dx), f32(dy), f32(x)) {
		return
	}
	applyGrad(dx, dy, x, func(v float64) float64 { return normCDF(v) + v*normPDF(v) })
}

// GELUBoth is y = GELU(x) and d = GELU'(x), which share their costly part; y or d may be x.
func GELUBoth[T Float](y, d, x []T) {
	d, x = d[:len(y)], x[:len(y)]
	if isF32[T]() && geluBothF32(f32(y), f32(d), f32(x)) {
		return
	}
	for i, v := range x {
		v := float64(v)
		p := normCDF(v)
		y[i], d[i] = T(v*p), T(p+v*normPDF(v))
	}
}

// Of the tanh form of GELU (Hendrycks & Gimpel 2016, eq. 2; "gelu_new",
// "gelu_pytorch_tanh"): ½x(1 + tanh(√(2/π)(x + 0.044715x³))) = x·σ(2u).
const (
	geluTanhScale = 0.79788456080286535587989211986876 // √(2/π)
	geluTanhCube  = 0.044715
)

// GELUTanh is ½x(1 + tanh(√(2/π)·(x + 0.044715·x³))).
func GELUTanh[T Float](dst, x []T) {
	x = x[:len(dst)]
	if isF32[T]() && geluTanhF32(f32(dst), f32(x)) {
		return
	}
	apply(dst, x, func(v float64) float64 {
		return v * sigmoid(2*geluTanhScale*(v+geluTanhCube*v*v*v))
	})
}

// GELUTanhGrad is dx = dy·GELUTanh'(x).
func GELUTanhGrad[T Float](dx, dy, x []T) {
	dy, x = dy[:len(dx)], x[:len(dx)]
	if isF32[T]() && geluTanhGradF32(f32(dx), f32(dy), f32(x)) {
		return
	}
	applyGrad(dx, dy, x, func(v float64) float64 {
		u := 2 * geluTanhScale * (v + geluTanhCube*v*v*v)
		du := 2 * geluTanhScale * (1 + 3*geluTanhCube*v*v)
		return sigmoid(u) + v*dSigmoid(u)*du
	})
}

// quickGELU's slope: CLIP's QuickGELU.
const quickGELUScale = 1.702

// QuickGELU is x·σ(1.702·x).
func QuickGELU[T Float](dst, x []T) {
	x = x[:len(dst)]
	if isF32[T]() && quickGELUF32(f32(dst), f32(x)) {
		return
	}
	apply(dst, x, func(v float64) float64 { return v * sigmoid(quickGELUScale*v) })
}

// QuickGELUGrad is dx = dy·QuickGELU'(x).
func QuickGELUGrad[T Float](dx, dy, x []T) {
	dy, x = dy[:len(dx)], x[:len(dx)]
	if isF32[T]() && quickGELUGradF32(f32(dx), f32(dy), f32(x)) {
		return
	}
	applyGrad(dx, dy, x, func(v float64) float64 {
		u := quickGELUScale * v
		return sigmoid(u) + u*dSigmoid(u)
	})
}

// SiLU is x·σ(x) (also called swish).
func SiLU[T Float](dst, x []T) {
	x = x[:len(dst)]
	if isF32[T]() && siluF32(f32(dst), f32(x)) {
		return
	}
	apply(dst, x, func(v float64) float64 { return v * sigmoid(v) })
}

// SiLUGrad is dx = dy·σ(x)·(1 + x·(1 - σ(x))).
func SiLUGrad[T Float](dx, dy, x []T) {
	dy, x = dy[:len(dx)], x[:len(dx)]
	if isF32[T]() && siluGradF32(f32(dx), f32(dy), f32(x)) {
		return
	}
	applyGrad(dx, dy, x, func(v float64) float64 { return sigmoid(v) + v*dSigmoid(v) })
}

// softplusLinear is torch's threshold (beta 1): above it softplus is x itself.
const softplusLinear = 20

// Softplus is ln(1 + eˣ), and x itself above 20.
func Softplus[T Float](dst, x []T) {
	apply(dst, x, func(v float64) float64 {
		if v > softplusLinear {
			return v
		}
		return math.Log1p(math.Exp(v))
	})
}

// SoftplusGrad is dx = dy·σ(x), and dy itself above 20.
func SoftplusGrad[T Float](dx, dy, x []T) {
	applyGrad(dx, dy, x, func(v float64) float64 {
		if v > softplusLinear {
			return 1
		}
		return sigmoid(v)
	})
}

// LogSigmoid is ln σ(x) = min(x, 0) - ln(1 + e^-|x|).
func LogSigmoid[T Float](dst, x []T) {
	apply(dst, x, func(v float64) float64 {
		return minOf(v, 0) - math.Log1p(math.Exp(-math.Abs(v)))
	})
}

// LogSigmoidGrad is dx = dy·σ(-x).
func LogSigmoidGrad[T Float](dx, dy, x []T) {
	applyGrad(dx, dy, x, func(v float64) float64 { return sigmoid(-v) })
}

// Mish is x·tanh(ln(1 + eˣ)) (Misra 2019).
func Mish[T Float](dst, x []T) {
	apply(dst, x, func(v float64) float64 { return v * tanhSoftplus(v) })
}

// MishGrad is dx = dy·Mish'(x).
func MishGrad[T Float](dx, dy, x []T) {
	applyGrad(dx, dy, x, func(v float64) float64 {
		t := tanhSoftplus(v)
		return t + v*sigmoid(v)*(1-t*t)
	})
}

// tanhSoftplus is tanh(ln(1 + eᵛ)). The exponential of a large v would
// overflow; from 40 on the result is 1 to the last bit.
func tanhSoftplus(v float64) float64 {
	if v > 40 {
		return 1
	}
	return math.Tanh(math.Log1p(math.Exp(v)))
}

// HardSigmoid is clamp(x/6 + ½, 0, 1).
func HardSigmoid[T Float](dst, x []T) {
	for i, v := range x[:len(dst)] {
		dst[i] = minOf(maxOf(v+3, 0), 6) / 6
	}
}

// HardSigmoidGrad is dx = dy/6 for -3 < x < 3, else 0.
func HardSigmoidGrad[T Float](dx, dy, x []T) {
	applyGrad(dx, dy, x, func(v float64) float64 {
		if v > -3 && v < 3 {
			return 1. / 6
		}
		return 0
	})
}

// HardSwish is x·HardSigmoid(x).
func HardSwish[T Float](dst, x []T) {
	for i, v := range x[:len(dst)] {
		dst[i] = v * minOf(maxOf(v+3, 0), 6) / 6
	}
}

// HardSwishGrad is dx = dy·(x/3 + ½) for -3 < x < 3, 0 below, dy above.
func HardSwishGrad[T Float](dx, dy, x []T) {
	applyGrad(dx, dy, x, func(v float64) float64 {
		switch {
		case v <= -3:
			return 0
		case v < 3:
			return v/3 + 0.5
		}
		return 1
	})
}
