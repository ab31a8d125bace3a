package gbdt

import (
	"math/bits"
	"slices"
)

// Exclusive feature bundling (Ke et al. 2017, LightGBM: A Highly Efficient Gradient Boosting Decision Tree, §4): features that are
// hardly ever out of their most frequent bin in the same row share a column of bins. Which do is found greedily from the rows that
// bins are made from (algorithm 3), as in Dataset::Construct, FastFeatureBundling and FindGroups of LightGBM.

// taken are the sampled rows in which a feature is out of its most frequent bin: a list or, where that is smaller, bits. Neither
// means all rows.
type taken struct {
	count int
	rows  []int32
	bits  []uint64
}

// newTaken finds the rows of a sample that a feature has taken.
func newTaken(m *binMapper, sampled int, c *sampledColumn) taken {
	if m.defaultBin == m.mostFreqBin && len(c.values) == sampled {
		return taken{count: sampled}
	}
	if !c.gaps {
		c.noteRows()
	}
	rows := c.rows
	if m.defaultBin != m.mostFreqBin {
		if rows = otherRows(m, sampled, c); rows == nil { // a quirk of the reference
			rows = c.rows
		}
	}
	t := taken{count: len(rows)}
	switch {
	case len(rows) == sampled:
	case len(rows) > sampled/32:
		t.bits = make([]uint64, (sampled+63)/64)
		mark(t.bits, rows)
	default:
		t.rows = slices.Clone(rows)
	}
	return t
}

// otherRows gives the rows whose value, zero or not, is not in the most frequent bin (FixSampleIndices). Another quirk: by then
// finding bins has sorted the values, so they are not those rows' own.
func otherRows(m *binMapper, sampled int, c *sampledColumn) (out []int32) {
	at := 0
	for i := range int32(sampled) {
		zero := at == len(c.rows) || c.rows[at] != i
		if zero || m.bin(c.values[at]) != m.mostFreqBin {
			out = append(out, i)
		}
		at += boolIndex(!zero)
	}
	return out
}

func mark(marks []uint64, rows []int32) {
	for _, r := range rows {
		marks[r/64] |= 1 << (r % 64)
	}
}

// bundle is a growing set of features.
type bundle struct {
	features []int32  // places among those used
	used     int      // sampled rows in which some feature is out of its most frequent bin
	marks    []uint64 // rows taken, as bits; see bundler.marks
	marked   int      // how many of the features are in marks: they are rarely looked at where features are dense
}

// featureGroup are features that LightGBM keeps together: in one column, or many, each with its own values.
type featureGroup struct {
	features []int32
	many     bool
}

// bundler finds bundles.
type bundler struct {
	rows    int     // of the data set, the seed
	sampled int     // rows
	taken   []taken // by feature used
	nonzero []int   // sampled values that are not zero, by feature used
	sparse  bool    // is_enable_sparse
}

// limit is how many conflicts a bundle may have.
func (b *bundler) limit() int { return b.sampled / 10000 }

// groups gives the groups in LightGBM's order: found in the order of features or, if that makes fewer, by falling number of
// values, and shuffled.
func (b *bundler) groups() []featureGroup {
	order := make([]int32, len(b.taken))
	for i := range order {
		order[i] = int32(i)
	}
	groups := b.find(order)
	slices.SortStableFunc(order, func(x, y int32) int { return b.nonzero[y] - b.nonzero[x] })
	if other := b.find(order); len(other) < len(groups) {
		groups = other
	}
	rng := newRandom(b.rows)
	for i := range len(groups) - 1 {
		j := rng.short(i+1, len(groups))
		groups[i], groups[j] = groups[j], groups[i]
	}
	return groups
}

// find puts one feature after another into a bundle that has room for it.
func (b *bundler) find(order []int32) []featureGroup {
	const searched = 100 // bundles looked at for a feature
	rng := newRandom(b.rows)
	var bundles []bundle
	var totals []int // values of each bundle
	var open, look []int
	for _, j := range order {
		n := b.taken[j].count
		open, look = open[:0], look[:0]
		for g, total := range totals {
			if total+n <= b.sampled+b.limit() {
				open = append(open, g)
			}
		}
		if last := len(open) - 1; last >= 0 {
			look = append(look, open[last])
			for _, i := range rng.sample(last, min(last, searched-1)) {
				look = append(look, open[i])
			}
		}
		into, conflicts := -1, 0
		for _, g := range look {
			rest := b.limit() - totals[g] + bundles[g].used
			if c := b.conflicts(&bundles[g], j, min(rest, n/2)); c >= 0 {
				into, conflicts = g, c
				break
			}
		}
		if into < 0 {
			into = len(bundles)
			bundles, totals = append(bundles, bundle{}), append(totals, 0)
		}
		bundles[into].features = append(bundles[into].features, j)
		bundles[into].used += n - conflicts
		totals[into] += n
	}
	return b.collectSparse(bundles)
}

// collectSparse dissolves bundles that leave most rows empty into one group.
func (b *bundler) collectSparse(bundles []bundle) []featureGroup {
	const dense = 0.4
	var groups []featureGroup
	var rest []int32
	for i := range bundles {
		if b.sparse && float64(bundles[i].used)/float64(b.sampled) < dense {
			rest = append(rest, bundles[i].features...)
		} else {
			groups = append(groups, featureGroup{features: bundles[i].features})
		}
	}
	if rest == nil {
		return groups
	}
	all, conflicts := bundle{}, 0
	last := featureGroup{features: rest}
	for _, j := range rest {
		c := b.conflicts(&all, j, b.limit()-conflicts)
		if last.many = c < 0; last.many {
			break
		}
		conflicts += c
		all.features = append(all.features, j)
	}
	return append(groups, last)
}

// conflicts counts the rows that a feature has in common with a bundle; −1 if there are more than most.
func (b *bundler) conflicts(g *bundle, j int32, most int) int {
	if most < 0 {
		return -1
	}
	t, marks, n := &b.taken[j], b.marks(g), 0
	if t.rows != nil || t.count == 0 {
		for _, r := range t.rows {
			if n += int(marks[r/64] >> (r % 64) & 1); n > most {
				return -1
			}
		}
		return n
	}
	for i, w := range marks {
		if t.bits != nil {
			w &= t.bits[i]
		}
		if n += bits.OnesCount64(w); n > most {
			return -1
		}
	}
	return n
}

// marks gives the rows that a bundle has taken, as bits.
func (b *bundler) marks(g *bundle) []uint64 {
	if len(g.features) == 1 && b.taken[g.features[0]].bits != nil {
		return b.taken[g.features[0]].bits
	}
	if g.marks == nil {
		g.marks = make([]uint64, (b.sampled+63)/64)
	}
	for ; g.marked < len(g.features); g.marked++ {
		switch t := &b.taken[g.features[g.marked]]; {
		case t.rows != nil || t.count == 0:
			mark(g.marks, t.rows)
		case t.bits != nil:
			for i, w := range t.bits {
				g.marks[i] |= w
			}
		default:
			for i := range b.sampled {
				g.marks[i/64] |= 1 << (i % 64)
			}
		}
	}
	return g.marks
}
