package generate

// RepetitionPenalty divides the positive logits of tokens that were there already, in prompt or output, by Penalty and
// multiplies the negative ones, once a token however often it was there (Keskar et al. 2019, §4.1). Above 1 it
// discourages repetition, between 0 and 1 it encourages it.
type RepetitionPenalty struct {
	Penalty float32

	seen []bool // [V], all false between calls
}

// Apply implements [Filter].
func (f *RepetitionPenalty) Apply(logits []float32, tokens []int32) {
	seen := scratch(&f.seen, len(logits))
	for _, t := range tokens {
		if uint(t) >= uint(len(logits)) || seen[t] {
			continue
		}
		seen[t] = true
		if logits[t] < 0 {
			logits[t] *= f.Penalty
		} else {
			logits[t] /= f.Penalty
		}
	}
	for _, t := range tokens {
		if uint(t) < uint(len(logits)) {
			seen[t] = false
		}
	}
}

// CountPenalty is OpenAI's pair of penalties: it lowers a token's logit by Frequency for each time it was there and by
// Presence if it was there at all, counting from position Start (the API counts the output only). Negative values
// encourage repetition. Not in transformers; the formula is that of OpenAI's API reference.
type CountPenalty struct {
	Presence, Frequency float32
	Start               int

	count []int32 // [V], all zero between calls
}

// Apply implements [Filter].
func (f *CountPenalty) Apply(logits []float32, tokens []int32) {
	count := scratch(&f.count, len(logits))
	tokens = tokens[min(max(f.Start, 0), len(tokens)):]
	for _, t := range tokens {
		if uint(t) < uint(len(logits)) {
			count[t]++
		}
	}
	for _, t := range tokens {
		if uint(t) >= uint(len(logits)) || count[t] == 0 {
			continue
		}
		logits[t] -= float32(count[t])*f.Frequency + f.Presence
		count[t] = 0
	}
}
