package generate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/internal/par"
	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/model/all"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/quant"
	"github.com/hanji-ml/hanji/tensor"
)

const tinyVocab = 64

// tinyDecoders are models of drawn weights that attend in different ways.
var tinyDecoders = map[string]string{
	"llama":   `{"model_type": "llama", "num_key_value_heads": 2, `,
	"mistral": `{"model_type": "mistral", "sliding_window": 24, "num_key_value_heads": 2, `,
	"mixtral": `{"model_type": "mixtral", "num_local_experts": 4, "num_key_value_heads": 2, `,
	"gemma":   `{"model_type": "gemma3_text", "head_dim": 8, "sliding_window": 12, "sliding_window_pattern": 2, "num_key_value_heads": 2, `,
}

func tinyDecoder(t testing.TB, name string) model.Decoder {
	t.Helper()
	family := name
	if name == "mistral" {
		family = "llama"
	}
	m, err := all.NewDecoder(family, []byte(tinyDecoders[name]+`"vocab_size": 64, "hidden_size": 32, "intermediate_size": 48,
		"num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 512, "initializer_range": 0.3}`), 1)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// tinyWords is a vocabulary of single bytes that JSON and words are made of; the last token is the end.
func tinyWords(t testing.TB) *Vocabulary {
	var pieces []string
	for _, b := range `{}[]",:. -0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNO` {
		pieces = append(pieces, string(b))
	}
	for len(pieces) < tinyVocab-1 {
		pieces = append(pieces, "ab"[:1+len(pieces)%2])
	}
	return letters(t, pieces...)
}

// newEngine makes an engine that must leave no goroutine and no page behind.
func newEngine(t *testing.T, m model.Decoder, o EngineOptions) *Engine {
	t.Helper()
	old := goleak.IgnoreCurrent()
	e, err := NewEngine(m, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		e.Close()
		if s := e.Stats(); e.free() != s.CacheTokens || s.Running != 0 || s.Waiting != 0 {
			t.Errorf("at the end outputs could have %d tokens of the cache; %+v", e.free(), s)
		}
		par.Stop()
		goleak.VerifyNone(t, old)
	})
	return e
}

func somePrompt(seed uint64, n int) []int32 {
	r := rand.New(rand.NewPCG(seed, 3))
	p := make([]int32, n)
	for i := range p {
		p[i] = int32(r.IntN(tinyVocab - 1))
	}
	return p
}

// mixed are options of every kind.
func mixed(t testing.TB, v *Vocabulary) []Options {
	schema, err := JSONSchema(v, []byte(`{"type":"object","properties":{"a":{"type":"integer"},"b":{"enum":["x","yes","no"]}},"required":["a","b"]}`), SchemaOptions{})
	if err != nil {
		t.Fatal(err)
	}
	regex, err := Regex(v, `([a-e]{2,5}-)+[0-9]{3}`)
	if err != nil {
		t.Fatal(err)
	}
	return []Options{
		{MaxTokens: 30},
		{MaxTokens: 40, Temperature: 0.9, TopP: 0.9, Seed: 5, LogProbs: true, TopLogProbs: 3},
		{MaxTokens: 60, PromptLookup: 6},
		{MaxTokens: 50, Constraint: schema},
		{MaxTokens: 50, Constraint: regex, Temperature: 1, Seed: 9},
		{MaxTokens: 25, RepetitionPenalty: 1.3, NoRepeatNGram: 2},
		{MaxTokens: 80, Temperature: 1.2, TopK: 12, Seed: 3, Stop: []string{"a", "1"}},
		{MaxTokens: 60, PromptLookup: 3, Temperature: 0.3, Seed: 2, LogitBias: map[int32]float32{7: 2}},
		{MaxTokens: 1},
		{MinTokens: 10, MaxTokens: 20, StopTokens: []int32{3, 4, 5, 6, 7}},
	}
}

// alone are the outputs that Stream gives one after another.
func alone(t testing.TB, m model.Decoder, prompts [][]int32, options []Options, o nn.CacheOptions) []Result {
	t.Helper()
	var want []Result
	for i, p := range prompts {
		d, err := NewDecoder(m, o)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Run(context.Background(), d, p, options[i%len(options)])
		if err != nil {
			t.Fatal(err)
		}
		d.Close()
		want = append(want, r)
	}
	return want
}

