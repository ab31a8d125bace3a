package model

import (
	"errors"
	"fmt"

	"github.com/hanji-ml/hanji/gguf"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/tensor"
)

// DecoderSpec is the frame of a decoder.
type DecoderSpec struct {
	Family  string
	Vocab   int     // V
	Context int     // tokens of a sequence that the model was trained on
	Width   int     // C
	Layers  int     //
	Heads   int     // of queries
	KVHeads int     // of keys and values
	HeadDim int     // D
	Windows []int   // of each layer: positions that a row sees, its own included; 0: all; nil: all in every layer
	BOS     int32   // begins a sequence; −1: none
	EOS     []int32 // end one
}

// Batch is the rows of one call of a decoder: the next tokens of one or of several sequences, many of a prompt or one of an
// answer.
type Batch struct {
	Tokens []int32        // one a row
	Embeds *tensor.Tensor // [N, C]: embeddings in place of Tokens, as of an image
	Seq    []int          // id of each row's sequence in the cache; nil: 0
	Pos    []int          // of each row in its sequence, which it must continue without a gap; nil: the next
	Want   []bool         // rows whose logits are wanted; nil: all
}

// Len is the number of rows.
func (b *Batch) Len() int {
	if b.Embeds != nil {
		return b.Embeds.Dim(0)
	}
	return len(b.Tokens)
}

// Rows makes room for the batch in the cache.
func (b *Batch) Rows(cache *nn.Cache) (*nn.Rows, error) {
	n := b.Len()
	switch {
	case cache == nil:
		return nil, errors.New("model: a decoder needs a cache; NewCache makes one")
	case b.Embeds != nil && (b.Tokens != nil || b.Embeds.Rank() != 2):
		return nil, errors.New("model: a batch has tokens, or embeddings [N, C]")
	case n == 0:
		return nil, errors.New("model: a batch without rows")
	case b.Want != nil && len(b.Want) != n:
		return nil, fmt.Errorf("model: a batch of %d rows with %d wishes for logits", n, len(b.Want))
	}
	return cache.Append(n, b.Seq, b.Pos)
}

// Inputs are the embeddings of the batch's rows, [N, C].
func (b *Batch) Inputs(ctx *tensor.Ctx, rows *nn.Rows, e *nn.Embedding) *tensor.Tensor {
	if b.Embeds != nil {
		return ctx.Use(b.Embeds)
	}
	return rows.Embed(ctx, e, b.Tokens)
}

// NewCache makes a cache for the decoder: fields of o that describe its layers are filled in, and MaxTokens is its context
// unless given.
func (s *DecoderSpec) NewCache(o nn.CacheOptions) (*nn.Cache, error) {
	o.Layers, o.Heads, o.HeadDim, o.Windows = s.Layers, s.KVHeads, s.HeadDim, s.Windows
	if o.MaxTokens == 0 {
		o.MaxTokens = s.Context
	}
	return nn.NewCache(o)
}

// Decoder is a causal language model. It is immutable once loaded and safe for concurrent use, one Ctx and one cache per
// call.
type Decoder interface {
	Spec() DecoderSpec
	// NewCache makes a cache for the model's layers; fields of o that describe them are filled in.
	NewCache(o nn.CacheOptions) (*nn.Cache, error)
	// Forward puts the batch's rows into the cache and gives the logits [wanted, V] of the rows that want them, in order. On
	// an error (a full cache, ids that are no tokens, positions with a gap) the cache is as before.
	Forward(ctx *tensor.Ctx, b Batch, cache *nn.Cache) (*tensor.Tensor, error)
}

// Embedder is a Decoder that also gives the states which its logits are made of.
type Embedder interface {
	Decoder
	// Hidden is Forward without the head: [wanted, C], after the last norm.
	Hidden(ctx *tensor.Ctx, b Batch, cache *nn.Cache) (*tensor.Tensor, error)
}

// TrainableDecoder is a Decoder that can be trained: nn.Walk finds its parameters.
type TrainableDecoder interface {
	Decoder
	// Loss is the mean negative log-likelihood of the labels (i64 [B, T]) after the first of each row, the label of position
	// t+1 against what the tokens (i64 [B, T]) up to t give; IgnoreLabel does not count. In training a family may add terms of its own.
	Loss(ctx *tensor.Ctx, tokens, labels *tensor.Tensor) *tensor.Tensor
	// Save writes config.json and model.safetensors into dir, in the layout that Load and the reference read.
	Save(dir string) error
}

// IgnoreLabel marks a label that does not count: padding, a user's words.
const IgnoreLabel = -100

// DecoderFamily is one architecture of decoders: how to know its checkpoints and how to load them.
type DecoderFamily struct {
	Name  string
	Match func(c Checkpoint) bool
	Load  func(c Checkpoint, set map[string]string) (Decoder, error)
	// The same for GGUF files. The decoder is an io.Closer that closes the file; on an error it stays open.
	MatchGGUF func(meta gguf.Metadata) bool
	FromGGUF  func(f *gguf.File) (Decoder, error)
}
