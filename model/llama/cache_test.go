package llama

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/tensor"
)

// tiny is a model of drawn weights: grouped queries, heads wider than the width allows, and what the change asks for.
func tiny(t testing.TB, dt tensor.DType, change func(c *Config)) *Model {
	t.Helper()
	c := DefaultConfig("llama")
	c.VocabSize, c.HiddenSize, c.IntermediateSize, c.Layers, c.Heads, c.KVHeads, c.HeadDim, c.MaxPositions = 50, 24, 40, 3, 4, 2, 10, 128
	if change != nil {
		change(&c)
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	m := New(c)
	InitNormal(m, 3, 0.3) // large enough for every part to show
	nn.Cast(m, dt)
	return m
}

// kinds are models that attend in different ways.
var kinds = map[string]func(c *Config){
	"all":    nil,
	"window": func(c *Config) { c.SlidingWindow = ptr(7) },
	"mixed": func(c *Config) {
		c.SlidingWindow, c.LayerTypes = ptr(5), []string{"sliding_attention", "full_attention", "sliding_attention"}
	},
	"qwen3, yarn": func(c *Config) {
		c.ModelType, c.RopeScaling = "qwen3", &RopeConfig{RoPEScaling: nn.RoPEScaling{Type: "yarn", Factor: 4, Original: 32}}
	},
	"qwen2, tied, partial": func(c *Config) { c.ModelType, c.Tied, c.PartialRotary = "qwen2", true, 0.6 },
}

func ptr[T any](v T) *T { return &v }

func eachKind(t *testing.T, f func(t *testing.T, m *Model)) {
	for name, change := range kinds {
		t.Run(name, func(t *testing.T) { f(t, tiny(t, tensor.F64, change)) })
	}
}

func words(seed uint64, n int) []int32 {
	r := rand.New(rand.NewPCG(seed, 9))
	w := make([]int32, n)
	for i := range w {
		w[i] = int32(r.IntN(50))
	}
	return w
}

// whole are the logits of a sequence at once: [len(tokens), V].
func whole(m *Model, tokens []int32) []float64 {
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	ids := make([]int64, len(tokens))
	for i, t := range tokens {
		ids[i] = int64(t)
	}
	return m.Logits(ctx.Ints(ids, 1, len(ids))).ReadF64()
}

// session is a cache with what is asked of it.
type session struct {
	t     *testing.T
	m     *Model
	cache *nn.Cache
}

func newSession(t *testing.T, m *Model, o nn.CacheOptions) session {
	t.Helper()
	o.DType = m.Norm.Weight.DType()
	if o.PageTokens == 0 {
		o.PageTokens = 4
	}
	cache, err := m.NewCache(o)
	if err != nil {
		t.Fatal(err)
	}
	return session{t, m, cache}
}

func (s session) try(b model.Batch) ([]float64, error) {
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	logits, err := s.m.Forward(ctx, b, s.cache)
	if err != nil {
		return nil, err
	}
	return logits.ReadF64(), nil
}

func (s session) forward(b model.Batch) []float64 {
	s.t.Helper()
	v, err := s.try(b)
	if err != nil {
		s.t.Fatal(err)
	}
	return v
}

// one appends tokens to a sequence.
func (s session) one(seq int, tokens ...int32) []float64 {
	s.t.Helper()
	return s.forward(model.Batch{Tokens: tokens, Seq: slices.Repeat([]int{seq}, len(tokens))})
}

// near compares in float64: 1e-11 is some hundred roundings of logits below 100.
func near(t *testing.T, what string, got, want []float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d logits, want %d", what, len(got), len(want))
	}
	for i, v := range got {
		if !(math.Abs(v-want[i]) <= 1e-11) {
			t.Fatalf("%s: row %d: %v, want %v", what, i/50, v, want[i])
		}
	}
}

