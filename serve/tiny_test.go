package serve_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/chat"
	"github.com/hanji-ml/hanji/generate"
	"github.com/hanji-ml/hanji/gguf"
	"github.com/hanji-ml/hanji/model/all"
	"github.com/hanji-ml/hanji/serve"
	"github.com/hanji-ml/hanji/tokenizer"
)

// template writes roles by their first letter: what a prompt holds can be read off it.
const template = `{% if tools %}[{% for t in tools %}{{ t.function.name }}{% endfor %}]{% endif %}{% for m in messages %}{{ m.role[0] }}:{{ m.content }}` +
	`{% for c in m.tool_calls %}<{{ c.function.name }} {{ c.function.arguments|tojson }}>{% endfor %};{% endfor %}{% if add_generation_prompt %}a:{% endif %}`

// tiny is a Llama of drawn weights with a vocabulary of bytes, whose byte b is the token b+3, and Mistral's mark of a call.
func tiny(context int) *all.Language {
	tokens, types, scores := []string{"<unk>", "<s>", "</s>"}, []int32{2, 3, 3}, make([]float32, 260)
	for b := range 256 {
		tokens, types = append(tokens, fmt.Sprintf("<0x%02X>", b)), append(types, 6)
	}
	tokens, types = append(tokens, "[TOOL_CALLS]"), append(types, 3)
	t, err := tokenizer.FromGGUF(gguf.Metadata{{Key: "tokenizer.ggml.model", Value: "llama"}, {Key: "tokenizer.ggml.add_space_prefix", Value: false},
		{Key: "tokenizer.ggml.bos_token_id", Value: uint32(1)}, {Key: "tokenizer.ggml.eos_token_id", Value: uint32(2)},
		{Key: "tokenizer.ggml.tokens", Value: tokens}, {Key: "tokenizer.ggml.token_type", Value: types}, {Key: "tokenizer.ggml.scores", Value: scores}})
	check(err)
	m, err := all.NewDecoder("llama", fmt.Appendf(nil, `{"vocab_size": 260, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1,
		"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": %d}`, context), 7)
	check(err)
	template, err := chat.Parse(template)
	check(err)
	return &all.Language{Decoder: m, Tokenizer: t, Template: template, BOS: "<s>", EOS: "</s>", End: []int32{2}}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// start makes a server of one model called tiny; without an engine the model itself answers.
func start(t testing.TB, o serve.Options, m serve.ModelOptions) *serve.Server {
	t.Helper()
	model, err := serve.NewModel("tiny", tiny(512), m)
	if err != nil {
		t.Fatal(err)
	}
	o.Models = append(o.Models, model)
	s, err := serve.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// post sends a body and returns the status and what came.
func post(t testing.TB, h http.Handler, path, body string) (int, string) {
	t.Helper()
	w := send(h, "POST", path, body)
	return w.Code, w.Body.String()
}

func send(h http.Handler, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://localhost"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// answer sends a body that must be answered with 200, and decodes what comes.
func answer[T any](t testing.TB, h http.Handler, path, body string) T {
	t.Helper()
	status, text := post(t, h, path, body)
	var v T
	if status != http.StatusOK {
		t.Fatalf("%s: %d %s", path, status, text)
	}
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%s: %v in %s", path, err, text)
	}
	return v
}

// sse takes a stream apart into the data of its events, and holds it to the form.
func sse(t testing.TB, text string) (data []string) {
	t.Helper()
	for event := range strings.SplitSeq(strings.TrimSuffix(text, "\n\n"), "\n\n") {
		for line := range strings.SplitSeq(event, "\n") {
			switch {
			case strings.HasPrefix(line, "data: "):
				data = append(data, line[len("data: "):])
			case strings.HasPrefix(line, "event: "), strings.HasPrefix(line, ": "):
			default:
				t.Fatalf("a line of the stream is %q", line)
			}
		}
	}
	return data
}

// script is an engine that says given texts, whatever it is asked; it notes the prompts.
type script struct {
	say     []string // a token a text; MISTRAL is the mark of a call, and a text may end a character in the middle
	finish  generate.Finish
	embed   []float32
	prompts []string
	options generate.Options
	fail    error
	wait    chan struct{} // after the first token
	began   chan struct{}
	panics  bool
}

func (s *script) Submit(ctx context.Context, prompt []int32, o generate.Options) (serve.Output, error) {
	if s.fail != nil {
		return nil, s.fail
	}
	var b bytes.Buffer
	for _, id := range prompt {
		if id >= 3 && id < 259 {
			b.WriteByte(byte(id - 3))
		}
	}
	s.prompts, s.options = append(s.prompts, b.String()), o
	return &scripted{s, ctx, len(prompt)}, nil
}

func (s *script) Embed(context.Context, []int32) ([]float32, error) { return s.embed, s.fail }
func (s *script) Stats() generate.EngineStats {
	return generate.EngineStats{Running: 3, CacheTokens: 4, CacheFree: 1}
}
func (s *script) Drain(context.Context) error { return nil }
func (s *script) Close()                      {}

type scripted struct {
	s      *script
	ctx    context.Context
	prompt int
}

func (o *scripted) PromptTokens() int { return o.prompt }
func (o *scripted) CachedTokens() int { return 1 }

const mark = "[TOOL_CALLS]"

func (o *scripted) Tokens() iter.Seq2[generate.Token, error] {
	return func(yield func(generate.Token, error) bool) {
		if o.s.panics {
			panic("the engine is tired of its secret")
		}
		for i, text := range o.s.say {
			t := generate.Token{ID: 3 + 'x', Text: text}
			if text == mark {
				t.ID, t.Text = 259, ""
			}
			if i == len(o.s.say)-1 {
				if t.Finish = o.s.finish; t.Finish == "" {
					t.Finish = generate.FinishStop
				}
			}
			if !yield(t, nil) {
				return
			}
			if i == 0 && o.s.wait != nil {
				if o.s.began != nil {
					o.s.began <- struct{}{}
				}
				select {
				case <-o.s.wait:
				case <-o.ctx.Done():
					yield(generate.Token{}, o.ctx.Err())
					return
				}
			}
		}
	}
}

// drain reads a body to its end.
func drain(r io.Reader) string {
	b, _ := io.ReadAll(r)
	return string(b)
}
