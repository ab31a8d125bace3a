package eval

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/hanji-ml/hanji/internal/kernel"
	"github.com/hanji-ml/hanji/internal/par"
	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/tensor"
	"github.com/hanji-ml/hanji/tokenizer"
)

// Protocols of Perplexity. Their figures do not compare with each other.
const (
	// LlamaCpp is llama.cpp's tools/perplexity: chunks of 512 tokens, their first token replaced by BOS if the model wants one, scored
	// from the middle on (255 tokens of a chunk), the tail left out. Special tokens spelled in the text are text, and one line break at
	// its end is cut off.
	LlamaCpp = "llama.cpp"
	// GPTQ is the GPTQ and AWQ papers' (gptq, llama.py and datautils.py): chunks of 2048 tokens, every token scored but each chunk's
	// first, the tail left out. Special tokens spelled in the text count as such. The papers join WikiText-2's lines by "\n\n".
	GPTQ = "gptq"
	// Sliding is a window of 2048 tokens that moves by half of it (transformers, "Perplexity of fixed-length models"): each token but
	// the first is scored once, with as much before it as the window holds; nothing is left out.
	Sliding = "sliding"
)

// PerplexityOptions of Perplexity.
type PerplexityOptions struct {
	Protocol string        // "": LlamaCpp
	Ctx      int           // tokens of a chunk or window; 0: the protocol's, at most the model's context
	Stride   int           // tokens that a window of Sliding moves, 1 to Ctx; 0: half of Ctx
	Against  model.Decoder // a reference of the same vocabulary, such as the model before it was quantised; nil: none
	Progress func(done, total int)
}

// PerplexityResult is how well a model foretells a text.
type PerplexityResult struct {
	Protocol string `json:"protocol"`
	Family   string `json:"family"`
	Ctx      int    `json:"ctx"`
	Stride   int    `json:"stride,omitempty"`
	Chunks   int    `json:"chunks"`
	Bytes    int    `json:"bytes"`  // of the text
	Tokens   int    `json:"tokens"` // of the text, without special tokens around it
	Scored   int    `json:"scored"` // tokens that the figures are means of

	// Entropy of the text's own unigrams, a token: what a model could reach that knows the tokens' frequencies in this text and
	// nothing else.
	UnigramNats float64 `json:"unigram_nats"`
	UnigramBits float64 `json:"unigram_bits"`
	// Cross-entropy a token, and a byte: that times Tokens over Bytes, which compares across tokenizers.
	Nats        float64 `json:"nats"`
	Bits        float64 `json:"bits"`
	NatsPerByte float64 `json:"nats_per_byte"`
	BitsPerByte float64 `json:"bits_per_byte"`

	Perplexity float64 `json:"perplexity"`       // e^Nats
	Error      float64 `json:"perplexity_error"` // its standard error, as if tokens were independent (llama.cpp's ±)

	Against *Divergence `json:"against,omitempty"`
}

// Divergence is how far a model is from a reference, over the scored tokens.
type Divergence struct {
	Family     string  `json:"family"`
	Nats       float64 `json:"nats"` // the reference's own cross-entropy and perplexity
	Perplexity float64 `json:"perplexity"`
	KL         float64 `json:"kl"`   // mean Σ p·ln(p/q) in nats, p the reference's probabilities and q the model's
	Top1       float64 `json:"top1"` // share of tokens for which both find the same one most probable
}

// window is a piece of the text that a model reads at once: tokens lo to hi, of which those from first on are scored.
type window struct{ lo, hi, first int }

// Perplexity measures m on a text. Logits are held for a few hundred tokens at a time (64 MB a model), whatever the text's length.
func Perplexity(ctx context.Context, m model.Decoder, t *tokenizer.Tokenizer, text string, o PerplexityOptions) (PerplexityResult, error) {
	spec := m.Spec()
	if err := o.resolve(spec); err != nil {
		return PerplexityResult{}, fmt.Errorf("eval: %w", err)
	}
	if o.Protocol == LlamaCpp {
		text = strings.TrimSuffix(text, "\n")
	}
	r := PerplexityResult{Protocol: o.Protocol, Family: spec.Family, Ctx: o.Ctx, Stride: o.Stride, Bytes: len(text)}
	how := tokenizer.EncodeOptions{Verbatim: o.Protocol == LlamaCpp}
	tokens := t.Encode(text, how)
	head, tail := around(t, how)
	own := tokens[head : len(tokens)-tail]
	r.Tokens, r.UnigramNats = len(own), unigrams(own)
	r.UnigramBits = r.UnigramNats / math.Ln2
	windows := o.windows(len(tokens))
	if len(windows) == 0 {
		return r, fmt.Errorf("eval: the text has %d tokens, less than one chunk of %d; take a longer text or a smaller ctx", len(tokens), o.Ctx)
	}
	r.Chunks = len(windows)
	p, err := newPerplexer(m, &o)
	if err != nil {
		return r, fmt.Errorf("eval: %w", err)
	}
	defer p.ctx.Close()
	bos := t.Roles().BOS
	replace := o.Protocol == LlamaCpp && head > 0 && tokens[0] == bos
	total := 0
	for _, w := range windows {
		total += w.hi - 1 - w.lo
	}
	for _, w := range windows {
		if replace { // chunks do not overlap, and their first token is not scored
			tokens[w.lo] = bos
		}
		err := p.window(ctx, tokens, w, func(done int) {
			if o.Progress != nil {
				o.Progress(p.read+done, total)
			}
		})
		if err != nil {
			return r, err
		}
		p.read += w.hi - 1 - w.lo
	}
	p.finish(&r)
	return r, nil
}

