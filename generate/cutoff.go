package generate

import (
	"math"

	"github.com/hanji-ml/hanji/internal/kernel"
)

// EpsilonCutoff removes tokens with a probability below Epsilon, in (0, 1) (Hewitt et al. 2022, §3.2). At least
// MinKeep (default 1) tokens stay, and what is tied with the last of them.
type EpsilonCutoff struct {
	Epsilon float64
	MinKeep int
}

// Apply implements [Filter].
func (f EpsilonCutoff) Apply(logits []float32, _ []int32) {
	top := kernel.MaxOf(logits)
	if top-top != 0 {
		return
	}
	logZ := float64(top) + math.Log(kernel.SumExp(logits, top))
	removeBelow(logits, logZ+math.Log(f.Epsilon), f.MinKeep)
}

// EtaCutoff removes tokens with a probability below min(Epsilon, √Epsilon·e^-H), H the entropy of the distribution:
// where many tokens are possible the bound sinks (Hewitt et al. 2022, §3.2). At least MinKeep (default 1) tokens stay,
// and what is tied with the last of them.
type EtaCutoff struct {
	Epsilon float64
	MinKeep int

	weight []float32
}

// Apply implements [Filter].
func (f *EtaCutoff) Apply(logits []float32, _ []int32) {
	w := scratch(&f.weight, len(logits))
	total, ok := weigh(w, logits)
	if !ok {
		return
	}
	logZ := float64(kernel.MaxOf(logits)) + math.Log(total)
	h := entropy(logits, w, total, logZ)
	removeBelow(logits, logZ+math.Log(min(f.Epsilon, math.Sqrt(f.Epsilon)*math.Exp(-h))), f.MinKeep)
}
