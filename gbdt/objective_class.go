package gbdt

import (
	"fmt"
	"math"

	"github.com/hanji-ml/hanji/internal/par"
)

// binaryLoss is the logistic loss with its class weights.
type binaryLoss struct {
	sigmoid   float64
	weight    [2]float64 // of a negative and of a positive row
	positives int
	both      bool // both classes are there
	label, w  []float32
	positive  func(float32) bool
}

func newBinaryLoss(ds *Dataset, o *Options, positive func(float32) bool) *binaryLoss {
	b := &binaryLoss{sigmoid: o.Sigmoid, weight: [2]float64{1, 1}, label: ds.label, w: ds.weight, positive: positive}
	for _, v := range ds.label {
		if positive(v) {
			b.positives++
		}
	}
	negatives := len(ds.label) - b.positives
	b.both = b.positives > 0 && negatives > 0
	if o.IsUnbalance && b.both {
		if b.positives > negatives {
			b.weight[0] = float64(b.positives) / float64(negatives)
		} else {
			b.weight[1] = float64(negatives) / float64(b.positives)
		}
	}
	b.weight[1] *= o.ScalePosWeight
	return b
}

// gradients: loss ln(1 + exp(−y·σ·s)) with y = ±1.
func (b *binaryLoss) gradients(score []float64, grad, hess []float32) {
	if !b.both {
		return
	}
	forRows(len(b.label), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			y, weight := -1.0, b.weight[0]
			if b.positive(b.label[i]) {
				y, weight = 1, b.weight[1]
			}
			response := -y * b.sigmoid / (1 + math.Exp(y*b.sigmoid*score[i]))
			abs := math.Abs(response)
			g, h := response*weight, abs*(b.sigmoid-abs)*weight
			if b.w != nil {
				g, h = g*float64(b.w[i]), h*float64(b.w[i])
			}
			grad[i], hess[i] = float32(g), float32(h)
		}
	})
}

func (b *binaryLoss) average() float64 {
	sum, weight := 0.0, float64(len(b.label))
	if b.w != nil {
		weight = 0
	}
	for i, v := range b.label {
		w := 1.0
		if b.w != nil {
			w = float64(b.w[i])
			weight += w
		}
		if b.positive(v) {
			sum += w
		}
	}
	p := max(min(sum/weight, 1-epsilon), epsilon)
	return math.Log(p/(1-p)) / b.sigmoid
}

func (obj *objective) initBinary(ds *Dataset, o *Options) error {
	if err := checkKinds(ds.label); err != nil {
		return err
	}
	b := newBinaryLoss(ds, o, func(v float32) bool { return v > 0 })
	obj.text = "binary sigmoid:" + string(appendShort(nil, o.Sigmoid))
	obj.gradients, obj.positives = b.gradients, b.positives
	obj.average = func(int) float64 { return b.average() }
	obj.needTrain = func(int) bool { return b.both }
	return nil
}

// checkKinds refuses labels of more than two values. LightGBM takes any above 0 for positive, which is seldom meant.
func checkKinds(label []float32) error {
	first, second := label[0], label[0]
	for i, v := range label {
		switch {
		case v == first || v == second:
		case first == second:
			second = v
		default:
			return fmt.Errorf("the label of row %d is %g where others are %g and %g, want two classes; multiclass has more", i, v, first, second)
		}
	}
	return nil
}

// classOf checks that labels are classes.
func classesOf(ds *Dataset, classes int) ([]int32, error) {
	out := make([]int32, len(ds.label))
	for i, v := range ds.label {
		if v < 0 || int(v) >= classes || v != float32(int(v)) {
			return nil, fmt.Errorf("the label of row %d is %g, want a class in 0..%d", i, v, classes-1)
		}
		out[i] = int32(v)
	}
	return out, nil
}

func (obj *objective) initOneVsAll(ds *Dataset, o *Options) error {
	if _, err := classesOf(ds, o.NumClass); err != nil {
		return err
	}
	obj.classes = o.NumClass
	obj.text = fmt.Sprintf("multiclassova num_class:%d sigmoid:%s", o.NumClass, appendShort(nil, o.Sigmoid))
	losses := make([]*binaryLoss, o.NumClass)
	for c := range losses {
		losses[c] = newBinaryLoss(ds, o, func(v float32) bool { return int(v) == c })
	}
	n := ds.rows
	obj.gradients = func(score []float64, grad, hess []float32) {
		for c, b := range losses {
			b.gradients(score[c*n:(c+1)*n], grad[c*n:(c+1)*n], hess[c*n:(c+1)*n])
		}
	}
	obj.average = func(c int) float64 { return losses[c].average() }
	obj.needTrain = func(c int) bool { return losses[c].both }
	return nil
}

