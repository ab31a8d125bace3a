package generate

import (
	"cmp"
	"errors"
	"math"
	"slices"

	"github.com/hanji-ml/hanji/internal/kernel"
)

var (
	errLogits  = errors.New("generate: the model's logits hold a NaN or +Inf, or nothing but -Inf; are its weights damaged?")
	errFilter  = errors.New("generate: after the filters the logits hold a NaN or +Inf; is it a custom one, or a huge bias?")
	errRemoved = errors.New("generate: the filters removed every token; loosen bad_words, suppress_tokens or no_repeat_ngram_size")
)

// sample draws from softmax(logits) with u in [0, 1): the first token at which the running sum of probabilities exceeds
// u. weight is scratch of the same length.
func sample(logits, weight []float32, u float64) int32 {
	total, ok := weigh(weight, logits)
	if !ok {
		return int32(kernel.ArgMax(logits))
	}
	rest, last := u*total, int32(0)
	for i, w := range weight {
		if w == 0 {
			continue
		}
		last = int32(i)
		if rest -= float64(w); rest < 0 {
			break
		}
	}
	return last // where rounding left a rest: the last that was possible
}

// uniform is the draw for output token i: 53 bits of number i of the seed's Philox stream.
func uniform(seed, i uint64) float64 { return float64(kernel.Uint64(seed, i)>>11) * 0x1p-53 }

// checkLogits tells whether there is a token to choose.
func checkLogits(logits []float32) error {
	switch top := float64(kernel.MaxOf(logits)); {
	case math.IsNaN(top) || math.IsInf(top, 1):
		return errFilter
	case math.IsInf(top, -1):
		return errRemoved
	}
	return nil
}

// LogProb is a token and the natural logarithm of its probability.
type LogProb struct {
	ID      int32
	LogProb float64
}

// TopLogProbs gives the n most probable tokens by logits [V], falling; of equals those with the lowest ids.
func TopLogProbs(logits []float32, n int) []LogProb {
	n = min(n, len(logits))
	if n <= 0 {
		return nil
	}
	logZ := logNormaliser(logits)
	b := largest(logits, n)
	top := make([]LogProb, 0, n)
	for i, v := range logits {
		if v < b.value || v == b.value && b.ties == 0 {
			continue
		}
		if v == b.value {
			b.ties--
		}
		top = append(top, LogProb{int32(i), float64(v) - logZ})
	}
	slices.SortStableFunc(top, func(x, y LogProb) int { return cmp.Compare(y.LogProb, x.LogProb) })
	return top
}

// logNormaliser is ln Σ e^x in float64, for a row with a finite maximum.
func logNormaliser(x []float32) float64 {
	m := kernel.MaxOf(x)
	return float64(m) + math.Log(kernel.SumExp(x, m))
}
