package kernel

import "math"

// Sum is Σ x[i]. float32 is added up in lanes over blocks of 4096, the blocks
// in float64: the relative error of a sum of positives is below 1e-6 at any length.
func Sum[T Float](x []T) T {
	if isF32[T]() {
		if s, ok := sumF32(f32(x)); ok {
			return T(s)
		}
	}
	var s float64
	for _, v := range x {
		s += float64(v)
	}
	return T(s)
}

// SumSq is Σ x[i]², added up like Sum.
func SumSq[T Float](x []T) T { return Dot(x, x) }

// SumAbs is Σ |x[i]|, added up like Sum.
func SumAbs[T Float](x []T) T {
	if isF32[T]() {
		if s, ok := sumAbsF32(f32(x)); ok {
			return T(s)
		}
	}
	var s float64
	for _, v := range x {
		s += math.Abs(float64(v))
	}
	return T(s)
}

// Dot is Σ a[i]·b[i], added up like Sum.
func Dot[T Float](a, b []T) T {
	b = b[:len(a)]
	if isF32[T]() {
		if s, ok := dotF32(f32(a), f32(b)); ok {
			return T(s)
		}
	}
	var s float64
	for i, v := range a {
		s += float64(v) * float64(b[i])
	}
	return T(s)
}

// MaxOf is the largest element, NaN if there is one, -Inf of nothing.
func MaxOf[T Float](x []T) T {
	if isF32[T]() {
		if m, ok := maxOfF32(f32(x)); ok {
			return T(m)
		}
	}
	m := T(math.Inf(-1))
	for _, v := range x {
		m = maxOf(m, v)
	}
	return m
}

// MinOf is the smallest element, NaN if there is one, +Inf of nothing.
func MinOf[T Float](x []T) T {
	if isF32[T]() {
		if m, ok := minOfF32(f32(x)); ok {
			return T(m)
		}
	}
	m := T(math.Inf(1))
	for _, v := range x {
		m = minOf(m, v)
	}
	return m
}

// ArgMax is the index of the first largest element; a NaN counts as larger
// than everything, as in torch. It is -1 of nothing.
func ArgMax[T Float](x []T) int {
	m := MaxOf(x)
	for i, v := range x {
		if v == m || v != v {
			return i
		}
	}
	return -1
}
