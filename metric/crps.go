package metric

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// The continuous ranked probability score ∫ (F(x) − 1{x ≥ y})² dx of a forecast distribution F at the outcome y
// (Gneiting & Raftery 2007, §4.2), in the units of y; for a point forecast it is the absolute error. Each function below
// scores one outcome; y NaN gives NaN, so average with [MeanDefined].

// CRPSSamples scores an ensemble of n draws, in any order: E|X−y| − ½E|X−X'| over all n² pairs, the CRPS of the
// empirical distribution. No draw gives NaN. Time n·log n.
func CRPSSamples(y float64, samples []float64) float64 {
	spread, err := ensemble(y, samples)
	n := float64(len(samples))
	return err/n - spread/(n*n)
}

// CRPSSamplesFair is [CRPSSamples] with the pairs i ≠ j only, unbiased for the distribution the draws come from
// (Ferro 2014). It needs two draws; fewer give NaN.
func CRPSSamplesFair(y float64, samples []float64) float64 {
	spread, err := ensemble(y, samples)
	n := float64(len(samples))
	return err/n - spread/(n*(n-1))
}

// ensemble returns Σ_{i<j}|x_i−x_j| = ½ΣΣ|x_i−x_j| and Σ|x_i−y|.
func ensemble(y float64, samples []float64) (spread, err float64) {
	x := slices.Clone(samples)
	slices.Sort(x)
	for i, v := range x {
		spread += v * float64(2*i-len(x)+1)
		err += math.Abs(v - y)
	}
	return spread, err
}

// CRPSQuantiles approximates the CRPS from forecasts f[k] of the quantiles qs[k]: the mean of twice the pinball loss,
// exact in the limit of many evenly spaced levels (Laio & Tamea 2007). No level gives NaN.
func CRPSQuantiles(y float64, f, qs []float64) float64 {
	sameLength("CRPSQuantiles", "f", len(f), len(qs))
	if math.IsNaN(y) {
		return math.NaN()
	}
	return overLevels(qs, func(k int) float64 { return 2 * pinball(y, f[k], qs[k]) })
}

// scaledCRPSEpsilon keeps all-zero targets finite: utilsforecast adds the float64 epsilon.
const scaledCRPSEpsilon = 0x1p-52

// ScaledCRPS is 2·Σ MeanPinball / (Σ|y| + ε), utilsforecast's scaled_crps with ε = 2⁻⁵²: [MeanWQL], but very large
// instead of infinite when y is zero throughout.
func ScaledCRPS(y []float64, f [][]float64, qs []float64) float64 {
	sameLength("ScaledCRPS", "f", len(f), len(qs))
	return overLevels(qs, func(k int) float64 { return QuantileLoss(y, f[k], qs[k]) }) / (absSum(y) + scaledCRPSEpsilon)
}

// CRPSNormal scores a normal distribution of the given mean and standard deviation sd ≥ 0 in closed form
// (Gneiting & Raftery 2007, eq. 21); sd = 0 is a point forecast, sd < 0 gives NaN.
func CRPSNormal(y, mean, sd float64) float64 {
	if sd == 0 {
		return math.Abs(y - mean)
	}
	if !(sd > 0) {
		return math.NaN()
	}
	z := (y - mean) / sd
	cdf := math.Erfc(-z/math.Sqrt2) / 2
	pdf := math.Exp(-z*z/2) / math.Sqrt(2*math.Pi)
	return sd * (z*(2*cdf-1) + 2*pdf - 1/math.Sqrt(math.Pi))
}

// CRPSStudentT scores loc + scale·T with T Student-t of df > 1 degrees of freedom (the CRPS is infinite at df ≤ 1 and
// NaN is returned), scale > 0, in closed form (Jordan, Krüger & Lerch 2019, appendix A):
//
//	z(2F(z)−1) + 2f(z)(df+z²)/(df−1) − 2√df/(df−1)·B(½, df−½)/B(½, df/2)²
func CRPSStudentT(y, loc, scale, df float64) float64 {
	if !(df > 1) || !(scale > 0) {
		return math.NaN()
	}
	t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: df}
	z := (y - loc) / scale
	tail := 2 * math.Sqrt(df) / (df - 1) * math.Exp(lnBeta(0.5, df-0.5)-2*lnBeta(0.5, df/2))
	return scale * (z*(2*t.CDF(z)-1) + 2*t.Prob(z)*(df+z*z)/(df-1) - tail)
}

func lnBeta(a, b float64) float64 {
	la, _ := math.Lgamma(a)
	lb, _ := math.Lgamma(b)
	lab, _ := math.Lgamma(a + b)
	return la + lb - lab
}