// Token by token, or in pieces of any size, is the same as all at once.
func TestCachedIsWhole(t *testing.T) {
	eachKind(t, func(t *testing.T, m *Model) {
		tokens := words(1, 45)
		want := whole(m, tokens)
		for _, piece := range []int{1, 3, 20, 45} {
			s := newSession(t, m, nn.CacheOptions{})
			var got []float64
			for at := 0; at < len(tokens); at += piece {
				got = append(got, s.one(7, tokens[at:min(at+piece, len(tokens))]...)...)
			}
			near(t, fmt.Sprintf("pieces of %d", piece), got, want)
			if s.cache.Len(7) != 45 {
				t.Errorf("the cache counts %d tokens", s.cache.Len(7))
			}
		}
	})
}

// Sequences at different places, some in their prompt and some one token on, share batches in any order of rows.
func TestRagged(t *testing.T) {
	eachKind(t, func(t *testing.T, m *Model) {
		r := rand.New(rand.NewPCG(4, 4))
		s := newSession(t, m, nn.CacheOptions{MaxTokens: 300})
		const sequences = 4
		var tokens [sequences][]int32
		var got [sequences][]float64
		var at [sequences]int
		for i := range tokens {
			tokens[i] = words(uint64(i), 20+5*i)
		}
		for {
			var b model.Batch
			for i := range tokens {
				for range min(r.IntN(6), len(tokens[i])-at[i]) {
					b.Tokens, b.Seq, b.Pos, b.Want = append(b.Tokens, tokens[i][at[i]]), append(b.Seq, i), append(b.Pos, at[i]), append(b.Want, r.IntN(3) > 0)
					at[i]++
				}
			}
			if len(b.Tokens) == 0 && at == [sequences]int{20, 25, 30, 35} {
				break
			} else if len(b.Tokens) == 0 {
				continue
			}
			order := r.Perm(len(b.Tokens)) // rows of one sequence stay in order
			slices.SortStableFunc(order, func(x, y int) int { return b.Pos[x]%3 - b.Pos[y]%3 })
			b = reorder(b, order)
			rows := s.forward(b)
			for i, want := range b.Want {
				row := []float64(nil)
				if want {
					row, rows = rows[:50], rows[50:]
				} else {
					row = whole(m, tokens[b.Seq[i]][:b.Pos[i]+1])[b.Pos[i]*50:] // not asked for: nothing to compare
				}
				got[b.Seq[i]] = append(got[b.Seq[i]], row...)
			}
		}
		for i := range tokens {
			near(t, fmt.Sprintf("sequence %d", i), got[i], whole(m, tokens[i]))
		}
	})
}

// reorder shuffles a batch's rows, each sequence's among the places that its rows have.
func reorder(b model.Batch, order []int) (c model.Batch) {
	next := map[int][]int{}
	for i, s := range b.Seq {
		next[s] = append(next[s], i)
	}
	for _, o := range order {
		s := b.Seq[o]
		i := next[s][0]
		next[s] = next[s][1:]
		c.Tokens, c.Seq, c.Pos, c.Want = append(c.Tokens, b.Tokens[i]), append(c.Seq, s), append(c.Pos, b.Pos[i]), append(c.Want, b.Want[i])
	}
	return c
}

// Sequences that fork go their own ways, as do those that share a beginning.
func TestFork(t *testing.T) {
	eachKind(t, func(t *testing.T, m *Model) {
		for _, n := range []int{8, 9, 11} { // at the end of a page, after its first token, before its last
			start := words(2, n)
			s := newSession(t, m, nn.CacheOptions{MaxTokens: 200, Rewind: 8})
			s.one(0, start...)
			for _, err := range []error{s.cache.Fork(0, 1), s.cache.Fork(1, 2), s.cache.Share(0, 3, n-2)} {
				if err != nil {
					t.Fatal(err)
				}
			}
			for step := range 3 {
				for seq := range 4 {
					add := words(uint64(10*step+seq), 3)
					got := s.one(seq, add...)
					all := slices.Clone(start)
					if seq == 3 {
						all = all[:n-2]
					}
					for k := range step {
						all = append(all, words(uint64(10*k+seq), 3)...)
					}
					want := whole(m, append(all, add...))
					near(t, fmt.Sprintf("fork at %d, sequence %d, step %d", n, seq, step), got, want[len(all)*50:])
				}
			}
			room, without := s.cache.Room(), s.cache.RoomWithout([]int{0, 2, 7})
			s.cache.Free(0)
			s.cache.Free(2)
			if got := s.cache.Room(); got != without || got <= room {
				t.Errorf("room for %d tokens, %d when two are freed, foretold were %d", room, got, without)
			}
			s.cache.Free(1)
			s.cache.Free(3)
			if s.cache.Room() != 200 || room >= 200 {
				t.Errorf("room for %d tokens, %d when all are freed, want 200", room, s.cache.Room())
			}
		}
	})
}

