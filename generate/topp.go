package generate

import "github.com/hanji-ml/hanji/internal/kernel"

// TopP is nucleus sampling: it keeps the fewest of the most probable tokens whose probabilities add up to P or more,
// P in [0, 1] (Holtzman et al. 2020, §3.1). At least MinKeep (default 1) tokens stay. Of tokens tied at the bound those
// with the lowest ids stay; transformers leaves that to its sort.
type TopP struct {
	P       float64
	MinKeep int

	weight, kept []float32
}

// Apply implements [Filter].
func (f *TopP) Apply(logits []float32, _ []int32) {
	if f.P >= 1 || len(logits) == 0 {
		return
	}
	w := scratch(&f.weight, len(logits))
	total, ok := weigh(w, logits)
	if !ok {
		return
	}
	x, w := f.candidates(logits, w, total)
	heaviest(x, w, f.P*total).widen(logits, f.MinKeep).cut(logits)
}

// candidates leaves out the tokens below 1/V of the mass that may go: all of them together weigh less than that mass,
// so the bound lies above. It is most of a vocabulary.
func (f *TopP) candidates(logits, w []float32, total float64) (x, weight []float32) {
	least := float32((1 - f.P) * total / float64(len(logits)) * (1 - 1e-3)) // room for rounding of the sums
	kept, n := scratch(&f.kept, len(logits)), 0
	for i, v := range w {
		if v >= least && v > 0 {
			kept[n], w[n] = logits[i], v
			n++
		}
	}
	return kept[:n], w[:n]
}

// weigh sets w[i] to e^(x[i]-max x) and returns their sum. It reports false, and nothing else, where the maximum is
// not finite: there is no distribution.
func weigh(w, x []float32) (float64, bool) {
	m := kernel.MaxOf(x)
	if m-m != 0 {
		return 0, false
	}
	kernel.AddS(w, x, -m)
	kernel.Exp(w, w)
	return float64(kernel.Sum(w)), true
}
