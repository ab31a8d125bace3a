package generate

import (
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/hanji-ml/hanji/internal/par"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/tensor"
)

// turn is an output's part of a step.
type turn struct {
	o     *Output
	rows  int     // in the batch
	at    int     // its first row of what the model gives
	want  int     // rows of that: its last ones; 0 within a prompt
	guess []int32 // tokens of the last rows that are not said yet
	err   error
	done  bool
}

// run is the loop, which alone touches cache and model.
func (e *Engine) run() {
	defer close(e.ended)
	defer e.ctx.Close()
	for e.ready() {
		e.step(false)
		e.step(true)
	}
	e.unsaved = e.save()
}

// step brings every output a token on, or some of its prompt; or, with hidden, texts that are to be embedded.
func (e *Engine) step(hidden bool) {
	out, err := e.forward(hidden)
	if len(e.turns) == 0 {
		return
	}
	if err == nil {
		wanted := 0
		for i := range e.turns {
			e.turns[i].at = wanted
			wanted += e.turns[i].want
		}
		e.width = out.Dim(1)
		e.rows = scratch(&e.rows, wanted*e.width)
		out.ReadInto(e.rows)
		if hidden {
			e.pool()
		} else {
			par.For(len(e.turns), 1, e.sampler)
		}
	}
	said := 0
	for i := range e.turns {
		t := &e.turns[i]
		if t.err == nil {
			t.err = err
		}
		if !hidden {
			said += len(t.o.ready)
		}
		e.settle(t)
	}
	e.mu.Lock()
	e.stats.Steps++
	e.stats.Rows += uint64(len(e.batch.Tokens))
	e.stats.OutputTokens += uint64(said)
	e.stats.CacheFree, e.stats.Prefixes = e.free(), len(e.kept)
	e.mu.Unlock()
	for _, t := range e.turns { // at last: who has read the last token may ask for another at once, or for the counts
		if t.done || t.err != nil {
			t.o.finish(t.err)
		} else {
			t.o.say()
		}
	}
	clear(e.turns)
}

// forward runs the model on the rows of a step. Where the cache has no room for them, kept prefixes, then guesses, then the
// youngest outputs give way.
func (e *Engine) forward(hidden bool) (*tensor.Tensor, error) {
	for guesses := true; ; {
		if e.gather(hidden, guesses); len(e.turns) == 0 {
			return nil, nil
		}
		out, err := e.call(hidden)
		switch {
		case !errors.Is(err, nn.ErrCacheFull):
			return out, err
		case e.evict():
		case guesses:
			guesses = false
		case !e.preempt():
			return nil, err
		}
	}
}

// call is the model's, whose panic becomes an error: a server outlives it.
func (e *Engine) call(hidden bool) (out *tensor.Tensor, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &Panic{v, debug.Stack()}
		}
	}()
	e.ctx.Next(0)
	if hidden {
		return e.hidden()
	}
	return e.m.Forward(e.ctx, e.batch, e.cache)
}

// gather makes the batch: of each output its last token and guesses, or a piece of what the model has to see before.
func (e *Engine) gather(hidden, guesses bool) {
	b := &e.batch
	b.Tokens, b.Seq, b.Want, e.turns = b.Tokens[:0], b.Seq[:0], b.Want[:0], e.turns[:0]
	budget := e.o.Prefill
	for _, o := range e.running {
		if o.s != nil && (hidden || len(o.tokens())-e.cache.Len(o.seq) == 1) {
			budget = max(1, e.o.Prefill/4) // others wait for a token
			break
		}
	}
	for _, o := range e.running {
		if (o.s == nil) != hidden || !o.begun && e.late(o) {
			continue
		}
		rest := o.tokens()[e.cache.Len(o.seq):]
		t := turn{o: o, rows: len(rest)}
		if hidden || len(rest) > 1 {
			t.rows = min(len(rest), budget)
			budget -= t.rows
		}
		switch {
		case t.rows == 0:
			continue
		case hidden:
			t.want = t.rows
		case t.rows == len(rest):
			t.want = 1
		}
		if said := len(o.tokens()) - o.prompt; guesses && len(rest) == 1 && said > 0 {
			t.guess = Lookup(o.tokens(), min(o.s.options.guesses(said), e.o.Cache.Rewind))
		}
		b.Tokens = append(append(b.Tokens, rest[:t.rows]...), t.guess...)
		t.rows, t.want = t.rows+len(t.guess), t.want+len(t.guess)
		for i := range t.rows {
			b.Seq, b.Want = append(b.Seq, o.seq), append(b.Want, i >= t.rows-t.want)
		}
		o.begun = true
		e.turns = append(e.turns, t)
	}
}

// late looks once more for a beginning to share, just before the model would begin: true if it is worth to wait for one.
func (e *Engine) late(o *Output) bool {
	before := e.cache.Len(o.seq)
	if e.share(o); !o.preempted {
		e.found(o, e.cache.Len(o.seq)-before)
	}
	return e.awaits(o)
}

// sampleTurns chooses the next tokens of turns lo…hi−1; several threads do it at once.
func (e *Engine) sampleTurns(lo, hi int) {
	for i := lo; i < hi; i++ {
		e.sample(&e.turns[i])
	}
}

// sample chooses an output's next token, and more where guesses were right. A panic of its filters is its own error.
func (e *Engine) sample(t *turn) {
	defer func() {
		if v := recover(); v != nil {
			t.err = &Panic{v, debug.Stack()}
		}
	}()
	for i := range t.want {
		token, err := t.o.s.Next(e.rows[(t.at+i)*e.width:][:e.width])
		if err != nil {
			t.err = err
			return
		}
		t.o.ready = append(t.o.ready, token)
		if t.done = token.Finish != ""; t.done || i < len(t.guess) && token.ID != t.guess[i] {
			return
		}
	}
}

// settle takes wrong guesses back, and the slot of an output that has ended.
func (e *Engine) settle(t *turn) {
	o := t.o
	if seen := len(o.tokens()) - 1; o.s != nil && e.cache.Len(o.seq) > seen {
		if err := e.cache.Truncate(o.seq, seen); err != nil {
			e.cache.Free(o.seq)
			if !t.done && t.err == nil {
				t.err = fmt.Errorf("generate: %w", err)
			}
		}
	}
	if t.err != nil {
		e.cache.Free(o.seq) // what it holds may be what was wrong
	}
	if t.done || t.err != nil {
		e.release(o)
	}
}

// Panic is the error of an output whose filter, or whose model, has panicked.
type Panic struct {
	Value any
	Stack []byte // where
}

func (p *Panic) Error() string { return fmt.Sprintf("generate: panic: %v", p.Value) }
