// Package quant knows how weights are stored in few bits: the block formats of
// GGUF (Q8_0, Q4_K, IQ4_NL, ...), and the layouts and algorithms of GPTQ, AWQ and
// INT8. It takes and gives bytes and floats; it knows no file, no tensor and no
// model, and multiplies nothing but for [Dot], which says what a product of
// blocks is.
//
//	data := make([]byte, rows*quant.Q4_K.BlockBytes()*cols/quant.Q4_K.Block())
//	err := quant.Quantize(data, weights, quant.Q4_K, quant.Options{Cols: cols})
//	err = quant.Dequantize(weights, data, quant.Q4_K)
//
// Quantize gives the bytes that llama.cpp gives: float32 arithmetic in its order
// (ggml/src/ggml-quants.c), no fused multiply-add. Every format here is a scale d
// (and for some a second one, dmin) for a block of elements, small integer scales
// for parts of it, and a small integer for each element:
//
//	value = d·scale[part]·q − dmin·min[part]
package quant

import "github.com/hanji-ml/hanji/gguf"

// Type is a storage type, a ggml id; its methods give name, elements of a block
// and bytes of a block.
type Type = gguf.Type

// The types, as package gguf lists them.
const (
	F32     = gguf.F32
	F16     = gguf.F16
	BF16    = gguf.BF16
	F64     = gguf.F64
	I8      = gguf.I8
	I16     = gguf.I16
	I32     = gguf.I32
	I64     = gguf.I64
	Q4_0    = gguf.Q4_0
	Q4_1    = gguf.Q4_1
	Q5_0    = gguf.Q5_0
	Q5_1    = gguf.Q5_1
	Q8_0    = gguf.Q8_0
	Q8_1    = gguf.Q8_1
	Q2_K    = gguf.Q2_K
	Q3_K    = gguf.Q3_K
	Q4_K    = gguf.Q4_K
	Q5_K    = gguf.Q5_K
	Q6_K    = gguf.Q6_K
	Q8_K    = gguf.Q8_K
	IQ1_S   = gguf.IQ1_S
	IQ1_M   = gguf.IQ1_M
	IQ2_XXS = gguf.IQ2_XXS
	IQ2_XS  = gguf.IQ2_XS
	IQ2_S   = gguf.IQ2_S
	IQ3_XXS = gguf.IQ3_XXS
	IQ3_S   = gguf.IQ3_S
	IQ4_NL  = gguf.IQ4_NL
	IQ4_XS  = gguf.IQ4_XS
	TQ1_0   = gguf.TQ1_0
	TQ2_0   = gguf.TQ2_0
	MXFP4   = gguf.MXFP4
	NVFP4   = gguf.NVFP4
	Q1_0    = gguf.Q1_0
	Q2_0    = gguf.Q2_0
)

// super is the elements of a block of the K and IQ types.
const super = 256

// block is one block of any format, taken apart:
// element i is d·scale[i/part]·q[i] − dmin·min[i/part].
type block struct {
	d, dmin float32
	scale   [16]int32
	min     [16]int32
	q       [super]int8
}

// format is what the block types differ in.
type format struct {
	part   int                        // elements that share an integer scale
	unpack func(b *block, src []byte) // sets every field that the format has; the others stay 0
	pack   func(dst []byte, r row)    // quantises whole rows; nil: can only be read
	with   Type                       // the activation blocks that its dot product takes; F32 for none
}

// formats has every type that is stored in blocks.
var formats = map[Type]format{
	Q4_0: {32, unpackQ4_0, packQ4_0, Q8_0},
	Q4_1: {32, unpackQ4_1, packQ4_1, Q8_1},
	Q5_0: {32, unpackQ5_0, packQ5_0, Q8_0},
	Q5_1: {32, unpackQ5_1, packQ5_1, Q8_1},
	Q8_0: {32, unpackQ8_0, packQ8_0, Q8_0},
	Q8_1: {32, unpackQ8_1, packQ8_1, F32},

	Q2_K: {16, unpackQ2_K, packQ2_K, Q8_K},
	Q3_K: {16, unpackQ3_K, packQ3_K, Q8_K},
	Q4_K: {32, unpackQ4_K, packQ4_K, Q8_K},
	Q5_K: {32, unpackQ5_K, packQ5_K, Q8_K},
	Q6_K: {16, unpackQ6_K, packQ6_K, Q8_K},
	Q8_K: {256, unpackQ8_K, packQ8_K, F32},

	IQ4_NL:  {32, unpackIQ4_NL, packIQ4_NL, Q8_0},
	IQ4_XS:  {32, unpackIQ4_XS, packIQ4_XS, Q8_K},
	IQ1_S:   {32, unpackIQ1_S, nil, Q8_K},
	IQ1_M:   {16, unpackIQ1_M, nil, Q8_K},
	IQ2_XXS: {32, unpackIQ2_XXS, nil, Q8_K},
	IQ2_XS:  {16, unpackIQ2_XS, nil, Q8_K},
	IQ2_S:   {16, unpackIQ2_S, nil, Q8_K},
	IQ3_XXS: {32, unpackIQ3_XXS, nil, Q8_K},
	IQ3_S:   {32, unpackIQ3_S, nil, Q8_K},

	TQ1_0: {256, unpackTQ1_0, packTQ1_0, Q8_K},
	TQ2_0: {256, unpackTQ2_0, packTQ2_0, Q8_K},
	MXFP4: {32, unpackMXFP4, packMXFP4, Q8_0},
	NVFP4: {16, unpackNVFP4, packNVFP4, F32},
	Q1_0:  {128, unpackQ1_0, packQ1_0, F32},
	Q2_0:  {64, unpackQ2_0, nil, F32},
}
