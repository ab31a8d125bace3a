package quant

import (
	"fmt"
	"math"
)

// Quantisation in training: numbers are rounded to what integers can stand for, but
// stay floats, and gradients pass as if they had not been rounded, except where a
// number was cut off (straight-through estimator; Jacob et al., CVPR 2018). As in
// PyTorch (aten/native/quantized/FakeQuant*), x·(1/scale) is rounded, the
// reciprocal taken in float32, ties to even.

// FakeQuant rounds a matrix [rows, cols] to (q − Zero)·Scale with Min ≤ q ≤ Max.
type FakeQuant struct {
	Scale    []float32 // one for all, one a row (Axis 0) or one a column (Axis 1); above 0
	Zero     []int32   // as many
	Axis     int
	Min, Max int32
}

// channel returns the function from index to channel.
func (f *FakeQuant) channel(n, cols int) func(i int) int {
	channels := 1
	switch {
	case len(f.Scale) == 1:
		cols = max(n, 1)
	case f.Axis == 0:
		channels = n / max(cols, 1)
	case f.Axis == 1:
		channels = cols
	default:
		panic(fmt.Sprintf("quant: fake quantisation along axis %d of a matrix", f.Axis))
	}
	sameLength("FakeQuant.Scale", len(f.Scale), channels)
	sameLength("FakeQuant.Zero", len(f.Zero), channels)
	if len(f.Scale) > 1 && f.Axis == 1 {
		return func(i int) int { return i % cols }
	}
	return func(i int) int { return i / cols }
}

// Integers stores the integer of each element of x, rows of cols.
func (f *FakeQuant) Integers(q []int32, x []float32, cols int) {
	sameLength("FakeQuant.Integers", len(q), len(x))
	channel := f.channel(len(x), cols)
	for i, v := range x {
		c := channel(i)
		q[i] = int32(max(float32(f.Min), min(f.round(v, c), float32(f.Max))))
	}
}

// round is q before it is cut off.
func (f *FakeQuant) round(v float32, c int) float32 {
	return float32(f.Zero[c]) + roundEven(v*(1/f.Scale[c]))
}

// value is what integer q of a channel stands for.
func (f *FakeQuant) value(q float32, c int) float32 {
	return (max(float32(f.Min), min(q, float32(f.Max))) - float32(f.Zero[c])) * f.Scale[c]
}

// Forward stores the rounded values of x in dst, which may be x.
func (f *FakeQuant) Forward(dst, x []float32, cols int) {
	sameLength("FakeQuant.Forward", len(dst), len(x))
	channel := f.channel(len(x), cols)
	for i, v := range x {
		c := channel(i)
		dst[i] = f.value(f.round(v, c), c)
	}
}

// Backward stores the gradient for x in dx: dy where x was not cut off, 0 elsewhere.
func (f *FakeQuant) Backward(dx, dy, x []float32, cols int) {
	sameLength("FakeQuant.Backward", len(dx), len(x))
	sameLength("FakeQuant.Backward", len(dy), len(x))
	channel := f.channel(len(x), cols)
	for i, v := range x {
		dx[i] = 0
		if q := f.round(v, channel(i)); q >= float32(f.Min) && q <= float32(f.Max) {
			dx[i] = dy[i]
		}
	}
}

// ParamGradients are the gradients for Scale and Zero, as if these were learned too: in range the
// rounding error over the scale, beyond it the bound's distance from the zero, and for the zero
// −scale (Esser et al., "Learned Step Size Quantization", ICLR 2020, eq. 3, with a zero).
func (f *FakeQuant) ParamGradients(dy, x []float32, cols int) (scale, zero []float32) {
	sameLength("FakeQuant.ParamGradients", len(dy), len(x))
	channel := f.channel(len(x), cols)
	scales, zeros := make([]float64, len(f.Scale)), make([]float64, len(f.Scale))
	for i, v := range x {
		c := channel(i)
		s, z, g := f.Scale[c], float32(f.Zero[c]), dy[i]
		inverse := 1 / s
		// The reference's backward pass rounds the sum, its forward pass x alone.
		q := roundEven(z + float32(v*inverse))
		switch {
		case q < float32(f.Min):
			scales[c] += float64(g * (float32(f.Min) - z))
			zeros[c] -= float64(g * s)
		case q > float32(f.Max):
			scales[c] += float64(g * (float32(f.Max) - z))
			zeros[c] -= float64(g * s)
		default:
			lost := float32(float64(q-z)*float64(s) - float64(v)) // as if by one fused operation
			scales[c] += float64(float32(g*lost) * inverse)
		}
	}
	scale, zero = make([]float32, len(scales)), make([]float32, len(zeros))
	for c := range scales {
		scale[c], zero[c] = float32(scales[c]), float32(zeros[c])
	}
	return scale, zero
}

// MinMax observes the range of numbers; the zero value has seen none.
type MinMax struct {
	Least, Greatest float32
	Seen            bool
}

// Observe widens the range to x. Numbers that are not finite are passed over.
func (m *MinMax) Observe(x []float32) {
	for _, v := range x {
		if v-v != 0 {
			continue
		}
		if !m.Seen {
			*m = MinMax{v, v, true}
		}
		m.Least, m.Greatest = min(m.Least, v), max(m.Greatest, v)
	}
}

// leastScale is float32's epsilon, torch's floor for a scale.
const leastScale = 0x1p-23

// Affine is scale and zero for integers from lo to hi that cover the range and 0 (torch's
// MinMaxObserver).
func (m MinMax) Affine(lo, hi int32) (scale float32, zero int32) {
	least, greatest := min(m.Least, 0), max(m.Greatest, 0)
	scale = max((greatest-least)/float32(hi-lo), leastScale)
	z := float64(lo) - math.RoundToEven(float64(least/scale))
	return scale, int32(max(float64(lo), min(z, float64(hi))))
}

// Symmetric is scale and zero for integers from lo to hi that reach as far below 0 as above: the
// furthest number over half of their range (127.5 for −128 to 127).
func (m MinMax) Symmetric(lo, hi int32) (scale float32, zero int32) {
	peak := max(-min(m.Least, 0), max(m.Greatest, 0))
	return max(peak/(float32(hi-lo)/2), leastScale), (lo + hi + 1) / 2
}
