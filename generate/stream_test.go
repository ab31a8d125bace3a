package generate

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/hanji-ml/hanji/internal/kernel"
)

func TestFinish(t *testing.T) {
	v := letters(t, "a", "b", "ab", "한"[:2], "한"[2:])
	end := int32(5)
	for _, c := range []struct {
		name   string
		say    []int32
		o      Options
		ids    []int32
		text   string
		finish Finish
		stop   string
	}{
		{"end token", []int32{0, 1, 2, end}, Options{}, []int32{0, 1, 2, end}, "abab", FinishStop, ""},
		{"stop token", []int32{0, 1, 2, end}, Options{StopTokens: []int32{2}}, []int32{0, 1, 2}, "ab", FinishStop, ""},
		{"length", []int32{0, 1, 2, end}, Options{MaxTokens: 3}, []int32{0, 1, 2}, "abab", FinishLength, ""},
		{"end at the length", []int32{0, end}, Options{MaxTokens: 2}, []int32{0, end}, "a", FinishStop, ""},
		{"end ignored", []int32{0, end, 1}, Options{MaxTokens: 3, IgnoreEnd: true}, []int32{0, end, 1}, "ab", FinishLength, ""},
		{"no vocabulary", []int32{0, 1}, Options{MaxTokens: 2, StopTokens: []int32{4}}, []int32{0, 1}, "", FinishLength, ""},
		{"stop text in a token", []int32{1, 2, end}, Options{Stop: []string{"b", "x"}}, []int32{1}, "", FinishStop, "b"},
		{"stop text over a border", []int32{1, 0, 1, end}, Options{Stop: []string{"ab"}}, []int32{1, 0, 1}, "b", FinishStop, "ab"},
		{"half a stop text at the end", []int32{1, 0, end}, Options{Stop: []string{"aab"}}, []int32{1, 0, end}, "ba", FinishStop, ""},
		{"half a stop text at the length", []int32{1, 0, 0}, Options{Stop: []string{"aab"}, MaxTokens: 3}, []int32{1, 0, 0}, "baa", FinishLength, ""},
		{"a character in two tokens", []int32{3, 4, end}, Options{}, []int32{3, 4, end}, "한", FinishStop, ""},
		{"half a character", []int32{0, 3, end}, Options{}, []int32{0, 3, end}, "a\uFFFD", FinishStop, ""},
		{"minimum", []int32{end}, Options{MinTokens: 2, MaxTokens: 9}, []int32{0, 0, end}, "aa", FinishStop, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.name != "no vocabulary" {
				c.o.Vocabulary = v
			}
			m := newToy(t, 6, script(1, c.say...))
			r, err := Run(context.Background(), m, []int32{9}, c.o)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(ids(r), c.ids) || r.Text != c.text || r.Finish != c.finish || r.Stop != c.stop {
				t.Errorf("got %v %q %s %q, want %v %q %s %q", ids(r), r.Text, r.Finish, r.Stop, c.ids, c.text, c.finish, c.stop)
			}
		})
	}
}

// The text does not depend on where tokens begin: cut anywhere it is what bytes one by one give, every piece is whole
// characters, and nothing of a stop text has been shown.
func TestStopTexts(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	alphabet := []string{"a", "b", "c", "é", "한", "\n"}
	word := func(n int) string {
		var b strings.Builder
		for range n {
			b.WriteString(alphabet[r.IntN(len(alphabet))])
		}
		return b.String()
	}
	stopped := 0
	for range 5000 {
		text := word(r.IntN(30))
		var o output
		for range r.IntN(4) {
			o.stops = append(o.stops, word(1+r.IntN(4)))
		}
		want, wantStop := text, ""
	search:
		for end := range len(text) + 1 {
			for n := end; n > 0; n-- { // the longest of those that end here
				if s := text[end-n : end]; slices.Contains(o.stops, s) {
					want, wantStop = text[:end-n], s
					break search
				}
			}
		}
		var got, stop string
		for rest := text; rest != "" && stop == ""; {
			n := 1 + r.IntN(min(6, len(rest)))
			var shown string
			shown, stop = o.write(rest[:n])
			rest = rest[n:]
			if !utf8.ValidString(shown) {
				t.Fatalf("%q is no whole text", shown)
			}
			if got += shown; !strings.HasPrefix(want, got) {
				t.Fatalf("%q with stops %q: shown %q, want %q", text, o.stops, got, want)
			}
		}
		if stop == "" {
			got += o.flush()
		} else {
			stopped++
		}
		if got != want || stop != wantStop {
			t.Fatalf("%q with stops %q: %q and stop %q, want %q and %q", text, o.stops, got, stop, want, wantStop)
		}
	}
	if stopped < 1000 {
		t.Errorf("only %d texts met a stop", stopped)
	}
}

