package gbdt

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// resolve fills in defaults and settles what depends on each other (Config::Set, CheckParamConflict).
func (o Options) resolve() (Options, error) {
	o = o.withDefaults()
	if err := o.checkBounds(); err != nil {
		return o, err
	}
	o.deriveSeeds()
	o.Objective = objectiveName(strings.ToLower(o.Objective))
	o.EvalAt = slices.Sorted(slices.Values(o.EvalAt))
	switch strings.ToLower(o.Boosting) {
	case "gbdt", "gbrt":
		o.Boosting = "gbdt"
	case "dart":
		o.Boosting = "dart"
	case "rf", "random_forest":
		o.Boosting = "rf"
	case "goss":
		o.Boosting, o.DataSampleStrategy = "gbdt", "goss"
	default:
		return o, fmt.Errorf("gbdt: boosting %q is not known, want gbdt, dart, rf or goss", clip(o.Boosting))
	}
	if o.DataSampleStrategy != "bagging" && o.DataSampleStrategy != "goss" {
		return o, fmt.Errorf("gbdt: data_sample_strategy %q is not known, want bagging or goss", clip(o.DataSampleStrategy))
	}
	if o.DataSampleStrategy == "goss" {
		o.BaggingByQuery = false
	}
	if o.MaxDepth > 0 && !o.given["num_leaves"] && o.NumLeaves == 31 && math.Pow(2, float64(o.MaxDepth)) < 31 {
		o.NumLeaves = 1 << o.MaxDepth
	}
	if o.PathSmooth > epsilon && o.MinDataInLeaf < 2 {
		o.MinDataInLeaf = 2 // counts are estimates: one row may be none
	}
	if o.MinDataInLeaf <= 0 && o.MinSumHessianInLeaf <= epsilon {
		o.MinDataInLeaf = 1
	}
	switch o.MonotoneConstraintsMethod {
	case "basic", "intermediate", "advanced":
	default:
		return o, fmt.Errorf("gbdt: monotone_constraints_method %q is not known, want basic, intermediate or advanced", clip(o.MonotoneConstraintsMethod))
	}
	if o.FeatureFractionByNode != 1 {
		o.MonotoneConstraintsMethod = "basic" // the others look again at splits of leaves, whose features are not kept
	}
	return o, o.checkConflicts()
}

func (o *Options) checkConflicts() error {
	many := o.Objective == "multiclass" || o.Objective == "multiclassova"
	switch {
	case many && o.NumClass < 2:
		return fmt.Errorf("gbdt: objective %s needs num_class of at least 2", o.Objective)
	case !many && o.NumClass != 1 && o.Objective != "custom":
		return fmt.Errorf("gbdt: objective %s has one class, num_class=%d", o.Objective, o.NumClass)
	case o.NumClass > 1<<16:
		return fmt.Errorf("gbdt: num_class=%d is too many, want at most %d", o.NumClass, 1<<16)
	case slices.ContainsFunc(o.MonotoneConstraints, func(v int8) bool { return v < -1 || v > 1 }):
		return fmt.Errorf("gbdt: monotone_constraints: want 1, -1 or 0 for each feature")
	case o.LinearTree && o.ZeroAsMissing:
		return fmt.Errorf("gbdt: linear_tree needs zero_as_missing=false")
	case o.LinearTree && o.Objective == "regression_l1":
		return fmt.Errorf("gbdt: linear_tree does not go with objective regression_l1")
	case o.DataSampleStrategy == "goss" && (o.TopRate+o.OtherRate > 1 || o.TopRate == 0 || o.OtherRate == 0):
		return fmt.Errorf("gbdt: goss needs top_rate and other_rate above 0 and together at most 1")
	case o.DataSampleStrategy == "goss" && o.BaggingFreq > 0 && o.BaggingFraction != 1:
		return fmt.Errorf("gbdt: goss does not go with bagging")
	case o.UseQuantizedGrad && o.LinearTree:
		return fmt.Errorf("gbdt: linear_tree does not go with use_quantized_grad: LightGBM grows no tree then")
	case o.UseQuantizedGrad && o.ForcedSplitsFilename != "":
		return fmt.Errorf("gbdt: forced splits do not go with use_quantized_grad: LightGBM takes sums of integers for others then")
	case o.IsUnbalance && o.ScalePosWeight != 1:
		return fmt.Errorf("gbdt: set is_unbalance or scale_pos_weight, not both")
	}
	if o.Boosting == "rf" && o.DataSampleStrategy == "bagging" && !(o.BaggingFreq > 0 && o.BaggingFraction < 1) && !(o.FeatureFraction < 1) {
		return fmt.Errorf("gbdt: a random forest needs bagging (bagging_freq, bagging_fraction < 1) or feature_fraction < 1")
	}
	return nil
}

// checkBounds holds all numbers against the table, whether they came through Set or not.
func (o *Options) checkBounds() error {
	for i := range params {
		p := &params[i]
		if p.at == nil {
			continue
		}
		var v float64
		switch f := p.at(o).(type) {
		case *int:
			v = float64(*f)
		case *float64:
			v = *f
		default:
			continue
		}
		if err := p.bound(v); err != nil {
			return fmt.Errorf("gbdt: %s=%g %w", p.name, v, err)
		}
	}
	switch {
	case o.TweedieVariancePower >= 2:
		return fmt.Errorf("gbdt: tweedie_variance_power=%g must be below 2", o.TweedieVariancePower)
	case o.NumLeaves < 2:
		return fmt.Errorf("gbdt: num_leaves=%d, want at least 2", o.NumLeaves)
	case o.MaxBin > maxBins || slices.ContainsFunc(o.MaxBinByFeature, func(n int) bool { return n < 2 || n > maxBins }):
		return fmt.Errorf("gbdt: max_bin must be in 2..%d", maxBins)
	}
	return nil
}

// deriveSeeds draws the seeds that were not given from Seed, if that was.
func (o *Options) deriveSeeds() {
	if o.Seed == 0 && !o.given["seed"] {
		return
	}
	r := newRandom(o.Seed)
	for _, s := range []struct {
		name    string
		seed    *int
		initial int
	}{
		{"data_random_seed", &o.DataRandomSeed, 1}, {"bagging_seed", &o.BaggingSeed, 3}, {"drop_seed", &o.DropSeed, 4},
		{"feature_fraction_seed", &o.FeatureFractionSeed, 2}, {"objective_seed", &o.ObjectiveSeed, 5}, {"extra_seed", &o.ExtraSeed, 6},
	} {
		drawn := r.short(0, math.MaxInt16)
		if *s.seed == s.initial && !o.given[s.name] {
			*s.seed = drawn
		}
	}
}
