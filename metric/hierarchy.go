package metric

import (
	"cmp"
	"slices"
)

// Level is one way to add bottom series up: those with the same key are summed.
type Level struct {
	Name string
	// Key names the group of each bottom series [series].
	Key []string
}

// WRMSSEScore is the outcome of [WRMSSE]: the score and what it is made of.
type WRMSSEScore struct {
	Score  float64 // mean over the levels
	Levels []LevelScore
}

// LevelScore is the weighted mean RMSSE of one level.
type LevelScore struct {
	Name   string
	Score  float64
	Groups []GroupScore // by key, ascending
}

// GroupScore is one summed series: its share of the level's sales and its RMSSE.
type GroupScore struct {
	Key           string
	Weight, RMSSE float64
}

// WRMSSE is the score of the M5 accuracy competition (M5 guide, 2020): the series of every level are summed, scored with
// [RMSSE] (m = 1, history from its first non-zero value), averaged with their share of value, and the levels count the
// same. train[s], y[s] and f[s] are history, outcome and forecast of bottom series s, of one length each; value[s] is its
// weight, in M5 the dollar sales of the last 28 days of history.
// A group that never sold has no scale: if its weight is 0 too, as it is in M5, it is left out of the score.
func WRMSSE(train, y, f [][]float64, value []float64, levels []Level) WRMSSEScore {
	n := len(train)
	sameLength("WRMSSE", "y", len(y), n)
	sameLength("WRMSSE", "f", len(f), n)
	sameLength("WRMSSE", "value", len(value), n)
	total := 0.0
	for _, v := range value {
		total += v
	}
	out := WRMSSEScore{}
	for _, level := range levels {
		sameLength("WRMSSE", "Key of level "+level.Name, len(level.Key), n)
		ls := LevelScore{Name: level.Name}
		for key, members := range groups(level.Key) {
			g := GroupScore{Key: key}
			for _, s := range members {
				g.Weight += value[s] / total
			}
			g.RMSSE = RMSSE(add(y, members), add(f, members), TrimLeadingZeros(add(train, members)), 1)
			ls.Groups = append(ls.Groups, g)
		}
		slices.SortFunc(ls.Groups, func(a, b GroupScore) int { return cmp.Compare(a.Key, b.Key) })
		for _, g := range ls.Groups {
			if g.Weight != 0 {
				ls.Score += g.Weight * g.RMSSE
			}
		}
		out.Levels = append(out.Levels, ls)
		out.Score += ls.Score / float64(len(levels))
	}
	return out
}

func groups(keys []string) map[string][]int {
	m := map[string][]int{}
	for i, k := range keys {
		m[k] = append(m[k], i)
	}
	return m
}

// add sums the rows of x named by members.
func add(x [][]float64, members []int) []float64 {
	sum := make([]float64, len(x[members[0]]))
	for _, s := range members {
		sameLength("WRMSSE", "a series", len(x[s]), len(sum))
		for t, v := range x[s] {
			sum[t] += v
		}
	}
	return sum
}