// collect reads an output to its end.
func collect(o *Output) (r Result, err error) {
	var text strings.Builder
	for t, err := range o.Tokens() {
		if err != nil {
			return r, err
		}
		r.Tokens = append(r.Tokens, t)
		text.WriteString(t.Text)
		r.Finish, r.Stop = t.Finish, t.Stop
	}
	r.Text = text.String()
	return r, nil
}

// Outputs of all kinds of options, with prompts of all lengths that partly begin alike, are to the last bit those of Stream: in
// engines with room for all, with few slots, with prompts in small pieces, and with so small a cache that outputs have to give way.
func TestEngineIsStream(t *testing.T) {
	v := tinyWords(t)
	for name := range tinyDecoders {
		m := tinyDecoder(t, name)
		options := mixed(t, v)
		var prompts [][]int32
		for i := range options {
			options[i].Vocabulary, options[i].LogProbs = v, true // a probability shows the last bit
		}
		for i := range 2 * len(options) {
			p := somePrompt(uint64(i), 1+10*i)
			if i%3 == 0 {
				p = append(somePrompt(99, 40), p[:1+i]...)
			}
			prompts = append(prompts, p)
		}
		want := alone(t, m, prompts, options, nn.CacheOptions{PageTokens: 8})
		for what, o := range map[string]EngineOptions{
			"room":       {},
			"two slots":  {Slots: 2, Prefixes: -1},
			"pieces":     {Prefill: 12},
			"full":       {Slots: 10, Prefill: 64, Context: 280, Cache: nn.CacheOptions{MaxTokens: 280}},
			"full, bare": {Slots: 10, Context: 280, Cache: nn.CacheOptions{MaxTokens: 280}, Prefixes: -1},
		} {
			t.Run(name+"/"+what, func(t *testing.T) {
				o.Cache.PageTokens = 8
				e := newEngine(t, m, o)
				var outs []*Output
				for i, p := range prompts {
					out, err := e.Submit(context.Background(), p, options[i%len(options)])
					if err != nil {
						t.Fatal(err)
					}
					outs = append(outs, out)
				}
				for i, out := range outs {
					got, err := collect(out)
					if err != nil {
						t.Fatalf("output %d: %v", i, err)
					}
					if !reflect.DeepEqual(got, want[i]) {
						t.Errorf("output %d, %+v: %v %q, alone %v %q", i, options[i%len(options)], ids(got), got.Text, ids(want[i]), want[i].Text)
					}
				}
				s := e.Stats()
				// Where a window has passed a beginning it cannot be shared: whether that is so depends on who came when.
				if s.PrefixHits > 0 && o.Prefixes != 0 || s.PrefixHits == 0 && o.Prefixes == 0 && m.Spec().Windows == nil {
					t.Errorf("%d tokens were found in the cache", s.PrefixHits)
				}
				if s.Requests != 20 || s.Rows < s.Steps || s.OutputTokens == 0 {
					t.Errorf("%+v", s)
				}
			})
		}
	}
}