// resolve fills defaults in and says what cannot be.
func (o *PerplexityOptions) resolve(s model.DecoderSpec) error {
	longest := 2048
	switch o.Protocol {
	case "", LlamaCpp:
		o.Protocol, longest = LlamaCpp, 512
	case GPTQ, Sliding:
	default:
		return fmt.Errorf("protocol is %q, want %s, %s or %s", o.Protocol, LlamaCpp, GPTQ, Sliding)
	}
	if o.Ctx == 0 {
		o.Ctx = min(longest, s.Context)
	}
	switch {
	case o.Ctx < 4:
		return fmt.Errorf("ctx is %d, want 4 or more", o.Ctx)
	case o.Ctx > s.Context:
		return fmt.Errorf("ctx is %d, the model was made for %d tokens", o.Ctx, s.Context)
	case o.Protocol != Sliding && o.Stride != 0:
		return fmt.Errorf("a stride belongs to protocol %s", Sliding)
	case o.Stride < 0 || o.Stride > o.Ctx:
		return fmt.Errorf("stride is %d, want a number from 1 to ctx (%d)", o.Stride, o.Ctx)
	case o.Protocol == Sliding && o.Stride == 0:
		o.Stride = o.Ctx / 2
	}
	if o.Against != nil && o.Against.Spec().Vocab != s.Vocab {
		return fmt.Errorf("the model has a vocabulary of %d, the reference one of %d: their probabilities do not compare", s.Vocab, o.Against.Spec().Vocab)
	}
	return nil
}

// windows cuts n tokens by the protocol.
func (o *PerplexityOptions) windows(n int) (list []window) {
	if o.Protocol != Sliding {
		for lo := 0; lo+o.Ctx <= n; lo += o.Ctx {
			first := lo + 1
			if o.Protocol == LlamaCpp {
				first += o.Ctx / 2
			}
			list = append(list, window{lo, lo + o.Ctx, first})
		}
		return list
	}
	scored := 0
	for lo := 0; n > 1 && scored < n; lo += o.Stride {
		w := window{lo, min(lo+o.Ctx, n), max(scored, lo+1)}
		if scored = w.hi; w.first < w.hi { // a last token without any before it has nothing to be foretold from
			list = append(list, w)
		}
	}
	return list
}

// around is how many special tokens the tokenizer puts before and behind a text.
func around(t *tokenizer.Tokenizer, how tokenizer.EncodeOptions) (head, tail int) {
	with := t.Encode("a", how)
	how.NoSpecial = true
	bare := t.Encode("a", how)
	for head < len(with)-len(bare) && !slices.Equal(with[head:head+len(bare)], bare) {
		head++
	}
	return head, len(with) - len(bare) - head
}

// unigrams is the entropy in nats of the tokens' own frequencies.
func unigrams(tokens []int32) (h float64) {
	count := map[int32]int{}
	for _, id := range tokens {
		count[id]++
	}
	var sorted []int // a sum whose order does not depend on a map's
	for _, n := range count {
		sorted = append(sorted, n)
	}
	slices.Sort(sorted)
	for _, n := range sorted {
		p := float64(n) / float64(len(tokens))
		h -= p * math.Log(p)
	}
	return h
}

// rowsAtOnce bounds the logits in memory: so many numbers a model.
const rowsAtOnce = 1 << 24

// perplexer runs a model, and a reference if there is one, over windows and adds up.
type perplexer struct {
	models  []model.Decoder
	caches  []*nn.Cache
	logits  [2][]float32
	ctx     *tensor.Ctx
	vocab   int
	rows    int // at once
	read    int
	per     [3][]float64 // of each row at once: -ln q of the model, of the reference, KL
	same    []bool
	scored  int
	sum     [3]float64
	squares float64
	agree   int
}

