package serve

import (
	"context"
	"iter"

	"github.com/hanji-ml/hanji/generate"
)

// Engine runs a language model for many requests at once. [NewModel] makes one of generate.Engine.
type Engine interface {
	// Submit queues an output; it is an error (generate.ErrBusy, ErrTooLong, ErrClosed) if there is no room for it. When ctx is
	// done the output ends, with its cause.
	Submit(ctx context.Context, prompt []int32, o generate.Options) (Output, error)
	// Embed gives the vector [C] of a text, at length 1.
	Embed(ctx context.Context, tokens []int32) ([]float32, error)
	// Stats are for /metrics.
	Stats() generate.EngineStats
	// Drain takes nothing new and waits until what runs is done, or ctx.
	Drain(ctx context.Context) error
	// Close ends what runs.
	Close()
}

// Output is an answer in the making.
type Output interface {
	Tokens() iter.Seq2[generate.Token, error]
	CachedTokens() int // of the prompt, those whose keys and values were there; known with the first token
	PromptTokens() int
}

// engine is a generate.Engine as an Engine.
type engine struct{ *generate.Engine }

func (e engine) Submit(ctx context.Context, prompt []int32, o generate.Options) (Output, error) {
	out, err := e.Engine.Submit(ctx, prompt, o)
	if err != nil {
		return nil, err
	}
	return out, nil
}
