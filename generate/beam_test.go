package generate

import (
	"context"
	"encoding/json"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/safetensors"
)

// plainLlama is the fixture's model written down a second time, in float64, without a cache, one loop a formula: what
// the beams need is the logits, and this package knows no model.
type plainLlama struct {
	Hidden  int     `json:"hidden_size"`
	Layers  int     `json:"num_hidden_layers"`
	Heads   int     `json:"num_attention_heads"`
	KVHeads int     `json:"num_key_value_heads"`
	Eps     float64 `json:"rms_norm_eps"`
	Theta   float64 `json:"rope_theta"`
	Vocab   int     `json:"vocab_size"`

	w     map[string][]float64
	known map[string][]float64
}

func readLlama(t *testing.T, dir string, headScale float64) *plainLlama {
	m := &plainLlama{w: map[string][]float64{}, known: map[string][]float64{}}
	if err := json.Unmarshal(readFile(t, filepath.Join(dir, "config.json")), m); err != nil {
		t.Fatal(err)
	}
	f, err := safetensors.Open(filepath.Join(dir, "model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, name := range f.Names() {
		x, _ := f.Tensor(name)
		if m.w[name], err = x.Float64s(); err != nil {
			t.Fatal(err)
		}
	}
	for i := range m.w["lm_head.weight"] {
		m.w["lm_head.weight"][i] *= headScale
	}
	return m
}

func (m *plainLlama) linear(name string, x []float64) []float64 {
	w := m.w[name+".weight"]
	y := make([]float64, len(w)/len(x))
	for i := range y {
		for j, v := range x {
			y[i] += w[i*len(x)+j] * v
		}
	}
	return y
}

func (m *plainLlama) norm(name string, x []float64) []float64 {
	var ss float64
	for _, v := range x {
		ss += v * v
	}
	y, scale := make([]float64, len(x)), 1/math.Sqrt(ss/float64(len(x))+m.Eps)
	for i, v := range x {
		y[i] = v * scale * m.w[name+".weight"][i]
	}
	return y
}

// rotate turns each head's halves by position (RoPE in the Hugging Face layout).
func (m *plainLlama) rotate(x []float64, pos int) {
	d := m.Hidden / m.Heads
	for h := 0; h < len(x); h += d {
		for i := range d / 2 {
			sin, cos := math.Sincos(float64(pos) * math.Pow(m.Theta, -2*float64(i)/float64(d)))
			a, b := x[h+i], x[h+i+d/2]
			x[h+i], x[h+i+d/2] = a*cos-b*sin, b*cos+a*sin
		}
	}
}

func (m *plainLlama) attend(q []float64, k, v [][]float64) []float64 {
	d := m.Hidden / m.Heads
	out := make([]float64, len(q))
	for h := range m.Heads {
		kv := h / (m.Heads / m.KVHeads) * d
		p, sum := make([]float64, len(k)), 0.0
		for t := range k {
			for i := range d {
				p[t] += q[h*d+i] * k[t][kv+i]
			}
			p[t] = math.Exp(p[t] / math.Sqrt(float64(d)))
			sum += p[t]
		}
		for t := range k {
			for i := range d {
				out[h*d+i] += p[t] / sum * v[t][kv+i]
			}
		}
	}
	return out
}

// logits is the row after the last token.
func (m *plainLlama) logits(tokens []int32) []float64 {
	key := string(appendKey(nil, tokens))
	if row, ok := m.known[key]; ok {
		return row
	}
	x := make([][]float64, len(tokens))
	for t, id := range tokens {
		x[t] = slices.Clone(m.w["model.embed_tokens.weight"][int(id)*m.Hidden:][:m.Hidden])
	}
	for l := range m.Layers {
		p := "model.layers." + string(rune('0'+l)) + "."
		var k, v [][]float64
		for t := range x {
			h := m.norm(p+"input_layernorm", x[t])
			q := m.linear(p+"self_attn.q_proj", h)
			k, v = append(k, m.linear(p+"self_attn.k_proj", h)), append(v, m.linear(p+"self_attn.v_proj", h))
			m.rotate(q, t)
			m.rotate(k[t], t)
			add(x[t], m.linear(p+"self_attn.o_proj", m.attend(q, k, v)))
		}
		for t := range x {
			h := m.norm(p+"post_attention_layernorm", x[t])
			gate, up := m.linear(p+"mlp.gate_proj", h), m.linear(p+"mlp.up_proj", h)
			for i, g := range gate {
				up[i] *= g / (1 + math.Exp(-g))
			}
			add(x[t], m.linear(p+"mlp.down_proj", up))
		}
	}
	row := m.linear("lm_head", m.norm("model.norm", x[len(x)-1]))
	m.known[key] = row
	return row
}

func add(x, y []float64) {
	for i := range x {
		x[i] += y[i]
	}
}

func appendKey(b []byte, tokens []int32) []byte {
	for _, t := range tokens {
		b = append(b, byte(t), byte(t>>8))
	}
	return b
}

func TestBeamSearch(t *testing.T) {
	c := golden.Open(t, "language", "sampling/beam")
	llama := readLlama(t, golden.Open(t, "language", "llama/gqa").ModelDir(), 0.35)
	logits := func(tokens []int32, row []float32) {
		for i, v := range llama.logits(tokens) {
			row[i] = float32(v)
		}
	}
	var runs map[string]struct {
		NumBeams      int           `json:"num_beams"`
		LengthPenalty float64       `json:"length_penalty"`
		EarlyStopping EarlyStopping `json:"early_stopping"`
		NoRepeatNGram int           `json:"no_repeat_ngram_size"`
		Repetition    float64       `json:"repetition_penalty"`
		End           []int32       `json:"eos_token_id"`
	}
	c.Decode("runs", &runs)
	var maxTokens int
	c.Decode("extra.max_new_tokens", &maxTokens)
	prompt, width := c.Int64s("prompt"), c.Shape("prompt")[1]
	if len(runs) == 0 {
		t.Fatal("no runs")
	}
	for name, r := range runs {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && len(r.End) != 1 {
				t.Skip("the model of the test is slow")
			}
			c := c.With(t)
			long := c.Shape(name + ".sequences")[1]
			var sequences []int
			var scores []float64
			for p := range len(prompt) / width {
				var tokens []int32
				for _, id := range prompt[p*width : (p+1)*width] {
					tokens = append(tokens, int32(id))
				}
				o := BeamOptions{NumBeams: r.NumBeams, LengthPenalty: r.LengthPenalty, EarlyStopping: r.EarlyStopping, NumReturn: r.NumBeams}
				o.MaxTokens, o.NoRepeatNGram, o.RepetitionPenalty, o.StopTokens = maxTokens, r.NoRepeatNGram, r.Repetition, r.End
				beams, err := BeamSearch(context.Background(), newToy(t, llama.Vocab, logits), tokens, o)
				if err != nil {
					t.Fatal(err)
				}
				if len(beams) != r.NumBeams {
					t.Fatalf("%d beams, want %d", len(beams), r.NumBeams)
				}
				for _, b := range beams {
					for i := range long {
						switch {
						case i < len(b.Tokens):
							sequences = append(sequences, int(b.Tokens[i]))
						case len(r.End) > 0:
							sequences = append(sequences, int(r.End[0]))
						default:
							sequences = append(sequences, 0)
						}
					}
					scores = append(scores, b.Score)
				}
			}
			c.Check(t, name+".sequences", sequences)
			c.Check(t, name+".scores", scores)
		})
	}
}

