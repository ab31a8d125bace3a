package gbdt

import (
	"fmt"
	"math"
	"slices"

	"github.com/hanji-ml/hanji/internal/par"
)

// maxQuery is the most rows that a query can have (DCGCalculator::kMaxPosition).
const maxQuery = 10000

// dcg knows gains and discounts of discounted cumulative gain: Σ gain(label)/log₂(2 + rank).
type dcg struct {
	gain     []float64
	discount []float64
}

func newDCG(ds *Dataset, o *Options) (*dcg, error) {
	d := &dcg{gain: o.LabelGain}
	if len(d.gain) == 0 {
		for i := range 31 {
			d.gain = append(d.gain, float64(int(1)<<i-1))
		}
	}
	if ds.queries == nil {
		return nil, fmt.Errorf("ranking needs the sizes of the queries: Data.Group, X.query beside a file X, or group_column")
	}
	most := 0
	for q := range len(ds.queries) - 1 {
		n := int(ds.queries[q+1] - ds.queries[q])
		if most = max(most, n); n > maxQuery {
			return nil, fmt.Errorf("query %d has %d rows, at most %d are possible", q, n, maxQuery)
		}
	}
	for i, v := range ds.label {
		if v < 0 || v != float32(int(v)) || int(v) >= len(d.gain) {
			return nil, fmt.Errorf("the label of row %d is %g, want an integer in 0..%d (see label_gain)", i, v, len(d.gain)-1)
		}
	}
	d.discount = make([]float64, most)
	for i := range d.discount {
		d.discount[i] = 1 / math.Log2(2+float64(i))
	}
	return d, nil
}

// best is the largest DCG at each of the ascending ranks ks.
func (d *dcg) best(out []float64, ks []int, label []float32) {
	counts := make([]int, len(d.gain))
	for _, v := range label {
		counts[int(v)]++
	}
	top, sum, at := len(counts)-1, 0.0, 0
	for i, k := range ks {
		for ; at < min(k, len(label)); at++ {
			for top > 0 && counts[top] <= 0 {
				top--
			}
			sum += d.discount[at] * d.gain[top]
			counts[top]--
		}
		out[i] = sum
	}
}

// byScore orders rows by falling score, equal ones as they stand: a comparison that knows no ties sorts faster than a
// stable sort.
func byScore(order []int32, score []float64) []int32 {
	order = order[:0]
	for i := range score {
		order = append(order, int32(i))
	}
	slices.SortFunc(order, func(a, b int32) int {
		switch {
		case score[a] > score[b]:
			return -1
		case score[a] < score[b]:
			return 1
		}
		return int(a - b)
	})
	return order
}

func (obj *objective) initRanking(ds *Dataset, o *Options) error {
	d, err := newDCG(ds, o)
	if err != nil {
		return err
	}
	var query func(q int, label []float32, score []float64, grad, hess []float32)
	if obj.name == "lambdarank" {
		query = newLambdaRank(ds, o, d).query
	} else {
		obj.rngs = make([]random, len(ds.queries)-1)
		for q := range obj.rngs {
			obj.rngs[q] = newRandom(o.ObjectiveSeed + q)
		}
		query = func(q int, label []float32, score []float64, grad, hess []float32) {
			xendcg(&obj.rngs[q], label, score, grad, hess)
		}
	}
	if ds.position != nil && obj.name == "lambdarank" {
		obj.position = newPositionBias(ds, o)
	}
	one := func(q int, score []float64, grad, hess []float32) {
		lo, hi := ds.queries[q], ds.queries[q+1]
		s := score[lo:hi]
		if obj.position != nil {
			s = obj.position.adjusted(s, lo)
		}
		query(q, ds.label[lo:hi], s, grad[lo:hi], hess[lo:hi])
		if ds.weight != nil {
			for i := lo; i < hi; i++ {
				grad[i] *= ds.weight[i]
				hess[i] *= ds.weight[i]
			}
		}
	}
	obj.gradients = func(score []float64, grad, hess []float32) {
		par.For(len(ds.queries)-1, 1, func(q, _ int) { one(q, score, grad, hess) })
		if obj.position != nil {
			obj.position.update(ds.queries, nil, grad, hess)
		}
	}
	obj.sampled = func(queries []int32, score []float64, grad, hess []float32) {
		par.For(len(queries), 1, func(i, _ int) { one(int(queries[i]), score, grad, hess) })
		if obj.position != nil { // LightGBM takes in old gradients of the other rows too
			obj.position.update(ds.queries, queries, grad, hess)
		}
	}
	return nil
}

