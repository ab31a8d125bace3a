package gbdt

import "fmt"

// cegb makes splits pay for the features that a prediction will have to fetch (cost-effective gradient boosting, Peter
// et al. 2017). A nil one costs nothing. With lazy costs and a bag of at most half the rows LightGBM confuses the rows
// of one bag with those of another; here a row is paid for once.
type cegb struct {
	l            *learner
	tradeoff     float64
	perSplit     float64
	coupled      []float64 // by feature, once for the whole model
	lazy         []float64 // by feature, once for each row
	bought       []bool    // features already split on
	boughtForRow [][]uint64
	splits       [][]splitInfo // by leaf and feature, gains before costs
}

func newCEGB(l *learner) (*cegb, error) {
	o := l.o
	if o.CEGBTradeoff >= 1 && o.CEGBPenaltySplit <= 0 && o.CEGBPenaltyFeatureCoupled == nil && o.CEGBPenaltyFeatureLazy == nil {
		return nil, nil
	}
	for name, list := range map[string][]float64{"coupled": o.CEGBPenaltyFeatureCoupled, "lazy": o.CEGBPenaltyFeatureLazy} {
		if list != nil && len(list) != len(l.ds.columns) {
			return nil, fmt.Errorf("gbdt: cegb_penalty_feature_%s has %d entries for %d features", name, len(list), len(l.ds.columns))
		}
	}
	features := len(l.ds.used)
	c := &cegb{l: l, tradeoff: o.CEGBTradeoff, perSplit: o.CEGBPenaltySplit, coupled: o.CEGBPenaltyFeatureCoupled, lazy: o.CEGBPenaltyFeatureLazy,
		bought: make([]bool, features), splits: make([][]splitInfo, o.NumLeaves)}
	for i := range c.splits {
		c.splits[i] = make([]splitInfo, features)
	}
	if c.lazy != nil {
		c.boughtForRow = make([][]uint64, features)
		for f := range c.boughtForRow {
			c.boughtForRow[f] = make([]uint64, (l.ds.rows+63)/64)
		}
	}
	return c, nil
}

func (c *cegb) begin() {
	if c == nil {
		return
	}
	for _, list := range c.splits {
		for i := range list {
			list[i].reset()
		}
	}
}

// delta is what a split of a leaf costs.
func (c *cegb) delta(f, leaf int32, count int, s *splitInfo) float64 {
	cost := c.tradeoff * c.perSplit * float64(count)
	if c.coupled != nil && !c.bought[f] {
		cost += c.tradeoff * c.coupled[s.feature]
	}
	if c.lazy != nil {
		total := 0.0
		for _, row := range c.l.part.leaf(leaf) {
			if c.boughtForRow[f][row/64]>>(row%64)&1 == 0 {
				total += c.lazy[s.feature]
			}
		}
		cost += c.tradeoff * total
	}
	c.splits[leaf][f].set(s)
	return cost
}

// update notes that a leaf is split: its feature is paid for from now on, so splits of other leaves get cheaper.
func (c *cegb) update(leaf int32, s *splitInfo) {
	if c == nil {
		return
	}
	f := s.inner
	if c.coupled != nil && !c.bought[f] {
		c.bought[f] = true
		for i := range int32(c.l.tree.numLeaves) {
			if i == leaf {
				continue
			}
			other := &c.splits[i][f]
			other.gain += c.tradeoff * c.coupled[s.feature]
			if best := &c.l.best[i]; best.gain > minScore && other.better(best) {
				best.set(other)
			}
		}
	}
	if c.lazy != nil {
		for _, row := range c.l.part.leaf(leaf) {
			c.boughtForRow[f][row/64] |= 1 << (row % 64)
		}
	}
}
