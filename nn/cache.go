package nn

import (
	"errors"
	"fmt"
	"math"

	"github.com/hanji-ml/hanji/tensor"
)

// CacheOptions of NewCache. A decoder's NewCache fills in what describes its layers.
type CacheOptions struct {
	Layers  int
	Heads   int   // of keys and values in each layer
	HeadDim int   // D
	Windows []int // of each layer: positions that a row sees, its own included; 0: all; nil: all in every layer

	// DType of what is stored: F32, F16 (half the memory, each number rounded to 11 bits), U8 (blocks of Q8_0: about a quarter,
	// rounded to 127 steps of the largest of 32 neighbours; for heads of a multiple of 32), or F64 for models of f64.
	DType      tensor.DType
	MaxTokens  int // room, over all sequences, in whole pages; a decoder's default is its context
	PageTokens int // P; 0: 32
	Rewind     int // how many tokens Truncate can take back where windows have passed; 0: PageTokens
}

// ErrCacheFull is wrapped by the error of Append when the cache has no room: free a sequence, or make a larger one.
var ErrCacheFull = errors.New("the cache is full")

// Cache keeps the keys and values of what a decoder has seen, so that a next token costs one row. Sequences have ids of
// the caller's choice and come to be with their first token.
//
// Memory is handed out in pages of PageTokens positions, taken from the system as they are first needed and then used
// again; a page costs 2·layers·Heads·P·D numbers. Pages are counted: Fork and Share give a sequence the pages of
// another, and whoever writes to a shared page first gets its own copy of it. Layers with a sliding window give back the
// pages that it has passed. This is vLLM's block table (arXiv 2309.06180, §4) on one machine.
//
// One goroutine at a time.
type Cache struct {
	o      CacheOptions
	groups []pageGroup
	layers []layerPages
	seqs   map[int]*sequence

	call    uint64 // of Append, to know what it has touched
	touched []*sequence
	rows    Rows // of the last Append
}

// pageGroup is the layers that have one window, which share page tables, and their pages.
type pageGroup struct {
	window int
	layers int
	pages  []*tensor.Tensor // [layers, 2, Heads, P, D]; see tensor.Paged
	refs   []int32          // sequences that use each
	free   []int32
	most   int          // pages at most
	paged  tensor.Paged // of the last Append
}

// layerPages is where a layer's keys and values lie.
type layerPages struct{ group, index int }

// sequence is what the cache holds of one.
type sequence struct {
	id     int
	length int         // tokens
	next   int         // tokens, with those of the call in flight
	call   uint64      // Append that touched it last
	tables []pageTable // of each group
}

// pageTable holds positions base … base + len(pages)·P − 1 of a sequence.
type pageTable struct {
	base  int
	pages []int32
}

// NewCache makes an empty cache.
func NewCache(o CacheOptions) (*Cache, error) {
	if o.PageTokens == 0 {
		o.PageTokens = 32
	}
	if o.Rewind == 0 {
		o.Rewind = o.PageTokens
	}
	switch {
	case o.Layers < 1 || o.Heads < 1 || o.HeadDim < 1 || o.Windows != nil && len(o.Windows) != o.Layers:
		return nil, fmt.Errorf("nn: cache of %d layers with %d windows, %d heads of %d", o.Layers, len(o.Windows), o.Heads, o.HeadDim)
	case o.DType != tensor.F32 && o.DType != tensor.F16 && o.DType != tensor.U8 && o.DType != tensor.F64:
		return nil, fmt.Errorf("nn: cache of %v; there are f32, f16 and u8 (q8_0)", o.DType)
	case o.DType == tensor.U8 && o.HeadDim%32 != 0:
		return nil, fmt.Errorf("nn: cache of q8_0 for heads of %d, which are no blocks of 32; take f16", o.HeadDim)
	case o.MaxTokens < 1 || o.PageTokens < 1 || o.Rewind < 0:
		return nil, fmt.Errorf("nn: cache for %d tokens in pages of %d, %d to be taken back", o.MaxTokens, o.PageTokens, o.Rewind)
	}
	most := (o.MaxTokens-1)/o.PageTokens + 1
	if per := tokenBytes(&o); float64(per)*float64(most)*float64(o.PageTokens) > math.MaxInt32*float64(1<<20) || most > math.MaxInt32 {
		return nil, fmt.Errorf("nn: cache for %d tokens of %d bytes: too large", o.MaxTokens, per)
	}
	c := &Cache{o: o, seqs: map[int]*sequence{}}
	for l := range o.Layers {
		w := 0
		if o.Windows != nil {
			w = o.Windows[l]
		}
		i := 0
		for i < len(c.groups) && c.groups[i].window != w {
			i++
		}
		if i == len(c.groups) {
			c.groups = append(c.groups, pageGroup{window: w, most: most})
		}
		c.layers = append(c.layers, layerPages{i, c.groups[i].layers})
		c.groups[i].layers++
	}
	c.rows.cache = c
	return c, nil
}

