package serve_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hanji-ml/hanji/generate"
	"github.com/hanji-ml/hanji/serve"
)

// expectFault holds an answer to OpenAI's error shape; param or code "" may be anything.
func expectFault(t *testing.T, h http.Handler, path, body string, status int, param, code string) {
	t.Helper()
	got, text := post(t, h, path, body)
	checkFault(t, got, text, status, param, code)
}

func checkFault(t *testing.T, got int, text string, status int, param, code string) {
	t.Helper()
	var v struct {
		Type  *string
		Error *struct {
			Message, Type string
			Param, Code   *string
		}
	}
	if err := json.Unmarshal([]byte(text), &v); err != nil || v.Error == nil || v.Error.Message == "" || v.Error.Type == "" || got != status {
		t.Errorf("%d %s, want %d in OpenAI's shape", got, text, status)
		return
	}
	if param != "" && (v.Error.Param == nil || *v.Error.Param != param) || code != "" && (v.Error.Code == nil || *v.Error.Code != code) {
		t.Errorf("%s, want the parameter %q and the code %q", text, param, code)
	}
}

func chatWith(more string) string {
	return `{"messages": [{"role": "user", "content": "x"}]` + more + "}"
}

// Everything that a client can get wrong in a body.
func TestBadRequests(t *testing.T) {
	s := start(t, serve.Options{MaxBody: 2000, MaxTokens: 100, MaxInputs: 2}, serve.ModelOptions{Engine: &script{say: []string{"a"}}})
	const chat = "/v1/chat/completions"
	for _, c := range []struct {
		path, body  string
		status      int
		param, code string
	}{
		{chat, "", 400, "", "invalid_json"},
		{chat, "[]", 400, "", "invalid_json"},
		{chat, "null", 400, "", "invalid_json"},
		{chat, `{"messages": [}`, 400, "", "invalid_json"},
		{chat, `{} {}`, 400, "", "invalid_json"},
		{chat, "{\"model\": \"\xff\"}", 400, "", "invalid_json"},
		{chat, `{"model": "a", "model": "b"}`, 400, "model", "invalid_json"},
		{chat, `{"model": "a", "m\u006fdel": "b"}`, 400, "model", "invalid_json"},
		{chat, `{"messages": [{"role": "user", "role": "system"}]}`, 400, "role", "invalid_json"},
		{chat, chatWith(`, "metadata": ` + strings.Repeat("[", 200) + strings.Repeat("]", 200)), 400, "", "invalid_json"},
		{chat, chatWith(`, "metadata": "` + strings.Repeat("x", 3000) + `"`), 413, "", "request_too_large"},
		{chat, chatWith(`, "colour": 1`), 400, "colour", "unknown_parameter"},
		{chat, chatWith(`, "TEMPERATURE": 1`), 400, "TEMPERATURE", "unknown_parameter"},
		{chat, chatWith(`, "stream_options": {"include": true}`), 400, "stream_options.include", "unknown_parameter"},
		{chat, chatWith(`, "functions": []`), 400, "functions", "unsupported_parameter"},
		{chat, chatWith(`, "max_tokens": "5"`), 400, "max_tokens", "invalid_value"},
		{chat, chatWith(`, "max_tokens": 1e99`), 400, "max_tokens", "invalid_value"},
		{chat, chatWith(`, "max_tokens": 0`), 400, "max_tokens", "invalid_value"},
		{chat, chatWith(`, "max_tokens": -1`), 400, "max_tokens", "invalid_value"},
		{chat, chatWith(`, "max_tokens": 101`), 400, "max_tokens", "invalid_value"},
		{chat, chatWith(`, "temperature": 2.1`), 400, "temperature", "invalid_value"},
		{chat, chatWith(`, "top_p": -0.1`), 400, "top_p", "invalid_value"},
		{chat, chatWith(`, "top_k": -2`), 400, "top_k", "invalid_value"},
		{chat, chatWith(`, "n": 17`), 400, "n", "invalid_value"},
		{chat, chatWith(`, "n": 0`), 400, "n", "invalid_value"},
		{chat, chatWith(`, "seed": 1.5`), 400, "seed", "invalid_value"},
		{chat, chatWith(`, "stop": [1]`), 400, "stop", "invalid_value"},
		{chat, chatWith(`, "stop": ""`), 400, "stop", "invalid_value"},
		{chat, chatWith(`, "logit_bias": {"999": 1}`), 400, "logit_bias", "invalid_value"},
		{chat, chatWith(`, "logit_bias": {"9": 101}`), 400, "logit_bias", "invalid_value"},
		{chat, chatWith(`, "top_logprobs": 2`), 400, "top_logprobs", "invalid_value"},
		{chat, chatWith(`, "logprobs": true, "top_logprobs": 21`), 400, "top_logprobs", "invalid_value"},
		{chat, chatWith(`, "modalities": ["audio"]`), 400, "modalities", "invalid_value"},
		{chat, chatWith(`, "response_format": {"type": "xml"}`), 400, "response_format.type", "invalid_value"},
		{chat, chatWith(`, "response_format": {"type": "json_schema"}`), 400, "response_format.json_schema", "missing_required_parameter"},
		{chat, chatWith(`, "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"not": {}}}}`), 400, "response_format.json_schema.schema", "invalid_value"},
		{chat, chatWith(`, "model": "other"`), 404, "model", "model_not_found"},
		{chat, `{"messages": []}`, 400, "messages", "invalid_value"},
		{chat, `{}`, 400, "messages", "invalid_value"},
		{chat, `{"messages": [{"role": "owner", "content": "x"}]}`, 400, "messages", "invalid_value"},
		{chat, `{"messages": [{"role": "user", "content": 5}]}`, 400, "messages", "invalid_value"},
		{chat, `{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://127.0.0.1/x.png"}}]}]}`, 400, "messages", "invalid_value"},
		{chat, `{"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}`, 400, "messages", "invalid_value"},
		{chat, `{"messages": [{"role": "user", "content": "` + strings.Repeat("long ", 120) + `"}]}`, 400, "max_tokens", "context_length_exceeded"},
		{"/v1/completions", `{}`, 400, "prompt", "missing_required_parameter"},
		{"/v1/completions", `{"prompt": [[300]]}`, 400, "prompt", "invalid_value"},
		{"/v1/completions", `{"prompt": [-1]}`, 400, "prompt", "invalid_value"},
		{"/v1/completions", `{"prompt": {"a": 1}}`, 400, "prompt", "invalid_value"},
		{"/v1/completions", `{"prompt": "a", "suffix": "b"}`, 400, "suffix", "unsupported_parameter"},
		{"/v1/completions", `{"prompt": "a", "best_of": 2}`, 400, "best_of", "invalid_value"},
		{"/v1/completions", `{"prompt": "a", "echo": true, "logprobs": 1}`, 400, "echo", "invalid_value"},
		{"/v1/completions", `{"prompt": ["a", "b", "c"], "n": 6}`, 400, "n", "invalid_value"},
		{"/v1/embeddings", `{"input": ["a", "b", "c"]}`, 400, "input", "invalid_value"},
		{"/v1/embeddings", `{"input": "a", "dimensions": 3}`, 400, "dimensions", "invalid_value"},
		{"/v1/embeddings", `{"input": "a", "encoding_format": "hex"}`, 400, "encoding_format", "invalid_value"},
		{"/v1/embeddings", `{"input": "` + strings.Repeat("long ", 110) + `"}`, 400, "input", "context_length_exceeded"},
		{"/v1/responses", `{"input": "a", "previous_response_id": "resp_1"}`, 400, "previous_response_id", "unsupported_parameter"},
		{"/v1/responses", `{"input": "a", "background": true}`, 400, "background", "invalid_value"},
		{"/v1/responses", `{"input": "a", "truncation": "auto"}`, 400, "truncation", "invalid_value"},
		{"/v1/responses", `{"input": [{"type": "file_search_call"}]}`, 400, "input", "invalid_value"},
		{"/v1/responses", `{"input": [{"role": "user", "content": [{"type": "input_image"}]}]}`, 400, "messages", "invalid_value"},
		{"/v1/responses", `{"input": 5}`, 400, "input", "invalid_value"},
		{"/v1/messages", `{"messages": [{"role": "user", "content": "x"}]}`, 400, "max_tokens", "missing_required_parameter"},
		{"/v1/messages", `{"max_tokens": 5, "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]}`, 400, "messages", "invalid_value"},
		{"/v1/messages", `{"max_tokens": 5, "messages": [{"role": "user", "content": [{"type": "image"}]}]}`, 400, "messages", "invalid_value"},
		{"/v1/messages", `{"max_tokens": 5, "messages": [{"role": "user", "content": "x"}], "mcp_servers": []}`, 400, "mcp_servers", "unsupported_parameter"},
		{"/v1/messages", `{"max_tokens": 5, "model": "other", "messages": [{"role": "user", "content": "x"}]}`, 404, "model", "model_not_found"},
		{"/detokenize", `{"tokens": [1000]}`, 400, "tokens", "invalid_value"},
		{"/apply-template", `{"messages": [], "chat_template": "x"}`, 400, "chat_template", "unsupported_parameter"},
		{"/v1/forecast?horizon=x", "a,b\n1,2\n", 400, "horizon", "invalid_value"},
		{"/v1/forecast?colour=x", "a,b\n1,2\n", 400, "colour", "unknown_parameter"},
		{"/v1/forecast", "", 400, "", "invalid_table"},
		{"/v1/forecast", "\x00\x01\x02", 400, "", "invalid_table"},
		{"/v1/none", "{}", 404, "", "not_found"},
		{"/v1/models/{id}", "{}", 405, "", "method_not_allowed"},
		{"/v1/models", "{}", 405, "", "method_not_allowed"},
	} {
		got, text := post(t, s, c.path, c.body)
		t.Run(c.path+" "+clip(c.body), func(t *testing.T) { checkFault(t, got, text, c.status, c.param, c.code) })
	}
	if w := send(s, "POST", "/v1/messages", "{"); !strings.HasPrefix(w.Body.String(), `{"type":"error","error":{`) {
		t.Errorf("not Anthropic's shape: %s", w.Body)
	}
}