func TestGreedyIsArgMax(t *testing.T) {
	logits := hashed(2)
	m := newToy(t, 50, logits)
	r, err := Run(context.Background(), m, []int32{1, 2}, Options{MaxTokens: 20})
	if err != nil {
		t.Fatal(err)
	}
	tokens, row := []int32{1, 2}, make([]float32, 50)
	for _, got := range r.Tokens {
		logits(tokens, row)
		if want := int32(kernel.ArgMax(row)); got.ID != want {
			t.Fatalf("after %v: %d, want %d", tokens, got.ID, want)
		}
		tokens = append(tokens, got.ID)
	}
}

// Draws follow the distribution, from seed to seed and from one position to the next: over 20,000 of them each
// frequency is within five standard deviations.
func TestSampleFrequencies(t *testing.T) {
	logits := []float32{1, 0, -1, 2, negInf, 0.5}
	want := logSoftmax64(logits)
	const n = 20000
	for _, newSeed := range []bool{true, false} {
		counts := make([]int, len(logits))
		var s *Sequence
		for seed := range uint64(n) {
			if s == nil || newSeed {
				var err error
				if s, err = NewSequence([]int32{0}, Options{Temperature: 1, Seed: seed}); err != nil {
					t.Fatal(err)
				}
			}
			tok, err := s.Next(logits)
			if err != nil {
				t.Fatal(err)
			}
			counts[tok.ID]++
		}
		for i, c := range counts {
			p := math.Exp(want[i])
			if dev := math.Sqrt(n * p * (1 - p)); math.Abs(float64(c)-n*p) > 5*dev {
				t.Errorf("token %d was drawn %d times, want about %.0f ± %.0f", i, c, n*p, dev)
			}
		}
	}
}