func tokenBytes(o *CacheOptions) int64 {
	return 2 * int64(o.Layers) * int64(o.Heads) * int64(tensor.PagedWidth(o.DType, o.HeadDim)) * int64(o.DType.Size())
}

// Options are the cache's, with defaults filled in.
func (c *Cache) Options() CacheOptions { return c.o }

// MaxBytes is what the cache takes when it is full.
func (c *Cache) MaxBytes() int64 {
	return tokenBytes(&c.o) * int64(c.groups[0].most) * int64(c.o.PageTokens)
}

// Bytes is what the cache has taken from the system so far; pages that are free again are kept.
func (c *Cache) Bytes() (n int64) {
	for i := range c.groups {
		g := &c.groups[i]
		n += int64(len(g.pages)) * int64(g.layers) * int64(c.o.PageTokens) * (tokenBytes(&c.o) / int64(c.o.Layers))
	}
	return n
}

// Room is how many more tokens one new sequence could have, in whole pages.
func (c *Cache) Room() int { return c.RoomWithout(nil) }

// RoomWithout is what Room would be without some sequences, whose pages others may share.
func (c *Cache) RoomWithout(seqs []int) int {
	c.settle()
	room := math.MaxInt
	for i := range c.groups {
		g := &c.groups[i]
		pages := len(g.free) + g.most - len(g.pages)
		for _, by := range [...]int32{-1, 1} { // let go, and take back
			for _, id := range seqs {
				if s := c.seqs[id]; s != nil {
					for _, page := range s.tables[i].pages {
						if g.refs[page] += by; g.refs[page] == 0 {
							pages++
						}
					}
				}
			}
		}
		room = min(room, pages*c.o.PageTokens)
	}
	return room
}

// Len is how many tokens of a sequence the cache holds, or held before a window passed; 0 for one that it does not know.
func (c *Cache) Len(seq int) int {
	if s := c.seqs[seq]; s != nil {
		return s.length
	}
	return 0
}

// Append makes room for n rows. Row i continues sequence seq[i] at position pos[i], which must be the next; seq nil means
// sequence 0, pos nil the next position. On an error the cache is as before. The rows are good until the next call of any
// method; once their keys and values are in, Done makes them part of their sequences.
func (c *Cache) Append(n int, seq, pos []int) (*Rows, error) {
	if n < 1 || seq != nil && len(seq) != n || pos != nil && len(pos) != n {
		return nil, fmt.Errorf("nn: cache: %d rows with %d sequences and %d positions", n, len(seq), len(pos))
	}
	c.settle()
	c.call++
	r := &c.rows
	r.pos, r.tokens = r.pos[:0], r.tokens[:0]
	for i := range n {
		id := 0
		if seq != nil {
			id = seq[i]
		}
		s := c.touch(id)
		if pos != nil && pos[i] != s.next {
			next := s.next
			c.settle()
			return nil, fmt.Errorf("nn: cache: row %d is position %d of sequence %d, which has %d tokens before it", i, pos[i], id, next)
		}
		r.pos = append(r.pos, s.next)
		s.next++
	}
	for i := range c.groups {
		if need, have := c.need(i), len(c.groups[i].free)+c.groups[i].most-len(c.groups[i].pages); need > have {
			c.settle()
			return nil, fmt.Errorf("nn: %w: %d more pages of %d tokens wanted, %d left of %d", ErrCacheFull, need, c.o.PageTokens, have, c.groups[i].most)
		}
	}
	for i := range c.groups {
		c.extend(i)
		g := &c.groups[i]
		g.paged.Pages, g.paged.Rows = g.pages, g.paged.Rows[:0]
		for k, p := range r.pos {
			s := c.touched[0]
			if seq != nil {
				s = c.seqs[seq[k]]
			}
			t := &s.tables[i]
			row := tensor.PagedRow{Table: t.pages, Base: t.base, Pos: p}
			if g.window > 0 {
				row.First = max(0, p-g.window+1)
			}
			g.paged.Rows = append(g.paged.Rows, row)
			if i == 0 {
				r.tokens = append(r.tokens, s.next)
			}
		}
	}
	return r, nil
}

