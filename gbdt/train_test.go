package gbdt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/internal/par"
)

// smallData has a numeric, a sparse, a missing, a categorical and a many-valued column.
func smallData(rows int, seed uint64) Data {
	r := rand.New(rand.NewPCG(seed, 1))
	d := Data{Columns: make([]Column, 5)}
	for j := range d.Columns {
		d.Columns[j].Values = make([]float64, rows)
	}
	d.Columns[3].Categorical = true
	for i := range rows {
		x := []float64{r.NormFloat64(), 0, r.NormFloat64(), float64(r.IntN(12)), r.NormFloat64() * 100}
		if r.IntN(5) == 0 {
			x[1] = r.NormFloat64()
		}
		if r.IntN(4) == 0 {
			x[2] = math.NaN()
		}
		for j, v := range x {
			d.Columns[j].Values[i] = v
		}
		y := x[0] + 2*x[1] + float64(int(x[3])%3) + 0.01*x[4] + 0.2*r.NormFloat64()
		if x[2] == x[2] {
			y += x[2] * x[0]
		}
		d.Label = append(d.Label, y)
	}
	return d
}

func text(t testing.TB, m *Model) string {
	t.Helper()
	var b bytes.Buffer
	must(t, m.WriteText(&b))
	return b.String()
}

// TestThreads: the model has the same bits for any number of threads, by row and by column.
func TestThreads(t *testing.T) {
	defer par.SetThreads(0)
	for _, o := range []Options{
		{NumLeaves: 40, NumIterations: 8},
		{NumLeaves: 40, NumIterations: 5, MaxBin: 2000, MinDataInBin: 1}, // 16-bit bins
		{NumIterations: 8, BaggingFraction: 0.4, BaggingFreq: 1, FeatureFraction: 0.6, ExtraTrees: true},
		{NumIterations: 8, DataSampleStrategy: "goss", LearningRate: 0.5},
		{NumIterations: 8, Boosting: "dart", Metric: []string{"l2", "l1"}},
		{NumIterations: 4, LinearTree: true},
		{NumIterations: 4, Objective: "regression_l1"},
		{NumLeaves: 40, NumIterations: 8, UseQuantizedGrad: true, BaggingFraction: 0.7, BaggingFreq: 1},
		{NumLeaves: 40, NumIterations: 5, UseQuantizedGrad: true, QuantTrainRenewLeaf: true, Objective: "fair", MaxBin: 2000, MinDataInBin: 1},
	} {
		var want string
		for _, threads := range []int{1, 2, 3, 8} {
			par.SetThreads(threads)
			ds, err := NewDataset(smallData(3000, 1), o)
			must(t, err)
			valid, err := ds.NewValid(smallData(500, 2))
			must(t, err)
			curve := ""
			o.Validation = []Validation{{"train", ds}, {"valid", valid}}
			o.OnIter = func(it Iteration) error { curve += fmt.Sprint(it.Results); return nil }
			m, err := Train(context.Background(), ds, o)
			must(t, err)
			got := text(t, m) + curve
			if want == "" {
				want = got
			}
			if got != want {
				t.Errorf("%+v: another model or curve on %d threads", o, threads)
			}
		}
	}
}

// TestRoundTrip: a trained model, written and read, predicts the same bits, and training goes on from it alike.
func TestRoundTrip(t *testing.T) {
	d := smallData(800, 3)
	for _, o := range []Options{{NumIterations: 6}, {NumIterations: 4, LinearTree: true}} {
		ds, err := NewDataset(d, o)
		must(t, err)
		m, err := Train(context.Background(), ds, o)
		must(t, err)
		again, err := ReadText(strings.NewReader(text(t, m)))
		must(t, err)
		x := make([]float64, ds.rows*5)
		for i := range ds.rows {
			ds.row(x[i*5:(i+1)*5], i)
		}
		a, b := make([]float64, ds.rows), make([]float64, ds.rows)
		must(t, m.Predict(a, x, PredictOptions{}))
		must(t, again.Predict(b, x, PredictOptions{}))
		for i := range a {
			if a[i] != b[i] {
				t.Fatalf("row %d: %v before, %v after", i, a[i], b[i])
			}
		}
		if !o.LinearTree { // what was binned falls into the leaf that its value falls into
			tr, err := newTrainer(ds, ptr(mustResolve(t, o)))
			must(t, err)
			must(t, tr.iterate(context.Background()))
			leafs := make([]int, ds.rows)
			one := tr.model()
			must(t, one.LeafIndex(leafs, x, PredictOptions{}))
			for i := range leafs {
				if got := ds.leafByBins(tr.trees[0], int32(i)); int(got) != leafs[i] {
					t.Fatalf("row %d falls into leaf %d by bins, %d by value", i, got, leafs[i])
				}
			}
		}
	}
}