// One seed gives one output, alone or beside others; another seed another.
func TestSeed(t *testing.T) {
	o := Options{Temperature: 1, MaxTokens: 30, TopP: 0.95, Seed: 7}
	run := func(o Options) []int32 {
		r, err := Run(context.Background(), newToy(t, 50, hashed(1)), []int32{3}, o)
		if err != nil {
			t.Fatal(err)
		}
		return ids(r)
	}
	want := run(o)
	if again := run(o); !slices.Equal(again, want) {
		t.Errorf("%v, then %v", want, again)
	}
	other := o
	other.Seed = 8
	if slices.Equal(run(other), want) {
		t.Error("seeds 7 and 8 give the same")
	}
	logits, row := hashed(1), make([]float32, 50)
	a, _ := NewSequence([]int32{3}, o)
	b, _ := NewSequence([]int32{4, 4}, other)
	for range 30 {
		for _, s := range []*Sequence{b, a} {
			clear(row)
			logits(s.Tokens(), row)
			if _, err := s.Next(row); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := a.Tokens()[1:]; !slices.Equal(got, want) {
		t.Errorf("beside another: %v, want %v", got, want)
	}
}

func TestLogProbs(t *testing.T) {
	logits := hashed(3)
	o := Options{MaxTokens: 10, Temperature: 0.7, TopK: 3, RepetitionPenalty: 1.5, TopLogProbs: 5}
	r, err := Run(context.Background(), newToy(t, 40, logits), []int32{3}, o)
	if err != nil {
		t.Fatal(err)
	}
	tokens, row := []int32{3}, make([]float32, 40)
	for _, tok := range r.Tokens {
		logits(tokens, row)
		want := logSoftmax64(row)
		// 1e-6: sums of 40 exponentials in float32 steps, against float64
		if math.Abs(tok.LogProb-want[tok.ID]) > 1e-6 {
			t.Errorf("token %d: logprob %g, want %g", tok.ID, tok.LogProb, want[tok.ID])
		}
		order := make([]int, len(want))
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(a, b int) int { return -int(math.Copysign(1, want[a]-want[b])) })
		if len(tok.Top) != 5 {
			t.Fatalf("%d top tokens, want 5", len(tok.Top))
		}
		for i, top := range tok.Top {
			if int(top.ID) != order[i] || math.Abs(top.LogProb-want[order[i]]) > 1e-6 {
				t.Errorf("top %d is %+v, want %d at %g", i, top, order[i], want[order[i]])
			}
		}
		tokens = append(tokens, tok.ID)
	}
	if got := TopLogProbs([]float32{1, 2, 2, 1, 2}, 2); got[0].ID != 1 || got[1].ID != 2 {
		t.Errorf("of three tied %v, want the lowest ids 1 and 2", got)
	}
	if got := TopLogProbs([]float32{1, 2}, 9); len(got) != 2 {
		t.Errorf("%v, want both tokens", got)
	}
}

// looping gives mostly the token five before, so that guesses are often right and sometimes wrong.
func looping(tokens []int32, row []float32) {
	hashed(1.2)(tokens, row)
	if len(tokens) >= 5 {
		row[tokens[len(tokens)-5]] += 4
	}
}

// Speculation changes the number of steps and nothing else, for greedy and for drawn tokens.
func TestPromptLookup(t *testing.T) {
	prompt := []int32{1, 2, 3, 4, 5, 1, 2}
	v := letters(t, "a", "b", "c", "d", "e", "f", "g", "h")
	for _, o := range []Options{
		{MaxTokens: 100},
		{MaxTokens: 100, Temperature: 0.8, Seed: 3},
		{MaxTokens: 7, RepetitionPenalty: 1.1},
		{MaxTokens: 100, Temperature: 1, NoRepeatNGram: 4, Seed: 4},
		{MaxTokens: 400, Temperature: 0.5, Vocabulary: v, Stop: []string{"abcdeh", "ff"}},
	} {
		plain := newToy(t, 9, looping)
		want, err := Run(context.Background(), plain, prompt, o)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{1, 4, 10} {
			o.PromptLookup = n
			m := newToy(t, 9, looping)
			got, err := Run(context.Background(), m, prompt, o)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(ids(got), ids(want)) || got.Text != want.Text || got.Finish != want.Finish {
				t.Errorf("%+v: %v, want %v", o, ids(got), ids(want))
			}
			if o.NoRepeatNGram == 0 && o.MaxTokens == 100 && n == 4 && m.steps > plain.steps*3/4 {
				t.Errorf("%d steps, without guesses %d", m.steps, plain.steps)
			}
		}
	}
}

func TestLookup(t *testing.T) {
	for _, c := range []struct {
		tokens []int32
		n      int
		want   []int32
	}{
		{[]int32{1, 2, 3, 4, 1, 2, 3}, 2, []int32{4, 1}},
		{[]int32{1, 2, 3, 4, 1, 2, 3}, 9, []int32{4, 1, 2, 3}},
		{[]int32{7, 1, 8, 2, 1}, 1, []int32{8}},                   // one token is enough
		{[]int32{1, 5, 6, 2, 1, 7, 8, 9, 1}, 2, []int32{7, 8}},    // the latest
		{[]int32{3, 1, 5, 0, 3, 1, 6, 9, 1, 3, 1}, 1, []int32{6}}, // longer runs first, then the latest
		{[]int32{1, 2, 1, 2, 1, 2, 1, 2}, 4, []int32{1, 2, 1, 2}}, // far enough back for all four
		{[]int32{1, 2, 3}, 4, nil},
		{[]int32{1}, 4, nil},
		{nil, 4, nil},
		{[]int32{1, 1}, 0, nil},
	} {
		if got := Lookup(c.tokens, c.n); !slices.Equal(got, c.want) {
			t.Errorf("Lookup(%v, %d) = %v, want %v", c.tokens, c.n, got, c.want)
		}
	}
}

func TestStreamErrors(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	last := func(m *toy, ctx context.Context, prompt []int32, o Options) (n int, err error) {
		for _, err = range Stream(ctx, m, prompt, o) {
			n++
		}
		return n, err
	}
	if _, err := last(newToy(t, 4, hashed(1)), ctx, nil, Options{}); err != errNoPrompt {
		t.Errorf("no prompt: %v", err)
	}
	if _, err := last(newToy(t, 4, hashed(1)), ctx, []int32{1}, Options{TopK: -1}); err == nil || !strings.Contains(err.Error(), "top_k is -1") {
		t.Errorf("bad options: %v", err)
	}
	m := newToy(t, 4, hashed(1))
	m.failStep = 4
	if n, err := last(m, ctx, []int32{1}, Options{}); n != 4 || err == nil || err.Error() != "toy: the model is tired" {
		t.Errorf("%d values, %v", n, err)
	}
	for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1))} {
		m := newToy(t, 4, func(_ []int32, row []float32) { row[2] = bad })
		if n, err := last(m, ctx, []int32{1}, Options{}); n != 1 || err != errLogits {
			t.Errorf("%g: %d values, %v", bad, n, err)
		}
	}
	if _, err := last(newToy(t, 4, hashed(1)), ctx, []int32{1}, Options{SuppressTokens: []int32{0, 1, 2, 3}}); err != errRemoved {
		t.Errorf("all suppressed: %v", err)
	}
	inf := float32(math.Inf(1))
	if _, err := last(newToy(t, 4, hashed(1)), ctx, []int32{1}, Options{Custom: []Filter{LogitBias{1: inf}}}); err != errFilter {
		t.Errorf("an infinite bias of a custom filter: %v", err)
	}
	if _, err := last(newToy(t, 2, hashed(1)), ctx, []int32{1}, Options{Vocabulary: letters(t, "a", "b")}); err == nil {
		t.Error("2 logits for 3 tokens are no error")
	}
	n := 0
	for _, err := range Stream(ctx, newToy(t, 4, hashed(1)), []int32{1}, Options{}) {
		if n++; n == 3 {
			cancel()
		}
		if n == 4 && !errors.Is(err, context.Canceled) || n > 4 || n < 4 && err != nil {
			t.Errorf("value %d after cancel at 3: %v", n, err)
		}
	}
	for range Stream(context.Background(), newToy(t, 4, hashed(1)), []int32{1}, Options{}) {
		break // the sequence must be freed all the same
	}
	s, _ := NewSequence([]int32{1}, Options{MaxTokens: 1})
	s.Next([]float32{1, 2})
	if _, err := s.Next([]float32{1, 2}); err == nil || !s.Finished() {
		t.Error("a finished sequence goes on")
	}
}

