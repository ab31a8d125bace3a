package gbdt

import (
	"math"
	"slices"
)

// sortFloats sorts numbers that are not NaN, by radix where there are many: a sample of 200,000 values is sorted for
// every feature. Digits that are the same in all values cost nothing, as the low ones of numbers that were float32.
func sortFloats(v []float64) {
	if len(v) < 1<<10 {
		slices.Sort(v)
		return
	}
	keys, other := make([]uint64, len(v)), make([]uint64, len(v))
	var counts [8][256]int32
	for i, x := range v {
		k := math.Float64bits(x)
		if k>>63 != 0 { // negative: larger bits are smaller numbers
			k = ^k
		} else {
			k |= 1 << 63
		}
		keys[i] = k
		for d := range counts {
			counts[d][uint8(k>>(8*d))]++
		}
	}
	for d := range counts {
		c := &counts[d]
		if int(c[uint8(keys[0]>>(8*d))]) == len(keys) {
			continue
		}
		sum := int32(0)
		for b, n := range c {
			c[b] = sum
			sum += n
		}
		for _, k := range keys {
			b := uint8(k >> (8 * d))
			other[c[b]] = k
			c[b]++
		}
		keys, other = other, keys
	}
	for i, k := range keys {
		if k>>63 != 0 {
			k &^= 1 << 63
		} else {
			k = ^k
		}
		v[i] = math.Float64frombits(k)
	}
}
