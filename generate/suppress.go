package generate

// SuppressTokens removes tokens everywhere.
type SuppressTokens []int32

// Apply implements [Filter].
func (f SuppressTokens) Apply(logits []float32, _ []int32) { remove(logits, f) }

// BeginSuppressTokens removes tokens as the first of the output only, which is at position Start.
type BeginSuppressTokens struct {
	Start  int
	Tokens []int32
}

// Apply implements [Filter].
func (f BeginSuppressTokens) Apply(logits []float32, tokens []int32) {
	if len(tokens) == f.Start {
		remove(logits, f.Tokens)
	}
}

// MinNewTokens removes the end tokens until Min tokens stand after position Start, where the output begins.
type MinNewTokens struct {
	Start, Min int
	End        []int32
}

// Apply implements [Filter].
func (f MinNewTokens) Apply(logits []float32, tokens []int32) {
	if len(tokens)-f.Start < f.Min {
		remove(logits, f.End)
	}
}

// ForceToken leaves one token at one position (the prompt counts): transformers' forced_bos_token_id is that with At 1,
// forced_eos_token_id with At one before the maximum length.
type ForceToken struct {
	At    int
	Token int32
}

// Apply implements [Filter].
func (f ForceToken) Apply(logits []float32, tokens []int32) {
	if len(tokens) != f.At || uint(f.Token) >= uint(len(logits)) {
		return
	}
	for i := range logits {
		logits[i] = negInf
	}
	logits[f.Token] = 0
}
