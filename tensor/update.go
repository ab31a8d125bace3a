package tensor

// AdamOptions of AdamInPlace, one step of Adam (arXiv 1412.6980, Algorithm 1) or AdamW (arXiv 1711.05101) as torch
// computes it.
type AdamOptions struct {
	LR, Beta1, Beta2, Eps float64
	WeightDecay           float64
	Decoupled             bool // AdamW: p ← p·(1 − lr·λ) before the step; else g ← g + λ·p
	Step                  int  // t = 1, 2, …
}

// AdamInPlace moves parameter p by its gradient g and updates the moments m and v, all of one shape.
func AdamInPlace(p, g, m, v *Tensor, o AdamOptions) {
	sameFloat("adam", p, g, m, v)
	if !sameShape(p, g) || !sameShape(p, m) || !sameShape(p, v) {
		fail("adam", "shapes differ", p, g, m, v)
	}
	prim.adam(p, g, m, v, o)
}

// SumSquares is Σ x² in float64.
func (t *Tensor) SumSquares() float64 {
	t.check("sum of squares")
	sameFloat("sum of squares", t)
	return prim.sumSquares(t)
}

// AbsPowers is Σ|x|^p in float64 (p > 0), or the largest |x| for p = +Inf. t must be contiguous, as gradients of
// parameters are.
func (t *Tensor) AbsPowers(p float64) float64 {
	t.check("norm")
	sameFloat("norm", t)
	if !(p > 0) || !t.contiguous() {
		fail("norm", "wants p > 0 and a contiguous tensor", t)
	}
	return prim.absPowers(t, p)
}

// ScaleInPlace multiplies every element by s.
func (t *Tensor) ScaleInPlace(s float64) {
	t.check("scale")
	prim.scalar(opMulS, t, t, s)
}

// AddInPlace adds x, which broadcasts to t.
func (t *Tensor) AddInPlace(x *Tensor) {
	t.check("add")
	x.check("add")
	sameFloat("add", t, x)
	prim.binary(opAdd, t, t, x)
}
