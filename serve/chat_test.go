package serve_test

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/generate"
	"github.com/hanji-ml/hanji/serve"
)

type probs struct {
	Content []struct {
		Token   string
		LogProb float64
		Bytes   []int
		Top     []struct {
			Token   string
			LogProb float64
		} `json:"top_logprobs"`
	}
}

type choice struct {
	Index   int
	Message struct {
		Role, Content string
		ToolCalls     []call `json:"tool_calls"`
	}
	Delta struct {
		Role, Content string
		ToolCalls     []call `json:"tool_calls"`
	}
	Text     string
	LogProbs *probs
	Finish   string `json:"finish_reason"`
}

type call struct {
	Index    *int
	ID, Type string
	Function struct{ Name, Arguments string }
}

type usage struct {
	Prompt  int `json:"prompt_tokens"`
	Output  int `json:"completion_tokens"`
	Total   int `json:"total_tokens"`
	Details struct {
		Cached int `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
}

type completion struct {
	ID, Object, Model string
	Choices           []choice
	Usage             *usage
}

func chunks(t *testing.T, text string) []completion {
	t.Helper()
	data := sse(t, text)
	if len(data) == 0 || data[len(data)-1] != "[DONE]" {
		t.Fatalf("the stream does not end with [DONE]: %q", text)
	}
	var list []completion
	for _, d := range data[:len(data)-1] {
		var c completion
		if err := json.Unmarshal([]byte(d), &c); err != nil {
			t.Fatalf("%v in %s", err, d)
		}
		list = append(list, c)
	}
	return list
}

// The answer is what generate gives for the prompt of the template, streamed or not, alone or beside others.
func TestChat(t *testing.T) {
	s := start(t, serve.Options{}, serve.ModelOptions{})
	l := tiny(512)
	e, err := generate.NewEngine(l.Decoder, generate.EngineOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	v, err := generate.NewVocabulary(l.Tokenizer.Pieces(), l.End...)
	if err != nil {
		t.Fatal(err)
	}
	var prompt []int32
	for _, b := range []byte("s:be brief;u:hello, hello, hello, hello;a:") {
		prompt = append(prompt, int32(b)+3)
	}
	body := `{"model": "tiny", "messages": [{"role": "developer", "content": "be brief"}, {"role": "user", "content": [{"type": "text", "text": "hello, hello, hello, hello"}]}],
		"max_tokens": 20, "seed": 5, "temperature": 1.5, "top_k": 50, "n": 3`
	got := answer[completion](t, s, "/v1/chat/completions", body+"}")
	status, text := post(t, s, "/v1/chat/completions", body+`, "stream": true, "stream_options": {"include_usage": true}}`)
	if status != http.StatusOK {
		t.Fatal(status, text)
	}
	var streamed [3]string
	var finish [3]string
	list := chunks(t, text)
	for i, c := range list {
		if c.Object != "chat.completion.chunk" || c.ID != list[0].ID || (c.Usage != nil) != (i == len(list)-1) {
			t.Errorf("chunk %d: %+v", i, c)
		}
		for _, choice := range c.Choices {
			streamed[choice.Index] += choice.Delta.Content
			finish[choice.Index] += choice.Finish
		}
	}
	if last := list[len(list)-1]; len(last.Choices) != 0 || last.Usage.Output != got.Usage.Output {
		t.Errorf("the last chunk is %+v", last)
	}
	output := 0
	for i, c := range got.Choices {
		out, err := e.Submit(t.Context(), prompt, generate.Options{Temperature: 1.5, TopK: 50, MaxTokens: 20, Seed: 5 + uint64(i), Vocabulary: v})
		if err != nil {
			t.Fatal(err)
		}
		var want strings.Builder
		last := generate.Token{}
		for tok, err := range out.Tokens() {
			if err != nil {
				t.Fatal(err)
			}
			want.WriteString(tok.Text)
			last = tok
			output++
		}
		if c.Index != i || c.Message.Role != "assistant" || c.Message.Content != want.String() || c.Finish != string(last.Finish) {
			t.Errorf("choice %d is %+v, want %q", i, c, want.String())
		}
		if streamed[i] != want.String() || finish[i] != string(last.Finish) {
			t.Errorf("streamed choice %d is %q (%s), want %q", i, streamed[i], finish[i], want.String())
		}
	}
	if u := *got.Usage; len(got.Choices) != 3 || u.Prompt != len(prompt) || u.Output != output || u.Total != u.Prompt+u.Output {
		t.Errorf("%d choices, usage %+v; want %d and %d tokens", len(got.Choices), u, len(prompt), output)
	}
	if a, b := got.Choices[0].Message.Content, got.Choices[1].Message.Content; a == b {
		t.Errorf("two choices are both %q", a)
	}
	if again := answer[completion](t, s, "/v1/chat/completions", body+"}"); again.Usage.Details.Cached == 0 {
		t.Error("nothing of the prompt was in the cache the second time")
	}
}

func TestChatLogProbs(t *testing.T) {
	s := start(t, serve.Options{}, serve.ModelOptions{})
	body := `{"messages": [{"role": "user", "content": "x"}], "max_tokens": 6, "temperature": 0, "logprobs": true, "top_logprobs": 3%s}`
	got := answer[completion](t, s, "/v1/chat/completions", fmt.Sprintf(body, "")).Choices[0]
	if len(got.LogProbs.Content) != 6 {
		t.Fatalf("%d log-probabilities of 6 tokens", len(got.LogProbs.Content))
	}
	for _, p := range got.LogProbs.Content {
		if len(p.Top) != 3 || p.Top[0].LogProb != p.LogProb || p.Top[0].Token != p.Token || p.LogProb > 0 || math.IsNaN(p.LogProb) || len(p.Bytes) != 1 {
			t.Errorf("of a greedy token: %+v", p)
		}
	}
	_, text := post(t, s, "/v1/chat/completions", fmt.Sprintf(body, `, "stream": true`))
	n := 0
	for _, c := range chunks(t, text) {
		if p := c.Choices[0].LogProbs; p != nil {
			for _, one := range p.Content {
				if one.LogProb != got.LogProbs.Content[n].LogProb {
					t.Errorf("streamed token %d has %v, want %v", n, one.LogProb, got.LogProbs.Content[n].LogProb)
				}
				n++
			}
		}
	}
	if n != 6 {
		t.Errorf("%d streamed log-probabilities", n)
	}
}

func TestChatFormats(t *testing.T) {
	s := start(t, serve.Options{}, serve.ModelOptions{})
	for format, ok := range map[string]func(string) bool{
		`{"type": "json_schema", "json_schema": {"name": "n", "schema": {"enum": ["yes", "no"]}}}`: func(text string) bool { return text == `"yes"` || text == `"no"` },
		`{"type": "text"}`: func(text string) bool { return text != "" },
		`{"type": "json_schema", "json_schema": {"name": "n", "strict": true, "schema": {"type": "object", "properties": {"a": {"type": "boolean"}, "b": {"enum": [1, 2]}}, "required": ["a", "b"], "additionalProperties": false}}}`: func(text string) bool {
			var v struct {
				A *bool
				B *int
			}
			return json.Unmarshal([]byte(text), &v) == nil && v.A != nil && v.B != nil
		},
	} {
		got := answer[completion](t, s, "/v1/chat/completions", `{"messages": [{"role": "user", "content": "x"}], "max_tokens": 200, "response_format": `+format+`}`).Choices[0]
		if !ok(got.Message.Content) {
			t.Errorf("%s: %q (%s)", format, got.Message.Content, got.Finish)
		}
	}
	got := answer[completion](t, s, "/v1/chat/completions", `{"messages": [{"role": "user", "content": "x"}], "max_tokens": 20, "response_format": {"type": "json_object"}}`).Choices[0]
	if !strings.HasPrefix(got.Message.Content, "{") {
		t.Errorf("a JSON object begins with %q", got.Message.Content)
	}
}

// What options come to: each parameter reaches the engine.
func TestSampling(t *testing.T) {
	e := &script{say: []string{"a"}}
	s := start(t, serve.Options{MaxTokens: 100}, serve.ModelOptions{Engine: e})
	answer[completion](t, s, "/v1/chat/completions", `{"messages": [{"role": "user", "content": "x"}], "temperature": 0.5, "top_p": 0.9, "top_k": 7, "min_p": 0.1,
		"presence_penalty": -1, "frequency_penalty": 2, "repetition_penalty": 1.5, "logit_bias": {"5": -100}, "seed": -3, "stop": ["a", "b"], "ignore_eos": true, "max_completion_tokens": 9}`)
	o := e.options
	if o.Temperature != 0.5 || o.TopP != 0.9 || o.TopK != 7 || o.MinP != 0.1 || o.PresencePenalty != -1 || o.FrequencyPenalty != 2 || o.RepetitionPenalty != 1.5 ||
		o.LogitBias[5] != -100 || int64(o.Seed) != -3 || !slices.Equal(o.Stop, []string{"a", "b"}) || !o.IgnoreEnd || o.MaxTokens != 9 {
		t.Errorf("%+v", o)
	}
	answer[completion](t, s, "/v1/chat/completions", `{"messages": [{"role": "user", "content": "x"}], "top_k": -1, "stop": "z", "temperature": null}`)
	if o = e.options; o.Temperature != 1 || o.TopP != 1 || o.TopK != 0 || !slices.Equal(o.Stop, []string{"z"}) || o.MaxTokens != 100 || o.LogProbs {
		t.Errorf("by default %+v", o)
	}
}

// Parameters that are documented and do nothing are accepted and named.
func TestIgnored(t *testing.T) {
	s := start(t, serve.Options{}, serve.ModelOptions{Engine: &script{say: []string{"a"}}})
	w := send(s, "POST", "/v1/chat/completions", `{"messages": [{"role": "user", "content": "x", "refusal": null}], "store": false, "user": "u", "metadata": null, "modalities": ["text"]}`)
	if got := w.Header().Get("X-Hanji-Ignored"); w.Code != http.StatusOK || got != "store, user" {
		t.Errorf("%d, ignored %q: %s", w.Code, got, w.Body)
	}
}
