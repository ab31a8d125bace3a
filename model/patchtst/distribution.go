package patchtst

import (
	"math"

	"github.com/hanji-ml/hanji/tensor"
)

// distribution is one of transformers' time_series_utils.py: how raw projections become parameters, and −ln p(y).
type distribution struct {
	params int
	domain func(raw []*tensor.Tensor) []*tensor.Tensor
	nll    func(p []*tensor.Tensor, y, loc, scale *tensor.Tensor) *tensor.Tensor
	mean   func(p []*tensor.Tensor, loc, scale *tensor.Tensor) *tensor.Tensor
}

var distributions = map[string]distribution{
	"student_t": {3, func(r []*tensor.Tensor) []*tensor.Tensor {
		return []*tensor.Tensor{squareplus(r[0]).AddS(2), r[1], positive(r[2])}
	}, studentNLL, func(p []*tensor.Tensor, loc, scale *tensor.Tensor) *tensor.Tensor { return p[1].Mul(scale).Add(loc) }},
	"normal": {2, func(r []*tensor.Tensor) []*tensor.Tensor { return []*tensor.Tensor{r[0], positive(r[1])} }, normalNLL,
		func(p []*tensor.Tensor, loc, scale *tensor.Tensor) *tensor.Tensor { return p[0].Mul(scale).Add(loc) }},
	"negative_binomial": {2, func(r []*tensor.Tensor) []*tensor.Tensor { return []*tensor.Tensor{squareplus(r[0]), r[1]} }, negativeBinomialNLL,
		func(p []*tensor.Tensor, _, scale *tensor.Tensor) *tensor.Tensor {
			return p[0].Mul(p[1].Exp()).Mul(scale)
		}},
}

// squareplus is (x + √(x² + 4))/2, a smooth map to the positive numbers (arXiv 2112.11687).
func squareplus(x *tensor.Tensor) *tensor.Tensor { return x.Add(x.Square().AddS(4).Sqrt()).MulS(0.5) }

// positive is squareplus kept above float32's machine epsilon.
func positive(x *tensor.Tensor) *tensor.Tensor { return squareplus(x).ClampMin(1.1920928955078125e-07) }

// studentNLL: −ln of Student's t density of z = ((y − loc)/scale − μ)/σ, with the two scales' logarithms.
func studentNLL(p []*tensor.Tensor, y, loc, scale *tensor.Tensor) *tensor.Tensor {
	df, mu, sigma := p[0], p[1], p[2]
	z := y.Sub(loc).Div(scale).Sub(mu).Div(sigma)
	norm := df.Log().MulS(0.5).AddS(0.5 * math.Log(math.Pi)).Add(df.MulS(0.5).LogGamma()).Sub(df.AddS(1).MulS(0.5).LogGamma())
	tail := df.AddS(1).MulS(0.5).Mul(z.Square().Div(df).Log1p())
	return norm.Add(tail).Add(sigma.Log()).Add(scale.Log())
}

func normalNLL(p []*tensor.Tensor, y, loc, scale *tensor.Tensor) *tensor.Tensor {
	z := y.Sub(loc).Div(scale).Sub(p[0]).Div(p[1])
	return z.Square().MulS(0.5).Add(p[1].Log()).Add(scale.Log()).AddS(0.5 * math.Log(2*math.Pi))
}

// negativeBinomialNLL: the count y fails r = total_count times against odds e^logits; a scale moves the logits, since
// the values must stay whole.
func negativeBinomialNLL(p []*tensor.Tensor, y, _, scale *tensor.Tensor) *tensor.Tensor {
	r, logits := p[0], p[1].Add(scale.Log())
	unnormalised := r.Mul(logits.Neg().LogSigmoid()).Add(y.Mul(logits.LogSigmoid()))
	norm := r.LogGamma().Add(y.AddS(1).LogGamma()).Sub(r.Add(y).LogGamma())
	return norm.Sub(unnormalised)
}
