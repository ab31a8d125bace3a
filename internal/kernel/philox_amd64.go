//go:build !purego

package kernel

import "github.com/hanji-ml/hanji/internal/cpu"

// dropoutGroup is the elements one turn of the AVX-512 loop makes: eight
// blocks of eight lanes. AVX2 makes half as many.
const dropoutGroup = 64

// dropoutF32 does the elements from lo up to hi: whole groups that begin at
// a block. residual may be nil.
func dropoutF32(dst, x, residual []float32, drop uint32, scale float32, key, offset uint64) (lo, hi int) {
	lo, hi = wholeGroups(len(dst), offset)
	keys := philoxKeys(key)
	for i := lo; i < hi; i += asmChunk {
		n, block := min(asmChunk, hi-i), (offset+uint64(i))>>3
		dst, x := dst[i:i+n], x[i:]
		switch {
		case cpu.X86.AVX512 && residual == nil:
			dropoutAVX512(dst, x, drop, scale, &keys, block)
		case cpu.X86.AVX512:
			dropoutAddAVX512(dst, x, residual[i:], drop, scale, &keys, block)
		case residual == nil:
			dropoutAVX2(dst, x, drop, scale, &keys, block)
		default:
			dropoutAddAVX2(dst, x, residual[i:], drop, scale, &keys, block)
		}
	}
	return lo, hi
}

// dropoutPairF32 is dropoutF32 of two slices in place.
func dropoutPairF32(a, b []float32, drop uint32, scale float32, key, offset uint64) (lo, hi int) {
	lo, hi = wholeGroups(len(a), offset)
	keys := philoxKeys(key)
	for i := lo; i < hi; i += asmChunk {
		n, block := min(asmChunk, hi-i), (offset+uint64(i))>>3
		if cpu.X86.AVX512 {
			dropoutPairAVX512(a[i:i+n], b[i:], drop, scale, &keys, block)
		} else {
			dropoutPairAVX2(a[i:i+n], b[i:], drop, scale, &keys, block)
		}
	}
	return lo, hi
}

// wholeGroups is the range of n elements that begins at a block and takes whole groups; empty without assembly.
func wholeGroups(n int, offset uint64) (lo, hi int) {
	lo = int(-offset & 7)
	if !useAsm() || n < lo+dropoutGroup {
		return 0, 0
	}
	return lo, lo + (n-lo)&^(dropoutGroup-1)
}

// philoxKeys are the two key words of each round.
func philoxKeys(key uint64) (keys [20]uint32) {
	k0, k1 := uint32(key), uint32(key>>32)
	for r := 0; r < 20; r += 2 {
		keys[r], keys[r+1] = k0, k1
		k0 += philoxW0
		k1 += philoxW1
	}
	return keys
}
