package generate

import "slices"

// NoRepeatNGram removes every token that would complete a run of N tokens that was there before, in prompt or output
// (Paulus et al. 2018, §2.5). N ≥ 1.
type NoRepeatNGram struct{ N int }

// Apply implements [Filter].
func (f NoRepeatNGram) Apply(logits []float32, tokens []int32) {
	if f.N < 1 || len(tokens) < f.N {
		return
	}
	tail := tokens[len(tokens)-f.N+1:]
	for i := range len(tokens) - f.N + 1 {
		if slices.Equal(tokens[i:i+f.N-1], tail) {
			remove(logits, tokens[i+f.N-1:i+f.N])
		}
	}
}
