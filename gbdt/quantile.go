package gbdt

import (
	"cmp"
	"slices"
	"sort"
)

// quantileOf is a quantile as LightGBM takes it (PercentileFun, WeightedPercentileFun), rounded to T: of v alone by
// interpolation between the two neighbours in falling order, of weighted values by their running weight.
func quantileOf[T float32 | float64](v []T, w []float32, alpha float64) float64 {
	n := len(v)
	if n <= 1 {
		return float64(v[0])
	}
	if w != nil {
		return weightedQuantile(v, w, alpha)
	}
	v = slices.Clone(v)
	slices.SortFunc(v, func(a, b T) int { return cmp.Compare(b, a) })
	at := float64(n-1) * (1 - alpha)
	pos := int(at) + 1
	if pos >= n {
		return float64(v[n-1])
	}
	bias := at - float64(pos-1)
	return float64(T(float64(v[pos-1]) - float64(v[pos-1]-v[pos])*bias))
}

func weightedQuantile[T float32 | float64](v []T, w []float32, alpha float64) float64 {
	n := len(v)
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(v[a], v[b]) })
	cdf, sum := make([]float64, n), 0.0
	for i, j := range order {
		sum += float64(w[j])
		cdf[i] = sum
	}
	threshold := cdf[n-1] * alpha
	pos := min(sort.Search(n, func(i int) bool { return cdf[i] > threshold }), n-1)
	if pos == 0 || pos == n-1 {
		return float64(v[order[pos]])
	}
	v1, v2 := v[order[pos-1]], v[order[pos]]
	if step := cdf[pos+1] - cdf[pos]; step >= 1 {
		return float64(T((threshold-cdf[pos])/step*float64(v2-v1) + float64(v1)))
	}
	return float64(v2)
}
