package kernel

import (
	"encoding/binary"
	"math"
	"unsafe"
)

// Q8Bytes is what n numbers take as blocks of Q8_0: 34 bytes for 32, a float16 d and q int8, each worth d·q (ggml-common.h,
// block_q8_0). n is a multiple of 32.
func Q8Bytes(n int) int { return n / qUnit * (2 + qUnit) }

// F32ToQ8 rounds src to blocks of Q8_0, as weights and activations are: d = max|x|/127, q to the nearest, halves away from
// zero. An element errs by half of d, and by 127/2048 of it where d is rounded.
func F32ToQ8(dst []byte, src []float32) {
	dst = dst[:Q8Bytes(len(src))]
	for ; len(src) > 0; src, dst = src[qUnit:], dst[2+qUnit:] {
		d, _ := roundQ8(dst[2:], src[:qUnit])
		binary.LittleEndian.PutUint16(dst, f32ToF16Bits(d))
	}
}

// roundQ8 rounds 32 numbers to q and gives d and Σq.
func roundQ8(q []byte, x []float32) (d float32, sum int32) {
	q, x = q[:qUnit], x[:qUnit]
	id := float32(0)
	if d = largest(x) / 127; d > 0 {
		id = 1 / d
	}
	for i, v := range x {
		v = float32(v * id)
		v += float32(math.Copysign(0.5, float64(v)))
		b := int32(v) // towards zero
		q[i] = byte(b)
		sum += b
	}
	return d, sum
}

// Q8ToF32 is the numbers that blocks of Q8_0 stand for; exact.
func Q8ToF32(dst []float32, src []byte) {
	src = src[:Q8Bytes(len(dst))]
	if len(dst) == 0 || widenQ80(&dst[0], &src[0], len(dst)/qUnit) {
		return
	}
	for ; len(dst) > 0; dst, src = dst[qUnit:], src[2+qUnit:] {
		d := leFloat16(src)
		for i, q := range src[2 : 2+qUnit] {
			dst[i] = d * float32(int8(q))
		}
	}
}

// Prefetch asks the processor for memory that will be read soon, in any type of elements.
func Prefetch[T any](x []T) {
	var one T
	if n := (len(x)*int(unsafe.Sizeof(one)) + 63) / 64; n > 0 {
		prefetch((*byte)(unsafe.Pointer(unsafe.SliceData(x))), n)
	}
}
