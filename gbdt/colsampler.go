package gbdt

// colSampler draws the features for a tree and for a node, and applies interaction constraints (col_sampler.hpp).
type colSampler struct {
	rng      random
	inner    []int32 // of the data set
	features []int32 // of the data set: those used
	byTree   float64
	byNode   float64
	groups   []map[int32]bool // interaction constraints

	treeUsed []bool // by inner feature
	drawn    []int  // places in features, drawn for the tree
	nodeUsed []bool
}

func newColSampler(ds *Dataset, o *Options) (*colSampler, error) {
	c := &colSampler{rng: newRandom(o.FeatureFractionSeed), inner: ds.inner, features: ds.used, byTree: o.FeatureFraction, byNode: o.FeatureFractionByNode,
		treeUsed: make([]bool, len(ds.used)), nodeUsed: make([]bool, len(ds.used))}
	for i := range c.treeUsed {
		c.treeUsed[i] = true
	}
	groups, err := parseInteractions(o.InteractionConstraints, len(ds.columns))
	if err != nil {
		return nil, err
	}
	c.groups = groups
	c.resetTree() // LightGBM draws once when it gets the data, before the first tree
	return c, nil
}

// share is how many of n features a fraction means: at least one.
func share(n int, fraction float64) int {
	return max(roundInt(float64(n)*fraction), min(1, n))
}

// resetTree draws the features of the next tree.
func (c *colSampler) resetTree() {
	if c.byTree >= 1 {
		return
	}
	clear(c.treeUsed)
	c.drawn = c.rng.sample(len(c.features), share(len(c.features), c.byTree))
	for _, i := range c.drawn {
		c.treeUsed[i] = true
	}
}

// node gives the features that a leaf may split on, by inner feature; branch are those above it. The slice is good
// until the next call.
func (c *colSampler) node(branch []int32, out []bool) []bool {
	allowed := c.allowed(branch)
	clear(out)
	if c.byNode >= 1 {
		for i, f := range c.features {
			out[i] = allowed == nil || allowed[f]
		}
		return out
	}
	candidates := c.drawn
	if c.byTree >= 1 {
		candidates = make([]int, len(c.features))
		for i := range candidates {
			candidates[i] = i
		}
	}
	n := share(len(candidates), c.byNode)
	if allowed != nil {
		var kept []int
		for _, i := range candidates {
			if allowed[c.features[i]] {
				kept = append(kept, i)
			}
		}
		candidates = kept
		n = min(n, len(kept))
	}
	for _, i := range c.rng.sample(len(candidates), n) {
		out[candidates[i]] = true
	}
	return out
}
