package gbdt

import (
	"fmt"
	"math"
	"slices"

	"github.com/hanji-ml/hanji/internal/par"
)

// initRanked is for auc and average_precision: rows in falling order of score, those of one score together.
func (e *evaluator) initRanked(ds *Dataset) {
	total := ds.totalWeight()
	order := make([]int32, 0, ds.rows)
	precision := e.name == "average_precision"
	e.eval = func(score, out []float64) {
		order = byScore(order, score[:ds.rows])
		var pos, neg, sumPos, sumAll, area float64
		close := func() {
			if precision {
				sumPos += pos
				sumAll += pos + neg
				area += pos * (sumPos / sumAll)
			} else {
				area += neg * (pos*0.5 + sumPos)
				sumPos += pos
			}
			pos, neg = 0, 0
		}
		at := score[order[0]]
		for _, i := range order {
			if score[i] != at {
				at = score[i]
				close()
			}
			if ds.label[i] > 0 {
				pos += ds.weightOf(int(i))
			} else {
				neg += ds.weightOf(int(i))
			}
		}
		close()
		out[0] = 1
		if sumPos > 0 && sumPos != total {
			if out[0] = area / sumPos; !precision {
				out[0] = area / (sumPos * (total - sumPos))
			}
		}
	}
}

// initMulti is for metrics of several classes.
func (e *evaluator) initMulti(ds *Dataset, o *Options, f transform) error {
	if o.NumClass < 2 {
		return fmt.Errorf("needs num_class of at least 2, and an objective of several classes")
	}
	class, err := classesOf(ds, o.NumClass)
	if err != nil {
		return err
	}
	if e.name == "auc_mu" {
		e.bigger = true
		return e.initAUCMu(ds, o, class)
	}
	k, n, total := o.NumClass, ds.rows, ds.totalWeight()
	loss := func(p []float64, c int32) float64 {
		if p[c] > epsilon {
			return -math.Log(p[c])
		}
		return -math.Log(epsilon)
	}
	if e.name == "multi_error" {
		top := o.MultiErrorTopK
		if top > 1 {
			e.names[0] = fmt.Sprintf("multi_error@%d", top)
		}
		loss = func(p []float64, c int32) float64 {
			larger := 0
			for _, v := range p {
				if v >= p[c] {
					larger++
				}
			}
			if larger > top {
				return 1
			}
			return 0
		}
	}
	e.eval = func(score, out []float64) {
		parts := make([]float64, (n+gradChunk-1)/gradChunk)
		par.For(n, gradChunk, func(lo, hi int) {
			p, sum := make([]float64, k), 0.0
			for i := lo; i < hi; i++ {
				for c := range p {
					p[c] = score[c*n+i]
				}
				f.apply(p)
				v := loss(p, class[i])
				if ds.weight != nil {
					v *= float64(ds.weight[i])
				}
				sum += v
			}
			parts[lo/gradChunk] = sum
		})
		sum := 0.0
		for _, v := range parts {
			sum += v
		}
		out[0] = sum / total
	}
	return nil
}

// initAUCMu is AUC for several classes (Kleiman and Page 2019): the mean over pairs of classes of the AUC along the
// direction that parts them.
func (e *evaluator) initAUCMu(ds *Dataset, o *Options, class []int32) error {
	k, n := o.NumClass, ds.rows
	weights, err := aucMuWeights(o.AUCMuWeights, k)
	if err != nil {
		return err
	}
	rows, mass := make([][]int32, k), make([]float64, k)
	for i, c := range class {
		rows[c] = append(rows[c], int32(i))
		mass[c] += ds.weightOf(i)
	}
	var pairs [][2]int
	for a := range k {
		for b := a + 1; b < k; b++ {
			pairs = append(pairs, [2]int{a, b})
		}
	}
	e.eval = func(score, out []float64) {
		parts, sum := make([]float64, len(pairs)), 0.0
		par.For(len(pairs), 1, func(i, _ int) {
			a, b := pairs[i][0], pairs[i][1]
			parts[i] = pairAUC(ds, class, score, weights[a], weights[b], slices.Concat(rows[a], rows[b]), a, b, n) / mass[a] / mass[b]
		})
		for _, v := range parts {
			sum += v
		}
		out[0] = 2 * sum / float64(k) / float64(k-1)
	}
	return nil
}

func aucMuWeights(list []float64, k int) ([][]float64, error) {
	if len(list) != 0 && len(list) != k*k {
		return nil, fmt.Errorf("auc_mu_weights has %d entries, want %d", len(list), k*k)
	}
	w := make([][]float64, k)
	for i := range w {
		w[i] = make([]float64, k)
		for j := range w[i] {
			switch {
			case i == j:
			case len(list) == 0:
				w[i][j] = 1
			case isZero(list[i*k+j]):
				return nil, fmt.Errorf("auc_mu_weights is zero off the diagonal")
			default:
				w[i][j] = list[i*k+j]
			}
		}
	}
	return w, nil
}

