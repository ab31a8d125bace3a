package generate

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
)

// Stepper is what generation needs of a language model with its cache. A sequence is a run of tokens that the model
// has seen; its number is valid until Free.
type Stepper interface {
	// Start opens an empty sequence.
	Start() (seq int, err error)
	// Step appends tokens to sequences and returns logits [V]: one row an input, after its last token, or with All one
	// after each of its tokens, in order. Rows are read-only and valid until the next call. More tokens than the
	// model's context are an error.
	Step(ctx context.Context, inputs []Input) ([][]float32, error)
	// Fork opens a sequence that begins as a copy of another.
	Fork(seq int) (int, error)
	// Truncate leaves the first n tokens of a sequence.
	Truncate(seq, n int) error
	// Free closes a sequence.
	Free(seq int)
}

// Input is what one sequence is fed in a step.
type Input struct {
	Seq    int
	Tokens []int32 // at least one
	All    bool    // logits after every token, not the last alone
}

// Stream decodes: it feeds the prompt and yields tokens until one has a Finish, the context is done or the consumer
// leaves. An error comes last, alone.
//
//	for t, err := range generate.Stream(ctx, stepper, prompt, generate.Options{MaxTokens: 100, Vocabulary: v}) {
//		if err != nil {
//			return err
//		}
//		fmt.Print(t.Text)
//	}
func Stream(ctx context.Context, m Stepper, prompt []int32, o Options) iter.Seq2[Token, error] {
	return func(yield func(Token, error) bool) {
		if err := stream(ctx, m, prompt, o, yield); err != nil {
			yield(Token{}, err)
		}
	}
}

var errNoPrompt = errors.New("generate: the prompt has no token; begin with the model's begin token")

// stream returns an error only where yield still listens.
func stream(ctx context.Context, m Stepper, prompt []int32, o Options, yield func(Token, error) bool) error {
	if len(prompt) == 0 {
		return errNoPrompt
	}
	s, err := NewSequence(prompt, o)
	if err != nil {
		return err
	}
	seq, err := m.Start()
	if err != nil {
		return err
	}
	defer m.Free(seq)
	inputs := []Input{{Seq: seq, Tokens: s.Tokens()}}
	var feed, guess []int32
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		rows, err := m.Step(ctx, inputs)
		if err != nil {
			return err
		}
		if want := len(guess) + 1; len(rows) != want {
			return fmt.Errorf("generate: the model gave %d rows of logits, want %d", len(rows), want)
		}
		for i, row := range rows {
			t, err := s.Next(row)
			if err != nil {
				return err
			}
			if !yield(t, nil) || t.Finish != "" {
				return nil
			}
			if i < len(guess) && t.ID != guess[i] {
				if err := m.Truncate(seq, len(s.Tokens())-1); err != nil {
					return err
				}
				break
			}
		}
		tokens := s.Tokens()
		guess = Lookup(tokens, o.guesses(len(tokens)-len(prompt)))
		feed = append(append(feed[:0], tokens[len(tokens)-1]), guess...)
		guess = feed[1:]
		inputs[0] = Input{Seq: seq, Tokens: feed, All: len(guess) > 0}
	}
}

// guesses is how many tokens to look up after n of the output: none that would come after the last.
func (o Options) guesses(n int) int {
	if o.MaxTokens > 0 {
		return min(o.PromptLookup, o.MaxTokens-n-1)
	}
	return o.PromptLookup
}

// Result is a whole output.
type Result struct {
	Tokens []Token // the end token included
	Text   string
	Finish Finish
	Stop   string // the stop text that ended it
}

// Run collects a [Stream]. With an error comes what there was until then.
func Run(ctx context.Context, m Stepper, prompt []int32, o Options) (Result, error) {
	var r Result
	var text strings.Builder
	for t, err := range Stream(ctx, m, prompt, o) {
		if err != nil {
			r.Text = text.String()
			return r, err
		}
		r.Tokens = append(r.Tokens, t)
		text.WriteString(t.Text)
		r.Finish, r.Stop = t.Finish, t.Stop
	}
	r.Text = text.String()
	return r, nil
}