// A sequence taken back goes on as if it had never been further.
func TestTruncate(t *testing.T) {
	eachKind(t, func(t *testing.T, m *Model) {
		tokens := words(3, 30)
		for _, n := range []int{16, 17, 19, 22, 30} {
			s := newSession(t, m, nn.CacheOptions{Rewind: 14})
			s.one(0, tokens...)
			if err := s.cache.Fork(0, 1); err != nil {
				t.Fatal(err)
			}
			if err := s.cache.Truncate(0, n); err != nil {
				t.Fatal(err)
			}
			other := words(5, 6)
			near(t, fmt.Sprintf("after %d", n), s.one(0, other...), whole(m, append(slices.Clone(tokens[:n]), other...))[n*50:])
			near(t, "the fork", s.one(1, other...), whole(m, append(slices.Clone(tokens), other...))[30*50:])
		}
	})
}

// A window gives pages back, so that a sequence can be longer than the cache; what it has passed cannot be taken back.
func TestWindowDropsPages(t *testing.T) {
	m := tiny(t, tensor.F64, kinds["window"])
	s := newSession(t, m, nn.CacheOptions{MaxTokens: 20, Rewind: 2})
	tokens := words(6, 100)
	var got []float64
	for at := 0; at < 100; at += 2 {
		got = append(got, s.one(0, tokens[at:at+2]...)...)
	}
	near(t, "long", got, whole(m, tokens))
	if s.cache.Len(0) != 100 || s.cache.Bytes() > s.cache.MaxBytes() {
		t.Errorf("%d tokens in %d bytes of %d", s.cache.Len(0), s.cache.Bytes(), s.cache.MaxBytes())
	}
	if err := s.cache.Truncate(0, 98); err != nil {
		t.Error(err)
	}
	if err := s.cache.Truncate(0, 80); err == nil {
		t.Error("what the window has passed is taken back")
	}
	near(t, "after a failed Truncate", s.one(0, tokens[98:]...), got[98*50:])
}

// What cannot be done is an error and changes nothing.
func TestMistakes(t *testing.T) {
	m := tiny(t, tensor.F64, nil)
	s := newSession(t, m, nn.CacheOptions{MaxTokens: 16})
	tokens := words(7, 12)
	s.one(0, tokens[:10]...)
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	for name, b := range map[string]model.Batch{
		"full":           {Tokens: words(8, 9), Seq: []int{0, 0, 1, 1, 1, 1, 1, 2, 2}},
		"too long":       {Tokens: words(8, 7)},
		"gap":            {Tokens: []int32{1}, Pos: []int{11}},
		"again":          {Tokens: []int32{1}, Pos: []int{9}},
		"new, not at 0":  {Tokens: []int32{1, 1}, Pos: []int{10, 1}, Seq: []int{0, 4}},
		"no such token":  {Tokens: []int32{1, 50}},
		"no token, new":  {Tokens: []int32{1, 2, 50}, Seq: []int{0, 0, 3}},
		"negative token": {Tokens: []int32{-1}},
		"no rows":        {},
		"few wishes":     {Tokens: []int32{1, 2}, Want: []bool{true}},
		"few sequences":  {Tokens: []int32{1, 2}, Seq: []int{0}},
		"narrow":         {Embeds: ctx.Zeros(tensor.F64, 1, 23)},
		"both":           {Embeds: ctx.Zeros(tensor.F64, 1, 24), Tokens: []int32{1}},
	} {
		_, err := s.try(b)
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		if (name == "full" || name == "too long") != errors.Is(err, nn.ErrCacheFull) {
			t.Errorf("%s: %v", name, err)
		}
		if s.cache.Len(0) != 10 || s.cache.Len(1) != 0 || s.cache.Room() != 4 {
			t.Errorf("%s: the cache has changed", name)
		}
	}
	if _, err := m.Forward(ctx, model.Batch{Tokens: []int32{1}}, nil); err == nil {
		t.Error("no cache, no error")
	}
	near(t, "afterwards", s.one(0, tokens[10:]...), whole(m, tokens)[500:])
	for name, err := range map[string]error{"fork of nothing": s.cache.Fork(5, 6), "onto another": s.cache.Fork(0, 0), "share too much": s.cache.Share(0, 6, 13),
		"truncate to more": s.cache.Truncate(0, 13), "truncate below 0": s.cache.Truncate(0, -1)} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := s.cache.Truncate(0, 0); err != nil || s.cache.Room() != 16 {
		t.Errorf("truncated to nothing: %v, room for %d", err, s.cache.Room())
	}
	near(t, "from the start", s.one(0, tokens...), whole(m, tokens))
}