func clip(s string) string { return s[:min(len(s), 40)] }

// Who may come in: by Host, origin and key.
func TestGuards(t *testing.T) {
	e := &script{say: []string{"a"}}
	s := start(t, serve.Options{Hosts: []string{"llm.example.org"}, Origins: []string{"https://app.example.org"}, Keys: []string{"one-long-key", "two-long-key"}}, serve.ModelOptions{Engine: e})
	const key = "Bearer two-long-key"
	for _, c := range []struct {
		method, path string
		headers      []string
		status       int
	}{
		{"GET", "/v1/models", []string{"Authorization", key}, 200},
		{"GET", "/v1/models", []string{"authorization", "bearer one-long-key"}, 200},
		{"GET", "/v1/models", []string{"X-Api-Key", "one-long-key"}, 200},
		{"GET", "/v1/models", nil, 401},
		{"GET", "/v1/models", []string{"Authorization", "Bearer two-long-keys"}, 401},
		{"GET", "/v1/models", []string{"Authorization", "Bearer "}, 401},
		{"GET", "/v1/models", []string{"Authorization", "Basic two-long-key"}, 401},
		{"GET", "/metrics", nil, 401},
		{"GET", "/health", nil, 200},
		{"GET", "/", nil, 200},
		{"HEAD", "/", nil, 200},
		{"GET", "/v1/models", []string{"Authorization", key, "Host", "evil.example.com"}, 403},
		{"GET", "/health", []string{"Host", "evil.example.com:8080"}, 403},
		{"GET", "/health", []string{"Host", "llm.example.org:8080"}, 200},
		{"GET", "/health", []string{"Host", "LOCALHOST"}, 200},
		{"GET", "/health", []string{"Host", "127.0.0.1:8080"}, 200},
		{"GET", "/health", []string{"Host", "[::1]:8080"}, 200},
		{"GET", "/health", []string{"Host", "localhost.evil.example.com"}, 403},
		{"POST", "/tokenize", []string{"Authorization", key, "Origin", "https://evil.example.com"}, 403},
		{"POST", "/tokenize", []string{"Authorization", key, "Sec-Fetch-Site", "cross-site"}, 403},
		{"POST", "/tokenize", []string{"Authorization", key, "Origin", "http://localhost"}, 200},
		{"POST", "/tokenize", []string{"Authorization", key, "Origin", "https://app.example.org", "Sec-Fetch-Site", "cross-site"}, 200},
		{"OPTIONS", "/tokenize", []string{"Origin", "https://app.example.org", "Access-Control-Request-Method", "POST"}, 204},
		{"OPTIONS", "/tokenize", []string{"Origin", "https://evil.example.com", "Access-Control-Request-Method", "POST"}, 405},
		{"OPTIONS", "/tokenize", nil, 405},
	} {
		w := send(s, c.method, c.path, `{"content": "x"}`, c.headers...)
		if w.Code != c.status {
			t.Errorf("%s %s %v: %d %s, want %d", c.method, c.path, c.headers, w.Code, w.Body, c.status)
		}
		if w.Code >= 400 {
			checkFault(t, w.Code, w.Body.String(), c.status, "", "")
		}
		origin, allowed := w.Header().Get("Access-Control-Allow-Origin"), len(c.headers) > 0 && strings.Contains(strings.Join(c.headers, " "), "https://app.example.org")
		if (origin != "") != allowed || origin != "" && origin != "https://app.example.org" {
			t.Errorf("%s %s %v: allowed origin %q", c.method, c.path, c.headers, origin)
		}
		if w.Header().Get("X-Request-Id") == "" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("headers %v", w.Header())
		}
	}
	any := start(t, serve.Options{Hosts: []string{"*"}, Origins: []string{"*"}}, serve.ModelOptions{Engine: e})
	if w := send(any, "POST", "/tokenize", `{"content": "x"}`, "Host", "a.example", "Origin", "https://b.example"); w.Code != 200 || w.Header().Get("Access-Control-Allow-Origin") != "https://b.example" {
		t.Errorf("where all are allowed: %d %v", w.Code, w.Header())
	}
}

