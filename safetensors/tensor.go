package safetensors

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Tensor is one named array: little-endian, C order (the last dimension varies
// fastest), without gaps.
type Tensor struct {
	Name  string
	DType DType
	Shape []int  // empty for a scalar
	Data  []byte // len = DType.Size(Shape); read-only where it comes from a File
}

// Len is the number of elements: the product of Shape, 1 for a scalar.
func (t Tensor) Len() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Check tells whether Data has the length that DType and Shape ask for.
func (t Tensor) Check() error {
	size, err := t.DType.Size(t.Shape)
	if err != nil {
		return fmt.Errorf("tensor %q: %w", clip(t.Name), err)
	}
	if size != len(t.Data) {
		return fmt.Errorf("tensor %q: %s %v takes %d bytes, has %d", clip(t.Name), t.DType, clipShape(t.Shape), size, len(t.Data))
	}
	return nil
}

// Float32s returns the elements as float32, in a new slice. F32, F16, BF16, the
// 8-bit floats, BOOL (0 or 1) and the 8- and 16-bit integers keep their value
// exactly, NaN payloads of F32 too; F64 and wider integers are rounded to the
// nearest. Complex numbers and types under 8 bits are an error.
func (t Tensor) Float32s() ([]float32, error) {
	if err := t.Check(); err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	if t.DType == F32 {
		out := make([]float32, len(t.Data)/4)
		for i := range out {
			out[i] = math.Float32frombits(binary.LittleEndian.Uint32(t.Data[4*i:]))
		}
		return out, nil
	}
	return convert(t, func(v float64) float32 { return float32(v) }, func(v int64) float32 { return float32(v) }, func(v uint64) float32 { return float32(v) })
}

// Float64s is Float32s in float64: exact for everything but I64 and U64 beyond
// ±2^53, which are rounded to the nearest.
func (t Tensor) Float64s() ([]float64, error) {
	return convert(t, func(v float64) float64 { return v }, func(v int64) float64 { return float64(v) }, func(v uint64) float64 { return float64(v) })
}

// Int64s returns the elements of an integer or BOOL tensor, in a new slice.
// Floats, and U64 values above the largest int64, are an error.
func (t Tensor) Int64s() ([]int64, error) {
	switch t.DType {
	case Bool, U8, I8, U16, I16, U32, I32, U64, I64:
	default:
		return nil, fmt.Errorf("safetensors: tensor %q: %s is no integer type", clip(t.Name), t.DType)
	}
	large := -1
	i := 0
	out, err := convert(t, func(float64) int64 { return 0 }, func(v int64) int64 { return v }, func(v uint64) int64 {
		if v > math.MaxInt64 && large < 0 {
			large = i
		}
		i++
		return int64(v)
	})
	if err == nil && large >= 0 {
		return nil, fmt.Errorf("safetensors: tensor %q: element %d is %d, more than an int64 holds", clip(t.Name), large, uint64(out[large]))
	}
	return out, err
}

// convert decodes every element and passes it on as the widest number of its
// kind. Each kind of float fits float64 exactly.
func convert[T any](t Tensor, float func(float64) T, signed func(int64) T, unsigned func(uint64) T) ([]T, error) {
	if err := t.Check(); err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	le, b := binary.LittleEndian, t.Data
	each := func(size int, f func(b []byte) T) []T {
		out := make([]T, len(b)/size)
		for i := range out {
			out[i] = f(b[i*size:])
		}
		return out
	}
	switch t.DType {
	case F32:
		return each(4, func(b []byte) T { return float(float64(math.Float32frombits(le.Uint32(b)))) }), nil
	case F64:
		return each(8, func(b []byte) T { return float(math.Float64frombits(le.Uint64(b))) }), nil
	case F16:
		return each(2, func(b []byte) T { return float(float64(half(le.Uint16(b)))) }), nil
	case BF16:
		return each(2, func(b []byte) T { return float(float64(math.Float32frombits(uint32(le.Uint16(b)) << 16))) }), nil
	case F8E5M2:
		return each(1, func(b []byte) T { return float(float64(half(uint16(b[0]) << 8))) }), nil // the upper byte of a half
	case F8E4M3:
		return each(1, func(b []byte) T { return float(e4m3(b[0])) }), nil
	case F8E8M0:
		return each(1, func(b []byte) T { return float(e8m0(b[0])) }), nil
	case Bool:
		return each(1, func(b []byte) T {
			if b[0] != 0 {
				return unsigned(1)
			}
			return unsigned(0)
		}), nil
	case U8:
		return each(1, func(b []byte) T { return unsigned(uint64(b[0])) }), nil
	case I8:
		return each(1, func(b []byte) T { return signed(int64(int8(b[0]))) }), nil
	case U16:
		return each(2, func(b []byte) T { return unsigned(uint64(le.Uint16(b))) }), nil
	case I16:
		return each(2, func(b []byte) T { return signed(int64(int16(le.Uint16(b)))) }), nil
	case U32:
		return each(4, func(b []byte) T { return unsigned(uint64(le.Uint32(b))) }), nil
	case I32:
		return each(4, func(b []byte) T { return signed(int64(int32(le.Uint32(b)))) }), nil
	case U64:
		return each(8, func(b []byte) T { return unsigned(le.Uint64(b)) }), nil
	case I64:
		return each(8, func(b []byte) T { return signed(int64(le.Uint64(b))) }), nil
	}
	return nil, fmt.Errorf("safetensors: tensor %q: no conversion from %s", clip(t.Name), t.DType)
}

// half widens an IEEE 754 binary16.
func half(h uint16) float32 {
	sign := uint32(h>>15) << 31
	exp, man := uint32(h>>10&0x1f), uint32(h&0x3ff)
	switch exp {
	case 0: // zero and subnormal: man × 2^-24, exact in float32
		v := float32(man) * 0x1p-24
		return math.Float32frombits(math.Float32bits(v) | sign)
	case 0x1f:
		return math.Float32frombits(sign | 0xff<<23 | man<<13)
	}
	return math.Float32frombits(sign | (exp+127-15)<<23 | man<<13)
}

// e4m3 widens the finite 8-bit float of Micikevicius et al., "FP8 Formats for
// Deep Learning", 2022, table 1: bias 7, S.1111.111 is NaN, nothing is infinite.
func e4m3(b byte) float64 {
	exp, man := int(b>>3&0xf), float64(b&7)
	v := math.Ldexp(1+man/8, exp-7)
	if exp == 0 {
		v = man * 0x1p-9
	}
	if b&0x7f == 0x7f {
		v = math.NaN()
	}
	if b&0x80 != 0 {
		v = math.Copysign(v, -1)
	}
	return v
}

// e8m0 widens the scale type of OCP Microscaling Formats 1.0, §5.4.1.
func e8m0(b byte) float64 {
	if b == 0xff {
		return math.NaN()
	}
	return math.Ldexp(1, int(b)-127)
}
