package generate

import "math"

// Filter changes the logits [V] of the next token, given the tokens so far, prompt and output alike. A removed token
// has the logit -Inf. A filter may keep scratch memory: it belongs to one sequence, and copying the Options it came
// from is how another sequence gets its own.
//
// Meanings are those of transformers' logits processors (generation/logits_process.py) unless a filter says otherwise.
type Filter interface {
	Apply(logits []float32, tokens []int32)
}

// Chain applies filters in turn. The order matters: penalties and bans first, then temperature, then what cuts the
// tail; see [Options.Filters] for the order in which transformers applies them.
type Chain []Filter

// Apply implements [Filter].
func (c Chain) Apply(logits []float32, tokens []int32) {
	for _, f := range c {
		f.Apply(logits, tokens)
	}
}

var negInf = float32(math.Inf(-1))

// remove sets the logits of ids to -Inf; an id outside the vocabulary is none of ours.
func remove(logits []float32, ids []int32) {
	for _, id := range ids {
		if uint(id) < uint(len(logits)) {
			logits[id] = negInf
		}
	}
}

// scratch returns *s with length n; it allocates when the vocabulary is seen first.
func scratch[T any](s *[]T, n int) []T {
	if cap(*s) < n {
		*s = make([]T, n)
	}
	return (*s)[:n]
}
