package gbdt

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/hanji-ml/hanji/internal/par"
)

// Validation is a named data set that is evaluated after every iteration: one made by [Dataset.NewValid], or the
// training data itself.
type Validation struct {
	Name string
	Data *Dataset
}

// Result is a metric's value on a data set.
type Result struct {
	Set, Metric string
	Value       float64
	BiggerWins  bool
}

// Iteration is what Options.OnIter is told.
type Iteration struct {
	N       int      // iterations so far
	Results []Result // of the sets in Options.Validation; empty in iterations that MetricFreq leaves out
	Model   func() *Model
}

// ErrStop ends training from Options.OnIter: Train returns the model so far and no error.
var ErrStop = errors.New("gbdt: stop training")

// Train trains a model. Cancelling the context ends it between two splits with the context's error. The same data and
// options give the same model, bit for bit, for any number of threads.
func Train(ctx context.Context, data *Dataset, o Options) (*Model, error) {
	o, err := o.resolve()
	if err != nil {
		return nil, err
	}
	t, err := newTrainer(data, &o)
	if err != nil {
		return nil, err
	}
	return t.run(ctx)
}

// trainer is the state of one training (GBDT).
type trainer struct {
	o       *Options
	ds      *Dataset
	obj     *objective
	f       transform
	learner *learner
	sample  *sampler
	sets    []*evalSet
	score   []float64 // raw scores of the training rows, class after class
	hasInit bool
	grad    []float32
	hess    []float32
	trees   []*tree
	first   int // trees of Options.InitModel
	round   int // iterations begun
	iter    int // iterations that grew trees
	rate    float64
	dart    *dart
	forest  *forest
	early   *earlyStop
	id      string // see identity; "" without checkpoints
}

// evalSet is a data set with its scores and metrics.
type evalSet struct {
	name    string
	ds      *Dataset
	train   bool
	score   []float64
	metrics []*evaluator
}

func newTrainer(ds *Dataset, o *Options) (*trainer, error) {
	if b := &ds.options; b.FeaturePreFilter && o.MinDataInLeaf < b.MinDataInLeaf && len(ds.used) < len(ds.columns) {
		return nil, fmt.Errorf("gbdt: the data was binned with min_data_in_leaf=%d and left out features for it, training asks for %d: bin with that, or with feature_pre_filter=false",
			b.MinDataInLeaf, o.MinDataInLeaf)
	}
	if o.LinearTree && !ds.hasValues() {
		return nil, fmt.Errorf("gbdt: linear_tree needs the values of the columns, and this data set keeps only their bins: bin it with linear_tree=true")
	}
	t := &trainer{o: o, ds: ds, rate: o.LearningRate}
	var err error
	if t.obj, err = newObjective(ds, o); err != nil {
		return nil, err
	}
	if t.f, err = parseTransform(t.obj.text, o.NumClass); err != nil {
		return nil, err
	}
	if t.obj.renews && len(o.MonotoneConstraints) > 0 {
		return nil, fmt.Errorf("gbdt: monotone_constraints do not go with objective %s, whose leaves are renewed", t.obj.name)
	}
	if o.BaggingByQuery && ds.queries == nil {
		return nil, fmt.Errorf("gbdt: bagging_by_query needs the sizes of the queries: Data.Group, X.query beside a file X, or group_column")
	}
	if len(ds.used) > 0 {
		if t.learner, err = newLearner(ds, o); err != nil {
			return nil, err
		}
	}
	t.sample = newSampler(ds, o, t.obj)
	if t.learner != nil && o.UseQuantizedGrad {
		if t.learner.quant, err = newDiscretizer(ds.rows, t.obj.constHess && !t.sample.goss, o); err != nil {
			return nil, err
		}
	}
	n := ds.rows * t.obj.classes
	t.score, t.grad, t.hess = make([]float64, n), make([]float32, n), make([]float32, n)
	if err := t.start(t.score, ds); err != nil {
		return nil, err
	}
	if err := t.addSets(); err != nil {
		return nil, err
	}
	switch o.Boosting {
	case "dart":
		t.dart = newDart(o)
	case "rf":
		t.forest, err = newForest(t)
	}
	return t, err
}

