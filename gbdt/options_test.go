package gbdt

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

// TestParameterTable: each name and alias occurs once, and defaults are within their bounds.
func TestParameterTable(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range params {
		for _, name := range append([]string{p.name}, p.aliases...) {
			if seen[name] {
				t.Errorf("%s stands twice", name)
			}
			seen[name] = true
		}
	}
	o := DefaultOptions()
	must(t, o.checkBounds())
	if _, err := o.resolve(); err != nil {
		t.Error(err)
	}
}

// TestZeroOptions: the zero value has LightGBM's defaults.
func TestZeroOptions(t *testing.T) {
	if got, want := (Options{}).withDefaults(), DefaultOptions(); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
	o := DefaultOptions()
	o.BoostFromAverage, o.MinDataInLeaf = false, 0
	if p := o.withDefaults(); p.BoostFromAverage || p.MinDataInLeaf != 0 {
		t.Error("what DefaultOptions had set to zero went back to its default")
	}
	var q Options
	must(t, q.Set("boost_from_average", "false"))
	must(t, q.Set("lambda", "0"))
	if q.withDefaults().BoostFromAverage {
		t.Error("what Set had set to false went back to its default")
	}
}

func TestSet(t *testing.T) {
	for _, c := range []struct {
		set  []string
		got  func(o *Options) any
		want any
	}{
		{[]string{"n_estimators=7"}, func(o *Options) any { return o.NumIterations }, 7},
		{[]string{"eta=0.5", "shrinkage_rate=0.25"}, func(o *Options) any { return o.LearningRate }, 0.5},
		{[]string{"eta=0.5", "learning_rate=0.25"}, func(o *Options) any { return o.LearningRate }, 0.25},
		{[]string{"learning_rate=0.25", "learning_rate=0.5"}, func(o *Options) any { return o.LearningRate }, 0.25},
		{[]string{"metric=l2,auc"}, func(o *Options) any { return o.Metric }, []string{"l2", "auc"}},
		{[]string{"mc=1,0,-1"}, func(o *Options) any { return o.MonotoneConstraints }, []int8{1, 0, -1}},
		{[]string{"is_training_metric=+"}, func(o *Options) any { return o.IsProvideTrainingMetric }, true},
		{[]string{"ndcg_at=3,1"}, func(o *Options) any { return o.EvalAt }, []int{3, 1}},
		{[]string{"device=cpu", "tree_learner=serial", "num_machines=1", "is_enable_sparse=true"}, func(o *Options) any { return o.NumLeaves }, 0},
	} {
		var o Options
		for _, s := range c.set {
			k, v, _ := strings.Cut(s, "=")
			must(t, o.Set(k, v))
		}
		if got := c.got(&o); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%v: %v, want %v", c.set, got, c.want)
		}
	}
}

func TestSetErrors(t *testing.T) {
	for set, want := range map[string]string{
		"device=gpu":               "not supported",
		"tree_learner=data":        "not supported",
		"num_machines=4":           "not supported",
		"num_grad_quant_bins=1":    "want 2 or more, at most 255",
		"num_leaves=many":          "want a whole number",
		"num_leaves=1":             "want more than 1, at most 131072",
		"learning_rate=0":          "want more than 0",
		"learning_rate=inf":        "want a number that is finite",
		"learning_rate=1e400":      "want a number",
		"feature_fraction=nan":     "want more than 0, at most 1",
		"boost_from_average=maybe": "true or false",
		"mc=1,x":                   "want whole numbers, with commas",
	} {
		var o Options
		k, v, _ := strings.Cut(set, "=")
		if err := o.Set(k, v); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", set, err, want)
		}
	}
	var o Options
	var unknown *UnknownParameterError
	if err := o.Set("nonsense", "1"); !errors.As(err, &unknown) || unknown.Name != "nonsense" {
		t.Errorf("an unknown name: %v", err)
	}
}

// TestSeeds: a seed draws the others, as in every fixture's file; one that is given stays.
func TestSeeds(t *testing.T) {
	o, err := Options{Seed: 1}.resolve()
	must(t, err)
	got := []int{o.DataRandomSeed, o.BaggingSeed, o.DropSeed, o.FeatureFractionSeed, o.ObjectiveSeed, o.ExtraSeed}
	if want := []int{41, 18467, 6334, 26500, 19169, 15724}; !reflect.DeepEqual(got, want) {
		t.Errorf("seeds %v, want %v", got, want)
	}
	o, err = Options{Seed: 1, BaggingSeed: 9}.resolve()
	must(t, err)
	if o.BaggingSeed != 9 {
		t.Errorf("bagging_seed %d, want the 9 given", o.BaggingSeed)
	}
}

func TestReadConfig(t *testing.T) {
	var o Options
	unknown, err := o.ReadConfig(strings.NewReader("# a comment\n\nobjective = binary # another\nnum_trees=3\nnonsense = 1\n"))
	must(t, err)
	if o.Objective != "binary" || o.NumIterations != 3 || len(unknown) != 1 || unknown[0] != "nonsense" {
		t.Errorf("%+v, unknown %v", o, unknown)
	}
	if _, err := o.ReadConfig(strings.NewReader("objective\n")); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("a line without =: %v", err)
	}
	if _, err := o.ReadConfig(strings.NewReader("\ndevice=gpu\n")); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("an unsupported device: %v", err)
	}
}

func FuzzReadConfig(f *testing.F) {
	f.Add("objective = binary\nmetric = auc,l2 # x\nmc=1,0\n")
	f.Add("learning_rate=1e999\nlabel_gain=,\n")
	f.Fuzz(func(t *testing.T, text string) {
		var o Options
		if _, err := o.ReadConfig(strings.NewReader(text)); err == nil {
			o.resolve()
			o.withDefaults()
		}
		parseInteractions(text, 8)
	})
}

// TestMetricLine: the block of a model file names the metrics as LightGBM 4.6 resolves them.
func TestMetricLine(t *testing.T) {
	for _, c := range []struct {
		objective, metric, want string
	}{
		{"", "", "l2"}, {"binary", "", "binary_logloss"}, {"mae", "", "l1"}, {"multiclassova", "", "multi_logloss"}, {"rank_xendcg", "", "ndcg"},
		{"cross_entropy_lambda", "", "cross_entropy_lambda"}, {"tweedie", "", "tweedie"}, {"custom", "", "custom"},
		{"", "None", "custom"}, {"", "na", "custom"}, {"", "auc,none", "auc,custom"}, {"", "rmse,mse,l2", "rmse,l2"},
	} {
		var o Options
		if c.objective != "" {
			must(t, o.Set("objective", c.objective))
		}
		must(t, o.Set("metric", c.metric))
		if strings.HasPrefix(c.objective, "multi") {
			o.NumClass = 3
		}
		o, err := o.resolve()
		must(t, err)
		if want := "[metric: " + c.want + "]\n"; !strings.Contains(o.block(), want) {
			t.Errorf("objective %q, metric %q: no %s", c.objective, c.metric, want)
		}
	}
}
