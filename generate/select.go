package generate

import "math"

// The tail filters need "the k largest" or "the largest with this mass" of 10⁵ logits. A sort costs milliseconds; a
// radix selection over the bits of the float needs three passes whatever the data: eleven bits, eleven, ten, each
// pass looking only into the bucket where the bound fell.

const buckets = 1 << 11

// ordered maps a float to bits that sort as it does. Adding 0 makes -0 and 0 one; no branch, for signs are random. The
// order of NaN is defined but of no use.
func ordered(x float32) uint32 {
	b := math.Float32bits(x + 0)
	return b ^ (uint32(int32(b)>>31) | 1<<31)
}

func unordered(k uint32) float32 {
	if k>>31 != 0 {
		return math.Float32frombits(k &^ (1 << 31))
	}
	return math.Float32frombits(^k)
}

// bound tells which elements were selected: all above value, and the first ties of those that equal it.
type bound struct {
	value float32
	ties  int
}

// fewest is the largest k for which largest goes through the data once, keeping the best in a buffer on the stack.
const fewest = 256

// largest selects the k largest of x, 1 ≤ k ≤ len(x).
func largest(x []float32, k int) bound {
	if k > fewest {
		return radixLargest(x, k)
	}
	var buffer [4 * fewest]float32
	best, least := buffer[:0], float32(math.Inf(-1))
	for _, v := range x {
		if v <= least && len(best) >= k {
			continue
		}
		if best = append(best, v); len(best) == len(buffer) {
			b := radixLargest(best, k)
			best, least = b.keep(best), b.value
		}
	}
	return radixLargest(best, k)
}

// keep moves what was selected to the front.
func (b bound) keep(x []float32) []float32 {
	n := 0
	for _, v := range x {
		if v < b.value || v == b.value && b.ties == 0 {
			continue
		}
		if v == b.value {
			b.ties--
		}
		x[n] = v
		n++
	}
	return x[:n]
}

func radixLargest(x []float32, k int) bound {
	var prefix, mask uint32
	for _, shift := range [...]uint{21, 10, 0} {
		var count [buckets]int32
		width := uint32(buckets - 1)
		if shift == 0 {
			width = 1<<10 - 1
		}
		for _, v := range x {
			if o := ordered(v); o&mask == prefix {
				count[o>>shift&width]++
			}
		}
		b := width
		for ; b > 0 && int(count[b]) < k; b-- {
			k -= int(count[b])
		}
		prefix |= b << shift
		mask |= width << shift
	}
	return bound{unordered(prefix), k}
}

// heaviest selects the fewest of the largest of x whose weights add up to at least mass; all of them, if rounding
// leaves the sum below. Equal elements must have equal weights. It selects at least one.
func heaviest(x, weight []float32, mass float64) bound {
	weight = weight[:len(x)]
	var prefix, mask uint32
	for _, shift := range [...]uint{21, 10, 0} {
		var sum [buckets]float64
		var count [buckets]int32
		width := uint32(buckets - 1)
		if shift == 0 {
			width = 1<<10 - 1
		}
		for i, v := range x {
			if o := ordered(v); o&mask == prefix {
				sum[o>>shift&width] += float64(weight[i])
				count[o>>shift&width]++
			}
		}
		b, last := width, width
		for ; ; b-- {
			if count[b] > 0 {
				last = b
				if sum[b] >= mass {
					break
				}
			}
			mass -= sum[b]
			if b == 0 { // rounding: nothing reaches the mass
				b, mass = last, math.Inf(1)
				break
			}
		}
		prefix |= b << shift
		mask |= width << shift
		if shift == 0 {
			if each := sum[b] / float64(count[b]); mass > each {
				return bound{unordered(prefix), int(min(math.Ceil(mass/each), math.MaxInt32))}
			}
		}
	}
	return bound{unordered(prefix), 1}
}

// widen gives the bound that lets at least keep elements through.
func (b bound) widen(x []float32, keep int) bound {
	if keep <= 1 {
		return b
	}
	k := largest(x, min(keep, len(x)))
	if k.value < b.value || k.value == b.value && k.ties > b.ties {
		return k
	}
	return b
}

// cut removes from x what was not selected.
func (b bound) cut(x []float32) {
	for i, v := range x {
		if v > b.value {
			continue
		}
		if v == b.value && b.ties > 0 {
			b.ties--
			continue
		}
		x[i] = negInf
	}
}
