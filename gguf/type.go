package gguf

import (
	"fmt"
	"math/bits"
	"strings"
)

// Type is how a tensor's elements are stored: plain numbers, or blocks of
// numbers that share a scale. The values are ggml's ids, as in the file.
type Type uint32

// All types of the format (ggml/include/ggml.h, enum ggml_type; the ids between
// them belonged to types that were given up). What their bytes mean is package
// quant's business.
const (
	F32     Type = 0
	F16     Type = 1 // IEEE half
	Q4_0    Type = 2
	Q4_1    Type = 3
	Q5_0    Type = 6
	Q5_1    Type = 7
	Q8_0    Type = 8
	Q8_1    Type = 9
	Q2_K    Type = 10
	Q3_K    Type = 11
	Q4_K    Type = 12
	Q5_K    Type = 13
	Q6_K    Type = 14
	Q8_K    Type = 15
	IQ2_XXS Type = 16
	IQ2_XS  Type = 17
	IQ3_XXS Type = 18
	IQ1_S   Type = 19
	IQ4_NL  Type = 20
	IQ3_S   Type = 21
	IQ2_S   Type = 22
	IQ4_XS  Type = 23
	I8      Type = 24
	I16     Type = 25
	I32     Type = 26
	I64     Type = 27
	F64     Type = 28
	IQ1_M   Type = 29
	BF16    Type = 30 // upper half of a float32
	TQ1_0   Type = 34
	TQ2_0   Type = 35
	MXFP4   Type = 39
	NVFP4   Type = 40
	Q1_0    Type = 41
	Q2_0    Type = 42
)

// types gives each id its name, the elements of a block and the bytes they take
// (ggml/src/ggml-common.h, sizes of the block structs).
var types = map[Type]struct {
	name         string
	block, bytes int
}{
	F32: {"F32", 1, 4}, F16: {"F16", 1, 2}, BF16: {"BF16", 1, 2}, F64: {"F64", 1, 8},
	I8: {"I8", 1, 1}, I16: {"I16", 1, 2}, I32: {"I32", 1, 4}, I64: {"I64", 1, 8},
	Q4_0: {"Q4_0", 32, 18}, Q4_1: {"Q4_1", 32, 20}, Q5_0: {"Q5_0", 32, 22}, Q5_1: {"Q5_1", 32, 24},
	Q8_0: {"Q8_0", 32, 34}, Q8_1: {"Q8_1", 32, 36},
	Q2_K: {"Q2_K", 256, 84}, Q3_K: {"Q3_K", 256, 110}, Q4_K: {"Q4_K", 256, 144}, Q5_K: {"Q5_K", 256, 176},
	Q6_K: {"Q6_K", 256, 210}, Q8_K: {"Q8_K", 256, 292},
	IQ2_XXS: {"IQ2_XXS", 256, 66}, IQ2_XS: {"IQ2_XS", 256, 74}, IQ2_S: {"IQ2_S", 256, 82},
	IQ3_XXS: {"IQ3_XXS", 256, 98}, IQ3_S: {"IQ3_S", 256, 110},
	IQ1_S: {"IQ1_S", 256, 50}, IQ1_M: {"IQ1_M", 256, 56},
	IQ4_NL: {"IQ4_NL", 32, 18}, IQ4_XS: {"IQ4_XS", 256, 136},
	TQ1_0: {"TQ1_0", 256, 54}, TQ2_0: {"TQ2_0", 256, 66},
	MXFP4: {"MXFP4", 32, 17}, NVFP4: {"NVFP4", 64, 36},
	Q1_0: {"Q1_0", 128, 18}, Q2_0: {"Q2_0", 64, 18},
}

// ParseType finds a type by its name, in upper or lower case.
func ParseType(name string) (Type, error) {
	for t, info := range types {
		if strings.EqualFold(info.name, name) {
			return t, nil
		}
	}
	return 0, fmt.Errorf("gguf: type %q is not known", clip(name))
}

// String is the type's name, such as "Q4_K"; "type 99" for an unknown one.
func (t Type) String() string {
	if info, ok := types[t]; ok {
		return info.name
	}
	return fmt.Sprintf("type %d", uint32(t))
}

// Known tells whether the type is one of the format.
func (t Type) Known() bool { _, ok := types[t]; return ok }

// Block is the number of elements that are stored together: 1 for plain numbers,
// 32 or 256 for most others; 0 for an unknown type.
func (t Type) Block() int { return types[t].block }

// BlockBytes is the number of bytes of one block; 0 for an unknown type.
func (t Type) BlockBytes() int { return types[t].bytes }

// Size is the number of bytes that a tensor of this type and shape takes; the
// last dimension is the one that is stored in blocks. An unknown type, more than
// four dimensions, a negative one, a last one that is no multiple of the block,
// and a product that overflows are errors.
func (t Type) Size(shape []int) (int, error) {
	info, ok := types[t]
	if !ok {
		return 0, fmt.Errorf("%s is not known", t)
	}
	if len(shape) > maxDims {
		return 0, fmt.Errorf("has %d dimensions, at most %d are allowed", len(shape), maxDims)
	}
	row := 1
	if len(shape) > 0 {
		row = shape[len(shape)-1]
	}
	if row%info.block != 0 {
		return 0, fmt.Errorf("shape %v: rows of %d are no multiple of the %d elements of a %s block", shape, row, info.block, t)
	}
	// As in the reference the elements must be countable, even where blocks are
	// smaller than they; a zero dimension does not excuse the others.
	n, zero := uint64(1), false
	for _, dim := range shape {
		if dim < 0 {
			return 0, fmt.Errorf("shape %v has a negative dimension", shape)
		}
		if dim == 0 {
			zero = true
			continue
		}
		hi, lo := bits.Mul64(n, uint64(dim))
		if hi != 0 || lo >= 1<<63-1 {
			return 0, fmt.Errorf("shape %v overflows", shape)
		}
		n = lo
	}
	if zero {
		return 0, nil
	}
	hi, total := bits.Mul64(n/uint64(info.block), uint64(info.bytes))
	if hi != 0 || total > uint64(maxInt) {
		return 0, fmt.Errorf("shape %v of %s overflows", shape, t)
	}
	return int(total), nil
}

const (
	maxDims = 4 // ggml.h, GGML_MAX_DIMS
	maxInt  = int(^uint(0) >> 1)
)

// clip shortens text from a file before it goes into an error.
func clip(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return s[:most] + "..."
}
