package generate

import "slices"

// prefix is an ended sequence that the cache keeps for prompts that begin as it does.
type prefix struct {
	seq    int
	tokens []int32
}

// share gives an output that the model has not begun with the longest beginning of its tokens that the cache has, but for the
// last token, whose logits are wanted. Less than a page is not worth a copy of it. Where a sliding window has passed what
// would be seen, nothing is shared.
func (e *Engine) share(o *Output) {
	if o.s == nil || e.o.Prefixes == 0 {
		return
	}
	tokens := o.tokens()
	tokens = tokens[:len(tokens)-1]
	from, best, at := e.longest(tokens, o)
	if len(e.saved) > 0 {
		e.restore(tokens, best)
		from, best, at = e.longest(tokens, o)
	}
	if best < max(e.cache.Len(o.seq)+1, e.o.Cache.PageTokens) {
		return
	}
	e.last++
	if e.cache.Share(from, e.last, best) != nil {
		return
	}
	e.cache.Free(o.seq)
	o.seq = e.last
	if at >= 0 {
		p := e.kept[at]
		e.kept = append(slices.Delete(e.kept, at, at+1), p)
	}
}

// longest finds the sequence that begins with most of the tokens, and which of the kept ones it is; o's own does not count.
func (e *Engine) longest(tokens []int32, o *Output) (seq, n, kept int) {
	kept = -1
	for i, p := range e.kept {
		if c := common(tokens, p.tokens); c > n {
			seq, n, kept = p.seq, c, i
		}
	}
	for _, r := range e.running {
		if c := common(tokens, r.tokens()[:e.cache.Len(r.seq)]); c > n && r != o {
			seq, n, kept = r.seq, c, -1
		}
	}
	return seq, n, kept
}

// awaits tells whether an older output is on its way through a beginning that o could share soon.
func (e *Engine) awaits(o *Output) bool {
	if o.s == nil || e.o.Prefixes == 0 {
		return false
	}
	tokens := o.tokens()
	least := e.cache.Len(o.seq) + e.o.Cache.PageTokens
	for _, r := range e.running {
		if r == o {
			break
		}
		if all := r.tokens(); r.s != nil && len(all)-e.cache.Len(r.seq) > 1 && common(tokens[:len(tokens)-1], all) >= least {
			return true
		}
	}
	return false
}

// keep makes a prefix of an ended output's sequence, or frees it.
func (e *Engine) keep(o *Output) {
	n := e.cache.Len(o.seq)
	if o.s == nil || n < e.o.Cache.PageTokens || e.o.Prefixes == 0 {
		e.cache.Free(o.seq)
		return
	}
	tokens := o.tokens()[:n:n]
	for i, p := range e.kept {
		same := common(tokens, p.tokens)
		if same == n { // a kept one goes on with it
			e.cache.Free(o.seq)
			return
		}
		if same == len(p.tokens) { // or the other way round
			e.cache.Free(p.seq)
			e.kept = slices.Delete(e.kept, i, i+1)
			break
		}
	}
	if len(e.kept) == e.o.Prefixes {
		e.evict()
	}
	e.kept = append(e.kept, prefix{o.seq, tokens})
}

// evict drops the least recently used prefix; false: there is none.
func (e *Engine) evict() bool {
	if len(e.kept) == 0 {
		return false
	}
	e.cache.Free(e.kept[0].seq)
	e.kept = slices.Delete(e.kept, 0, 1)
	return true
}

// common is the length of what a and b begin with alike.
func common(a, b []int32) int {
	n := min(len(a), len(b))
	for i, v := range a[:n] {
		if v != b[i] {
			return i
		}
	}
	return n
}
