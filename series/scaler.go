package series

import "math"

// Scaler maps x to (x − Loc) / Scale and back.
type Scaler struct{ Loc, Scale float64 }

// Apply writes the scaled src to dst, which may be src; the lengths must be equal.
func (s Scaler) Apply(dst, src []float64) {
	_ = dst[:len(src)]
	for i, v := range src {
		dst[i] = (v - s.Loc) / s.Scale
	}
}

// Invert writes src in the original units to dst, which may be src; the lengths must be equal.
func (s Scaler) Invert(dst, src []float64) {
	_ = dst[:len(src)]
	for i, v := range src {
		dst[i] = v*s.Scale + s.Loc
	}
}

// FitStandard is the StandardScaler of the LTSF benchmarks (scikit-learn): mean and population standard deviation of the
// values that are not NaN, over the training rows alone: pass y[split.Train.From:split.Train.To]. A constant column, or
// one without a value, gets Scale 1, and without a value Loc 0.
func FitStandard(train []float64) Scaler {
	loc, variance, n := moments(train, nil)
	scale := math.Sqrt(variance)
	if n == 0 || scale <= 10*0x1p-52*math.Abs(loc) { // scikit-learn: _is_constant_feature, up to a factor √n
		scale = 1
	}
	return Scaler{loc, scale}
}

// InstanceScaler says how a single context window is scaled before a model sees it. The zero value is RevIN's and
// PatchTST's: mean and population standard deviation with ε = 10⁻⁵ under the root.
type InstanceScaler struct {
	Kind InstanceKind
	// Eps is added to the variance under the root (InstanceStd; default 1e-5), or is the least scale (InstanceMean;
	// default 1e-10). Below 0 means none.
	Eps float64
	// DefaultScale replaces the scale of a window with no observed value (InstanceMean). Default (0): Eps.
	DefaultScale float64
}

// InstanceKind is the statistic an [InstanceScaler] uses.
type InstanceKind uint8

const (
	InstanceStd  InstanceKind = iota // (x − mean) / √(variance + ε)
	InstanceMean                     // x / max(mean |x|, ε): gluonts' MeanScaler
	InstanceNone                     // x
)

// Fit finds the scaler of one window. observed marks the steps that count; nil means those that are not NaN. A NaN is
// never observed. With nothing observed the mean is 0.
func (k InstanceScaler) Fit(x []float64, observed []bool) Scaler {
	eps := k.Eps
	switch {
	case eps < 0:
		eps = 0
	case eps == 0 && k.Kind == InstanceMean:
		eps = 1e-10 // gluonts.torch.scaler: minimum_scale
	case eps == 0:
		eps = 1e-5 // RevIN, transformers' PatchTSTStdScaler
	}
	switch k.Kind {
	case InstanceMean:
		sum, n := 0.0, 0
		for i, v := range x {
			if counts(v, observed, i) {
				sum += math.Abs(v)
				n++
			}
		}
		if n == 0 && k.DefaultScale > 0 {
			return Scaler{0, k.DefaultScale}
		}
		return Scaler{0, math.Max(sum/float64(max(n, 1)), eps)}
	case InstanceNone:
		return Scaler{0, 1}
	}
	loc, variance, _ := moments(x, observed)
	return Scaler{loc, math.Sqrt(variance + eps)}
}

func counts(v float64, observed []bool, i int) bool {
	return !math.IsNaN(v) && (observed == nil || observed[i])
}

// moments are the mean, the population variance and the number of the observed values, in two passes.
func moments(x []float64, observed []bool) (loc, variance float64, n int) {
	for i, v := range x {
		if counts(v, observed, i) {
			loc += v
			n++
		}
	}
	if n == 0 {
		return 0, 0, 0
	}
	loc /= float64(n)
	for i, v := range x {
		if counts(v, observed, i) {
			variance += (v - loc) * (v - loc)
		}
	}
	return loc, variance / float64(n), n
}
