package gbdt

import (
	"fmt"
	"math"

	"github.com/hanji-ml/hanji/internal/par"
)

// objective is what training minimises: gradients and hessians of the loss by raw score, class after class, in float32
// as LightGBM has them (score_t). Arithmetic is float32 exactly where LightGBM's is.
type objective struct {
	name      string
	text      string // of the model file
	classes   int    // trees per iteration
	gradients func(score []float64, grad, hess []float32)
	average   func(class int) float64 // score to start from (BoostFromScore); nil: 0
	needTrain func(class int) bool    // nil: always
	positives int                     // rows of the positive class; 0: not binary
	constHess bool                    // histograms take all hessians for that of the first row

	// renewed objectives set each leaf to a quantile of its rows' residuals, weighted if weights are given.
	renews     bool
	renewAlpha float64
	renewLabel []float32
	renewW     []float32

	sampled func(queries []int32, score []float64, grad, hess []float32) // gradients of some queries only
	rngs    []random                                                     // of each query; nil: nothing is drawn

	position *positionBias // lambdarank with positions
}

func newObjective(ds *Dataset, o *Options) (*objective, error) {
	obj := &objective{name: o.Objective, text: o.Objective, classes: 1}
	var err error
	switch o.Objective {
	case "regression", "regression_l1", "huber", "fair", "quantile", "mape":
		err = obj.initRegression(ds, o)
	case "poisson", "gamma", "tweedie":
		err = obj.initExponential(ds, o)
	case "binary":
		err = obj.initBinary(ds, o)
	case "multiclass":
		err = obj.initSoftmax(ds, o)
	case "multiclassova":
		err = obj.initOneVsAll(ds, o)
	case "cross_entropy", "cross_entropy_lambda":
		err = obj.initCrossEntropy(ds, o)
	case "lambdarank", "rank_xendcg":
		err = obj.initRanking(ds, o)
	case "custom":
		if o.CustomObjective == nil {
			return nil, fmt.Errorf("gbdt: objective custom needs Options.CustomObjective")
		}
		obj.text, obj.classes, obj.gradients = "", o.NumClass, o.CustomObjective
	default:
		return nil, fmt.Errorf("gbdt: objective %q is not known", clip(o.Objective))
	}
	if err != nil {
		return nil, fmt.Errorf("gbdt: objective %s: %w", o.Objective, err)
	}
	return obj, nil
}

// gradChunk is how many rows a worker computes at a time.
const gradChunk = 1 << 12

// forRows runs f on ranges of rows.
func forRows(n int, f func(lo, hi int)) { par.For(n, gradChunk, f) }

// weightedMean is Σ w·v / Σ w in order.
func weightedMean(v, w []float32) float64 {
	sum, weight := 0.0, 0.0
	if w == nil {
		for _, x := range v {
			sum += float64(x)
		}
		return sum / float64(len(v))
	}
	for i, x := range v {
		sum += float64(x) * float64(w[i])
		weight += float64(w[i])
	}
	return sum / weight
}

func safeLog(v float64) float64 {
	if v > 0 {
		return math.Log(v)
	}
	return math.Inf(-1)
}

func sign32(v float64) float32 { return float32(sign(v)) }

func (obj *objective) initRegression(ds *Dataset, o *Options) error {
	label, w := ds.label, ds.weight
	obj.average = func(int) float64 { return weightedMean(label, w) }
	obj.constHess = w == nil && obj.name != "fair"
	switch obj.name {
	case "regression":
		if o.RegSqrt {
			obj.text += " sqrt"
			label = make([]float32, len(ds.label))
			for i, v := range ds.label {
				label[i] = sign32(float64(v)) * float32(math.Sqrt(math.Abs(float64(v))))
			}
		}
		obj.gradients = func(score []float64, grad, hess []float32) { gradL2(score, label, w, grad, hess) }
	case "regression_l1":
		obj.renewLabels(label, w, 0.5)
		obj.gradients = func(score []float64, grad, hess []float32) { gradL1(score, label, nil, w, grad, hess) }
	case "mape":
		return obj.initMAPE(label, w)
	case "huber":
		obj.gradients = func(score []float64, grad, hess []float32) { gradHuber(score, label, w, o.Alpha, grad, hess) }
	case "fair":
		obj.gradients = func(score []float64, grad, hess []float32) { gradFair(score, label, w, o.FairC, grad, hess) }
	case "quantile":
		alpha := float32(o.Alpha)
		if !(alpha < 1) {
			return fmt.Errorf("alpha=%g must be below 1", o.Alpha)
		}
		obj.renewLabels(label, w, float64(alpha))
		obj.gradients = func(score []float64, grad, hess []float32) { gradQuantile(score, label, w, alpha, grad, hess) }
	}
	return nil
}

// renewLabels makes the objective one whose leaves and start are quantiles.
func (obj *objective) renewLabels(label, w []float32, alpha float64) {
	obj.renews, obj.renewAlpha, obj.renewLabel, obj.renewW = true, alpha, label, w
	obj.average = func(int) float64 { return quantileOf(label, w, alpha) }
}

