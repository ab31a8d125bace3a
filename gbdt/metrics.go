package gbdt

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/hanji-ml/hanji/internal/par"
)

// evaluator computes one of LightGBM's metrics on one data set, from raw scores, class after class.
type evaluator struct {
	name   string
	names  []string // of the values; several for ndcg and map
	bigger bool     // larger is better
	eval   func(score []float64, out []float64)
}

// metricAliases maps what LightGBM accepts to a metric's name (ParseMetricAlias); other names stay.
var metricAliases = map[string]string{
	"regression": "l2", "regression_l2": "l2", "mean_squared_error": "l2", "mse": "l2", "l2_root": "rmse", "root_mean_squared_error": "rmse",
	"regression_l1": "l1", "mean_absolute_error": "l1", "mae": "l1", "binary": "binary_logloss",
	"lambdarank": "ndcg", "rank_xendcg": "ndcg", "xendcg": "ndcg", "xe_ndcg": "ndcg", "xe_ndcg_mart": "ndcg", "xendcg_mart": "ndcg",
	"mean_average_precision": "map",
	"multiclass":             "multi_logloss", "softmax": "multi_logloss", "multiclassova": "multi_logloss", "multiclass_ova": "multi_logloss", "ova": "multi_logloss", "ovr": "multi_logloss",
	"xentropy": "cross_entropy", "xentlambda": "cross_entropy_lambda", "kldiv": "kullback_leibler", "mean_absolute_percentage_error": "mape",
	"none": noMetric, "null": noMetric, "na": noMetric,
}

// noMetric stands for none, and for those of a caller.
const noMetric = "custom"

