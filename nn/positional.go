package nn

import (
	"math"

	"github.com/hanji-ml/hanji/tensor"
)

// SinCos is the fixed table of sines and cosines of PatchTST and its kin (transformers, modeling_patchtst.py):
// arXiv 1706.03762's, less its mean, divided by ten standard deviations. [P, D], not trained.
func SinCos(p, d int) *tensor.Tensor {
	v := make([]float64, p*d)
	mean := 0.0
	for i := range p {
		for j := range d {
			a := float64(i) * math.Exp(float64(j&^1)*-math.Log(10000)/float64(d))
			if j%2 == 0 {
				v[i*d+j] = math.Sin(a)
			} else {
				v[i*d+j] = math.Cos(a)
			}
			mean += v[i*d+j] / float64(p*d)
		}
	}
	ss := 0.0
	for i := range v {
		v[i] -= mean
		ss += v[i] * v[i]
	}
	std := math.Sqrt(ss / float64(max(p*d-1, 1)))
	for i := range v {
		v[i] /= 10 * std
	}
	t := tensor.NewBuffer("position_enc", tensor.F32, p, d)
	t.SetF64(v)
	return t
}