// pairAUC is the weight of the pairs of rows of classes a and b that are in order.
func pairAUC(ds *Dataset, class []int32, score, wa, wb []float64, rows []int32, a, b, n int) float64 {
	direction := make([]float64, len(wa))
	for c := range direction {
		direction[c] = wa[c] - wb[c]
	}
	t := direction[a] - direction[b]
	type entry struct {
		row  int32
		dist float64
	}
	list := make([]entry, len(rows))
	for i, row := range rows {
		v := 0.0
		for c, d := range direction {
			v += d * score[c*n+int(row)]
		}
		list[i] = entry{row, t * v}
	}
	slices.SortFunc(list, func(x, y entry) int {
		switch d := x.dist - y.dist; {
		case d <= -epsilon:
			return -1
		case d >= epsilon:
			return 1
		case class[x.row] != class[y.row]: // the other class comes first
			return int(class[y.row] - class[x.row])
		}
		return int(x.row - y.row)
	})
	var sum, others, tied, last float64
	for _, x := range list {
		w := ds.weightOf(int(x.row))
		same := math.Abs(x.dist-last) < epsilon
		switch {
		case int(class[x.row]) != a:
			others += w
			if same {
				tied += w
			} else {
				last, tied = x.dist, w
			}
		case same:
			sum += w * (others - 0.5*tied)
		default:
			sum += w * others
		}
	}
	return sum
}

// initQueries is for ndcg and map, a mean over queries at each rank of eval_at.
func (e *evaluator) initQueries(ds *Dataset, o *Options) error {
	ks := o.EvalAt
	if len(ks) == 0 {
		ks = []int{1, 2, 3, 4, 5}
	}
	if ks[0] < 1 {
		return fmt.Errorf("eval_at has %d, want ranks from 1", ks[0])
	}
	e.names = nil
	for _, k := range ks {
		e.names = append(e.names, fmt.Sprintf("%s@%d", e.name, k))
	}
	if ds.queries == nil {
		return fmt.Errorf("needs the sizes of the queries: Data.Group, X.query beside a file X, or group_column")
	}
	queries := len(ds.queries) - 1
	one, err := e.queryMetric(ds, o, ks)
	if err != nil {
		return err
	}
	total := float64(queries)
	if ds.qWeight != nil {
		total = 0
		for _, w := range ds.qWeight {
			total += float64(w)
		}
	}
	values, weighed := make([]float64, queries*len(ks)), make([]bool, queries)
	e.eval = func(score, out []float64) {
		par.For(queries, 8, func(lo, hi int) {
			for q := lo; q < hi; q++ {
				a, b := ds.queries[q], ds.queries[q+1]
				weighed[q] = one(q, ds.label[a:b], score[a:b], values[q*len(ks):(q+1)*len(ks)])
			}
		})
		clear(out)
		for q := range queries {
			w := 1.0
			if ds.qWeight != nil && weighed[q] {
				w = float64(ds.qWeight[q])
			}
			for i := range ks {
				out[i] += values[q*len(ks)+i] * w
			}
		}
		for i := range ks {
			out[i] /= total
		}
	}
	return nil
}

// queryMetric computes a metric of one query at all ranks, and tells whether the query's weight counts: LightGBM adds 1
// without it for a query where nothing has a gain.
type queryMetric func(q int, label []float32, score, out []float64) (weighed bool)

func (e *evaluator) queryMetric(ds *Dataset, o *Options, ks []int) (queryMetric, error) {
	if e.name == "map" {
		return func(_ int, label []float32, score, out []float64) bool {
			averagePrecisionAt(ks, label, score, out)
			return true
		}, nil
	}
	d, err := newDCG(ds, o)
	if err != nil {
		return nil, err
	}
	best := make([][]float64, len(ds.queries)-1)
	for q := range best {
		best[q] = make([]float64, len(ks))
		d.best(best[q], ks, ds.label[ds.queries[q]:ds.queries[q+1]])
		for i, v := range best[q] {
			if v > 0 {
				best[q][i] = 1 / v
			} else {
				best[q][i] = -1
			}
		}
	}
	return func(q int, label []float32, score, out []float64) bool {
		if best[q][0] <= 0 { // no row of the query has a gain
			for i := range out {
				out[i] = 1
			}
			return false
		}
		sum, at := 0.0, 0
		order := byScore(make([]int32, 0, len(score)), score)
		for i, k := range ks {
			for ; at < min(k, len(order)); at++ {
				sum += d.gain[int(label[order[at]])] * d.discount[at]
			}
			out[i] = sum * best[q][i]
		}
		return true
	}, nil
}

// averagePrecisionAt is the mean precision at the relevant rows among the first k.
func averagePrecisionAt(ks []int, label []float32, score, out []float64) {
	relevant := 0
	for _, v := range label {
		if v > 0.5 {
			relevant++
		}
	}
	order := byScore(make([]int32, 0, len(score)), score)
	hits, sum, at := 0, 0.0, 0
	for i, k := range ks {
		k = min(k, len(order))
		for ; at < k; at++ {
			if label[order[at]] > 0.5 {
				hits++
				sum += float64(hits) / float64(at+1)
			}
		}
		out[i] = 1
		if relevant > 0 {
			out[i] = sum / float64(min(relevant, k))
		}
	}
}