// Rows of which none is asked for its logits cost no head.
func TestNothingWanted(t *testing.T) {
	m := tiny(t, tensor.F64, nil)
	tokens := words(7, 12)
	s := newSession(t, m, nn.CacheOptions{})
	if got := s.forward(model.Batch{Tokens: tokens[:9], Want: make([]bool, 9)}); len(got) != 0 {
		t.Errorf("%d logits", len(got))
	}
	near(t, "afterwards", s.one(0, tokens[9:]...), whole(m, tokens)[9*50:])
}

// A prompt takes the memory of a layer, however many there are.
func TestPromptMemory(t *testing.T) {
	peak := func(layers int) int64 {
		m := tiny(t, tensor.F32, func(c *Config) { c.Layers = layers })
		cache, err := m.NewCache(nn.CacheOptions{})
		if err != nil {
			t.Fatal(err)
		}
		ctx := tensor.New(tensor.Options{})
		defer ctx.Close()
		before := ctx.PeakBytes() // of others: scopes are lent
		if _, err := m.Forward(ctx, model.Batch{Tokens: words(1, 120), Want: make([]bool, 120)}, cache); err != nil {
			t.Fatal(err)
		}
		return ctx.PeakBytes() - before
	}
	two := peak(2)
	if many := peak(12); many > two {
		t.Errorf("12 layers take %d bytes more than 2", many)
	}
}

// Embeddings in place of tokens, from another Ctx.
func TestEmbeds(t *testing.T) {
	m := tiny(t, tensor.F64, nil)
	tokens := words(9, 9)
	other := tensor.New(tensor.Options{})
	defer other.Close()
	ids := make([]int64, len(tokens))
	for i, v := range tokens {
		ids[i] = int64(v)
	}
	s := newSession(t, m, nn.CacheOptions{})
	got := s.forward(model.Batch{Embeds: m.Embed.Forward(other.Ints(ids[:4], 4))})
	near(t, "embeddings, then tokens", append(got, s.one(0, tokens[4:]...)...), whole(m, tokens))
}

// Padding at the end changes no real position.
func TestPaddedIsUnpadded(t *testing.T) {
	eachKind(t, func(t *testing.T, m *Model) {
		ctx := tensor.New(tensor.Options{})
		defer ctx.Close()
		a, b := words(1, 20), words(2, 13)
		ids := make([]int64, 40)
		for i, v := range a {
			ids[i] = int64(v)
		}
		for i, v := range b {
			ids[20+i] = int64(v)
		}
		got := m.Logits(ctx.Ints(ids, 2, 20)).ReadF64()
		near(t, "long row", got[:20*50], whole(m, a))
		near(t, "padded row", got[20*50:33*50], whole(m, b))
	})
}

