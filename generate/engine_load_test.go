package generate

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hanji-ml/hanji/model/all"
	"github.com/hanji-ml/hanji/nn"
)

// 32 clients with 20 requests each, of which a third hangs up midway and some read slowly, on a cache that is too small for
// all slots: whatever is read to its end is what Stream gives, and nothing is left behind.
func TestEngineLoad(t *testing.T) {
	const clients, each = 32, 20
	m, v := tinyDecoder(t, "llama"), tinyWords(t)
	options := mixed(t, v)
	var prompts [][]int32
	for i := range 4 * len(options) {
		options[i%len(options)].Vocabulary = v
		p := somePrompt(uint64(i), 1+3*i)
		if i%2 == 0 {
			p = append(somePrompt(uint64(i%3), 30), p[:1+i]...)
		}
		prompts = append(prompts, p)
	}
	want := alone(t, m, prompts, options, nn.CacheOptions{PageTokens: 8})
	e := newEngine(t, m, EngineOptions{Slots: 12, Context: 256, Prefill: 64, Cache: nn.CacheOptions{PageTokens: 8, MaxTokens: 512}})
	var whole, left atomic.Int64
	client := func(c int) error {
		for r := range each {
			i := (c*each + 7*r) % len(prompts)
			ctx, cancel := context.WithCancel(context.Background())
			out, err := e.Submit(ctx, prompts[i], options[i%len(options)])
			if err != nil {
				cancel()
				return err
			}
			quits := (c+r)%3 == 0
			var got []Token
			for tok, err := range out.Tokens() {
				if errors.Is(err, context.Canceled) && quits {
					break
				}
				if err != nil {
					cancel()
					return fmt.Errorf("request %d of client %d: %w", r, c, err)
				}
				if got = append(got, tok); !quits {
					if c%8 == 0 {
						time.Sleep(50 * time.Microsecond)
					}
					continue
				}
				if r%2 == 0 {
					cancel() // the connection is gone
				} else if len(got) > c%7 {
					break // the handler returns
				}
			}
			cancel()
			switch {
			case !quits:
				whole.Add(1)
				if !reflect.DeepEqual(got, want[i].Tokens) {
					return fmt.Errorf("request %d of client %d: %v, alone %v", r, c, got, want[i].Tokens)
				}
			default:
				left.Add(1)
				if !reflect.DeepEqual(got, want[i].Tokens[:len(got)]) {
					return fmt.Errorf("request %d of client %d, until it left: %v, alone %v", r, c, got, want[i].Tokens)
				}
			}
		}
		return nil
	}
	errs := make(chan error)
	for c := range clients {
		go func() { errs <- client(c) }()
	}
	for range clients {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if err := e.Drain(context.Background()); err != nil {
		t.Error(err)
	}
	s := e.Stats()
	if whole.Load() < 400 || left.Load() < 200 || s.Requests > clients*each || s.PrefixHits == 0 || s.CacheFree != s.CacheTokens {
		t.Errorf("%d read to their end, %d left; %+v", whole.Load(), left.Load(), s)
	}
	t.Logf("%+v", s)
}

// Once the cache has taken its pages, tokens of outputs under way take next to nothing from the garbage collector: what buffers grow by.
func TestEngineAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	e := newEngine(t, tinyDecoder(t, "llama"), EngineOptions{Slots: 4, Prefixes: -1, Cache: nn.CacheOptions{PageTokens: 8}})
	const from, to = 100, 400
	round := func() float64 {
		at := make(chan struct{})
		var wg sync.WaitGroup
		for i := range 4 {
			out, err := e.Submit(context.Background(), []int32{1, 2, int32(i)}, Options{MaxTokens: to + 50, IgnoreEnd: true, PromptLookup: 2 * (i / 3)})
			if err != nil {
				t.Fatal(err)
			}
			wg.Go(func() {
				n := 0
				for _, err := range out.Tokens() {
					if err != nil {
						t.Error(err)
					}
					if n++; i == 0 && (n == from || n == to) {
						at <- struct{}{}
					}
				}
			})
		}
		var before, after runtime.MemStats
		<-at
		runtime.ReadMemStats(&before)
		<-at
		runtime.ReadMemStats(&after)
		wg.Wait()
		return float64(after.Mallocs-before.Mallocs) / (4 * (to - from))
	}
	round()
	if n := round(); n > 0.2 { // one a token would be 1
		t.Errorf("%.3f allocations a token", n)
	}
}

// BenchmarkEngine is tokens a second of so many outputs at once, of a model of 14 M parameters with f32 weights, after prompts of 32
// tokens.
func BenchmarkEngine(b *testing.B) {
	m, err := all.NewDecoder("llama", []byte(`{"vocab_size": 4096, "hidden_size": 384, "intermediate_size": 1024, "num_hidden_layers": 6,
		"num_attention_heads": 6, "max_position_embeddings": 1024}`), 1)
	if err != nil {
		b.Fatal(err)
	}
	for _, streams := range []int{1, 8} {
		b.Run(fmt.Sprintf("%d", streams), func(b *testing.B) {
			e, err := NewEngine(m, EngineOptions{Slots: streams, Prefixes: -1})
			if err != nil {
				b.Fatal(err)
			}
			defer e.Close()
			const tokens = 64
			for b.Loop() {
				var wg sync.WaitGroup
				for i := range streams {
					out, err := e.Submit(context.Background(), slices.Repeat([]int32{int32(i)}, 32), Options{MaxTokens: tokens})
					if err != nil {
						b.Fatal(err)
					}
					wg.Go(func() {
						if _, err := collect(out); err != nil {
							b.Error(err)
						}
					})
				}
				wg.Wait()
			}
			b.ReportMetric(float64(streams*tokens*b.N)/b.Elapsed().Seconds(), "tokens/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}
