package generate

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// ready waits until some output has a slot; false: none will come any more.
func (e *Engine) ready() bool {
	for {
		e.sweep()
		e.admit()
		if len(e.running) > 0 {
			return true
		}
		e.mu.Lock()
		end := e.closing && len(e.queue) == 0
		e.mu.Unlock()
		if end {
			return false
		}
		<-e.wake
	}
}

// sweep frees the slots and places of outputs that nobody wants, or, once the engine is closed, of all.
func (e *Engine) sweep() {
	e.mu.Lock()
	closed := e.closed
	e.mu.Unlock()
	reason := func(o *Output) error {
		switch {
		case closed:
			return fmt.Errorf("generate: %w", ErrClosed)
		case !o.left.Load():
			return nil
		case o.ctx.Err() != nil:
			return context.Cause(o.ctx)
		}
		return errLeft
	}
	for i := len(e.running) - 1; i >= 0; i-- {
		if err := reason(e.running[i]); err != nil {
			o := e.running[i]
			e.release(o)
			o.finish(err)
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.queue = slices.DeleteFunc(e.queue, func(o *Output) bool {
		err := reason(o)
		if err != nil {
			o.finish(err)
		}
		return err != nil
	})
}

// release takes an output's slot.
func (e *Engine) release(o *Output) {
	e.keep(o)
	e.running = slices.DeleteFunc(e.running, func(r *Output) bool { return r == o })
	free := e.free()
	e.mu.Lock()
	e.active--
	e.stats.CacheFree, e.stats.Prefixes = free, len(e.kept)
	e.mu.Unlock()
}

// admit gives slots to those who wait, in their order, as long as the cache has room for them.
func (e *Engine) admit() {
	for len(e.running) < e.o.Slots {
		e.mu.Lock()
		var o *Output
		if len(e.queue) > 0 {
			o = e.queue[0]
		}
		e.mu.Unlock()
		if o == nil || !e.fits(o) {
			return
		}
		if e.cache.Len(o.seq) == 0 {
			e.last++
			o.seq = e.last
		}
		e.running = append(e.running, o)
		e.mu.Lock()
		e.queue = slices.Delete(e.queue, 0, 1)
		e.active++
		if !o.preempted {
			n := uint64(len(o.tokens()))
			e.stats.Requests++
			e.stats.PromptTokens += n
			if o.s != nil {
				e.stats.PrefixQueries += n
			}
		}
		e.mu.Unlock()
		if !o.preempted {
			o.mu.Lock()
			o.started = time.Now()
			o.mu.Unlock()
			e.found(o, e.cache.Len(o.seq))
		}
	}
}

// found counts tokens of a prompt that the cache had.
func (e *Engine) found(o *Output, n int) {
	e.mu.Lock()
	e.stats.PrefixHits += uint64(n)
	e.mu.Unlock()
	o.mu.Lock()
	o.cached += n
	o.mu.Unlock()
}

// fits shares what it can of an output's tokens and makes room for the others and a page more for each output, beside what
// those before it have still to put into the cache. A lone output always fits.
func (e *Engine) fits(o *Output) bool {
	e.share(o)
	if len(e.running) == 0 {
		return true
	}
	page := e.o.Cache.PageTokens
	pages := func(o *Output) int { return ((len(o.tokens())-e.cache.Len(o.seq)-1)/page + 2) * page }
	need := pages(o)
	for _, r := range e.running {
		need += pages(r)
	}
	if e.free() < need {
		e.cache.Free(o.seq)
		o.seq = 0
		return false
	}
	for e.cache.Room() < need && e.evict() {
	}
	return true
}

// free is the tokens that the cache has room for if it keeps no prefixes.
func (e *Engine) free() int {
	e.ids = e.ids[:0]
	for _, p := range e.kept {
		e.ids = append(e.ids, p.seq)
	}
	return e.cache.RoomWithout(e.ids)
}

// preempt takes the slot of the youngest output, if it is not the only one, and puts it back to the head of the queue. What
// it has said stands; the model will have to see it again.
func (e *Engine) preempt() bool {
	n := len(e.running) - 1
	if n < 1 {
		return false
	}
	o := e.running[n]
	e.running = e.running[:n]
	e.cache.Free(o.seq)
	o.seq, o.begun, o.preempted = 0, false, true
	clear(o.pool)
	e.mu.Lock()
	e.queue = slices.Insert(e.queue, 0, o)
	e.active--
	e.stats.Preempted++
	e.mu.Unlock()
	return true
}
