package gbdt

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Options are LightGBM's parameters (docs/Parameters.rst) under their names in Go form. The zero value has LightGBM's
// defaults: a field that is zero or false takes its default. Where zero or false itself is meant and is not the
// default, as with BoostFromAverage, start from [DefaultOptions] or use [Options.Set].
type Options struct {
	// What to train.

	Objective          string  // what to minimise, by any of LightGBM's names; default regression
	Boosting           string  // gbdt (default), dart, rf; goss is gbdt with DataSampleStrategy goss
	DataSampleStrategy string  // bagging (default) or goss
	NumIterations      int     // boosting rounds; default 100
	LearningRate       float64 // default 0.1
	NumLeaves          int     // default 31
	NumThreads         int     // ignored by Train: see par.SetThreads and GOMAXPROCS
	Seed               int     // if given, all other seeds that are not given are drawn from it

	// How trees grow.

	MaxDepth                  int     // no limit if ≤ 0 (default)
	MinDataInLeaf             int     // default 20
	MinSumHessianInLeaf       float64 // default 0.001
	BaggingFraction           float64 // share of rows for a tree; default 1
	PosBaggingFraction        float64 // of rows with a positive label; default 1
	NegBaggingFraction        float64 // of the others; default 1
	BaggingFreq               int     // draw rows anew after so many rounds; 0 (default) switches bagging off
	BaggingSeed               int     // default 3
	BaggingByQuery            bool    // draw whole queries
	FeatureFraction           float64 // share of features for a tree; default 1
	FeatureFractionByNode     float64 // share of these for a split; default 1
	FeatureFractionSeed       int     // default 2
	ExtraTrees                bool    // one random threshold a feature
	ExtraSeed                 int     // default 6
	EarlyStoppingRound        int     // stop when no metric of a validation set has improved for so many rounds; 0: never
	EarlyStoppingMinDelta     float64 // what counts as improved
	FirstMetricOnly           bool    // for early stopping
	MaxDeltaStep              float64 // bound on a leaf's output; 0: none
	LambdaL1                  float64
	LambdaL2                  float64
	LinearLambda              float64 // ridge of linear leaves
	MinGainToSplit            float64
	DropRate                  float64 // DART: share of trees to drop; default 0.1
	MaxDrop                   int     // at most so many, no limit if ≤ 0; default 50
	SkipDrop                  float64 // chance to drop none; default 0.5
	XGBoostDartMode           bool
	UniformDrop               bool
	DropSeed                  int     // default 4
	TopRate                   float64 // GOSS: share of rows with the largest gradients; default 0.2
	OtherRate                 float64 // share drawn from the others; default 0.1
	MinDataPerGroup           int     // categories; default 100
	MaxCatThreshold           int     // default 32
	CatL2                     float64 // default 10
	CatSmooth                 float64 // default 10
	MaxCatToOneHot            int     // default 4
	MonotoneConstraints       []int8  // for each feature 1 rising, −1 falling, 0 none
	MonotoneConstraintsMethod string  // basic (default), intermediate, advanced
	MonotonePenalty           float64
	FeatureContri             []float64 // multiplies the gain of each feature
	ForcedSplitsFilename      string    // JSON file of the splits to begin with
	RefitDecayRate            float64   // default 0.9
	CEGBTradeoff              float64   // cost-effective boosting; default 1
	CEGBPenaltySplit          float64
	CEGBPenaltyFeatureLazy    []float64
	CEGBPenaltyFeatureCoupled []float64
	PathSmooth                float64 // pulls a leaf towards its parent
	InteractionConstraints    string  // features that may meet on a path: [0,1],[2,3]
	LinearTree                bool    // linear models in the leaves
	UseQuantizedGrad          bool    // round gradients and hessians to small integers (Shi et al. 2022)
	NumGradQuantBins          int     // how many of them; 2 to 255, default 4
	QuantTrainRenewLeaf       bool    // then set leaves from the true gradients and hessians
	StochasticRounding        bool    // round up or down at random (from Seed) rather than to the nearest; default true

	// How features are binned.

	MaxBin                int // default 255
	MaxBinByFeature       []int
	MinDataInBin          int  // default 3
	BinConstructSampleCnt int  // rows that bins are made from; default 200000
	DataRandomSeed        int  // default 1
	IsEnableSparse        bool // keep features that are mostly one value by row; default true
	EnableBundle          bool // let features that are hardly ever non-zero together share a column of bins; default true
	UseMissing            bool // default true
	ZeroAsMissing         bool
	FeaturePreFilter      bool   // leave out features that MinDataInLeaf cannot split; default true
	ForcedBinsFilename    string // JSON file of bin bounds

	// Objectives.

	ObjectiveSeed                        int       // default 5
	NumClass                             int       // default 1
	IsUnbalance                          bool      // weigh the classes to balance
	ScalePosWeight                       float64   // default 1
	Sigmoid                              float64   // default 1
	BoostFromAverage                     bool      // default true
	RegSqrt                              bool      // fit the root of the label
	Alpha                                float64   // of huber and quantile; default 0.9
	FairC                                float64   // default 1
	PoissonMaxDeltaStep                  float64   // default 0.7
	TweedieVariancePower                 float64   // in [1, 2); default 1.5
	LambdaRankTruncationLevel            int       // default 30
	LambdaRankNorm                       bool      // default true
	LabelGain                            []float64 // gain of each label; default 2^label − 1
	LambdaRankPositionBiasRegularization float64   // holds back the biases of Data.Position

	// Metrics.

	Metric                  []string // names; default the objective's own; "None" for none
	MetricFreq              int      // default 1
	IsProvideTrainingMetric bool     // evaluate the training set too
	EvalAt                  []int    // default 1 to 5
	MultiErrorTopK          int      // default 1
	AUCMuWeights            []float64

	// For programs that work on files; Train does not look at these.

	Task                       string
	Data                       string
	Valid                      []string
	Verbosity                  int
	InputModel                 string
	OutputModel                string
	SavedFeatureImportanceType int
	SnapshotFreq               int
	Header                     bool
	LabelColumn                string
	WeightColumn               string
	GroupColumn                string
	IgnoreColumn               string
	CategoricalFeature         string
	SaveBinary                 bool
	TwoRound                   bool // only read what can be read in pieces: see OpenDataset
	StartIterationPredict      int
	NumIterationPredict        int
	PredictRawScore            bool
	PredictLeafIndex           bool
	PredictContrib             bool
	PredictDisableShapeCheck   bool
	PredEarlyStop              bool
	PredEarlyStopFreq          int
	PredEarlyStopMargin        float64
	OutputResult               string
	ConvertModelLanguage       string
	ConvertModel               string

	// For callers from Go.

	Validation []Validation          // sets to evaluate after every iteration, in order
	InitModel  *Model                // go on from this model: its trees come first
	OnIter     func(Iteration) error // called after every iteration; an error ends training and is returned, [ErrStop] ends it well
	// Checkpoint is a file that training writes its state to after every CheckpointFreq rounds (default 10), and goes on from if it
	// is there: a training that was killed ends with the very model that it would have given. It is refused where parameters
	// (but for NumIterations) or data are others. "": none. Training leaves the file; remove it when the model is safe.
	Checkpoint     string
	CheckpointFreq int

	// AsCommand trains as the lightgbm command, not as its Python package: training ends with the first iteration that finds
	// no split; early stopping looks at the last position of ndcg and map alone, and cuts the model only where it stops.
	AsCommand bool
	// CustomObjective computes gradients and hessians from raw scores, class after class, for Objective "custom".
	CustomObjective func(score []float64, grad, hess []float32)

	full   bool              // zero is meant: made by DefaultOptions
	given  map[string]bool   // names that Set was called with
	others map[string]string // parameters without a field

	ignored []string // see Ignored
}

