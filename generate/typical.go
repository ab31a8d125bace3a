package generate

import (
	"math"

	"github.com/hanji-ml/hanji/internal/kernel"
)

// TypicalP is locally typical sampling: it keeps the tokens whose surprise -ln p is nearest to the entropy of the
// distribution until their probabilities add up to P, P in (0, 1), and those tied with the last (Meister et al. 2023,
// §3). At least MinKeep (default 1) tokens stay.
type TypicalP struct {
	P       float64
	MinKeep int

	weight, nearness []float32
}

// Apply implements [Filter].
func (f *TypicalP) Apply(logits []float32, _ []int32) {
	w := scratch(&f.weight, len(logits))
	total, ok := weigh(w, logits)
	if !ok {
		return
	}
	near := scratch(&f.nearness, len(logits))
	logZ := float64(kernel.MaxOf(logits)) + math.Log(total)
	h := entropy(logits, w, total, logZ)
	for i, x := range logits {
		near[i] = -float32(math.Abs(logZ - float64(x) - h))
	}
	least := heaviest(near, w, f.P*total).widen(near, f.MinKeep).value
	for i, v := range near {
		if v < least {
			logits[i] = negInf
		}
	}
}

// entropy is -Σ p ln p in nats of the distribution with weights w, their sum and the logarithm of the normaliser.
func entropy(logits, w []float32, total, logZ float64) float64 {
	var h float64
	for i, p := range w {
		if p > 0 {
			h += float64(p) * (logZ - float64(logits[i]))
		}
	}
	return h / total
}
