package gbdt

import (
	"math"
	"slices"
)

// random is LightGBM's generator (utils/random.h): x ← 214013·x + 2531011 mod 2³². Samples drawn from it are part of
// what a seed means in LightGBM, so this is kept to the letter.
type random struct{ x uint32 }

func newRandom(seed int) random { return random{uint32(int32(seed))} }

func (r *random) bits15() int {
	r.x = 214013*r.x + 2531011
	return int(r.x >> 16 & 0x7FFF)
}

func (r *random) bits31() int {
	r.x = 214013*r.x + 2531011
	return int(r.x & 0x7FFFFFFF)
}

// short draws from [lo, hi) by the 15 high bits.
func (r *random) short(lo, hi int) int { return r.bits15()%(hi-lo) + lo }

// int draws from [lo, hi).
func (r *random) int(lo, hi int) int { return r.bits31()%(hi-lo) + lo }

// float draws from [0, 1) in steps of 2⁻¹⁵.
func (r *random) float() float32 { return float32(r.bits15()) / 32768 }

// sample draws k of 0…n−1, ascending.
func (r *random) sample(n, k int) []int {
	if k > n || k <= 0 {
		return nil
	}
	out := make([]int, 0, k)
	switch {
	case k == n:
		for i := range n {
			out = append(out, i)
		}
	case k > 1 && float64(k) > float64(n)/math.Log2(float64(k)):
		for i := range n {
			if float64(r.float()) < float64(k-len(out))/float64(n-i) {
				out = append(out, i)
			}
		}
	case k <= 256: // Floyd's algorithm
		for i := n - k; i < n; i++ {
			v := r.int(0, i+1)
			at, found := slices.BinarySearch(out, v)
			if found {
				at, v = len(out), i // which is larger than all before
			}
			out = slices.Insert(out, at, v)
		}
	default: // the same for many
		seen := make(map[int]bool, k)
		for i := n - k; i < n; i++ {
			v := r.int(0, i+1)
			if seen[v] {
				v = i
			}
			seen[v] = true
			out = append(out, v)
		}
		slices.Sort(out)
	}
	return out
}