func TestValidate(t *testing.T) {
	v := letters(t, "a")
	if err := (Options{}).Validate(); err != nil {
		t.Errorf("the zero value: %v", err)
	}
	nan := math.NaN()
	o := Options{
		Temperature: nan, TopK: -1, TopP: 1.5, MinP: -1, TypicalP: 2, EpsilonCutoff: -1, EtaCutoff: 2, RepetitionPenalty: -1,
		PresencePenalty: 3, FrequencyPenalty: -3, NoRepeatNGram: -1, LogitBias: map[int32]float32{9: 1, 0: float32(nan)},
		SequenceBias: []SequenceBias{{}}, BadWords: [][]int32{{}, {-1}}, SuppressTokens: []int32{7}, BeginSuppressTokens: []int32{8},
		MaxTokens: 1, MinTokens: 2, Stop: []string{""}, StopTokens: []int32{-5}, TopLogProbs: -1, PromptLookup: -1, Vocabulary: v,
	}
	err := o.Validate()
	if err == nil {
		t.Fatal("nothing is wrong?")
	}
	for _, want := range []string{
		"temperature is NaN", "top_k is -1", "top_p is 1.5", "min_p is -1", "typical_p is 2", "epsilon_cutoff is -1", "eta_cutoff is 2",
		"repetition_penalty is -1", "presence_penalty is 3", "frequency_penalty is -3", "no_repeat_ngram_size is -1",
		"logit_bias: token 9: there is no token 9, the vocabulary has 2", "logit_bias: token 0 has a bias of NaN", "sequence_bias: entry 0",
		"bad_words: entry 0", "bad_words: entry 1", "suppress_tokens: there is no token 7", "begin_suppress_tokens: there is no token 8",
		"min_tokens is 2", "stop: entry 0", "stop_token_ids: there is no token -5", "top_logprobs is -1", "prompt_lookup_num_tokens is -1",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not reported in\n%v", want, err)
		}
	}
	if err := (Options{Stop: []string{"x"}}).Validate(); err == nil || !strings.Contains(err.Error(), "Vocabulary") {
		t.Errorf("stop without a vocabulary: %v", err)
	}
	if _, err := NewVocabulary(nil, 3); err == nil {
		t.Error("an end token beyond the vocabulary")
	}
}