func ptr[T any](v T) *T { return &v }

func mustResolve(t testing.TB, o Options) Options {
	t.Helper()
	o, err := o.resolve()
	must(t, err)
	return o
}

// TestContribSum: contributions add up to the raw score.
func TestContribSum(t *testing.T) {
	d := smallData(600, 4)
	ds, err := NewDataset(d, Options{})
	must(t, err)
	m, err := Train(context.Background(), ds, Options{NumIterations: 10})
	must(t, err)
	x := make([]float64, 50*5)
	for i := range 50 {
		ds.row(x[i*5:(i+1)*5], i)
	}
	raw, contrib := make([]float64, 50), make([]float64, 50*6)
	must(t, m.Predict(raw, x, PredictOptions{Raw: true}))
	must(t, m.Contrib(contrib, x, PredictOptions{}))
	for i, v := range raw {
		sum := 0.0
		for _, c := range contrib[i*6 : (i+1)*6] {
			sum += c
		}
		if math.Abs(sum-v) > 1e-9*max(1, math.Abs(v)) { // rounding of some hundred terms
			t.Errorf("row %d: contributions add up to %v, the score is %v", i, sum, v)
		}
	}
}

func TestCancel(t *testing.T) {
	ds, err := NewDataset(smallData(500, 5), Options{})
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	o := Options{OnIter: func(it Iteration) error {
		if it.N == 3 {
			cancel()
		}
		return nil
	}}
	if _, err := Train(ctx, ds, o); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled training: %v", err)
	}
	o.OnIter = func(it Iteration) error {
		if it.N == 4 {
			return ErrStop
		}
		return nil
	}
	m, err := Train(context.Background(), ds, o)
	must(t, err)
	if m.NumIterations() != 4 {
		t.Errorf("stopped after 4 iterations, the model has %d", m.NumIterations())
	}
	failed := errors.New("disk full")
	o.OnIter = func(Iteration) error { return failed }
	if _, err := Train(context.Background(), ds, o); !errors.Is(err, failed) {
		t.Errorf("a callback's error: %v", err)
	}
}

// TestResume: training in two halves gives the model of one run; what OnIter hands out can be kept.
func TestResume(t *testing.T) {
	ds, err := NewDataset(smallData(700, 6), Options{})
	must(t, err)
	var half *Model
	o := Options{NumIterations: 10, OnIter: func(it Iteration) error {
		if it.N == 5 {
			half = it.Model()
		}
		return nil
	}}
	whole, err := Train(context.Background(), ds, o)
	must(t, err)
	o.OnIter = nil
	half, err = ReadText(strings.NewReader(text(t, half)))
	must(t, err)
	o.InitModel, o.NumIterations = half, 5
	m, err := Train(context.Background(), ds, o)
	must(t, err)
	for i, a := range whole.trees {
		b := m.trees[i]
		for j := range a.leafValue {
			// scores were rebuilt from the file: the same sums, in the order of trees
			if math.Abs(a.leafValue[j]-b.leafValue[j]) > 1e-12*math.Abs(a.leafValue[j]) {
				t.Fatalf("tree %d leaf %d: %v in one run, %v in two", i, j, a.leafValue[j], b.leafValue[j])
			}
		}
	}
}

func TestCustomObjective(t *testing.T) {
	d := smallData(400, 7)
	ds, err := NewDataset(d, Options{})
	must(t, err)
	o := DefaultOptions()
	o.NumIterations, o.BoostFromAverage = 5, false
	want, err := Train(context.Background(), ds, o)
	must(t, err)
	o.Objective = "custom"
	o.CustomObjective = func(score []float64, grad, hess []float32) {
		for i, s := range score {
			grad[i], hess[i] = float32(s-float64(float32(d.Label[i]))), 1
		}
	}
	got, err := Train(context.Background(), ds, o)
	must(t, err)
	if len(got.trees) != len(want.trees) {
		t.Fatalf("%d trees, want %d", len(got.trees), len(want.trees))
	}
	for i := range got.trees {
		if d := diffFloats(got.trees[i].leafValue, want.trees[i].leafValue, 0); d != "" {
			t.Errorf("tree %d: %s", i, d)
		}
	}
}