func newPerplexer(m model.Decoder, o *PerplexityOptions) (*perplexer, error) {
	p := &perplexer{models: []model.Decoder{m}, vocab: m.Spec().Vocab, ctx: tensor.New(tensor.Options{})}
	if o.Against != nil {
		p.models = append(p.models, o.Against)
	}
	p.rows = min(512, o.Ctx, max(1, rowsAtOnce/p.vocab))
	for i := range p.per {
		p.per[i] = make([]float64, p.rows)
	}
	p.same = make([]bool, p.rows)
	for _, m := range p.models {
		cache, err := m.NewCache(nn.CacheOptions{MaxTokens: o.Ctx})
		if err != nil {
			p.ctx.Close()
			return nil, err
		}
		p.caches = append(p.caches, cache)
	}
	return p, nil
}

// window reads one window; its last token is foretold, never read.
func (p *perplexer) window(ctx context.Context, tokens []int32, w window, told func(done int)) error {
	for _, c := range p.caches {
		c.Free(0)
	}
	for at := w.lo; at < w.hi-1; at += p.rows {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		end := min(at+p.rows, w.hi-1)
		// Row i foretells token i+1.
		from := min(max(at, w.first-1), end)
		want := make([]bool, end-at)
		for i := from; i < end; i++ {
			want[i-at] = true
		}
		for i, m := range p.models {
			p.ctx.Next(0)
			out, err := m.Forward(p.ctx, model.Batch{Tokens: tokens[at:end], Want: want}, p.caches[i])
			if err != nil {
				return fmt.Errorf("eval: %w", err)
			}
			n := (end - from) * p.vocab
			p.logits[i] = slices.Grow(p.logits[i][:0], n)[:n]
			if n > 0 {
				out.ReadInto(p.logits[i])
			}
		}
		if err := p.score(tokens[from+1 : end+1]); err != nil {
			return fmt.Errorf("eval: tokens from %d on: %w", from+1, err)
		}
		told(end - w.lo)
	}
	return nil
}

// score adds up what the logits say of the tokens that came.
func (p *perplexer) score(targets []int32) error {
	par.For(len(targets), 1, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			x := p.logits[0][i*p.vocab:][:p.vocab]
			z := logSumExp(x)
			p.per[0][i] = z - float64(x[targets[i]])
			if len(p.models) > 1 {
				y := p.logits[1][i*p.vocab:][:p.vocab]
				zy := logSumExp(y)
				p.per[1][i] = zy - float64(y[targets[i]])
				p.per[2][i] = divergence(y, x, zy, z)
				p.same[i] = kernel.ArgMax(x) == kernel.ArgMax(y)
			}
		}
	})
	for i := range targets {
		for k := range p.sum {
			p.sum[k] += p.per[k][i]
		}
		p.squares += p.per[0][i] * p.per[0][i]
		if p.same[i] {
			p.agree++
		}
	}
	p.scored += len(targets)
	if total := p.sum[0] + p.sum[1] + p.sum[2]; math.IsNaN(total) || math.IsInf(total, 0) {
		return errors.New("a model's logits are not finite; is its file damaged?")
	}
	return nil
}

// logSumExp is kernel.LogSumExp, not rounded to float32: its error would be that of the mean.
func logSumExp(x []float32) float64 {
	most := kernel.MaxOf(x)
	return float64(most) + math.Log(kernel.SumExp(x, most))
}

// divergence is Σ p·ln(p/q) for the logits x of p and y of q, zx and zy the logarithms of their sums.
func divergence(x, y []float32, zx, zy float64) (kl float64) {
	for i, v := range x {
		lp := float64(v) - zx
		kl += math.Exp(lp) * (lp - (float64(y[i]) - zy))
	}
	return kl
}

// finish turns sums into means.
func (p *perplexer) finish(r *PerplexityResult) {
	n := float64(p.scored)
	r.Scored = p.scored
	r.Nats = p.sum[0] / n
	r.Bits = r.Nats / math.Ln2
	perByte := float64(r.Tokens) / float64(r.Bytes)
	r.NatsPerByte, r.BitsPerByte = r.Nats*perByte, r.Bits*perByte
	r.Perplexity = math.Exp(r.Nats)
	if spread := p.squares/n - r.Nats*r.Nats; spread > 0 && n > 1 {
		r.Error = math.Sqrt(spread/(n-1)) * r.Perplexity
	}
	if len(p.models) > 1 {
		nats := p.sum[1] / n
		r.Against = &Divergence{Family: p.models[1].Spec().Family, Nats: nats, Perplexity: math.Exp(nats), KL: p.sum[2] / n, Top1: float64(p.agree) / n}
	}
}
