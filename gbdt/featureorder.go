package gbdt

// featurePlaces gives each feature used its number in LightGBM, whose groups of features are shuffled
// (Dataset::Construct, FastFeatureBundling). Only extra_trees can tell: it seeds each feature's generator by that number.
// Features that are zero in most rows stand together at the end before the shuffle. LightGBM would also bundle sparse
// features that are never non-zero together; where it does, the numbers are others.
func (ds *Dataset) featurePlaces() []int {
	const denseRate = 0.4
	var groups [][]int
	var sparse []int
	for j, f := range ds.used {
		if 1-ds.mappers[f].sparseRate >= denseRate {
			groups = append(groups, []int{j})
		} else {
			sparse = append(sparse, j)
		}
	}
	if sparse != nil {
		groups = append(groups, sparse)
	}
	rng := newRandom(ds.rows)
	for i := range len(groups) - 1 {
		j := rng.short(i+1, len(groups))
		groups[i], groups[j] = groups[j], groups[i]
	}
	places, next := make([]int, len(ds.used)), 0
	for _, g := range groups {
		for _, j := range g {
			places[j] = next
			next++
		}
	}
	return places
}