// A cache of f16 rounds each key and value by at most 2⁻¹² of itself; one of q8_0 by 1/254 of the largest of 32. Weights of a standard
// deviation of 0.3 carry that to logits of some 5: they moved by 0.018 and 0.18 at most, and a bit more is what the test allows.
func TestNarrowCache(t *testing.T) {
	for _, k := range []struct {
		dt      tensor.DType
		headDim int
		tol     float64
	}{{tensor.F16, 10, 0.03}, {tensor.U8, 32, 0.25}} {
		for name, change := range kinds {
			m := tiny(t, tensor.F32, func(c *Config) {
				if change != nil {
					change(c)
				}
				widen(c, k.headDim)
			})
			tokens := words(1, 40)
			run := func(dt tensor.DType) []float32 {
				cache, err := m.NewCache(nn.CacheOptions{DType: dt})
				if err != nil {
					t.Fatal(err)
				}
				ctx := tensor.New(tensor.Options{})
				defer ctx.Close()
				logits, err := m.Forward(ctx, model.Batch{Tokens: tokens}, cache)
				if err != nil {
					t.Fatal(err)
				}
				return logits.Read()
			}
			a, b, worst, largest := run(tensor.F32), run(k.dt), 0.0, 0.0
			for i := range a {
				worst, largest = max(worst, math.Abs(float64(a[i]-b[i]))), max(largest, math.Abs(float64(a[i])))
			}
			t.Logf("%s, %v: logits to %.3g move by at most %.3g", name, k.dt, largest, worst)
			if worst > k.tol || worst == 0 {
				t.Errorf("%s, %v: logits to %.3g move by %.3g", name, k.dt, largest, worst)
			}
		}
	}
}

// widen gives the heads another size, of which an even part turns.
func widen(c *Config, d int) {
	if c.HeadDim = d; c.PartialRotary > 0 {
		c.PartialRotary = float64(d*6/10&^1) / float64(d)
	}
}

// With a cache of q8_0, as with any, pieces, forks and what is taken back make no difference: a token's keys and values are rounded
// by themselves.
func TestQ8CacheCalls(t *testing.T) {
	for name, change := range kinds {
		m := tiny(t, tensor.F32, func(c *Config) {
			if change != nil {
				change(c)
			}
			widen(c, 32)
		})
		cache, err := m.NewCache(nn.CacheOptions{DType: tensor.U8, PageTokens: 4, Rewind: 14})
		if err != nil {
			t.Fatal(err)
		}
		s := session{t, m, cache}
		tokens := words(3, 30)
		want := s.one(0, tokens...)
		same := func(what string, got, want []float64) {
			t.Helper()
			for i, v := range got {
				if !(math.Abs(v-want[i]) <= 2e-4) { // sums in another order, through roundings of later layers' keys
					t.Fatalf("%s, %s: element %d is %v, want %v", name, what, i, v, want[i])
				}
			}
		}
		for at := 0; at < 30; at += 3 {
			same("pieces", s.one(1, tokens[at:at+3]...), want[at*50:])
		}
		if err := cache.Fork(1, 2); err != nil {
			t.Fatal(err)
		}
		if err := cache.Truncate(1, 19); err != nil {
			t.Fatal(err)
		}
		same("again after Truncate", s.one(1, tokens[19:]...), want[19*50:])
		other := words(5, 6)
		same("the fork", s.one(2, other...), s.one(0, other...))
	}
}

// One model, many callers, each with a Ctx and a cache.
func TestConcurrent(t *testing.T) {
	m := tiny(t, tensor.F32, nil)
	var want [4][]int32
	for i := range want {
		want[i] = greedy(t, m, words(uint64(i), 10), 12, nn.CacheOptions{})
	}
	var wg sync.WaitGroup
	for i := range want {
		wg.Go(func() {
			if got := greedy(t, m, words(uint64(i), 10), 12, nn.CacheOptions{}); !slices.Equal(got, want[i]) {
				t.Errorf("caller %d: %v, alone %v", i, got, want[i])
			}
		})
	}
	wg.Wait()
}
