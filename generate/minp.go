package generate

import (
	"math"

	"github.com/hanji-ml/hanji/internal/kernel"
)

// MinP removes tokens less probable than P times the most probable one, P in [0, 1] (Nguyen et al. 2024, §3). At least
// MinKeep (default 1) tokens stay.
type MinP struct {
	P       float64
	MinKeep int
}

// Apply implements [Filter].
func (f MinP) Apply(logits []float32, _ []int32) {
	top := float64(kernel.MaxOf(logits))
	removeBelow(logits, top+math.Log(f.P), f.MinKeep)
}

// removeBelow removes what lies below least, but for the keep largest and what is tied with the last of them.
func removeBelow(logits []float32, least float64, keep int) {
	if keep > 1 && len(logits) > 0 {
		least = min(least, float64(largest(logits, min(keep, len(logits))).value))
	} else {
		least = min(least, float64(kernel.MaxOf(logits)))
	}
	for i, v := range logits {
		if float64(v) < least {
			logits[i] = negInf
		}
	}
}
