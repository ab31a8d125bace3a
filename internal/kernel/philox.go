package kernel

import "math"

// Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as
// easy as 1, 2, 3", SC 2011, §3.3 and table 2): a keyed bijection of a 128-bit
// counter. Nothing is stored between calls and any element of a stream can be
// had alone, so a gradient draws its forward pass's numbers again and
// results do not depend on how the work is cut.
const (
	philoxM0 = 0xD2511F53
	philoxM1 = 0xCD9E8D57
	philoxW0 = 0x9E3779B9 // golden ratio
	philoxW1 = 0xBB67AE85 // √3 - 1
)

// Philox is block number block of the stream of key: four independent
// uniform words. The counter's upper 64 bits are 0.
func Philox(key, block uint64) [4]uint32 {
	return philox4x32([4]uint32{uint32(block), uint32(block >> 32)}, [2]uint32{uint32(key), uint32(key >> 32)})
}

func philox4x32(c [4]uint32, k [2]uint32) [4]uint32 {
	for range 10 {
		p0, p1 := uint64(c[0])*philoxM0, uint64(c[2])*philoxM1
		c = [4]uint32{
			uint32(p1>>32) ^ c[1] ^ k[0], uint32(p1),
			uint32(p0>>32) ^ c[3] ^ k[1], uint32(p0),
		}
		k[0] += philoxW0
		k[1] += philoxW1
	}
	return c
}

// Uint64 is number i of the stream of key: words 2(i&1) (low half) and
// 2(i&1)+1 of block i>>1.
func Uint64(key, i uint64) uint64 {
	b := Philox(key, i>>1)
	w := 2 * (i & 1)
	return uint64(b[w]) | uint64(b[w+1])<<32
}

// Uniform fills dst with numbers in [0, 1), multiples of 2⁻²⁴: the upper 24
// bits of word (offset+i)&3 of block (offset+i)>>2.
func Uniform[T Float](dst []T, key, offset uint64) {
	var b [4]uint32
	for i := range dst {
		n := offset + uint64(i)
		if i == 0 || n&3 == 0 {
			b = Philox(key, n>>2)
		}
		dst[i] = T(b[n&3]>>8) * 0x1p-24
	}
}

// Normal fills dst with standard normal numbers, by Box and Muller's
// transform in float64 of a pair of words: elements offset+i = 4b, 4b+1 are
// the cosine and sine branch of words 0 and 1 of block b, 4b+2 and 4b+3 those
// of words 2 and 3. There is no assembly: every CPU path gives the same bits.
func Normal[T Float](dst []T, key, offset uint64) {
	var b [4]uint32
	for i := range dst {
		n := offset + uint64(i)
		if i == 0 || n&3 == 0 {
			b = Philox(key, n>>2)
		}
		cos, sin := boxMuller(b[n&2], b[n&2+1])
		if n&1 == 0 {
			dst[i] = T(cos)
		} else {
			dst[i] = T(sin)
		}
	}
}

// boxMuller turns two words into two independent normal numbers. The first
// is taken in (0, 1], whose logarithm is finite.
func boxMuller(u, v uint32) (cos, sin float64) {
	r := math.Sqrt(-2 * math.Log((float64(u)+1)*0x1p-32))
	s, c := math.Sincos(2 * math.Pi * 0x1p-32 * float64(v))
	return r * c, r * s
}

// Dropout is dst[i] = x[i]/(1-p) with probability 1-p, else 0. Element i
// looks at lane (offset+i)&7 of block (offset+i)>>3 of the stream of key (a
// lane is 16 bits, the low half of a word before the high one) and is kept
// iff the lane is at least round(p·65536); forward and backward call it with
// the same key and offset, so no mask is stored. All CPU paths agree on every
// bit. Chunks are quickest at offsets that are multiples of 8.
func Dropout[T Float](dst, x []T, p float64, key, offset uint64) {
	x = x[:len(dst)]
	drop, scale := dropoutParams(p)
	switch {
	case drop == 0:
		MulS(dst, x, T(scale))
		return
	case drop > 0xffff:
		clear(dst)
		return
	}
	lo, hi := 0, 0
	if isF32[T]() {
		lo, hi = dropoutF32(f32(dst), f32(x), nil, drop, float32(scale), key, offset)
	}
	dropoutGeneric(dst[:lo], x, nil, drop, T(scale), key, offset)
	dropoutGeneric(dst[hi:], x[hi:], nil, drop, T(scale), key, offset+uint64(hi))
}

// DropoutAdd is dst[i] = residual[i] + Dropout(x)[i]; dst may be x or residual.
func DropoutAdd[T Float](dst, x, residual []T, p float64, key, offset uint64) {
	x, residual = x[:len(dst)], residual[:len(dst)]
	drop, scale := dropoutParams(p)
	switch {
	case drop == 0 && scale == 1:
		Add(dst, residual, x)
		return
	case drop > 0xffff:
		copy(dst, residual)
		return
	}
	lo, hi := 0, 0
	if isF32[T]() {
		lo, hi = dropoutF32(f32(dst), f32(x), f32(residual), drop, float32(scale), key, offset)
	}
	dropoutGeneric(dst[:lo], x, residual, drop, T(scale), key, offset)
	dropoutGeneric(dst[hi:], x[hi:], residual[hi:], drop, T(scale), key, offset+uint64(hi))
}

// DropoutPair drops the same elements of a and b, in place.
func DropoutPair[T Float](a, b []T, p float64, key, offset uint64) {
	b = b[:len(a)]
	drop, scale := dropoutParams(p)
	if !isF32[T]() || drop == 0 || drop > 0xffff {
		Dropout(a, a, p, key, offset)
		Dropout(b, b, p, key, offset)
		return
	}
	lo, hi := dropoutPairF32(f32(a), f32(b), drop, float32(scale), key, offset)
	for _, x := range [...][]T{a, b} {
		dropoutGeneric(x[:lo], x, nil, drop, T(scale), key, offset)
		dropoutGeneric(x[hi:], x[hi:], nil, drop, T(scale), key, offset+uint64(hi))
	}
}

// dropoutParams gives the smallest lane that is kept and the factor of what
// is kept. p outside [0, 1] is taken as its nearer end.
func dropoutParams(p float64) (drop uint32, scale float64) {
	p = min(max(p, 0), 1)
	return uint32(math.Round(p * 65536)), 1 / (1 - p)
}

// dropoutGeneric is the specification. residual may be nil for 0.
func dropoutGeneric[T Float](dst, x, residual []T, drop uint32, scale T, key, offset uint64) {
	var b [4]uint32
	for i := range dst {
		n := offset + uint64(i)
		if i == 0 || n&7 == 0 {
			b = Philox(key, n>>3)
		}
		var v T
		if b[n>>1&3]>>(n&1*16)&0xffff >= drop {
			v = T(x[i] * scale) // rounded here: the sum below must not fuse
		}
		if residual != nil {
			v = residual[i] + v
		}
		dst[i] = v
	}
}
