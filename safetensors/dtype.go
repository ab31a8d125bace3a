package safetensors

import (
	"fmt"
	"math/bits"
)

// DType is the type of a tensor's elements, written as in the file's header.
type DType string

// All element types of the format (safetensors/src/tensor.rs, enum Dtype).
const (
	Bool    DType = "BOOL"    // one byte, 0 or 1
	F4      DType = "F4"      // 4 bits: OCP MX E2M1, two in a byte
	F6E2M3  DType = "F6_E2M3" // 6 bits: OCP MX, four in three bytes
	F6E3M2  DType = "F6_E3M2" // 6 bits: OCP MX, four in three bytes
	U8      DType = "U8"
	I8      DType = "I8"
	F8E5M2  DType = "F8_E5M2" // 8 bits: 5 exponent, 2 mantissa, with infinities
	F8E4M3  DType = "F8_E4M3" // 8 bits: 4 exponent, 3 mantissa, largest ±448, no infinities ("fn")
	F8E8M0  DType = "F8_E8M0" // 8 bits of exponent: 2^(b-127), 255 = NaN
	I16     DType = "I16"
	U16     DType = "U16"
	F16     DType = "F16"  // IEEE half
	BF16    DType = "BF16" // upper half of a float32
	I32     DType = "I32"
	U32     DType = "U32"
	F32     DType = "F32"
	Complex DType = "C64" // two float32: real, imaginary
	F64     DType = "F64"
	I64     DType = "I64"
	U64     DType = "U64"
)

// dtypes in the order of the reference's enum, which is the order its writer
// sorts by (descending): by size, and within a size as listed.
var dtypes = []struct {
	DType
	bits int
}{
	{Bool, 8}, {F4, 4}, {F6E2M3, 6}, {F6E3M2, 6}, {U8, 8}, {I8, 8}, {F8E5M2, 8}, {F8E4M3, 8}, {F8E8M0, 8},
	{I16, 16}, {U16, 16}, {F16, 16}, {BF16, 16}, {I32, 32}, {U32, 32}, {F32, 32},
	{Complex, 64}, {F64, 64}, {I64, 64}, {U64, 64},
}

// rank is the position in dtypes, -1 for what is no type of the format.
func (d DType) rank() int {
	for i, t := range dtypes {
		if t.DType == d {
			return i
		}
	}
	return -1
}

// Bits is the size of one element in bits; 0 for an unknown type.
func (d DType) Bits() int {
	if i := d.rank(); i >= 0 {
		return dtypes[i].bits
	}
	return 0
}

// Size is the number of bytes that a tensor of this type and shape takes. An
// unknown type, a negative dimension, a product that overflows, and elements of
// 4 or 6 bits that do not fill whole bytes are errors.
func (d DType) Size(shape []int) (int, error) {
	size := d.Bits()
	if size == 0 {
		return 0, fmt.Errorf("dtype %q is not known", clip(string(d)))
	}
	n := uint64(1)
	for _, dim := range shape {
		if dim < 0 {
			return 0, fmt.Errorf("shape %v has a negative dimension", clipShape(shape))
		}
		hi, lo := bits.Mul64(n, uint64(dim))
		if hi != 0 {
			return 0, fmt.Errorf("shape %v overflows", clipShape(shape))
		}
		n = lo
	}
	hi, total := bits.Mul64(n, uint64(size))
	if hi != 0 || total/8 > uint64(maxInt) {
		return 0, fmt.Errorf("shape %v of %s overflows", clipShape(shape), d)
	}
	if total%8 != 0 {
		return 0, fmt.Errorf("shape %v of %s does not fill whole bytes", clipShape(shape), d)
	}
	return int(total / 8), nil
}

const maxInt = int(^uint(0) >> 1)

// clip shortens text from a file before it goes into an error.
func clip(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return s[:most] + "..."
}

func clipShape(shape []int) string {
	const most = 12
	if len(shape) <= most {
		return fmt.Sprint(shape)
	}
	s := fmt.Sprint(shape[:most])
	return fmt.Sprintf("%s ... %d dimensions]", s[:len(s)-1], len(shape))
}
