package generate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/tensor"
)

// Embed gives the text's embedding [C]: the mean of the model's states after its last norm, at length 1. Texts that come
// together go through the model together, beside the outputs under way. Errors are those of Submit, and that the model is no
// model.Embedder.
func (e *Engine) Embed(ctx context.Context, tokens []int32) ([]float32, error) {
	if _, ok := e.m.(model.Embedder); !ok {
		return nil, fmt.Errorf("generate: %s gives no embeddings", e.m.Spec().Family)
	}
	if err := e.check(tokens, 0); err != nil {
		return nil, err
	}
	o, err := e.enqueue(ctx, &Output{text: slices.Clone(tokens), prompt: len(tokens)})
	if err != nil {
		return nil, err
	}
	for _, err := range o.Tokens() {
		if err != nil {
			return nil, err
		}
	}
	square := 0.0
	for _, v := range o.pool {
		square += v * v
	}
	if !(square > 0) || math.IsInf(square, 1) {
		return nil, errors.New("generate: the model's states are 0 or no numbers; are its weights damaged?")
	}
	y := make([]float32, len(o.pool))
	for i, v := range o.pool {
		y[i] = float32(v / math.Sqrt(square))
	}
	return y, nil
}

func (e *Engine) hidden() (*tensor.Tensor, error) {
	return e.m.(model.Embedder).Hidden(e.ctx, e.batch, e.cache)
}

// pool adds up the states of a step's texts; the mean's direction is that of the sum.
func (e *Engine) pool() {
	for i := range e.turns {
		t := &e.turns[i]
		o := t.o
		if o.pool == nil {
			o.pool = make([]float64, e.width)
		}
		for k := range t.want {
			for c, v := range e.rows[(t.at+k)*e.width:][:e.width] {
				o.pool[c] += float64(v)
			}
		}
		if t.done = e.cache.Len(o.seq) == len(o.text); t.done {
			o.ready = append(o.ready, Token{Finish: FinishStop})
		}
	}
}