// DefaultOptions has every field filled in, so that zero and false mean themselves.
func DefaultOptions() Options {
	o := Options{full: true}
	for i := range params {
		p := &params[i]
		if p.at != nil {
			if err := p.parse(p.at(&o), p.initial); err != nil {
				panic("gbdt: the default of " + p.name + " does not parse") // a mistake in the table
			}
		}
	}
	return o
}

// withDefaults replaces zero fields by their defaults, unless zero is meant.
func (o Options) withDefaults() Options {
	if o.full {
		return o
	}
	d := DefaultOptions()
	for i := range params {
		p := &params[i]
		if p.at == nil {
			continue
		}
		if to := p.at(&o); isZeroField(to) && !o.given[p.name] {
			copyField(to, p.at(&d))
		}
	}
	o.full = true
	return o
}

// UnknownParameterError is what Set returns for a name that LightGBM does not know; LightGBM itself only warns.
type UnknownParameterError struct{ Name string }

func (e *UnknownParameterError) Error() string {
	return "gbdt: parameter " + strconv.Quote(clip(e.Name)) + " is not known"
}

// Set sets a parameter by any of LightGBM's names for it, from text as it stands in a configuration file: "+" and
// "true" or "1" for booleans, commas between the elements of a list. As in LightGBM the first of several settings
// counts, but the main name wins over an alias.
func (o *Options) Set(name, value string) error {
	p := paramByName(name)
	if p == nil {
		return &UnknownParameterError{name}
	}
	value = strings.TrimSpace(value)
	if o.given == nil {
		o.given = map[string]bool{}
	}
	if o.given[p.name] && (name != p.name || o.given["="+p.name]) {
		if now := p.text(o); now != boolText(value) {
			o.ignored = append(o.ignored, fmt.Sprintf("%s=%s will be ignored. Current value: %s=%s", clip(name), clip(value), p.name, clip(now)))
		}
		return nil
	}
	before := p.text(o)
	switch {
	case p.refused && value != p.initial && !(p.initial == "false" && (value == "0" || value == "-")):
		return fmt.Errorf("gbdt: %s=%s is not supported, only %q is", p.name, clip(value), p.initial)
	case p.at == nil:
		if o.others == nil {
			o.others = map[string]string{}
		}
		o.others[p.name] = value
	default:
		if err := p.parse(p.at(o), value); err != nil {
			return fmt.Errorf("gbdt: %s=%s: %w", name, clip(value), err)
		}
	}
	if now := p.text(o); o.given[p.name] && now != before {
		o.ignored = append(o.ignored, fmt.Sprintf("%s=%s by an alias will be ignored. Current value: %s=%s", p.name, clip(before), p.name, clip(now)))
	}
	o.given[p.name] = true
	o.given["="+p.name] = name == p.name
	return nil
}