// A request's fields, as OpenAI's and transformers' users write them.
func TestOptionsJSON(t *testing.T) {
	o := DefaultBeamOptions()
	err := json.Unmarshal([]byte(`{"temperature":0.7,"top_k":40,"top_p":0.9,"min_p":0.1,"seed":18446744073709551615,"max_tokens":5,"stop":["a"],
		"logit_bias":{"50256":-100},"no_repeat_ngram_size":2,"presence_penalty":1,"repetition_penalty":1.2,"top_logprobs":3,"early_stopping":true,
		"num_return_sequences":2,"sequence_bias":[{"tokens":[1,2],"bias":3}]}`), &o)
	if err != nil {
		t.Fatal(err)
	}
	want := Options{
		Temperature: 0.7, TopK: 40, TopP: 0.9, MinP: 0.1, Seed: math.MaxUint64, MaxTokens: 5, Stop: []string{"a"}, LogitBias: map[int32]float32{50256: -100},
		NoRepeatNGram: 2, PresencePenalty: 1, RepetitionPenalty: 1.2, TopLogProbs: 3, SequenceBias: []SequenceBias{{[]int32{1, 2}, 3}},
	}
	if !reflect.DeepEqual(o, BeamOptions{Options: want, NumBeams: 4, LengthPenalty: 1, EarlyStopping: StopAtOnce, NumReturn: 2}) {
		t.Errorf("%+v", o)
	}
	if err := json.Unmarshal([]byte(`{"early_stopping":"never"}`), &o); err != nil || o.EarlyStopping != StopNever {
		t.Error(o.EarlyStopping, err)
	}
}

// Steady state: a token over 128k logits costs no allocation.
func TestNothingAllocated(t *testing.T) {
	pieces := make([][]byte, benchVocab)
	for i := range pieces {
		pieces[i] = []byte("word ")
	}
	v, err := NewVocabulary(pieces)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []Options{
		{},
		{Temperature: 0.8, TopK: 40, TopP: 0.95, MinP: 0.05, RepetitionPenalty: 1.1, FrequencyPenalty: 0.1, NoRepeatNGram: 3, Seed: 1},
		{Temperature: 1, TypicalP: 0.9, EtaCutoff: 1e-3, EpsilonCutoff: 1e-5, LogitBias: map[int32]float32{5: 1}, LogProbs: true},
	} {
		o.Vocabulary, o.MaxTokens, o.Stop = v, 1000, []string{"\n\n", "User:"}
		s, err := NewSequence([]int32{1, 2, 3}, o)
		if err != nil {
			t.Fatal(err)
		}
		logits := benchLogits()
		next := func() {
			if tok, err := s.Next(logits); err != nil || tok.Text != "word " {
				t.Fatal(tok, err)
			}
		}
		next()
		if n := testing.AllocsPerRun(10, next); n > 0 {
			t.Errorf("%v allocations a token", n)
		}
	}
}