// start sets the scores that training begins with: those given, and those of the model it goes on from.
func (t *trainer) start(score []float64, ds *Dataset) error {
	if ds.init != nil {
		if len(ds.init) != len(score) {
			return fmt.Errorf("gbdt: %d initial scores (Data.InitScore, X.init), want %d rows × %d trees an iteration", len(ds.init), ds.rows, t.obj.classes)
		}
		copy(score, ds.init)
		t.hasInit = true
	}
	m := t.o.InitModel
	if m == nil {
		return nil
	}
	if m.NumFeatures() != len(ds.columns) || m.treesPerIter != t.obj.classes {
		return fmt.Errorf("gbdt: the model to go on from has %d features and %d trees an iteration, the data %d and %d",
			m.NumFeatures(), m.treesPerIter, len(ds.columns), t.obj.classes)
	}
	t.hasInit = true
	t.first = len(m.trees)
	k := t.obj.classes
	if ds.scoredBy == m {
		for i, v := range ds.scores {
			score[i] += v
		}
		return nil
	}
	if !ds.raw {
		return fmt.Errorf("gbdt: going on from a model needs the values of the columns, and this data set keeps only their bins; bin it with Options.InitModel, or from text without FreeRaw")
	}
	par.For(ds.rows, predictBlock, func(lo, hi int) {
		row, p := make([]float64, len(ds.columns)), make([]float64, k)
		for i := lo; i < hi; i++ {
			ds.row(row, i)
			if err := m.PredictRow(p, row, PredictOptions{Raw: true}); err != nil {
				panic(err) // lengths were checked
			}
			for c, v := range p {
				score[c*ds.rows+i] += v
			}
		}
	})
	return nil
}

func (t *trainer) addSets() error {
	list := t.o.Validation
	if t.o.IsProvideTrainingMetric && !slices.ContainsFunc(list, func(v Validation) bool { return v.Data == t.ds }) {
		list = append([]Validation{{"training", t.ds}}, list...)
	}
	for i, v := range list {
		if v.Data == nil {
			return fmt.Errorf("gbdt: validation set %d (%s) has no data", i, clip(v.Name))
		}
		s := &evalSet{name: v.Name, ds: v.Data, train: v.Data == t.ds}
		if s.name == "" {
			s.name = fmt.Sprintf("valid_%d", i+1)
		}
		if len(v.Data.mappers) != len(t.ds.mappers) || len(t.ds.mappers) > 0 && &v.Data.mappers[0] != &t.ds.mappers[0] {
			return fmt.Errorf("gbdt: validation set %s has other bins than the training data: make it with NewValid", clip(s.name))
		}
		if s.score = t.score; !s.train {
			s.score = make([]float64, v.Data.rows*t.obj.classes)
			if err := t.start(s.score, v.Data); err != nil {
				return fmt.Errorf("gbdt: validation set %s: %w", clip(s.name), err)
			}
		}
		if t.o.LinearTree && !v.Data.hasValues() {
			return fmt.Errorf("gbdt: validation set %s keeps only bins, linear_tree needs the values of the columns", clip(s.name))
		}
		var err error
		if s.metrics, err = newEvaluators(v.Data, t.o, t.f); err != nil {
			return fmt.Errorf("validation set %s: %w", clip(s.name), err)
		}
		t.sets = append(t.sets, s)
	}
	return nil
}

func (t *trainer) run(ctx context.Context) (*Model, error) {
	if t.o.EarlyStoppingRound > 0 && t.o.Boosting != "dart" {
		t.early = &earlyStop{o: t.o}
	}
	if t.o.Checkpoint != "" {
		t.id = t.identity()
		if err := t.resume(); err != nil {
			return nil, err
		}
	}
	for t.round < t.o.NumIterations {
		t.round++
		grown := t.iter
		if err := t.iterate(ctx); err != nil {
			return nil, fmt.Errorf("gbdt: iteration %d: %w", t.round, err)
		}
		if t.o.AsCommand && t.iter == grown {
			break
		}
		if stop, err := t.report(t.round == t.o.NumIterations); stop || err != nil {
			return t.finish(err)
		}
		if t.due() {
			if err := t.save(); err != nil {
				return nil, err
			}
		}
	}
	return t.finish(nil)
}

