package generate

import "github.com/hanji-ml/hanji/internal/kernel"

// Temperature divides the logits by T > 0: below 1 sharpens the distribution, above 1 flattens it.
type Temperature struct{ T float32 }

// Apply implements [Filter].
func (f Temperature) Apply(logits []float32, _ []int32) { kernel.DivS(logits, logits, f.T) }
