package generate

import "slices"

// SequenceBias is added to the logit of the last token of Tokens where the others stand right before it.
type SequenceBias struct {
	Tokens []int32 `yaml:"tokens" json:"tokens"`
	Bias   float32 `yaml:"bias" json:"bias"`
}

// Apply implements [Filter].
func (f SequenceBias) Apply(logits []float32, tokens []int32) {
	if id, ok := completes(f.Tokens, tokens, len(logits)); ok {
		logits[id] += f.Bias
	}
}

// completes gives the last token of word if the others are the end of tokens.
func completes(word, tokens []int32, vocab int) (int32, bool) {
	n := len(word) - 1
	if n < 0 || n > len(tokens) || !slices.Equal(word[:n], tokens[len(tokens)-n:]) {
		return 0, false
	}
	return word[n], uint(word[n]) < uint(vocab)
}

// LogitBias adds to the logits of single tokens.
type LogitBias map[int32]float32

// Apply implements [Filter].
func (f LogitBias) Apply(logits []float32, _ []int32) {
	for id, b := range f {
		if uint(id) < uint(len(logits)) {
			logits[id] += b
		}
	}
}

// BadWords removes whatever would complete one of the words, each a run of tokens. Unlike transformers it does not
// pardon a word that is an end token: leave it out.
type BadWords [][]int32

// Apply implements [Filter].
func (f BadWords) Apply(logits []float32, tokens []int32) {
	for _, word := range f {
		if id, ok := completes(word, tokens, len(logits)); ok {
			logits[id] = negInf
		}
	}
}
