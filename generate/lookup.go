package generate

import "slices"

// maxNGram is the longest run of last tokens that Lookup searches for: transformers' max_matching_ngram_size default
// is 2, vLLM's prompt lookup examples use 4.
const maxNGram = 3

// Lookup guesses up to n tokens to come after tokens: what followed the last few of them earlier, the longest run of
// up to three that was there before (prompt-lookup decoding, Saxena 2023). It prefers the latest occurrence that n
// tokens follow, else the one with most. The result is part of tokens, nil if the last token is new. The guess costs
// nothing but the check: the model runs over it in one step, and each token counts only if it is the one that is
// chosen there anyway, so the output is the same as without.
func Lookup(tokens []int32, n int) []int32 {
	for size := min(maxNGram, len(tokens)-1); size > 0 && n > 0; size-- {
		tail := tokens[len(tokens)-size:]
		found := -1
		for i := len(tokens) - size - 1; i >= 0; i-- {
			if !slices.Equal(tokens[i:i+size], tail) {
				continue
			}
			if found = i + size; len(tokens)-found >= n {
				break
			}
		}
		if found >= 0 {
			return tokens[found:min(found+n, len(tokens))]
		}
	}
	return nil
}