// report evaluates, stops early, and calls back.
func (t *trainer) report(last bool) (stop bool, err error) {
	var results []Result
	if len(t.sets) > 0 && (t.early != nil || t.round%t.o.MetricFreq == 0) {
		results = t.evaluate()
	}
	if t.early != nil {
		stop = t.early.update(t, results, last)
	}
	if t.o.OnIter != nil {
		err = t.o.OnIter(Iteration{N: t.round, Results: results, Model: func() *Model { return t.model() }})
	}
	return stop || errors.Is(err, ErrStop), err
}

func (t *trainer) evaluate() []Result {
	var results []Result
	for _, s := range t.sets {
		for _, m := range s.metrics {
			values := make([]float64, len(m.names))
			m.eval(s.score, values)
			for i, v := range values {
				results = append(results, Result{s.name, m.names[i], v, m.bigger})
			}
		}
	}
	return results
}

func (t *trainer) finish(err error) (*Model, error) {
	if err != nil && !errors.Is(err, ErrStop) {
		return nil, err
	}
	m := t.model()
	if t.early != nil && t.early.bestIter > 0 {
		m.BestIteration = t.early.bestIter + t.first/t.obj.classes
		m.trees = m.trees[:min(len(m.trees), m.BestIteration*m.treesPerIter)]
	}
	return m, nil
}

// iterate grows the trees of one iteration (GBDT::TrainOneIter). One in which no split is possible leaves no trees, but
// for the constant ones of a model without any; the next may have more luck with its rows and features.
func (t *trainer) iterate(ctx context.Context) error {
	if t.forest != nil {
		return t.forest.iterate(ctx, t)
	}
	k := t.obj.classes
	start := make([]float64, k)
	for c := range start {
		start[c] = t.boostFromAverage(c)
	}
	if t.dart != nil {
		t.dart.drop(t)
	}
	t.boost()
	grew := false
	for c := range k {
		tr, err := t.grow(ctx, c)
		if err != nil {
			return err
		}
		if tr != nil && tr.numLeaves > 1 {
			grew = true
			n := t.ds.rows
			t.renew(tr, func(row int32) float64 { return float64(t.obj.labelOf(row)) - t.score[c*n+int(row)] })
			tr.shrink(t.rate)
			t.addScores(tr, c)
			if math.Abs(start[c]) > epsilon {
				tr.addBias(start[c])
			}
		} else {
			tr = constantTree(t.constant(c, start[c]), t.ds.rows, t.o.LinearTree)
		}
		t.trees = append(t.trees, tr)
	}
	if !grew {
		if len(t.trees)+t.first > k {
			t.trees = t.trees[:len(t.trees)-k]
		}
		if t.dart != nil {
			t.dart.restore(t)
		}
		return nil
	}
	if t.dart != nil {
		t.dart.normalize(t)
	}
	t.iter++
	return nil
}

// constant is the output of a class that cannot be split: its start, in the first iteration.
func (t *trainer) constant(c int, start float64) float64 {
	if len(t.trees)+t.first >= t.obj.classes {
		return 0
	}
	if !t.o.BoostFromAverage && !t.hasInit && t.obj.average != nil {
		start = t.obj.average(c)
		t.addConstant(start, c)
	}
	return start
}

// boost computes gradients and draws the rows.
func (t *trainer) boost() {
	if t.o.BaggingByQuery && t.obj.sampled != nil {
		t.sample.draw(t.iter, t.grad, t.hess)
		if t.sample.active {
			t.obj.sampled(t.sample.queries, t.score, t.grad, t.hess)
			return
		}
	}
	t.obj.gradients(t.score, t.grad, t.hess)
	if !(t.o.BaggingByQuery && t.obj.sampled != nil) {
		t.sample.draw(t.iter, t.grad, t.hess)
	}
}

// grow grows a tree for a class; nil if there is nothing to learn.
func (t *trainer) grow(ctx context.Context, c int) (*tree, error) {
	if t.learner == nil || t.obj.needTrain != nil && !t.obj.needTrain(c) {
		return nil, nil
	}
	n := t.ds.rows
	t.learner.bag, t.learner.copied, t.learner.constHess = t.sample.in, t.sample.copied(), t.obj.constHess && !t.sample.goss
	if t.learner.constHess && t.sample.subset && len(t.sample.in) > 0 {
		t.learner.constRow = t.sample.in[0]
	}
	grad, hess := t.grad[c*n:(c+1)*n], t.hess[c*n:(c+1)*n]
	tr, err := t.learner.train(ctx, grad, hess)
	if err == nil && t.o.LinearTree {
		t.learner.fitLinear(tr, grad, hess, t.forest == nil && len(t.trees)+t.first < t.obj.classes)
	}
	return tr, err
}

