package eval

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/gguf"
	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/model/all"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/tensor"
	"github.com/hanji-ml/hanji/tokenizer"
)

const byteVocab = 3 + 256

// bytesTokenizer has a token for each byte (its value + 3) and puts <s> (1) in front.
func bytesTokenizer(t testing.TB, bos bool) *tokenizer.Tokenizer {
	t.Helper()
	tokens, types := []string{"<unk>", "<s>", "</s>"}, []int32{2, 3, 3}
	for b := range 256 {
		tokens, types = append(tokens, fmt.Sprintf("<0x%02X>", b)), append(types, 6)
	}
	k, err := tokenizer.FromGGUF(gguf.Metadata{{Key: "tokenizer.ggml.model", Value: "llama"}, {Key: "tokenizer.ggml.tokens", Value: tokens},
		{Key: "tokenizer.ggml.token_type", Value: types}, {Key: "tokenizer.ggml.scores", Value: make([]float32, byteVocab)}, {Key: "tokenizer.ggml.add_space_prefix", Value: false},
		{Key: "tokenizer.ggml.bos_token_id", Value: uint32(1)}, {Key: "tokenizer.ggml.eos_token_id", Value: uint32(2)}, {Key: "tokenizer.ggml.add_bos_token", Value: bos}})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// next expects the token after the one it reads: a logit of high, all others of 0. It keeps what it was given.
type next struct {
	high    float32
	context int
	read    []int32
	wanted  *int
}

func (n *next) Spec() model.DecoderSpec {
	return model.DecoderSpec{Family: "next", Vocab: byteVocab, Context: n.context, Layers: 1, KVHeads: 1, HeadDim: 4}
}

func (n *next) NewCache(o nn.CacheOptions) (*nn.Cache, error) {
	s := n.Spec()
	return s.NewCache(o)
}

func (n *next) Forward(ctx *tensor.Ctx, b model.Batch, cache *nn.Cache) (*tensor.Tensor, error) {
	var out []float32
	for i, id := range b.Tokens {
		n.read = append(n.read, id)
		if !b.Want[i] {
			continue
		}
		row := make([]float32, byteVocab)
		row[(int(id)+1)%byteVocab] = n.high
		out = append(out, row...)
		*n.wanted++
	}
	return ctx.F32s(out, len(out)/byteVocab, byteVocab), nil
}

// TestPerplexityByHand: a model that expects the next letter, over texts whose letters follow each other or not, by each protocol.
func TestPerplexityByHand(t *testing.T) {
	z := math.Log(math.E*math.E + byteVocab - 1) // of the sum with one logit of 2
	for name, c := range map[string]struct {
		o            PerplexityOptions
		bos          bool
		text         string
		read         string // what the model reads; | for <s>
		scored, hits int
		chunks       int
	}{
		// <s> and 18 bytes make two chunks of 8 and a tail of three. Rows 4 to 6 of each are scored: efg from def and, with <s> in place
		// of h, mno from lmn.
		"llama.cpp": {PerplexityOptions{Ctx: 8}, true, "abcdefghijklmnopqr\n", "|abcdef|ijklmn", 6, 6, 2},
		// Without <s> nothing is replaced: fgh from efg, of nox from mno one is missed. </s> is four letters of the tail.
		"no bos": {PerplexityOptions{Protocol: LlamaCpp, Ctx: 8}, false, "abcdefghijklmnox</s>", "abcdefgijklmno", 6, 5, 2},
		// All but the first of each chunk: a from <s> misses, bcdefg hit; ijklmno from hijklmn hit.
		"gptq": {PerplexityOptions{Protocol: GPTQ, Ctx: 8}, true, "abcdefghijklmnopqr", "|abcdefhijklmn", 14, 13, 2},
		// Eight of which seven are scored, then four and two more with what the window holds before them.
		"sliding": {PerplexityOptions{Protocol: Sliding, Ctx: 8}, true, "abcdefghijklm", "|abcdef" + "defghij" + "hijkl", 13, 12, 3},
	} {
		n := 0
		m := &next{high: 2, context: 64, wanted: &n}
		var told [2]int
		c.o.Progress = func(done, total int) { told = [2]int{done, total} }
		r, err := Perplexity(context.Background(), m, bytesTokenizer(t, c.bos), c.text, c.o)
		if err != nil {
			t.Fatal(name, err)
		}
		got := ""
		for _, id := range m.read {
			if id == 1 {
				got += "|"
			} else {
				got += string(rune(id - 3))
			}
		}
		if got != c.read || r.Scored != c.scored || n != c.scored || r.Chunks != c.chunks || told[0] != told[1] || told[0] != len(c.read) {
			t.Errorf("%s: read %q, scored %d (%d wanted), %d chunks, told %v; want %q, %d, %d", name, got, r.Scored, n, r.Chunks, told, c.read, c.scored, c.chunks)
		}
		want := z - 2*float64(c.hits)/float64(c.scored)
		bytes := len(strings.TrimSuffix(c.text, "\n"))
		if math.Abs(r.Nats-want) > 1e-6 || math.Abs(r.Perplexity-math.Exp(want)) > 1e-4 || math.Abs(r.Bits-r.Nats/math.Ln2) > 1e-12 || r.Bytes != bytes || r.Tokens != bytes || r.NatsPerByte != r.Nats {
			t.Errorf("%s: %+v, want %v nats", name, r, want)
		}
		// Hits and misses are a coin: the deviation of a mean of n, times the perplexity.
		p := float64(c.hits) / float64(c.scored)
		if want := 2 * math.Sqrt(p*(1-p)/float64(c.scored-1)) * r.Perplexity; math.Abs(r.Error-want) > 1e-4 {
			t.Errorf("%s: ± %v, want %v", name, r.Error, want)
		}
	}
}

// TestUnigrams: two letters of equal share are one bit; special tokens around the text do not count.
func TestUnigrams(t *testing.T) {
	n := 0
	r, err := Perplexity(context.Background(), &next{context: 64, wanted: &n}, bytesTokenizer(t, true), "abbaabab", PerplexityOptions{Protocol: GPTQ, Ctx: 9})
	if err != nil || math.Abs(r.UnigramBits-1) > 1e-12 || math.Abs(r.UnigramNats-math.Ln2) > 1e-12 {
		t.Errorf("%+v, %v; want 1 bit", r, err)
	}
	if math.Abs(r.Perplexity-byteVocab) > 1e-3 || r.Error != 0 { // one that knows nothing
		t.Errorf("perplexity %v ± %v, want %d", r.Perplexity, r.Error, byteVocab)
	}
}

// TestDivergenceByHand: a sure reference against a model that knows nothing.
func TestDivergenceByHand(t *testing.T) {
	n := 0
	m, ref := &next{context: 64, wanted: &n}, &next{high: 3, context: 64, wanted: &n}
	r, err := Perplexity(context.Background(), m, bytesTokenizer(t, true), "abcdefg", PerplexityOptions{Protocol: GPTQ, Ctx: 8, Against: ref})
	if err != nil {
		t.Fatal(err)
	}
	z := math.Log(math.Exp(3) + byteVocab - 1)
	p := math.Exp(3 - z)
	// Σ p ln p + ln V: the reference's entropy less than the uniform one's.
	want := p*(3-z) + (1-p)*(0-z) + math.Log(byteVocab)
	if d := r.Against; math.Abs(d.KL-want) > 1e-6 || d.Top1 != 0 || math.Abs(d.Nats-(z-3*6./7)) > 1e-6 {
		t.Errorf("%+v, want a divergence of %v", d, want)
	}
}

func tinyLlama(t testing.TB, seed uint64) model.Decoder {
	t.Helper()
	m, err := all.NewDecoder("llama", fmt.Appendf(nil, `{"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
		"vocab_size": %d, "max_position_embeddings": 1100, "initializer_range": 0.3}`, byteVocab), seed)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func prose(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('a' + i*i*7%23)
	}
	return string(b)
}

// TestSlidingIsGPTQ: windows that move by their whole length are chunks, on a text of whole chunks.
func TestSlidingIsGPTQ(t *testing.T) {
	m, k := tinyLlama(t, 1), bytesTokenizer(t, true)
	chunks, err := Perplexity(context.Background(), m, k, prose(4*32-1), PerplexityOptions{Protocol: GPTQ, Ctx: 32})
	if err != nil {
		t.Fatal(err)
	}
	moved, err := Perplexity(context.Background(), m, k, prose(4*32-1), PerplexityOptions{Protocol: Sliding, Ctx: 32, Stride: 32})
	if err != nil {
		t.Fatal(err)
	}
	if chunks.Scored != 4*31 || chunks.Nats < 1 {
		t.Errorf("%+v", chunks)
	}
	if moved.Protocol, moved.Stride = chunks.Protocol, chunks.Stride; moved != chunks {
		t.Errorf("%+v\nwant %+v", moved, chunks)
	}
	finer, err := Perplexity(context.Background(), m, k, prose(4*32-1), PerplexityOptions{Protocol: Sliding, Ctx: 32})
	if err != nil || finer.Scored != 4*32-1 || finer.Stride != 16 {
		t.Errorf("%+v, %v", finer, err)
	}
}

// TestAgainstItself: no divergence at all; against another model some, which is never negative.
func TestAgainstItself(t *testing.T) {
	m, k := tinyLlama(t, 1), bytesTokenizer(t, true)
	for _, protocol := range []string{LlamaCpp, GPTQ, Sliding} {
		o := PerplexityOptions{Protocol: protocol, Ctx: 32, Against: m}
		r, err := Perplexity(context.Background(), m, k, prose(130), o)
		if err != nil || r.Against.KL != 0 || r.Against.Top1 != 1 || r.Against.Nats != r.Nats || r.Against.Perplexity != r.Perplexity {
			t.Errorf("%s: %+v, %v", protocol, r.Against, err)
		}
		o.Against = tinyLlama(t, 2)
		r, err = Perplexity(context.Background(), m, k, prose(130), o)
		if err != nil || !(r.Against.KL > 0.01) || r.Against.Top1 > 0.9 || r.Against.Nats == r.Nats {
			t.Errorf("%s: %+v, %v", protocol, r.Against, err)
		}
	}
}

// TestPiecesOfAWindow: a window that goes through the model in several pieces has the figure of one read at once, in float64.
func TestPiecesOfAWindow(t *testing.T) {
	m, k := tinyLlama(t, 3), bytesTokenizer(t, true)
	const ctx = 1100
	r, err := Perplexity(context.Background(), m, k, prose(ctx), PerplexityOptions{Ctx: ctx})
	if err != nil {
		t.Fatal(err)
	}
	cache, err := m.NewCache(nn.CacheOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ids := k.Encode(prose(ctx), tokenizer.EncodeOptions{})[:ctx]
	c := tensor.New(tensor.Options{})
	defer c.Close()
	out, err := m.Forward(c, model.Batch{Tokens: ids}, cache)
	if err != nil {
		t.Fatal(err)
	}
	logits, sum, n := out.Read(), 0.0, 0
	for i := ctx / 2; i < ctx-1; i++ {
		z := 0.0
		row := logits[i*byteVocab:][:byteVocab]
		for _, v := range row {
			z += math.Exp(float64(v))
		}
		sum, n = sum+math.Log(z)-float64(row[ids[i+1]]), n+1
	}
	if r.Scored != n || math.Abs(r.Nats-sum/float64(n)) > 1e-5 { // float32 sums over other numbers of rows
		t.Errorf("%v nats over %d tokens, want %v over %d", r.Nats, r.Scored, sum/float64(n), n)
	}
}

// TestWindows: whatever the lengths, sliding windows score each token but the first once, and always with something before it.
func TestWindows(t *testing.T) {
	for n := range 40 {
		for ctx := 4; ctx < 12; ctx++ {
			for stride := 1; stride <= ctx; stride++ {
				o := PerplexityOptions{Protocol: Sliding, Ctx: ctx, Stride: stride}
				var seen []int
				for _, w := range o.windows(n) {
					if w.lo < 0 || w.hi > n || w.hi-w.lo > ctx || w.first <= w.lo || w.lo%stride != 0 {
						t.Fatalf("n %d, ctx %d, stride %d: %v", n, ctx, stride, w)
					}
					for i := w.first; i < w.hi; i++ {
						seen = append(seen, i)
					}
				}
				want := n - 1
				if stride == ctx {
					want = n - (n+ctx-1)/ctx // the first of each window has nothing before it
				}
				if len(seen) != max(0, want) || !slices.IsSorted(seen) || len(slices.Compact(seen)) != len(seen) {
					t.Fatalf("n %d, ctx %d, stride %d: scored %v", n, ctx, stride, seen)
				}
			}
		}
	}
}

func TestPerplexityErrors(t *testing.T) {
	n := 0
	m, k := &next{context: 64, wanted: &n}, bytesTokenizer(t, true)
	wide, err := all.NewDecoder("llama", []byte(`{"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "vocab_size": 300}`), 1)
	if err != nil {
		t.Fatal(err)
	}
	for want, o := range map[string]PerplexityOptions{
		`protocol is "ppl", want llama.cpp, gptq or sliding`: {Protocol: "ppl"},
		"ctx is 3, want 4 or more":                           {Ctx: 3},
		"ctx is 65, the model was made for 64":               {Ctx: 65},
		"a stride belongs to protocol sliding":               {Stride: 2},
		"stride is 9, want a number from 1 to ctx (8)":       {Protocol: Sliding, Ctx: 8, Stride: 9},
		"the text has 11 tokens, less than one chunk of 64":  {},
		"vocabulary of 259, the reference one of 300":        {Ctx: 8, Against: wide},
		"tokens from 5 on: a model's logits are not finite":  {Ctx: 8, Against: &next{context: 64, wanted: &n, high: float32(math.NaN())}},
	} {
		if _, err := Perplexity(context.Background(), m, k, "abcdefghij", o); err == nil || !strings.HasPrefix(err.Error(), "eval: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	for _, protocol := range []string{LlamaCpp, GPTQ, Sliding} {
		if _, err := Perplexity(context.Background(), m, bytesTokenizer(t, false), "", PerplexityOptions{Protocol: protocol}); err == nil || !strings.Contains(err.Error(), "the text has 0 tokens") {
			t.Errorf("%s of nothing: %v", protocol, err)
		}
	}
	stopped, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Perplexity(stopped, m, k, "abcdefghij", PerplexityOptions{Ctx: 8}); err != context.Canceled {
		t.Errorf("error %v after cancelling", err)
	}
}