// One beam is greedy decoding.
func TestOneBeamIsGreedy(t *testing.T) {
	o := Options{MaxTokens: 15, StopTokens: []int32{3}, NoRepeatNGram: 3, Vocabulary: letters(t, "a", "b", "c", "d", "e", "f", "g", "h", "i")}
	want, err := Run(context.Background(), newToy(t, 10, hashed(1)), []int32{1, 2}, o)
	if err != nil {
		t.Fatal(err)
	}
	m := newToy(t, 10, hashed(1))
	got, err := BeamSearch(context.Background(), m, []int32{1, 2}, BeamOptions{Options: o, NumBeams: 1, EarlyStopping: StopAtOnce})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(want.Tokens); m.steps != n || n == o.MaxTokens {
		t.Errorf("%d steps for %d tokens of at most %d: it must stop at once", m.steps, n, o.MaxTokens)
	}
	if len(got) != 1 || !slices.Equal(got[0].Tokens, ids(want)) || got[0].Text != want.Text || got[0].Finish != want.Finish {
		t.Errorf("%+v, want %v %q %s", got, ids(want), want.Text, want.Finish)
	}
}

// With room for every output the search is exhaustive: its best is the best there is.
func TestBeamsFindTheBest(t *testing.T) {
	const vocab, longest, end = 4, 4, 3
	for trial := range int32(10) {
		for _, penalty := range []float64{-0.5, 0, 1, 2} {
			prompt, logits := []int32{trial}, hashed(1)
			best, bestScore := []int32(nil), math.Inf(-1)
			var try func(tokens []int32, sum float64)
			try = func(tokens []int32, sum float64) {
				row := make([]float32, vocab)
				logits(tokens, row)
				for id, lp := range logSoftmax64(row) {
					next := append(slices.Clip(tokens), int32(id))
					n := len(next) - 1
					if id != end && n < longest {
						try(next, sum+lp)
					} else if score := (sum + lp) / math.Pow(float64(n), penalty); score > bestScore {
						best, bestScore = next[1:], score
					}
				}
			}
			try(prompt, 0)
			o := BeamOptions{NumBeams: 400, LengthPenalty: penalty, EarlyStopping: StopNever}
			o.MaxTokens, o.StopTokens = longest, []int32{end}
			got, err := BeamSearch(context.Background(), newToy(t, vocab, logits), prompt, o)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got[0].Tokens, best) || math.Abs(got[0].Score-bestScore) > 1e-5 { // log-probabilities are float32
				t.Errorf("prompt %v, penalty %g: %v at %g, want %v at %g", prompt, penalty, got[0].Tokens, got[0].Score, best, bestScore)
			}
		}
	}
}