// Given tells whether Set was called for a parameter, by whichever of its names; name is the main one.
func (o *Options) Given(name string) bool { return o.given[name] }

// Ignored tells, a line each, which settings gave way to others of the same parameter.
func (o *Options) Ignored() []string { return slices.Clone(o.ignored) }

var (
	minusInf = math.Inf(-1)
	plusInf  = math.Inf(1)
)

func paramByName(name string) *param {
	for i := range params {
		if params[i].name == name || slices.Contains(params[i].aliases, name) {
			return &params[i]
		}
	}
	return nil
}

// parse reads text into a field.
func (p *param) parse(field any, text string) (err error) {
	switch f := field.(type) {
	case *string:
		*f = text
	case *bool:
		switch text {
		case "true", "+", "1":
			*f = true
		case "false", "-", "0":
			*f = false
		default:
			return errors.New("want true or false")
		}
	case *int:
		if *f, err = strconv.Atoi(text); err == nil {
			err = p.bound(float64(*f))
		}
	case *float64:
		if *f, err = strconv.ParseFloat(text, 64); err == nil {
			err = p.bound(*f)
		}
	case *[]string:
		*f = splitList(text)
	case *[]int:
		*f, err = parseList(text, strconv.Atoi)
	case *[]float64:
		*f, err = parseList(text, parseF64)
	case *[]int8:
		*f, err = parseList(text, parseI8)
	}
	if errors.Is(err, strconv.ErrSyntax) || errors.Is(err, strconv.ErrRange) {
		switch field.(type) {
		case *int:
			return errors.New("want a whole number")
		case *float64:
			return errors.New("want a number")
		case *[]float64:
			return errors.New("want numbers, with commas between")
		}
		return errors.New("want whole numbers, with commas between")
	}
	return err
}

