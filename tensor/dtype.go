package tensor

import "fmt"

// DType is the type of a tensor's elements.
type DType uint8

// The element types. F32 is the default; F64 runs on the portable loops only and serves gradient checks; F16 and
// BF16 are storage, widened by To; the integers are ids and masks.
const (
	F32 DType = iota
	F64
	F16
	BF16
	I32
	I64
	U8
)

var dtypes = [...]struct {
	name string
	size int
}{{"f32", 4}, {"f64", 8}, {"f16", 2}, {"bf16", 2}, {"i32", 4}, {"i64", 8}, {"u8", 1}}

func (d DType) String() string {
	if int(d) < len(dtypes) {
		return dtypes[d].name
	}
	return fmt.Sprintf("dtype(%d)", uint8(d))
}

// Size is the number of bytes of one element.
func (d DType) Size() int { return dtypes[d].size }

// Float reports whether d is F32 or F64, the types that arithmetic runs on.
func (d DType) Float() bool { return d == F32 || d == F64 }
