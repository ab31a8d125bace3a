package tfevent

import (
	"math"
	"slices"
	"sort"
)

// Histogram is a distribution in buckets: Counts[i] values lie in (Limits[i-1], Limits[i]].
type Histogram struct {
	Min, Max, Num, Sum, SumSquares float64
	Limits, Counts                 []float64
}

// limits are TensorFlow's: from 1e-12 by steps of 1.1 to 1e20, the same negative, and the
// greatest number (tensorflow/core/lib/histogram/histogram.cc, InitDefaultBucketsInner).
func limits() []float64 {
	var positive []float64
	for v := 1e-12; v < 1e20; v *= 1.1 {
		positive = append(positive, v)
	}
	positive = append(positive, math.MaxFloat64)
	all := make([]float64, 0, 2*len(positive)+1)
	for _, v := range slices.Backward(positive) {
		all = append(all, -v)
	}
	return append(append(all, 0), positive...)
}

// count sorts the finite values into buckets and drops the empty ones at both ends, but for
// one below the first: TensorBoard draws from the limit before a bucket.
func count(values []float32) Histogram {
	h := Histogram{Min: math.Inf(1), Max: math.Inf(-1)}
	all := limits()
	counts := make([]float64, len(all))
	for _, v32 := range values {
		v := float64(v32)
		if math.IsNaN(v) || math.IsInf(v, 0) {
			continue
		}
		h.Min, h.Max = min(h.Min, v), max(h.Max, v)
		h.Num++
		h.Sum += v
		h.SumSquares += v * v
		counts[sort.SearchFloat64s(all, v)]++
	}
	if h.Num == 0 {
		return Histogram{}
	}
	first := max(0, sort.SearchFloat64s(all, h.Min)-1)
	last := sort.SearchFloat64s(all, h.Max)
	h.Limits, h.Counts = all[first:last+1], counts[first:last+1]
	return h
}
