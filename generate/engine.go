package generate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/tensor"
)

// EngineOptions of NewEngine. The zero value serves eight outputs at once.
type EngineOptions struct {
	Slots int // outputs at a time; 0: 8
	Queue int // requests that may wait for a slot, more are ErrBusy; 0: 64, below: none
	// Cache holds the keys and values of all. MaxTokens, its room over all slots, is by default what min(Slots, 4) outputs of
	// Context need, but no more than 32,768 tokens or one output of Context, whichever is larger.
	Cache    nn.CacheOptions
	Context  int // tokens of the longest prompt with its output; 0: the model's, at most Cache.MaxTokens
	Prefill  int // tokens of prompts a step, and a quarter of it beside outputs that are under way; 0: 512
	Prefixes int // ended sequences that are kept, until their room is needed, for prompts that begin as they do; 0: 64, below: none
	// PrefixDir is a folder where those of 256 tokens and more are saved when the engine ends, and read from when a prompt begins as
	// one does, up to the size of a full cache: they hold what users wrote. PrefixModel must tell the weights apart that are served
	// from one folder (all.Fingerprint does); files of others are not used. Default: none.
	PrefixDir, PrefixModel string
}

// Errors of Engine, wrapped by what Submit and Embed return.
var (
	ErrBusy    = errors.New("all slots are taken and the queue is full; try again later")
	ErrTooLong = errors.New("more tokens than the context has")
	ErrClosed  = errors.New("the engine takes no more requests")
)

// Engine decodes many outputs of one model at once. The next tokens of all that are under way, and a piece of the prompts that
// have come since, go through the model together, and an output that has ended makes room for the next at once: continuous
// batching (Orca, Yu et al., OSDI 2022, §3) with prompts in chunks (Sarathi, arXiv 2308.16369).
//
// An output is the one that [Stream] gives with the same options, whatever runs beside it, to the bit where products round a
// row alike beside any number of others: with quantised weights, and with f32 ones that fit into half of the L2 cache. With
// larger f32 and with f16 ones a single row is rounded otherwise than many, so that a near tie may fall the other way.
//
// Prompts share the keys and values of what they begin with alike, with outputs under way, with those that have ended
// (EngineOptions.Prefixes) and with those of another day (PrefixDir). When the cache is full, first the least recently used of these is dropped, then the youngest
// output waits until there is room to compute it again (vLLM, arXiv 2309.06180, §4.5): none fails for another's sake.
//
// It is safe for concurrent use. Custom filters run on the engine's goroutines: they must not block, and each output
// needs its own.
type Engine struct {
	m model.Decoder
	o EngineOptions

	wake    chan struct{} // something has changed
	ended   chan struct{} // closed when the loop has returned
	unsaved error         // why prefixes were not, then

	mu      sync.Mutex
	queue   []*Output // waiting, the next first
	active  int       // outputs with a slot
	closing bool      // takes no more
	closed  bool      // and ends those that it has
	stats   EngineStats

	// Of the loop alone.
	cache   *nn.Cache
	ctx     *tensor.Ctx
	running []*Output // with a slot, the oldest first
	kept    []prefix  // the least recently used first
	saved   []savedPrefix
	last    int // sequence given out; they begin with 1
	batch   model.Batch
	turns   []turn
	ids     []int            // of kept prefixes, now and then
	rows    []float32        // what the model gave: logits, or hidden states
	width   int              // of a row
	sampler func(lo, hi int) // bound once: a closure a call would be allocated
}

// NewEngine makes an engine and starts its goroutine, which Close ends.
func NewEngine(m model.Decoder, o EngineOptions) (*Engine, error) {
	o, err := o.filled(m.Spec().Context)
	if err != nil {
		return nil, err
	}
	cache, err := m.NewCache(o.Cache)
	if err != nil {
		return nil, err
	}
	o.Cache = cache.Options()
	e := &Engine{m: m, o: o, cache: cache, ctx: tensor.New(tensor.Options{}), wake: make(chan struct{}, 1), ended: make(chan struct{})}
	e.sampler = e.sampleTurns
	if o.PrefixDir != "" {
		if e.saved, err = o.savedPrefixes(); err != nil {
			return nil, err
		}
	}
	e.stats.Slots, e.stats.CacheTokens, e.stats.CacheFree = o.Slots, cache.Room(), cache.Room()
	go e.run()
	return e, nil
}