func (p *param) bound(v float64) error {
	if v >= p.lo && v <= p.hi && !(p.open && v == p.lo) && !math.IsInf(v, 0) {
		return nil
	}
	if math.IsInf(v, 1) && math.IsInf(p.hi, 1) {
		return errors.New("want a number that is finite")
	}
	want := fmt.Sprintf("%g or more", p.lo)
	if p.open {
		want = fmt.Sprintf("more than %g", p.lo)
	}
	if !math.IsInf(p.hi, 1) {
		want += fmt.Sprintf(", at most %g", p.hi)
	}
	return errors.New("want " + want)
}

func splitList(text string) []string {
	words := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
	if len(words) == 0 {
		return nil
	}
	return words
}

func parseList[T any](text string, parse func(string) (T, error)) ([]T, error) {
	var out []T
	for _, w := range splitList(text) {
		v, err := parse(w)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func isZeroField(field any) bool {
	switch f := field.(type) {
	case *string:
		return *f == ""
	case *bool:
		return !*f
	case *int:
		return *f == 0
	case *float64:
		return *f == 0
	case *[]string:
		return *f == nil
	case *[]int:
		return *f == nil
	case *[]float64:
		return *f == nil
	case *[]int8:
		return *f == nil
	}
	return true
}

func copyField(to, from any) {
	switch t := to.(type) {
	case *string:
		*t = *from.(*string)
	case *bool:
		*t = *from.(*bool)
	case *int:
		*t = *from.(*int)
	case *float64:
		*t = *from.(*float64)
	case *[]string:
		*t = *from.(*[]string)
	case *[]int:
		*t = *from.(*[]int)
	case *[]float64:
		*t = *from.(*[]float64)
	case *[]int8:
		*t = *from.(*[]int8)
	}
}

// text writes a field as LightGBM's Config::ToString does.
func (p *param) text(o *Options) string {
	if p.at == nil {
		if v, ok := o.others[p.name]; ok {
			return boolText(v)
		}
		return boolText(p.initial)
	}
	switch f := p.at(o).(type) {
	case *string:
		return *f
	case *bool:
		return string("01"[boolIndex(*f)])
	case *int:
		return strconv.Itoa(*f)
	case *float64:
		return string(appendShort(nil, *f))
	case *[]string:
		return strings.Join(*f, ",")
	case *[]int:
		return strings.ReplaceAll(join(*f, appendInt[int]), " ", ",")
	case *[]float64:
		return strings.ReplaceAll(join(*f, appendLong), " ", ",")
	case *[]int8:
		return strings.ReplaceAll(join(*f, appendInt[int8]), " ", ",")
	}
	return ""
}

func boolText(v string) string {
	switch v {
	case "true", "+":
		return "1"
	case "false", "-":
		return "0"
	}
	return v
}

// unsaved are parameters that the block in a model file leaves out.
var unsaved = []string{"task", "input_model", "output_model", "snapshot_freq", "save_binary", "start_iteration_predict",
	"num_iteration_predict", "predict_raw_score", "predict_leaf_index", "predict_contrib", "predict_disable_shape_check", "pred_early_stop",
	"pred_early_stop_freq", "pred_early_stop_margin", "output_result", "convert_model_language", "convert_model", "metric_freq",
	"is_provide_training_metric", "gpu_device_id_list", "checkpoint", "checkpoint_freq"}

// leading come first in that block, whatever their place elsewhere.
var leading = []string{"boosting", "objective", "metric", "tree_learner", "device_type"}

// block is the parameters block of a model file, without its first and last line.
func (o *Options) block() string {
	var b strings.Builder
	for _, name := range leading {
		v := paramByName(name).text(o)
		if name == "metric" {
			v = strings.Join(metricNames(o), ",")
		}
		fmt.Fprintf(&b, "[%s: %s]\n", name, v)
	}
	for i := range params {
		p := &params[i]
		if !slices.Contains(unsaved, p.name) && !slices.Contains(leading, p.name) {
			fmt.Fprintf(&b, "[%s: %s]\n", p.name, p.text(o))
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}