// lambdaRank is LambdaMART's gradient (Burges 2010, "From RankNet to LambdaRank to LambdaMART"): each pair of rows of a
// query pulls by how much swapping them would change NDCG.
type lambdaRank struct {
	*dcg
	sigmoid    float64
	norm       bool
	truncation int
	inverse    []float64 // 1 / best DCG of each query
	table      []float64 // of the sigmoid over [−bound, bound]
	bound      float64
	scale      float64
}

func newLambdaRank(ds *Dataset, o *Options, d *dcg) *lambdaRank {
	const bins = 1 << 20 // as in LightGBM: the table's steps are part of the result
	l := &lambdaRank{dcg: d, sigmoid: o.Sigmoid, norm: o.LambdaRankNorm, truncation: o.LambdaRankTruncationLevel, table: make([]float64, bins)}
	l.inverse = make([]float64, len(ds.queries)-1)
	for q := range l.inverse {
		d.best(l.inverse[q:q+1], []int{l.truncation}, ds.label[ds.queries[q]:ds.queries[q+1]])
		if l.inverse[q] > 0 {
			l.inverse[q] = 1 / l.inverse[q]
		}
	}
	l.bound = 50 / l.sigmoid / 2
	l.scale = bins / (l.bound + l.bound)
	for i := range l.table {
		l.table[i] = 1 / (1 + math.Exp((float64(i)/l.scale-l.bound)*l.sigmoid))
	}
	return l
}

func (l *lambdaRank) sigmoidOf(v float64) float64 {
	switch {
	case v <= -l.bound:
		return l.table[0]
	case v >= l.bound:
		return l.table[len(l.table)-1]
	}
	return l.table[int((v+l.bound)*l.scale)]
}

func (l *lambdaRank) query(q int, label []float32, score []float64, grad, hess []float32) {
	clear(grad)
	clear(hess)
	n := len(label)
	if n == 0 {
		return
	}
	order := byScore(make([]int32, 0, n), score)
	worst := n - 1
	if worst > 0 && score[order[worst]] == minScore {
		worst--
	}
	spread := score[order[0]] != score[order[worst]]
	sum := 0.0
	for i := 0; i < n-1 && i < l.truncation; i++ {
		if score[order[i]] == minScore {
			continue
		}
		for j := i + 1; j < n; j++ {
			a, b := order[i], order[j]
			if score[b] == minScore || label[a] == label[b] {
				continue
			}
			high, low, hr, lr := a, b, i, j
			if label[a] < label[b] {
				high, low, hr, lr = b, a, j, i
			}
			delta := score[high] - score[low]
			gap := l.gain[int(label[high])] - l.gain[int(label[low])]
			change := gap * math.Abs(l.discount[hr]-l.discount[lr]) * l.inverse[q]
			if l.norm && spread {
				change /= float64(float32(0.01)) + math.Abs(delta)
			}
			p := l.sigmoidOf(delta)
			h := p * (1 - p)
			p *= -l.sigmoid * change
			h *= l.sigmoid * l.sigmoid * change
			grad[low] -= float32(p)
			hess[low] += float32(h)
			grad[high] += float32(p)
			hess[high] += float32(h)
			sum -= 2 * p
		}
	}
	if l.norm && sum > 0 {
		f := math.Log2(1+sum) / sum
		for i := range grad {
			grad[i] = float32(float64(grad[i]) * f)
			hess[i] = float32(float64(hess[i]) * f)
		}
	}
}

// xendcg is the gradient of a cross-entropy that bounds NDCG (Bruch 2021, arXiv:1911.09798), with its randomised
// ground truth.
func xendcg(rng *random, label []float32, score []float64, grad, hess []float32) {
	n := len(label)
	if n <= 1 {
		clear(grad)
		clear(hess)
		return
	}
	rho, params, sum := make([]float64, n), make([]float64, n), 0.0
	softmax(rho, score)
	for i, v := range label {
		params[i] = math.Pow(2, float64(int(v))) - float64(rng.float())
		sum += params[i]
	}
	inverse := 1 / max(epsilon, sum)
	l1 := 0.0
	for i := range grad { // terms of first, second and third order
		term := -params[i]*inverse + rho[i]
		grad[i] = float32(term)
		params[i] = term / (1 - rho[i])
		l1 += params[i]
	}
	l2 := 0.0
	for i := range grad {
		term := rho[i] * (l1 - params[i])
		grad[i] += float32(term)
		params[i] = term / (1 - rho[i])
		l2 += params[i]
	}
	for i := range grad {
		grad[i] += float32(rho[i] * (l2 - params[i]))
		hess[i] = float32(rho[i] * (1 - rho[i]))
	}
}