// labelOf is the label that residuals are taken from.
func (obj *objective) labelOf(row int32) float32 { return obj.renewLabel[row] }

// renew sets the leaves of objectives such as L1 to quantiles of residuals (RenewTreeOutput).
func (t *trainer) renew(tr *tree, residual func(row int32) float64) {
	if !t.obj.renews {
		return
	}
	par.For(tr.numLeaves, 1, func(leaf, _ int) {
		rows := t.learner.part.leaf(int32(leaf))
		if len(rows) == 0 {
			return
		}
		values := make([]float64, len(rows))
		var w []float32
		if t.obj.renewW != nil {
			w = make([]float32, len(rows))
		}
		for i, row := range rows {
			values[i] = residual(row)
			if w != nil {
				w[i] = t.obj.renewW[row]
			}
		}
		tr.setLeaf(leaf, quantileOf(values, w, t.obj.renewAlpha))
	})
}

// boostFromAverage gives the score to start from and adds it to all scores, before the first tree.
func (t *trainer) boostFromAverage(c int) float64 {
	if len(t.trees)+t.first > 0 || t.hasInit || t.obj.average == nil {
		return 0
	}
	if !t.o.BoostFromAverage && t.learner != nil {
		return 0
	}
	v := t.obj.average(c)
	if !(math.Abs(v) > epsilon) {
		return 0
	}
	t.addConstant(v, c)
	return v
}

func (t *trainer) addConstant(v float64, c int) {
	add := func(score []float64, n int) {
		for i := range score[c*n : (c+1)*n] {
			score[c*n+i] += v
		}
	}
	add(t.score, t.ds.rows)
	for _, s := range t.sets {
		if !s.train {
			add(s.score, s.ds.rows)
		}
	}
}

// addScores adds a tree just grown to all scores.
func (t *trainer) addScores(tr *tree, c int) {
	n := t.ds.rows
	t.learner.addScores(tr, t.score[c*n:(c+1)*n])
	if t.sample.in != nil && len(t.sample.out) > 0 {
		t.ds.addTree(tr, t.sample.out, t.score[c*n:(c+1)*n])
	}
	t.addToSets(tr, c)
}

func (t *trainer) addToTrain(tr *tree, c int) {
	n := t.ds.rows
	t.ds.addTree(tr, nil, t.score[c*n:(c+1)*n])
}

func (t *trainer) addToSets(tr *tree, c int) {
	for _, s := range t.sets {
		if !s.train {
			n := s.ds.rows
			s.ds.addTree(tr, nil, s.score[c*n:(c+1)*n])
		}
	}
}

// model copies what is trained so far.
func (t *trainer) model() *Model {
	m := &Model{
		version: "v4", numClass: t.o.NumClass, treesPerIter: t.obj.classes, maxFeature: len(t.ds.columns) - 1, objective: t.obj.text,
		labelIndex: t.ds.labelIndex, average: t.o.Boosting == "rf", featureNames: t.ds.names, featureInfos: t.ds.infos(), monotone: t.o.MonotoneConstraints,
		params: t.o.block(), transform: t.f,
	}
	if t.o.SavedFeatureImportanceType == 1 {
		m.saved = ImportanceGain
	}
	if t.o.InitModel != nil {
		m.trees = append(m.trees, t.o.InitModel.trees...)
	}
	for _, tr := range t.trees {
		c := *tr
		c.grown = nil
		if t.dart != nil { // DART goes on changing them
			c.leafValue, c.internalValue = slices.Clone(c.leafValue), slices.Clone(c.internalValue)
			c.leafConst = slices.Clone(c.leafConst)
			c.leafCoeff = slices.Clone(c.leafCoeff)
			for i := range c.leafCoeff {
				c.leafCoeff[i] = slices.Clone(c.leafCoeff[i])
			}
		}
		m.trees = append(m.trees, &c)
	}
	return m
}