func TestOptionMistakes(t *testing.T) {
	for _, o := range []serve.Options{{Keys: []string{"short"}}, {Hosts: []string{"a:80"}}, {Origins: []string{"example.org"}}, {Origins: []string{"https://a.example/x"}}, {MaxBody: -1}, {DrainTime: -time.Second}} {
		if _, err := serve.New(o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
	m := func(name string, aliases ...string) *serve.Model {
		m, err := serve.NewModel(name, tiny(64), serve.ModelOptions{Engine: &script{}, Aliases: aliases})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	if _, err := serve.New(serve.Options{Models: []*serve.Model{m("a"), m("b", "a")}}); err == nil {
		t.Error("two models have one name")
	}
	if _, err := serve.NewModel("a b", tiny(64), serve.ModelOptions{}); err == nil {
		t.Error("a name has a blank")
	}
	s, err := serve.New(serve.Options{Models: []*serve.Model{m("a"), m("b", "c")}})
	if err != nil {
		t.Fatal(err)
	}
	expectFault(t, s, "/tokenize", `{"content": "x"}`, 400, "model", "missing_required_parameter")
	if status, text := post(t, s, "/tokenize", `{"content": "x", "model": "c"}`); status != 200 {
		t.Error(status, text)
	}
	if w := send(s, "GET", "/v1/models/c", ""); w.Code != 200 || !strings.Contains(w.Body.String(), `"id":"b"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := send(s, "GET", "/v1/models/d", ""); w.Code != 404 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// What the engine refuses has its status.
func TestEngineRefuses(t *testing.T) {
	for err, want := range map[error]struct {
		status int
		code   string
	}{
		generate.ErrBusy: {429, "rate_limit_exceeded"},
		fmt.Errorf("generate: 9: %w", generate.ErrTooLong): {400, "context_length_exceeded"},
		generate.ErrClosed: {503, "unavailable"},
		fmt.Errorf("a path of this machine that no one may see"): {500, "internal_error"},
	} {
		s := start(t, serve.Options{}, serve.ModelOptions{Engine: &script{fail: err}})
		for _, c := range [][2]string{{"/v1/chat/completions", chatWith("")}, {"/v1/chat/completions", chatWith(`, "stream": true`)}, {"/v1/embeddings", `{"input": "x"}`},
			{"/v1/messages", chatWith(`, "max_tokens": 1, "stream": true`)}, {"/v1/responses", `{"input": "x", "stream": true}`}, {"/v1/completions", `{"prompt": "x", "stream": true}`}} {
			w := send(s, "POST", c[0], c[1])
			checkFault(t, w.Code, w.Body.String(), want.status, "", want.code)
			if (w.Code == 429 || w.Code == 503) != (w.Header().Get("Retry-After") != "") || strings.Contains(w.Body.String(), "this machine") {
				t.Errorf("%s: %v %s", c[0], w.Header(), w.Body)
			}
		}
	}
}

// A body that trickles in is not waited for.
func TestSlowBody(t *testing.T) {
	s := start(t, serve.Options{BodyTime: 50 * time.Millisecond}, serve.ModelOptions{Engine: &script{say: []string{"a"}}})
	web := httptest.NewServer(s)
	defer web.Close()
	c, err := net.Dial("tcp", web.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
	if text := drain(c); !strings.HasPrefix(text, "HTTP/1.1 408 ") || !strings.Contains(text, `"code":"request_timeout"`) {
		t.Errorf("%q", text)
	}
	if status, text := post(t, s, "/v1/chat/completions", chatWith("")); status != 200 {
		t.Error(status, text)
	}
}

// 50 MB are refused after the first few, and cost no more memory than these.
func TestHugeBody(t *testing.T) {
	s := start(t, serve.Options{MaxBody: 1 << 20}, serve.ModelOptions{Engine: &script{say: []string{"a"}}})
	web := httptest.NewServer(s)
	defer web.Close()
	before := heap()
	body := io.MultiReader(strings.NewReader(`{"messages": [{"role": "user", "content": "`), io.LimitReader(letters{}, 50<<20), strings.NewReader(`"}]}`))
	resp, err := http.Post(web.URL+"/v1/chat/completions", "application/json", body)
	if err != nil {
		t.Fatal(err)
	}
	text := drain(resp.Body)
	resp.Body.Close()
	checkFault(t, resp.StatusCode, text, 413, "", "request_too_large")
	if after := heap(); after > before+8<<20 {
		t.Errorf("the heap grew from %d to %d bytes", before, after)
	}
	if w := send(s, "GET", "/health", ""); w.Code != 200 {
		t.Errorf("/health is %d", w.Code)
	}
}

// letters is a text without end.
type letters struct{}

func (letters) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'x'
	}
	return len(b), nil
}
