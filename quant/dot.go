package quant

import (
	"encoding/binary"
	"fmt"
)

// DotWith is the type of the activation blocks that Dot multiplies weights of type
// t with: Q8_0, Q8_1 or Q8_K, as llama.cpp pairs them. ok is false where there is
// no product of integers (F16, NVFP4, ...).
func DotWith(t Type) (activations Type, ok bool) {
	f, ok := formats[t]
	return f.with, ok && f.with != F32
}

// Dot is Σ w·a for weights w in blocks of type t and activations a in blocks of
// DotWith(t), as many elements of each: integer products within a part, one
// float32 multiplication a block, blocks added in order. It is the specification
// that faster kernels are tested against, not fast. It panics where lengths do
// not fit or the type has no such product.
//
// For Q8_K, whose sums of 16 elements come with it, the minima cost one product a
// part; for Q8_1 the sum of the block is rounded to f16, in the reference too.
func Dot(t Type, w, a []byte) float32 {
	f := formats[t]
	if _, ok := DotWith(t); !ok {
		panic(fmt.Sprintf("quant: dot: %s has no integer product", t))
	}
	n := len(w) / t.BlockBytes()
	if n*t.BlockBytes() != len(w) || n*t.Block()*f.with.BlockBytes() != len(a)*f.with.Block() {
		panic(fmt.Sprintf("quant: dot: %d bytes of %s and %d of %s are not as many elements", len(w), t, len(a), f.with))
	}
	var sum float32
	var b block
	for ; len(w) > 0; w, a = w[t.BlockBytes():], a[f.with.BlockBytes():] {
		f.unpack(&b, w)
		switch f.with {
		case Q8_0:
			scale := float32(b.d * half(binary.LittleEndian.Uint16(a)))
			sum += float32(float32(b.integers(a[2:34], f.part)) * scale)
		case Q8_1:
			scale := float32(b.d * half(binary.LittleEndian.Uint16(a)))
			rest := float32(b.dmin * half(binary.LittleEndian.Uint16(a[2:])))
			sum += float32(float32(b.integers(a[4:36], f.part))*scale) - float32(float32(b.min[0])*rest)
		case Q8_K:
			d := getFloat(a)
			sum += float32(float32(b.d*d) * float32(b.integers(a[4:260], f.part)))
			sum -= float32(float32(b.dmin*d) * float32(b.minima(a[260:292], f.part)))
		}
	}
	return sum
}

// integers is Σ scale·Σ q·a, which stays below 2²⁸: 128·32·128·256 of Q6_K is the most.
func (b *block) integers(a []byte, part int) (sum int32) {
	q := b.q[:len(a)]
	for i := 0; len(a) > 0; i++ {
		var s int32
		for j, v := range q[:part] {
			s += int32(v) * int32(int8(a[j]))
		}
		sum += b.scale[i] * s
		q, a = q[part:], a[part:]
	}
	return sum
}

// minima is Σ min·Σ a, from sums of 16.
func (b *block) minima(sums []byte, part int) (sum int32) {
	for i := range 16 {
		sum += b.min[i*16/part] * int32(int16(binary.LittleEndian.Uint16(sums[2*i:])))
	}
	return sum
}