// metricNames are the metrics asked for, by default the objective's, without aliases.
func metricNames(o *Options) []string {
	list := o.Metric
	if strings.Join(list, "") == "" {
		list = []string{o.Objective}
	}
	var names []string
	for _, name := range list {
		name = strings.ToLower(name)
		if alias, ok := metricAliases[name]; ok {
			name = alias
		}
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// newEvaluators makes the metrics that the options ask for.
func newEvaluators(ds *Dataset, o *Options, f transform) ([]*evaluator, error) {
	var list []*evaluator
	for _, name := range metricNames(o) {
		if name == noMetric {
			continue
		}
		e := &evaluator{name: name, names: []string{name}}
		var err error
		switch name {
		case "auc", "average_precision":
			e.bigger = true
			e.initRanked(ds)
		case "r2":
			e.bigger = true
			e.initR2(ds, f)
		case "multi_logloss", "multi_error", "auc_mu":
			err = e.initMulti(ds, o, f)
		case "ndcg", "map":
			e.bigger = true
			err = e.initQueries(ds, o)
		default:
			err = e.initPointwise(ds, o, f)
		}
		if err != nil {
			return nil, fmt.Errorf("gbdt: metric %s: %w", clip(name), err)
		}
		list = append(list, e)
	}
	return list, nil
}

// sumRows adds up a loss over rows; chunks are added in order, so the sum does not depend on the number of threads.
func sumRows(n int, loss func(i int) float64) float64 {
	parts := make([]float64, (n+gradChunk-1)/gradChunk)
	par.For(n, gradChunk, func(lo, hi int) {
		sum := 0.0
		for i := lo; i < hi; i++ {
			sum += loss(i)
		}
		parts[lo/gradChunk] = sum
	})
	total := 0.0
	for _, v := range parts {
		total += v
	}
	return total
}

// totalWeight is the sum of the weights, or the number of rows.
func (ds *Dataset) totalWeight() float64 {
	if ds.weight == nil {
		return float64(ds.rows)
	}
	sum := 0.0
	for _, w := range ds.weight {
		sum += float64(w)
	}
	return sum
}

func (ds *Dataset) weightOf(i int) float64 {
	if ds.weight == nil {
		return 1
	}
	return float64(ds.weight[i])
}

// initPointwise is for metrics that are a mean of a loss by row.
func (e *evaluator) initPointwise(ds *Dataset, o *Options, f transform) error {
	loss, check := pointLoss(e.name, o)
	if loss == nil {
		return fmt.Errorf("is not known")
	}
	for i, v := range ds.label {
		if check != nil && !check(v) {
			return fmt.Errorf("the label of row %d is %g, outside its range", i, v)
		}
	}
	total, offset := ds.totalWeight(), 0.0
	if e.name == "cross_entropy" || e.name == "kullback_leibler" {
		total = pairwiseWeight(ds)
	}
	finish := func(sum float64) float64 { return sum / total }
	switch e.name {
	case "rmse":
		finish = func(sum float64) float64 { return math.Sqrt(sum / total) }
	case "gamma_deviance":
		finish = func(sum float64) float64 { return sum * 2 }
	case "cross_entropy_lambda":
		finish = func(sum float64) float64 { return sum / float64(ds.rows) }
	case "kullback_leibler":
		for i, v := range ds.label {
			offset += negEntropy(float64(v)) * ds.weightOf(i)
		}
		offset /= total
	}
	lambda := e.name == "cross_entropy_lambda"
	e.eval = func(score, out []float64) {
		sum := sumRows(ds.rows, func(i int) float64 {
			p := [1]float64{score[i]}
			f.apply(p[:])
			if lambda {
				return crossEntropyLoss(ds.label[i], 1-math.Exp(-ds.weightOf(i)*p[0]))
			}
			v := loss(ds.label[i], p[0])
			if ds.weight != nil {
				v *= float64(ds.weight[i])
			}
			return v
		})
		out[0] = offset + finish(sum)
	}
	return nil
}

// pairwiseWeight is the sum of the weights as these metrics take it: in float32, by pairs (ObtainMinMaxSum).
func pairwiseWeight(ds *Dataset) float64 {
	w := ds.weight
	if w == nil {
		return float64(ds.rows)
	}
	var sum float32
	if len(w)%2 == 1 {
		sum, w = w[0], w[1:]
	}
	for ; len(w) >= 2; w = w[2:] {
		sum += w[0] + w[1]
	}
	return float64(sum)
}

// crossEntropyLoss is −y·ln p − (1−y)·ln(1−p), with p kept off 0 and 1.
func crossEntropyLoss(label float32, p float64) float64 {
	const least = 1e-12
	return -(float64(label)*math.Log(max(p, least)) + float64(1-label)*math.Log(max(1-p, least)))
}

func negEntropy(p float64) float64 {
	sum := 0.0
	for _, v := range []float64{p, 1 - p} {
		if v > 0 {
			sum += v * math.Log(v)
		}
	}
	return sum
}

func inUnit(v float32) bool     { return v >= 0 && v <= 1 }
func isPositive(v float32) bool { return v > 0 }

// pointLoss gives the loss of a row by label and prediction, and what labels it takes; nil if the name is not known.
func pointLoss(name string, o *Options) (loss func(y float32, p float64) float64, check func(float32) bool) {
	const least = float64(float32(1e-10)) // of a mean whose log is taken
	switch name {
	case "l2", "rmse":
		return func(y float32, p float64) float64 { d := p - float64(y); return d * d }, nil
	case "l1":
		return func(y float32, p float64) float64 { return math.Abs(p - float64(y)) }, nil
	case "quantile":
		return func(y float32, p float64) float64 {
			d := float64(y) - p
			if d < 0 {
				return (o.Alpha - 1) * d
			}
			return o.Alpha * d
		}, nil
	case "huber":
		return func(y float32, p float64) float64 {
			d := p - float64(y)
			if math.Abs(d) <= o.Alpha {
				return 0.5 * d * d
			}
			return o.Alpha * (math.Abs(d) - 0.5*o.Alpha)
		}, nil
	case "fair":
		return func(y float32, p float64) float64 {
			x, c := math.Abs(p-float64(y)), o.FairC
			return c*x - c*c*math.Log1p(x/c)
		}, nil
	case "poisson":
		return func(y float32, p float64) float64 { p = max(p, least); return p - float64(y)*math.Log(p) }, nil
	case "mape":
		return func(y float32, p float64) float64 {
			return math.Abs(float64(y)-p) / float64(max(1, float32(math.Abs(float64(y)))))
		}, nil
	case "gamma":
		return func(y float32, p float64) float64 { // −ln of the gamma density with shape 1
			theta := -1 / p
			l := safeLog(float64(y))
			return -((float64(y)*theta + safeLog(-theta)) + (l - float64(float32(l)))) // the reference takes one log in float32
		}, isPositive
	case "gamma_deviance":
		return func(y float32, p float64) float64 {
			t := float64(y) / (p + 1e-9)
			return t - safeLog(t) - 1
		}, isPositive
	case "tweedie":
		rho := o.TweedieVariancePower
		return func(y float32, p float64) float64 {
			l := math.Log(max(p, least))
			return -float64(y)*math.Exp((1-rho)*l)/(1-rho) + math.Exp((2-rho)*l)/(2-rho)
		}, nil
	case "binary_logloss":
		return func(y float32, p float64) float64 {
			if y <= 0 {
				p = 1 - p
			}
			if p > epsilon {
				return -math.Log(p)
			}
			return -math.Log(epsilon)
		}, nil
	case "binary_error":
		return func(y float32, p float64) float64 {
			if (p <= 0.5) == (y > 0) {
				return 1
			}
			return 0
		}, nil
	case "cross_entropy", "kullback_leibler", "cross_entropy_lambda":
		return crossEntropyLoss, inUnit
	}
	return nil, nil
}

func (e *evaluator) initR2(ds *Dataset, f transform) {
	mean, total := weightedMean(ds.label, ds.weight), 0.0
	for i, v := range ds.label {
		d := float64(v) - mean
		total += d * d * ds.weightOf(i)
	}
	e.eval = func(score, out []float64) {
		rest := sumRows(ds.rows, func(i int) float64 {
			p := [1]float64{score[i]}
			f.apply(p[:])
			d := float64(ds.label[i]) - p[0]
			return d * d * ds.weightOf(i)
		})
		switch {
		case !isZero(total):
			out[0] = 1 - rest/total
		case isZero(rest):
			out[0] = 1
		default:
			out[0] = 0
		}
	}
}
