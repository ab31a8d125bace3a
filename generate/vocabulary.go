package generate

import (
	"fmt"
	"slices"
	"sync"
)

// Vocabulary holds what generation needs to know of a tokenizer: the bytes that each token stands for, and the tokens
// that end an output. It is immutable and safe for concurrent use; make one a model, not one a request.
type Vocabulary struct {
	pieces []string // by id; "" for tokens without text
	end    []int32

	treeOnce sync.Once
	bytes    *tree
}

// NewVocabulary takes the tokens' bytes by id, as they stand in the text (a SentencePiece "▁" is a space, a byte
// token its byte); nil for special tokens, which give no text. end are the tokens that end an output, usually one or two.
func NewVocabulary(pieces [][]byte, end ...int32) (*Vocabulary, error) {
	v := &Vocabulary{pieces: make([]string, len(pieces)), end: slices.Clone(end)}
	for i, p := range pieces {
		v.pieces[i] = string(p)
	}
	for _, id := range end {
		if uint(id) >= uint(len(pieces)) {
			return nil, fmt.Errorf("generate: end token %d is not in the vocabulary of %d tokens", id, len(pieces))
		}
	}
	return v, nil
}

// Len is V, the number of tokens.
func (v *Vocabulary) Len() int { return len(v.pieces) }

// Text is what a token stands for; "" for a special token or an id that there is not.
func (v *Vocabulary) Text(id int32) string {
	if uint(id) >= uint(len(v.pieces)) {
		return ""
	}
	return v.pieces[id]
}