// touch finds a sequence or begins one, ready for this call.
func (c *Cache) touch(id int) *sequence {
	s := c.seqs[id]
	if s == nil {
		s = &sequence{id: id, tables: make([]pageTable, len(c.groups))}
		c.seqs[id] = s
	}
	if s.call != c.call {
		s.call, s.next = c.call, s.length
		c.touched = append(c.touched, s)
	}
	return s
}

// settle takes back what an Append without a Done has begun: the model has failed in between.
func (c *Cache) settle() {
	for _, s := range c.touched {
		if s.length == 0 {
			c.forget(s)
		} else {
			c.cut(s)
		}
	}
	c.touched = c.touched[:0]
}

// cut gives back the pages beyond a sequence's tokens, of which there is at least one.
func (c *Cache) cut(s *sequence) {
	for i := range c.groups {
		t := &s.tables[i]
		keep := min((s.length-1-t.base)/c.o.PageTokens+1, len(t.pages))
		for _, id := range t.pages[keep:] {
			c.groups[i].drop(id)
		}
		t.pages = t.pages[:keep]
	}
}

// need counts the pages that the touched sequences lack in a group.
func (c *Cache) need(group int) (n int) {
	g := &c.groups[group]
	for _, s := range c.touched {
		t := &s.tables[group]
		n += max(0, (s.next-1-t.base)/c.o.PageTokens+1-len(t.pages))
		if _, shared := g.sharedTail(t, s.length, c.o.PageTokens); shared {
			n++
		}
	}
	return n
}

// sharedTail finds the page that position length lies in where other sequences use it too.
func (g *pageGroup) sharedTail(t *pageTable, length, size int) (at int, shared bool) {
	at = (length - t.base) / size
	return at, at < len(t.pages) && g.refs[t.pages[at]] > 1
}

// extend gives the touched sequences the pages that they lack.
func (c *Cache) extend(group int) {
	g := &c.groups[group]
	for _, s := range c.touched {
		t := &s.tables[group]
		if at, shared := g.sharedTail(t, s.length, c.o.PageTokens); shared {
			own := c.take(g)
			g.pages[own].Set(g.pages[t.pages[at]])
			g.refs[t.pages[at]]--
			t.pages[at] = own
		}
		for len(t.pages) <= (s.next-1-t.base)/c.o.PageTokens {
			t.pages = append(t.pages, c.take(g))
		}
	}
}

// take gives a free page, of new memory where there is none: as many pages as there are, at most 64, so that it is seldom.
func (c *Cache) take(g *pageGroup) int32 {
	if len(g.free) == 0 {
		for range min(max(1, len(g.pages)), 64, g.most-len(g.pages)) {
			g.free = append(g.free, int32(len(g.pages)))
			g.pages = append(g.pages, tensor.NewBuffer("kv", c.o.DType, g.layers, 2, c.o.Heads, c.o.PageTokens, tensor.PagedWidth(c.o.DType, c.o.HeadDim)))
			g.refs = append(g.refs, 0)
		}
	}
	id := g.free[len(g.free)-1]
	g.free = g.free[:len(g.free)-1]
	g.refs[id] = 1
	return id
}