func (obj *objective) initSoftmax(ds *Dataset, o *Options) error {
	class, err := classesOf(ds, o.NumClass)
	if err != nil {
		return err
	}
	k, n, w := o.NumClass, ds.rows, ds.weight
	obj.classes = k
	obj.text = fmt.Sprintf("multiclass num_class:%d", k)
	share, total := make([]float64, k), 0.0
	for i, c := range class {
		v := 1.0
		if w != nil {
			v = float64(w[i])
		}
		share[c] += v
		total += v
	}
	for c := range share {
		share[c] /= total
	}
	factor := float64(k) / float64(k-1) // one class is redundant (Friedman 2001)
	obj.gradients = func(score []float64, grad, hess []float32) {
		par.For(n, gradChunk, func(lo, hi int) {
			p := make([]float64, k)
			for i := lo; i < hi; i++ {
				for c := range p {
					p[c] = score[c*n+i]
				}
				softmax(p, p)
				for c, v := range p {
					g, h := v, factor*v*(1-v)
					if int(class[i]) == c {
						g = v - 1
					}
					if w != nil {
						g, h = g*float64(w[i]), h*float64(w[i])
					}
					grad[c*n+i], hess[c*n+i] = float32(g), float32(h)
				}
			}
		})
	}
	obj.average = func(c int) float64 { return math.Log(max(epsilon, share[c])) }
	obj.needTrain = func(c int) bool { return math.Abs(share[c]) > epsilon && math.Abs(share[c]) < 1-epsilon }
	return nil
}

// initCrossEntropy is for labels in [0, 1]. Cross-entropy's score is the log-odds; cross_entropy_lambda's is that of the
// intensity λ = ln(1 + exp(s)), where weights repeat trials.
func (obj *objective) initCrossEntropy(ds *Dataset, _ *Options) error {
	label, w := ds.label, ds.weight
	for i, v := range label {
		if !(v >= 0 && v <= 1) {
			return fmt.Errorf("the label of row %d is %g, want it in [0, 1]", i, v)
		}
		if w != nil && w[i] == 0 && obj.name == "cross_entropy_lambda" {
			return fmt.Errorf("the weight of row %d is 0, want it positive", i)
		}
	}
	point := crossEntropyPoint
	obj.average = func(int) float64 {
		p := max(min(weightedMean(label, w), 1-epsilon), epsilon)
		return math.Log(p / (1 - p))
	}
	if obj.name == "cross_entropy_lambda" {
		obj.average = func(int) float64 { return math.Log(math.Expm1(weightedMean(label, w))) }
		point = lambdaPoint
	}
	obj.gradients = func(score []float64, grad, hess []float32) {
		forRows(len(label), func(lo, hi int) {
			for i := lo; i < hi; i++ {
				weight := float32(math.NaN())
				if w != nil {
					weight = w[i]
				}
				g, h := point(score[i], label[i], weight)
				grad[i], hess[i] = float32(g), float32(h)
			}
		})
	}
	return nil
}

// crossEntropyPoint takes NaN as weight where there is none.
func crossEntropyPoint(s float64, y, w float32) (g, h float64) {
	if s > -37 {
		e := math.Exp(-s)
		g = (float64(1-y) - float64(y)*e) / (1 + e)
		h = e / ((1 + e) * (1 + e))
	} else {
		e := math.Exp(s)
		g, h = e-float64(y), e
	}
	if w == w {
		g, h = g*float64(w), h*float64(w)
	}
	return g, h
}

func lambdaPoint(s float64, label, weight float32) (g, h float64) {
	y, w := float64(label), float64(weight)
	if weight != weight {
		z := 1 / (1 + math.Exp(-s))
		return z - y, z * (1 - z)
	}
	e := math.Exp(s)
	z := 1 - math.Exp(-w*math.Log1p(e))
	g = (1 - y/z) * w / (1 + 1/e)
	c := 1 / (1 - z)
	a := w * e / ((1 + e) * (1 + e))
	d := c - 1
	b := c / (d * d) * (1 + w*e - c)
	return g, a * (1 + y*b)
}