// With quantised weights, whose products take other tiles for other numbers of rows, outputs are Stream's to the bit all the same: on
// every path, with a cache of half floats.
func TestEngineQuantised(t *testing.T) {
	prompts, options := [][]int32{}, []Options{{MaxTokens: 8, LogProbs: true}, {MaxTokens: 8, Temperature: 1, Seed: 3, LogProbs: true}}
	for i := range 5 {
		prompts = append(prompts, somePrompt(uint64(i), 1+6*i))
	}
	golden.Paths(t, func(t *testing.T) {
		types := []quant.Type{quant.Q8_0, quant.Q4_0, quant.Q4_K, quant.Q6_K, quant.Q2_K, quant.Q3_K, quant.Q5_K, quant.Q5_0, quant.Q5_1, quant.IQ4_NL}
		if strings.HasSuffix(t.Name(), "portable") {
			types = types[:1] // it is slow, and knows no tiles
		}
		for _, typ := range types {
			m, err := all.NewDecoder("llama", []byte(`{"vocab_size": 64, "hidden_size": 256, "intermediate_size": 256, "num_hidden_layers": 1,
				"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 128, "initializer_range": 0.3}`), 1)
			if err != nil {
				t.Fatal(err)
			}
			for w, at := range nn.Opaque(m) {
				size, err := typ.Size([]int{w.Dim(0), w.Dim(1)})
				if err != nil {
					t.Fatal(err)
				}
				blocks := make([]byte, size)
				if err := quant.Quantize(blocks, w.Read(), typ, quant.Options{Cols: w.Dim(1)}); err != nil {
					t.Fatal(err)
				}
				if *at, err = quant.NewMatrix(typ, w.Dim(0), w.Dim(1), blocks); err != nil {
					t.Fatal(err)
				}
			}
			want := alone(t, m, prompts, options, nn.CacheOptions{DType: tensor.F16})
			e := newEngine(t, m, EngineOptions{Prefill: 40, Cache: nn.CacheOptions{DType: tensor.F16}})
			var outs []*Output
			for i, p := range prompts {
				out, err := e.Submit(context.Background(), p, options[i%len(options)])
				if err != nil {
					t.Fatal(err)
				}
				outs = append(outs, out)
			}
			for i, out := range outs {
				if got, err := collect(out); err != nil || !reflect.DeepEqual(got, want[i]) {
					t.Errorf("%v: output %d: %v, %v, alone %v", typ, i, got.Tokens, err, want[i].Tokens)
				}
			}
		}
	})
}

// Two outputs of which the cache holds but one and a half: the younger gives way, is computed again, and nobody can tell.
func TestEnginePreempts(t *testing.T) {
	m := tinyDecoder(t, "llama")
	for _, prefixes := range []int{0, -1} {
		e := newEngine(t, m, EngineOptions{Slots: 2, Context: 120, Prefixes: prefixes, Cache: nn.CacheOptions{PageTokens: 8, MaxTokens: 160}})
		prompts := [][]int32{somePrompt(1, 10), somePrompt(2, 10)}
		options := []Options{{MaxTokens: 100, IgnoreEnd: true, LogProbs: true}, {MaxTokens: 100, Temperature: 1, Seed: 1, IgnoreEnd: true, LogProbs: true, PromptLookup: 3}}
		want := alone(t, m, prompts, options, nn.CacheOptions{PageTokens: 8})
		both := make(chan struct{})
		options[0].Custom = []Filter{slowFilter(func([]int32) { <-both })}
		var outs []*Output
		for i, p := range prompts {
			out, err := e.Submit(context.Background(), p, options[i])
			if err != nil {
				t.Fatal(err)
			}
			outs = append(outs, out)
		}
		close(both)
		for i, out := range outs {
			if got, err := collect(out); err != nil || !reflect.DeepEqual(got, want[i]) {
				t.Errorf("output %d: %v, %v, alone %v", i, ids(got), err, ids(want[i]))
			}
		}
		if n := e.Stats().Preempted; n == 0 || n > 3 {
			t.Errorf("gave way %d times, want once or so", n)
		}
	}
}

