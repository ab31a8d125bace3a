package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/tokenizer"
)

// TestSameTokens: probabilities of other tokens do not compare; tokens that stand for unused rows do not matter.
func TestSameTokens(t *testing.T) {
	open := func(tokens ...string) *tokenizer.Tokenizer {
		types := slices.Repeat([]int32{1}, len(tokens))
		types[0] = 2
		k, err := tokenizer.New(tokenizer.Vocabulary{Model: "llama", Tokens: tokens, Scores: make([]float32, len(tokens)), Types: types})
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	a := open("<unk>", "a", "b")
	if err := sameTokens(a, open("<unk>", "a", "b", "[PAD3]")); err != nil {
		t.Error(err)
	}
	if err := sameTokens(a, open("<unk>", "a", "c")); err == nil || !strings.Contains(err.Error(), `its token 2 is "c", the model's "b"`) {
		t.Errorf("error %v", err)
	}
}