// filled has the defaults in place.
func (o EngineOptions) filled(context int) (EngineOptions, error) {
	or := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	or(&o.Slots, 8)
	or(&o.Queue, 64)
	or(&o.Prefill, prefill)
	or(&o.Prefixes, 64)
	if o.Context == 0 {
		o.Context = context
		if o.Cache.MaxTokens > 0 {
			o.Context = min(context, o.Cache.MaxTokens)
		}
	}
	or(&o.Cache.MaxTokens, max(o.Context, min(o.Context*min(o.Slots, 4), 32768)))
	switch {
	case o.Slots < 1 || o.Context < 2 || o.Prefill < 1:
		return o, fmt.Errorf("generate: engine of %d slots, a context of %d tokens and %d of prompts a step", o.Slots, o.Context, o.Prefill)
	case o.PrefixDir != "" && (o.PrefixModel == "" || o.Prefixes < 0):
		return o, errors.New("generate: an engine with PrefixDir needs PrefixModel, and Prefixes")
	case o.Cache.MaxTokens < o.Context:
		return o, fmt.Errorf("generate: the engine's cache has room for %d tokens, one output may need %d; shorten Context", o.Cache.MaxTokens, o.Context)
	}
	o.Queue, o.Prefixes = max(o.Queue, 0), max(o.Prefixes, 0)
	return o, nil
}

// Options are the engine's, with defaults filled in.
func (e *Engine) Options() EngineOptions { return e.o }

// Submit asks for an output; ctx is the output's, not the call's: when it ends, so does the output. Without MaxTokens it may
// fill the context. Invalid options, ids that are no tokens, and a request that can never fit (ErrTooLong), has no room in
// the queue now (ErrBusy) or comes too late (ErrClosed) are errors.
func (e *Engine) Submit(ctx context.Context, prompt []int32, o Options) (*Output, error) {
	room := e.o.Context - len(prompt)
	if o.MaxTokens == 0 {
		o.MaxTokens = max(room, 1)
	}
	if err := e.check(prompt, o.MaxTokens); err != nil {
		return nil, err
	}
	s, err := NewSequence(prompt, o)
	if err != nil {
		return nil, err
	}
	return e.enqueue(ctx, &Output{s: s, prompt: len(prompt)})
}

// check refuses what would be a mistake of a whole batch.
func (e *Engine) check(tokens []int32, more int) error {
	if len(tokens) == 0 {
		return errNoPrompt
	}
	if n := len(tokens); n+more > e.o.Context {
		return fmt.Errorf("generate: a prompt of %d tokens and up to %d more: %w (%d)", n, more, ErrTooLong, e.o.Context)
	}
	v := e.m.Spec().Vocab
	for i, id := range tokens {
		if uint(id) >= uint(v) {
			return fmt.Errorf("generate: token %d of the prompt is %d, the model has %d", i, id, v)
		}
	}
	return nil
}

func (e *Engine) enqueue(ctx context.Context, o *Output) (*Output, error) {
	o.e, o.ctx, o.notify = e, ctx, make(chan struct{}, 1)
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.closing:
		return nil, fmt.Errorf("generate: %w", ErrClosed)
	case e.active+len(e.queue) >= e.o.Slots+e.o.Queue:
		return nil, fmt.Errorf("generate: %w", ErrBusy)
	}
	o.queued = time.Now()
	o.unhook = context.AfterFunc(ctx, o.leave)
	e.queue = append(e.queue, o)
	e.poke()
	return o, nil
}

// poke tells the loop that something has changed.
func (e *Engine) poke() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// Drain takes no more requests and waits until all outputs have ended, or ctx has: then they go on, until Close. An error is ctx's,
// or that prefixes could not be saved.
func (e *Engine) Drain(ctx context.Context) error {
	e.mu.Lock()
	e.closing = true
	e.mu.Unlock()
	e.poke()
	select {
	case <-e.ended:
		return e.unsaved
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close ends all outputs with ErrClosed once the step that runs is through, and gives the engine's memory back.
func (e *Engine) Close() {
	e.mu.Lock()
	e.closing, e.closed = true, true
	e.mu.Unlock()
	e.poke()
	<-e.ended
}

// EngineStats counts what an engine has done and shows what it does.
type EngineStats struct {
	Slots, Running, Waiting int    // outputs at a time; that have a slot, that wait for one
	CacheTokens, CacheFree  int    // tokens that the cache has room for, and those that outputs do not take now
	Prefixes                int    // ended sequences that are kept
	PrefixQueries           uint64 // tokens of prompts that were looked for among what the cache has,
	PrefixHits              uint64 // and those that were found
	PromptTokens            uint64 // of prompts that got a slot, found ones included
	OutputTokens            uint64 //
	Steps, Rows             uint64 // calls of the model, and the rows in them
	Preempted               uint64 // outputs that gave their room back to older ones
	Requests                uint64 // that got a slot
}

// Stats are those after the last step.
func (e *Engine) Stats() EngineStats {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.stats
	s.Running, s.Waiting = e.active, len(e.queue)
	return s
}