// initMAPE is L1 with each row weighed by 1/max(1, |label|).
func (obj *objective) initMAPE(label, w []float32) error {
	lw := make([]float32, len(label))
	for i, v := range label {
		lw[i] = 1 / max(1, float32(math.Abs(float64(v))))
		if w != nil {
			lw[i] *= w[i]
		}
	}
	obj.renewLabels(label, lw, 0.5)
	obj.constHess = true // a quirk of the reference: it forgets the weights where it adds up bins
	obj.gradients = func(score []float64, grad, hess []float32) { gradL1(score, label, lw, w, grad, hess) }
	return nil
}

// gradL2: loss (s − y)²/2.
func gradL2(score []float64, label, w, grad, hess []float32) {
	forRows(len(label), func(lo, hi int) {
		if w == nil {
			for i := lo; i < hi; i++ {
				grad[i] = float32(score[i] - float64(label[i]))
				hess[i] = 1
			}
			return
		}
		for i := lo; i < hi; i++ {
			grad[i] = float32(score[i]-float64(label[i])) * w[i]
			hess[i] = w[i]
		}
	})
}

// gradL1: loss |s − y|·lw; the hessian is the weight. nil lw is w.
func gradL1(score []float64, label, lw, w, grad, hess []float32) {
	if lw == nil {
		lw = w
	}
	forRows(len(label), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			grad[i] = sign32(score[i] - float64(label[i]))
			hess[i] = 1
			if lw != nil {
				grad[i] *= lw[i]
			}
			if w != nil {
				hess[i] = w[i]
			}
		}
	})
}

// gradHuber: quadratic up to alpha, linear beyond.
func gradHuber(score []float64, label, w []float32, alpha float64, grad, hess []float32) {
	forRows(len(label), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			d := score[i] - float64(label[i])
			v := float32(1)
			if w != nil {
				v = w[i]
			}
			if math.Abs(d) <= alpha {
				grad[i] = float32(d * float64(v))
			} else {
				grad[i] = float32(float64(sign32(d)*v) * alpha)
			}
			hess[i] = v
		}
	})
}

// gradFair: loss c²·(|x|/c − ln(1 + |x|/c)).
func gradFair(score []float64, label, w []float32, c float64, grad, hess []float32) {
	forRows(len(label), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			x := score[i] - float64(label[i])
			a := math.Abs(x) + c
			g, h := c*x/a, c*c/(a*a)
			if w != nil {
				g, h = g*float64(w[i]), h*float64(w[i])
			}
			grad[i], hess[i] = float32(g), float32(h)
		}
	})
}

// gradQuantile: the pinball loss.
func gradQuantile(score []float64, label, w []float32, alpha float32, grad, hess []float32) {
	forRows(len(label), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			g := -alpha
			if float32(score[i]-float64(label[i])) >= 0 {
				g = 1 - alpha
			}
			grad[i], hess[i] = g, 1
			if w != nil {
				grad[i], hess[i] = g*w[i], w[i]
			}
		}
	})
}

// initExponential is for Poisson, gamma and Tweedie, whose score is the log of the mean.
func (obj *objective) initExponential(ds *Dataset, o *Options) error {
	label, w := ds.label, ds.weight
	sum := 0.0
	for i, v := range label {
		switch {
		case v <= 0 && obj.name == "gamma":
			return fmt.Errorf("the label of row %d is %g, want it above 0", i, v)
		case v < 0:
			return fmt.Errorf("the label of row %d is %g, want 0 or more", i, v)
		}
		sum += float64(v)
	}
	if sum == 0 {
		return fmt.Errorf("all labels are zero")
	}
	obj.average = func(int) float64 { return safeLog(weightedMean(label, w)) }
	rho, widen := o.TweedieVariancePower, math.Exp(o.PoissonMaxDeltaStep)
	var point func(s, y float64) (g, h float64)
	switch obj.name {
	case "poisson":
		point = func(s, y float64) (float64, float64) {
			e := math.Exp(s)
			return e - y, e * widen // a larger hessian for safe steps
		}
	case "gamma":
		point = func(s, y float64) (float64, float64) {
			e := math.Exp(-s)
			return 1 - y*e, y * e
		}
	case "tweedie":
		point = func(s, y float64) (float64, float64) {
			e1, e2 := math.Exp((1-rho)*s), math.Exp((2-rho)*s)
			return -y*e1 + e2, -y*(1-rho)*e1 + (2-rho)*e2
		}
	}
	obj.gradients = func(score []float64, grad, hess []float32) {
		forRows(len(label), func(lo, hi int) {
			for i := lo; i < hi; i++ {
				g, h := point(score[i], float64(label[i]))
				if w != nil {
					g, h = g*float64(w[i]), h*float64(w[i])
				}
				grad[i], hess[i] = float32(g), float32(h)
			}
		})
	}
	return nil
}