// TestBadData: what cannot be trained on is an error that says what and where.
func TestBadData(t *testing.T) {
	nan := math.NaN()
	for name, c := range map[string]struct {
		data func(d *Data)
		o    Options
		want string
	}{
		"no columns":          {func(d *Data) { d.Columns = nil }, Options{}, "no columns"},
		"no rows":             {func(d *Data) { *d = Data{Columns: []Column{{}}} }, Options{}, "0 rows"},
		"ragged":              {func(d *Data) { d.Columns[2].Values = d.Columns[2].Values[1:] }, Options{}, "column 2 (Column_2) has 99 rows"},
		"labels missing":      {func(d *Data) { d.Label = d.Label[1:] }, Options{}, "99 labels for 100 rows"},
		"label NaN":           {func(d *Data) { d.Label[7] = nan }, Options{}, "label of row 7"},
		"weight negative":     {func(d *Data) { d.Weight = make([]float64, 100); d.Weight[3] = -1 }, Options{}, "weight of row 3"},
		"init score NaN":      {func(d *Data) { d.InitScore = make([]float64, 100); d.InitScore[3] = nan }, Options{}, "initial score 3"},
		"init score length":   {func(d *Data) { d.InitScore = make([]float64, 30) }, Options{}, "30 initial scores"},
		"groups":              {func(d *Data) { d.Group = []int{60, 60} }, Options{}, "query 1 has 60 rows, 40 are left"},
		"groups short":        {func(d *Data) { d.Group = []int{60} }, Options{}, "60 rows together"},
		"no groups":           {nil, Options{Objective: "lambdarank"}, "sizes of the queries"},
		"classes":             {nil, Options{Objective: "multiclass", NumClass: 3}, "want a class in 0..2"},
		"half a class":        {func(d *Data) { d.Label = slicesRepeat(0.5, 100) }, Options{Objective: "multiclass", NumClass: 3}, "is 0.5, want a class in 0..2"},
		"three kinds":         {nil, Options{Objective: "binary"}, "want two classes; multiclass has more"},
		"class metric":        {nil, Options{Metric: []string{"multi_logloss"}}, "needs num_class of at least 2"},
		"monotone":            {nil, Options{MonotoneConstraints: []int8{0, 0, 2, 0, 0}}, "want 1, -1 or 0"},
		"class count":         {nil, Options{Objective: "multiclass"}, "num_class"},
		"negative counts":     {nil, Options{Objective: "poisson"}, "want 0 or more"},
		"probabilities":       {nil, Options{Objective: "cross_entropy"}, "want it in [0, 1]"},
		"objective":           {nil, Options{Objective: "magic"}, `objective "magic" is not known`},
		"metric":              {nil, Options{Metric: []string{"magic"}}, "magic"},
		"boosting":            {nil, Options{Boosting: "magic"}, "boosting"},
		"monotone length":     {nil, Options{MonotoneConstraints: []int8{1}}, "1 entries for 5 features"},
		"monotone categories": {nil, Options{MonotoneConstraints: []int8{0, 0, 0, 1, 0}}, "feature 3 is categorical"},
		"interaction":         {nil, Options{InteractionConstraints: "[0,9]"}, "feature 9"},
		"interaction text":    {nil, Options{InteractionConstraints: "0;1"}, "interaction_constraints"},
		"forced splits":       {nil, Options{ForcedSplitsFilename: "nowhere.json"}, "nowhere.json"},
		"forced bins":         {nil, Options{ForcedBinsFilename: "nowhere.json"}, "nowhere.json"},
		"max_bin":             {nil, Options{MaxBin: 1 << 20}, "max_bin"},
		"forest":              {nil, Options{Boosting: "rf"}, "random forest needs bagging"},
		"bins by feature":     {nil, Options{MaxBinByFeature: []int{3}}, "1 entries for 5 columns"},
		"pre-filter":          {func(d *Data) { d.Columns[0].Values = make([]float64, 100) }, Options{MinDataInLeaf: 1}, "feature_pre_filter"},
		"quantized linear":    {nil, Options{UseQuantizedGrad: true, LinearTree: true}, "linear_tree does not go with use_quantized_grad"},
		"quantized forced":    {nil, Options{UseQuantizedGrad: true, ForcedSplitsFilename: "nowhere.json"}, "forced splits do not go with use_quantized_grad"},
		"quantized bins":      {nil, Options{UseQuantizedGrad: true, NumGradQuantBins: 256}, "want 2 or more, at most 255"},
		"cegb":                {nil, Options{CEGBPenaltyFeatureCoupled: []float64{1}}, "1 entries for 5 features"},
	} {
		d := smallData(100, 8)
		if c.data != nil {
			c.data(&d)
		}
		binning := c.o
		if name == "pre-filter" {
			binning.MinDataInLeaf = 20
		}
		ds, err := NewDataset(d, binning)
		if err == nil {
			c.o.Validation = []Validation{{"train", ds}}
			_, err = Train(context.Background(), ds, c.o)
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
	}
}

// TestDegenerateData: data that has nothing to learn from is no error.
func TestDegenerateData(t *testing.T) {
	nan := math.NaN()
	for name, change := range map[string]func(d *Data){
		"one row":      func(d *Data) { *d = Data{Columns: []Column{{Values: []float64{1}}}, Label: []float64{1}} },
		"constant":     func(d *Data) { d.Columns = []Column{{Values: make([]float64, 100)}} },
		"all missing":  func(d *Data) { d.Columns = []Column{{Values: slicesRepeat(nan, 100)}} },
		"one label":    func(d *Data) { d.Label = slicesRepeat(1, 100) },
		"infinite":     func(d *Data) { d.Columns[0].Values[3], d.Columns[0].Values[4] = math.Inf(1), math.Inf(-1) },
		"huge":         func(d *Data) { d.Columns[0].Values[3] = math.MaxFloat64 },
		"codes beyond": func(d *Data) { d.Columns[3].Values[3], d.Columns[3].Values[4] = 1e300, -5 },
		"ignored":      func(d *Data) { d.Columns[0].Ignore = true },
		"zero weights": func(d *Data) { d.Weight = make([]float64, 100) },
	} {
		for _, o := range []Options{{}, {Objective: "binary"}, {Objective: "regression_l1"}, {UseQuantizedGrad: true, Objective: "fair"}} {
			d := smallData(100, 9)
			change(&d)
			for i, y := range d.Label {
				if o.Objective == "binary" {
					d.Label[i] = float64(boolIndex(y > 0))
				}
			}
			o.NumIterations = 3
			ds, err := NewDataset(d, o)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			m, err := Train(context.Background(), ds, o)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			p := make([]float64, 1)
			must(t, m.PredictRow(p, make([]float64, m.NumFeatures()), PredictOptions{}))
			if _, err := ReadText(strings.NewReader(text(t, m))); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// Doubts are LightGBM's warnings of such data.
func TestDoubts(t *testing.T) {
	for name, c := range map[string]struct {
		change func(d *Data)
		o      Options
		want   string
	}{
		"nothing":      {func(d *Data) { d.Columns = []Column{{Values: make([]float64, 100)}} }, Options{}, "no meaningful features"},
		"one class":    {func(d *Data) { d.Label = slicesRepeat(2, 100) }, Options{Objective: "binary"}, "only one class"},
		"one of three": {func(d *Data) { d.Label = slicesRepeat(2, 100) }, Options{Objective: "softmax", NumClass: 3}, "only one class"},
		"small labels": {func(*Data) {}, Options{Objective: "mape"}, "MAPE is unstable"},
		"no weight":    {func(d *Data) { d.Weight = make([]float64, 100) }, Options{}, "weights are 0"},
		"all is well":  {func(*Data) {}, Options{}, ""},
	} {
		d := smallData(100, 9)
		c.change(&d)
		ds, err := NewDataset(d, c.o)
		must(t, err)
		got := ds.Doubts(c.o)
		if len(got) > 1 || (len(got) == 0) != (c.want == "") || c.want != "" && !strings.Contains(got[0], c.want) {
			t.Errorf("%s: %q, want one with %q", name, got, c.want)
		}
	}
}

func slicesRepeat(v float64, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = v
	}
	return out
}

func TestPredictErrors(t *testing.T) {
	m, _ := readSmall(t)
	for _, err := range []error{
		m.Predict(make([]float64, 1), make([]float64, 4), PredictOptions{}),
		m.Predict(make([]float64, 1), make([]float64, 6), PredictOptions{}),
		m.PredictRow(make([]float64, 1), make([]float64, 2), PredictOptions{}),
		m.LeafIndex(make([]int, 1), make([]float64, 3), PredictOptions{}),
		m.Contrib(make([]float64, 4), make([]float64, 3), PredictOptions{}), // its last tree is linear
	} {
		if err == nil {
			t.Error("no error")
		}
	}
}