// What prompts begin with alike is computed once: for the next turn of a conversation, for several outputs of one prompt, and
// until its room is needed.
func TestEnginePrefixes(t *testing.T) {
	m := tinyDecoder(t, "llama")
	e := newEngine(t, m, EngineOptions{Slots: 4, Context: 400, Cache: nn.CacheOptions{PageTokens: 8, MaxTokens: 400}})
	ask := func(prompt []int32, o Options) (*Output, []int32) {
		out, err := e.Submit(context.Background(), prompt, o)
		if err != nil {
			t.Fatal(err)
		}
		r, err := collect(out)
		if err != nil {
			t.Fatal(err)
		}
		return out, ids(r)
	}
	prompt := somePrompt(1, 50)
	out, said := ask(prompt, Options{MaxTokens: 20})
	if out.CachedTokens() != 0 || out.PromptTokens() != 50 {
		t.Errorf("%d of %d tokens cached", out.CachedTokens(), out.PromptTokens())
	}
	if tm := out.Timing(); tm.Queue < 0 || tm.Prompt <= 0 || tm.Output <= 0 {
		t.Errorf("%+v", tm)
	}
	turn2 := append(append(slices.Clone(prompt), said...), somePrompt(2, 30)...)
	if out, _ = ask(turn2, Options{MaxTokens: 5}); out.CachedTokens() != 69 { // the last that was said was never put in
		t.Errorf("%d tokens of the second turn cached, want 69", out.CachedTokens())
	}
	if out, _ = ask(append(slices.Clone(prompt), 3, 4), Options{MaxTokens: 5}); out.CachedTokens() < 50 {
		t.Errorf("%d tokens of another second turn cached, want 50", out.CachedTokens())
	}
	before := e.Stats()
	if before.PrefixQueries != 50+100+52 || before.PrefixHits < 119 || before.Prefixes == 0 {
		t.Errorf("%+v", before)
	}
	var outs []*Output
	prompt = somePrompt(3, 64)
	for i := range 4 { // the first computes what the others wait for
		out, err := e.Submit(context.Background(), prompt, Options{MaxTokens: 8, Temperature: 1, Seed: uint64(i)})
		if err != nil {
			t.Fatal(err)
		}
		outs = append(outs, out)
	}
	for i, out := range outs {
		if _, err := collect(out); err != nil {
			t.Fatal(err)
		}
		if want := min(63, 63*i); out.CachedTokens() != want {
			t.Errorf("output %d of one prompt: %d tokens cached, want %d", i, out.CachedTokens(), want)
		}
	}
	ask(somePrompt(4, 390), Options{MaxTokens: 10}) // needs all the room
	if out, _ = ask(prompt, Options{MaxTokens: 5}); out.CachedTokens() != 0 {
		t.Errorf("%d tokens cached of what had to go", out.CachedTokens())
	}
}

// slowFilter lets a test hold an output up, or count its tokens.
type slowFilter func(tokens []int32)

func (f slowFilter) Apply(_ []float32, tokens []int32) { f(tokens) }