func (g *pageGroup) drop(id int32) {
	if g.refs[id]--; g.refs[id] == 0 {
		g.free = append(g.free, id)
	}
}

// attend is Rows.Attend with the cache.
func (c *Cache) attend(layer int, q, k, v *tensor.Tensor, o AttendOptions) *tensor.Tensor {
	at := c.layers[layer]
	g := &c.groups[at.group]
	if o.Window != g.window {
		panic(&tensor.Error{Op: "attend", Problem: fmt.Sprintf("layer %d has a window of %d, its cache one of %d", layer, o.Window, g.window)})
	}
	tensor.StoreKV(k, v, at.index, &g.paged)
	return tensor.PagedAttention(q, at.index, o.Scale, &g.paged)
}

// done makes the rows of the last Append part of their sequences and gives back what windows have passed.
func (c *Cache) done() {
	for _, s := range c.touched {
		s.length = s.next
		for i := range c.groups {
			g, t := &c.groups[i], &s.tables[i]
			if g.window == 0 {
				continue
			}
			n := 0
			for t.base+c.o.PageTokens <= s.length-c.o.Rewind-g.window+1 {
				g.drop(t.pages[n])
				t.base += c.o.PageTokens
				n++
			}
			t.pages = append(t.pages[:0], t.pages[n:]...)
		}
	}
	c.touched = c.touched[:0]
}

// Free forgets a sequence; one that the cache does not know is no mistake.
func (c *Cache) Free(seq int) {
	c.settle()
	if s := c.seqs[seq]; s != nil {
		c.forget(s)
	}
}

func (c *Cache) forget(s *sequence) {
	for i := range c.groups {
		for _, id := range s.tables[i].pages {
			c.groups[i].drop(id)
		}
	}
	delete(c.seqs, s.id)
}

// Truncate takes a sequence back to its first n tokens, as if the others had never been.
func (c *Cache) Truncate(seq, n int) error {
	if err := c.holds(seq, n); err != nil {
		return err
	}
	if n == 0 {
		c.Free(seq)
		return nil
	}
	s := c.seqs[seq]
	s.length = n
	c.cut(s)
	return nil
}

// Fork begins sequence to with all that sequence from has; each goes on alone. No memory is copied before one of them
// writes, and then one page.
func (c *Cache) Fork(from, to int) error { return c.Share(from, to, c.Len(from)) }

// Share begins sequence to with the first n tokens of sequence from, as when prompts begin alike. Where a window has passed what
// the next token would see, it is an error, as for Truncate.
func (c *Cache) Share(from, to, n int) error {
	if err := c.holds(from, n); err != nil {
		return err
	}
	if c.seqs[to] != nil {
		return fmt.Errorf("nn: cache: sequence %d exists already; free it first", to)
	}
	if n == 0 {
		return nil
	}
	s := &sequence{id: to, length: n, tables: make([]pageTable, len(c.groups))}
	for i := range c.groups {
		t := &c.seqs[from].tables[i]
		keep := (n-1-t.base)/c.o.PageTokens + 1
		for _, id := range t.pages[:keep] {
			c.groups[i].refs[id]++
		}
		s.tables[i] = pageTable{t.base, append([]int32(nil), t.pages[:keep]...)}
	}
	c.seqs[to] = s
	return nil
}

// holds tells whether a sequence could go on after its first n tokens, once the last call is settled.
func (c *Cache) holds(seq, n int) error {
	c.settle()
	s := c.seqs[seq]
	if s == nil || n < 0 || n > s.length {
		return fmt.Errorf("nn: cache: no %d tokens of sequence %d, which has %d", n, seq, c.Len(seq))
	}
	if n == 0 {
		return nil
	}
	for i := range c.groups {
		g := &c.groups[i]
		if base := s.tables[i].base; g.window > 0 && base > max(0, n-g.window+1) {
			return fmt.Errorf("nn: cache: sequence %d has passed what token %d sees, its window of %d begins at %d now; Rewind keeps more", seq, n, g.window, base)
		}
	}
	return nil
}
