package generate

import (
	"context"
	"errors"
	"iter"
	"sync"
	"sync/atomic"
	"time"
)

// Output is one that an [Engine] makes. What it has said waits here until it is read, so a slow reader holds nobody up.
type Output struct {
	e      *Engine
	ctx    context.Context
	unhook func() bool
	left   atomic.Bool // nobody wants it any more
	notify chan struct{}

	// Of the engine's loop, once it is in the queue.
	s         *Sequence
	text      []int32   // in place of s: what is to be embedded
	pool      []float64 // and the sum of its hidden states
	prompt    int       // tokens
	seq       int       // in the cache; 0: none
	begun     bool      // the model has been given some of its rows since it got its slot
	preempted bool      // before
	ready     []Token   // of this step

	mu     sync.Mutex
	said   []Token // and not yet read
	over   bool
	err    error
	cached int

	queued, started, first, end time.Time
}

var errLeft = errors.New("generate: the output was read before, to its end or until its reader left")

// Tokens yields the output as [Stream] does, once. Leaving the loop, or the end of Submit's context, whose cause is then the error, frees the slot.
func (o *Output) Tokens() iter.Seq2[Token, error] {
	return func(yield func(Token, error) bool) {
		defer o.leave()
		var read []Token
		for {
			var over bool
			var err error
			read, over, err = o.take(read[:0])
			for _, t := range read {
				if err := context.Cause(o.ctx); err != nil {
					yield(Token{}, err)
					return
				}
				if !yield(t, nil) || t.Finish != "" {
					return
				}
			}
			if over {
				yield(Token{}, err)
				return
			}
			select {
			case <-o.notify:
			case <-o.ctx.Done():
				yield(Token{}, context.Cause(o.ctx))
				return
			}
		}
	}
}

// take gives what there is to read and leaves an empty slice in its place.
func (o *Output) take(empty []Token) (said []Token, over bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	said, o.said = o.said, empty
	if err = o.err; err == nil {
		err = errLeft
	}
	return said, o.over, err
}

// leave says that nobody will read on.
func (o *Output) leave() {
	o.mu.Lock()
	over := o.over
	o.mu.Unlock()
	if !over && !o.left.Swap(true) {
		o.e.poke()
	}
}

// say hands the tokens of a step over.
func (o *Output) say() {
	if len(o.ready) == 0 {
		return
	}
	o.mu.Lock()
	if o.first.IsZero() {
		o.first = time.Now()
	}
	o.said = append(o.said, o.ready...)
	o.mu.Unlock()
	o.ready = o.ready[:0]
	o.signal()
}

// finish says that there will be no more; err nil where the last token has said why.
func (o *Output) finish(err error) {
	o.say()
	o.mu.Lock()
	o.over, o.err, o.end = true, err, time.Now()
	o.mu.Unlock()
	o.unhook()
	o.signal()
}

func (o *Output) signal() {
	select {
	case o.notify <- struct{}{}:
	default:
	}
}

// PromptTokens is the length of the prompt.
func (o *Output) PromptTokens() int { return o.prompt }

// CachedTokens is how many of the prompt the cache had already, known with the first token.
func (o *Output) CachedTokens() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.cached
}

// Timing says where the time of an output has gone; what has not begun is 0.
type Timing struct {
	Queue  time.Duration // until it got a slot
	Prompt time.Duration // from then on until its first token
	Output time.Duration // from then on until its end
}

// Timing is that of what has ended so far.
func (o *Output) Timing() (t Timing) {
	o.mu.Lock()
	defer o.mu.Unlock()
	times := []time.Time{o.queued, o.started, o.first, o.end}
	for i, d := range []*time.Duration{&t.Queue, &t.Prompt, &t.Output} {
		if from, to := times[i], times[i+1]; !from.IsZero() && !to.IsZero() {
			*d = to.Sub(from)
		}
	}
	return t
}

// tokens are what the model is to see: the prompt and the output so far, or a text.
func (o *Output) tokens() []int32 {
	if o.s != nil {
		return o.s.Tokens()
	}
	return o.text
}