// A request that cannot be served is told so at once; what is under way does not notice.
func TestEngineRefuses(t *testing.T) {
	m := tinyDecoder(t, "llama")
	ctx := context.Background()
	e := newEngine(t, m, EngineOptions{Slots: 2, Queue: 1, Context: 40, Cache: nn.CacheOptions{PageTokens: 8}})
	for what, c := range map[string]struct {
		prompt []int32
		o      Options
		want   error
	}{
		"no prompt":       {nil, Options{}, errNoPrompt},
		"long prompt":     {somePrompt(1, 40), Options{}, ErrTooLong},
		"long output":     {somePrompt(1, 10), Options{MaxTokens: 31}, ErrTooLong},
		"no such token":   {[]int32{1, tinyVocab}, Options{}, nil},
		"a negative one":  {[]int32{-1}, Options{}, nil},
		"options invalid": {[]int32{1}, Options{TopK: -1}, nil},
	} {
		if _, err := e.Submit(ctx, c.prompt, c.o); err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	hold := make(chan struct{})
	held := Options{Custom: []Filter{slowFilter(func([]int32) { <-hold })}, IgnoreEnd: true}
	var outs []*Output
	for i := range 3 {
		out, err := e.Submit(ctx, []int32{int32(i)}, held)
		if err != nil {
			t.Fatal(err)
		}
		outs = append(outs, out)
	}
	if _, err := e.Submit(ctx, []int32{1}, Options{}); !errors.Is(err, ErrBusy) {
		t.Errorf("a full queue: %v", err)
	}
	if _, err := e.Embed(ctx, []int32{1}); !errors.Is(err, ErrBusy) {
		t.Errorf("a full queue: %v", err)
	}
	close(hold)
	for _, out := range outs {
		if r, err := collect(out); err != nil || len(r.Tokens) != 39 || r.Finish != FinishLength {
			t.Errorf("%d tokens, %s, %v: want 39, to the end of the context", len(r.Tokens), r.Finish, err)
		}
		for _, err := range out.Tokens() {
			if !errors.Is(err, errLeft) {
				t.Errorf("read twice: %v", err)
			}
		}
	}
	if err := e.Drain(ctx); err != nil {
		t.Error(err)
	}
	if _, err := e.Submit(ctx, []int32{1}, Options{}); !errors.Is(err, ErrClosed) {
		t.Errorf("after Drain: %v", err)
	}
	for _, o := range []EngineOptions{{Slots: -1}, {Context: 1}, {Prefill: -1}, {Context: 100, Cache: nn.CacheOptions{MaxTokens: 50}}} {
		if e, err := NewEngine(m, o); err == nil {
			e.Close()
			t.Errorf("%+v: no error", o)
		}
	}
}

// Who leaves, whose context ends, and whose filter panics frees the slot for those who wait, and harms nobody; an engine that is
// closed tells everybody.
func TestEngineLeaving(t *testing.T) {
	m := tinyDecoder(t, "llama")
	e := newEngine(t, m, EngineOptions{Slots: 1, Context: 500, Cache: nn.CacheOptions{PageTokens: 8}})
	endless := Options{IgnoreEnd: true, Custom: []Filter{slowFilter(func([]int32) { time.Sleep(time.Millisecond) })}}
	submit := func(ctx context.Context, o Options) *Output {
		out, err := e.Submit(ctx, []int32{1, 2}, o)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	bg := context.Background()
	ctx, cancel := context.WithCancel(bg)
	defer cancel()
	waiting, gone := context.WithCancel(bg)
	first, second, third, fourth := submit(ctx, endless), submit(waiting, endless), submit(bg, endless), submit(bg, Options{MaxTokens: 3})
	gone() // while it waits
	for _, err := range first.Tokens() {
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		cancel()
	}
	for _, err := range second.Tokens() {
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	for range third.Tokens() {
		break
	}
	if r, err := collect(fourth); err != nil || len(r.Tokens) != 3 {
		t.Errorf("%d tokens, %v", len(r.Tokens), err)
	}
	if n := e.Stats().OutputTokens; n > 30 {
		t.Errorf("%d tokens for nobody", n)
	}
	bad := submit(bg, Options{Custom: []Filter{slowFilter(func([]int32) { panic("a user's mistake") })}})
	var panicked *Panic
	if _, err := collect(bad); !errors.As(err, &panicked) || err.Error() != "generate: panic: a user's mistake" || !strings.Contains(string(panicked.Stack), "engine_test.go") {
		t.Errorf("a panic: %v", err)
	}
	over := submit(bg, Options{Vocabulary: letters(t, strings.Split(strings.Repeat("x ", 99), " ")...)})
	if _, err := collect(over); err == nil {
		t.Error("a vocabulary beyond the model's is no error")
	}
	last, waits := submit(bg, endless), submit(bg, endless)
	e.Close()
	for _, out := range []*Output{last, waits} {
		if _, err := collect(out); !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
}

// broken is a model that fails or panics when it sees a token.
type broken struct {
	model.Decoder
	seen int
}

func (m *broken) Forward(ctx *tensor.Ctx, b model.Batch, cache *nn.Cache) (*tensor.Tensor, error) {
	logits, err := m.Decoder.Forward(ctx, b, cache)
	if slices.Contains(b.Tokens, 60) {
		if m.seen++; m.seen%2 == 0 {
			panic("the model is tired")
		}
		return nil, errors.New("the model is tired")
	}
	return logits, err
}

// A model that fails ends the outputs of that step, and the engine goes on.
func TestEngineModelFails(t *testing.T) {
	e := newEngine(t, &broken{Decoder: tinyDecoder(t, "llama")}, EngineOptions{Cache: nn.CacheOptions{PageTokens: 8}})
	for i := range 6 {
		out, err := e.Submit(context.Background(), []int32{1, 2, 60 - int32(i%3)}, Options{MaxTokens: 4, SuppressTokens: []int32{60}})
		if err != nil {
			t.Fatal(err)
		}
		r, err := collect(out)
		if i%3 == 0 && (err == nil || !strings.Contains(err.Error(), "tired")) || i%3 != 0 && (err != nil || len(r.Tokens) != 4) {
			t.Errorf("request %d: %v, %v", i, ids(r), err)
		}
	}
	if _, err := e.Embed(context.Background(), []int32{1}); err == nil || !strings.Contains(err.Error(), "gives no embeddings") {
		t.Errorf("a model without: %v", err)
	}
}

// A long prompt comes in between, a piece a step, and those who are under way go on.
func TestEngineFairness(t *testing.T) {
	m := tinyDecoder(t, "llama")
	e := newEngine(t, m, EngineOptions{Slots: 2, Prefill: 32, Cache: nn.CacheOptions{PageTokens: 8}})
	ready, began := make(chan struct{}), 0
	running := Options{MaxTokens: 200, IgnoreEnd: true, Custom: []Filter{slowFilter(func(tokens []int32) {
		if began++; began == 2 {
			<-ready
		}
	})}}
	first, err := e.Submit(context.Background(), []int32{1}, running)
	if err != nil {
		t.Fatal(err)
	}
	firstAt := -1
	long, err := e.Submit(context.Background(), somePrompt(7, 400), Options{MaxTokens: 2, Custom: []Filter{slowFilter(func([]int32) {
		if firstAt < 0 {
			firstAt = int(e.Stats().Steps)
		}
	})}})
	if err != nil {
		t.Fatal(err)
	}
	close(ready)
	if r, err := collect(first); err != nil || len(r.Tokens) != 200 {
		t.Fatal(len(r.Tokens), err)
	}
	if _, err := collect(long); err != nil {
		t.Fatal(err)
	}
	if firstAt < 400/8-1 || firstAt > 70 {
		t.Errorf("the long prompt's first token in step %d, want about 50: pieces of 8 tokens beside the other", firstAt)
	}
}

// Embeddings are the mean of the last states at length 1, whatever runs beside them and however they are cut.
func TestEngineEmbed(t *testing.T) {
	for name := range tinyDecoders {
		m := tinyDecoder(t, name)
		for _, o := range []EngineOptions{{}, {Prefill: 10}, {Slots: 6, Context: 200, Cache: nn.CacheOptions{MaxTokens: 200}}} {
			o.Cache.PageTokens = 8
			e := newEngine(t, m, o)
			var outs []*Output
			for i := range 3 {
				out, err := e.Submit(context.Background(), somePrompt(uint64(i), 30), Options{MaxTokens: 60, IgnoreEnd: true})
				if err != nil {
					t.Fatal(err)
				}
				outs = append(outs, out)
			}
			errs := make(chan error)
			for i := range 6 {
				go func() {
					tokens := somePrompt(uint64(i+10), 1+17*i)
					got, err := e.Embed(context.Background(), tokens)
					if err == nil {
						err = sameEmbedding(got, m, tokens)
					}
					errs <- err
				}()
			}
			for range 6 {
				if err := <-errs; err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			for _, out := range outs {
				if r, err := collect(out); err != nil || len(r.Tokens) != 60 {
					t.Errorf("%d tokens, %v", len(r.Tokens), err)
				}
			}
		}
	}
}

// sameEmbedding computes it by definition; 1e-6: some roundings of states below 1, once normalised.
func sameEmbedding(got []float32, m model.Decoder, tokens []int32) error {
	cache, err := m.NewCache(nn.CacheOptions{})
	if err != nil {
		return err
	}
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	h, err := m.(model.Embedder).Hidden(ctx, model.Batch{Tokens: tokens}, cache)
	if err != nil {
		return err
	}
	want, square := make([]float64, h.Dim(1)), 0.0
	for i, v := range h.ReadF64() {
		want[i%len(want)] += v
	}
	for _, v := range want {
		square += v * v
	}
	for i, v := range want {
		if !(math.Abs(float64(got[i])-v/math.Sqrt(square)) <= 1e-6) {
			return fmt.Errorf("%d tokens: channel %d is %v, want %v", len(tokens), i, got[i], v/math.Sqrt(square))
		}
	}
	return nil
}