// The three kinds of early stopping part where they must.
func TestBeamEarlyStopping(t *testing.T) {
	search := func(kind EarlyStopping, penalty float64, end []int32, row ...float32) ([]Beam, int) {
		m := newToy(t, len(row), func(_ []int32, r []float32) { copy(r, row) })
		o := BeamOptions{NumBeams: 2, NumReturn: 2, LengthPenalty: penalty, EarlyStopping: kind}
		o.MaxTokens, o.StopTokens = 4, end
		beams, err := BeamSearch(context.Background(), m, []int32{0}, o)
		if err != nil {
			t.Fatal(err)
		}
		return beams, m.steps
	}
	// Both beams could end at once, but with this penalty longer is better: only "never" goes on, with what did not end.
	for kind, want := range map[EarlyStopping]int{StopHeuristic: 1, StopAtOnce: 1, StopNever: 4} {
		if beams, steps := search(kind, 3, []int32{2, 3}, 0, -0.1, 1, 0.9); len(beams[0].Tokens) != want || steps != want {
			t.Errorf("%s: the best has %d tokens after %d steps, want %d", kind, len(beams[0].Tokens), steps, want)
		}
	}
	// Two have ended after two steps, but the running one is better than the worse of them.
	for kind, want := range map[EarlyStopping]int{StopHeuristic: 3, StopAtOnce: 2, StopNever: 3} {
		if _, steps := search(kind, 0, []int32{1}, 1, 0.9, -5); steps != want {
			t.Errorf("%s: %d steps, want %d", kind, steps, want)
		}
	}
}

func TestBeamErrors(t *testing.T) {
	ctx := context.Background()
	o := BeamOptions{NumBeams: 0, NumReturn: 3, LengthPenalty: math.NaN(), EarlyStopping: "maybe"}
	o.Temperature, o.TopK = 1, -1
	_, err := BeamSearch(ctx, newToy(t, 4, hashed(1)), []int32{1}, o)
	for _, want := range []string{"num_beams is 0", "num_return_sequences is 3", "length_penalty is NaN", `early_stopping is "maybe"`, "max_tokens must", "takes no temperature", "top_k is -1"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not reported in %v", want, err)
		}
	}
	good := DefaultBeamOptions()
	good.MaxTokens = 8
	if _, err := BeamSearch(ctx, newToy(t, 4, hashed(1)), nil, good); err != errNoPrompt {
		t.Errorf("no prompt: %v", err)
	}
	for step := 1; step < 8; step++ {
		m := newToy(t, 4, hashed(1)) // complains about sequences that stay open
		m.failStep = step
		if _, err := BeamSearch(ctx, m, []int32{1}, good); err == nil {
			t.Errorf("failure in step %d is no error", step)
		}
	}
	none := good
	none.SuppressTokens = []int32{0, 1, 2, 3}
	if _, err := BeamSearch(ctx, newToy(t, 4, hashed(1)), []int32{1}, none); err != errRemoved {
		t.Errorf("all suppressed: %v", err)
	}
}

// Beams under a constraint are members of it, and the best is the best member.
func TestBeamConstraint(t *testing.T) {
	v := letters(t, "a", "b", "c", "ab")
	c, err := Regex(v, `(ab|c){2}a?`)
	if err != nil {
		t.Fatal(err)
	}
	logits := hashed(2)
	o := BeamOptions{NumBeams: 100, NumReturn: 100, LengthPenalty: 0, EarlyStopping: StopNever}
	o.MaxTokens, o.Vocabulary, o.Constraint = 8, v, c
	got, err := BeamSearch(context.Background(), newToy(t, 5, logits), []int32{1}, o)
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]bool{}
	for i, b := range got {
		texts[b.Text] = true
		if !c.Match(b.Text) || b.Finish != FinishStop {
			t.Errorf("%q (%s) is no member", b.Text, b.Finish)
		}
		sum, row := 0.0, make([]float32, 5)
		for k, id := range b.Tokens {
			logits(append([]int32{1}, b.Tokens[:k]...), row)
			sum += logSoftmax64(row)[id]
		}
		if math.Abs(sum-b.Score) > 1e-5 || i > 0 && b.Score > got[i-1].Score {
			t.Errorf("beam %d %q scores %g, want %g, falling", i, b.Text, b.Score, sum)
		}
	}
	if len(texts) != 8 || len(got) != 18 { // (ab, a+b or c)² × (end or a)
		t.Errorf("%d beams of %d texts, want 18 of 8", len(got), len(texts))
	}
}
