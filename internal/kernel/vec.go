package kernel

import "unsafe"

// Conventions of the vector kernels (vec*.go, rows*.go, norm*.go, half*.go,
// philox*.go, optim*.go, transpose*.go):
//
//   - The first slice says how much there is to do. Every other slice is at
//     least as long as that; a shorter one panics. Extra elements are left alone.
//   - dst may be the same slice as an input, unless the comment says otherwise.
//     Slices that overlap without being the same are a mistake.
//   - Everything is serial. A map gives one element the same bits wherever it
//     stands in the slice, so callers may cut the work anywhere; reductions run
//     in a fixed order on one CPU path.
//   - float32 takes AVX-512 or AVX2 code where the CPU has it; the Go loop is
//     the specification, and what float64 and every other machine run. Its
//     transcendental functions are evaluated in float64 and rounded once.

// isF32 tells whether T is float32 underneath. It is a constant in each
// instantiation, so the branch that is not taken costs nothing.
func isF32[T Float]() bool {
	var z T
	return unsafe.Sizeof(z) == 4
}

// f32 views x as []float32. T must be float32 underneath (isF32).
func f32[T Float](x []T) []float32 {
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(x))), len(x))
}

// asmChunk bounds the elements one call into assembly works on. Assembly
// cannot be preempted, so a longer call would hold up every stop-the-world;
// 32 Ki elements are 10 to 50 µs.
const asmChunk = 32 << 10

// Fill sets every element of dst to v.
func Fill[T Float](dst []T, v T) {
	for i := range dst {
		dst[i] = v
	}
}

// Add is dst[i] = a[i] + b[i].
func Add[T Float](dst, a, b []T) {
	a, b = a[:len(dst)], b[:len(dst)]
	if isF32[T]() && addF32(f32(dst), f32(a), f32(b)) {
		return
	}
	for i := range dst {
		dst[i] = a[i] + b[i]
	}
}

// Sub is dst[i] = a[i] - b[i].
func Sub[T Float](dst, a, b []T) {
	a, b = a[:len(dst)], b[:len(dst)]
	if isF32[T]() && subF32(f32(dst), f32(a), f32(b)) {
		return
	}
	for i := range dst {
		dst[i] = a[i] - b[i]
	}
}

// Mul is dst[i] = a[i] * b[i].
func Mul[T Float](dst, a, b []T) {
	a, b = a[:len(dst)], b[:len(dst)]
	if isF32[T]() && mulF32(f32(dst), f32(a), f32(b)) {
		return
	}
	for i := range dst {
		dst[i] = a[i] * b[i]
	}
}

// Div is dst[i] = a[i] / b[i].
func Div[T Float](dst, a, b []T) {
	a, b = a[:len(dst)], b[:len(dst)]
	if isF32[T]() && divF32(f32(dst), f32(a), f32(b)) {
		return
	}
	for i := range dst {
		dst[i] = a[i] / b[i]
	}
}

// Max is dst[i] = the larger of a[i] and b[i]; NaN if either is NaN.
func Max[T Float](dst, a, b []T) {
	a, b = a[:len(dst)], b[:len(dst)]
	if isF32[T]() && maxF32(f32(dst), f32(a), f32(b)) {
		return
	}
	for i := range dst {
		dst[i] = maxOf(a[i], b[i])
	}
}

// Min is dst[i] = the smaller of a[i] and b[i]; NaN if either is NaN.
func Min[T Float](dst, a, b []T) {
	a, b = a[:len(dst)], b[:len(dst)]
	if isF32[T]() && minF32(f32(dst), f32(a), f32(b)) {
		return
	}
	for i := range dst {
		dst[i] = minOf(a[i], b[i])
	}
}

// maxOf is a where a > b or a is NaN, b otherwise: the order of operands
// that the vector instruction has, so that ±0 come out alike everywhere.
func maxOf[T Float](a, b T) T {
	if a > b || a != a {
		return a
	}
	return b
}

func minOf[T Float](a, b T) T {
	if a < b || a != a {
		return a
	}
	return b
}

// AddS is dst[i] = a[i] + s.
func AddS[T Float](dst, a []T, s T) {
	a = a[:len(dst)]
	if isF32[T]() && addSF32(f32(dst), f32(a), float32(s)) {
		return
	}
	for i := range dst {
		dst[i] = a[i] + s
	}
}

// MulS is dst[i] = a[i] * s.
func MulS[T Float](dst, a []T, s T) {
	a = a[:len(dst)]
	if isF32[T]() && mulSF32(f32(dst), f32(a), float32(s)) {
		return
	}
	for i := range dst {
		dst[i] = a[i] * s
	}
}

// RSubS is dst[i] = s - a[i].
func RSubS[T Float](dst, a []T, s T) {
	a = a[:len(dst)]
	if isF32[T]() && rsubSF32(f32(dst), f32(a), float32(s)) {
		return
	}
	for i := range dst {
		dst[i] = s - a[i]
	}
}

// DivS is dst[i] = a[i] / s.
func DivS[T Float](dst, a []T, s T) {
	a = a[:len(dst)]
	if isF32[T]() && divSF32(f32(dst), f32(a), float32(s)) {
		return
	}
	for i := range dst {
		dst[i] = a[i] / s
	}
}

// RDivS is dst[i] = s / a[i].
func RDivS[T Float](dst, a []T, s T) {
	a = a[:len(dst)]
	if isF32[T]() && rdivSF32(f32(dst), f32(a), float32(s)) {
		return
	}
	for i := range dst {
		dst[i] = s / a[i]
	}
}

// MaxS is dst[i] = the larger of a[i] and s; NaN if either is NaN.
func MaxS[T Float](dst, a []T, s T) {
	a = a[:len(dst)]
	if isF32[T]() && maxSF32(f32(dst), f32(a), float32(s)) {
		return
	}
	for i := range dst {
		dst[i] = maxOf(a[i], s)
	}
}

// MinS is dst[i] = the smaller of a[i] and s; NaN if either is NaN.
func MinS[T Float](dst, a []T, s T) {
	a = a[:len(dst)]
	if isF32[T]() && minSF32(f32(dst), f32(a), float32(s)) {
		return
	}
	for i := range dst {
		dst[i] = minOf(a[i], s)
	}
}

// Axpy is dst[i] += alpha * x[i], with one rounding (fused) where there is
// assembly and one or two in the portable loop.
func Axpy[T Float](dst []T, alpha T, x []T) {
	x = x[:len(dst)]
	if isF32[T]() && axpyF32(f32(dst), f32(x), float32(alpha)) {
		return
	}
	for i := range dst {
		dst[i] += alpha * x[i]
	}
}

// MulAdd is dst[i] += a[i] * b[i], rounded as in Axpy.
func MulAdd[T Float](dst, a, b []T) {
	a, b = a[:len(dst)], b[:len(dst)]
	if isF32[T]() && mulAddF32(f32(dst), f32(a), f32(b)) {
		return
	}
	for i := range dst {
		dst[i] += a[i] * b[i]
	}
}
