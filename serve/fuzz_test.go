package serve_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/generate"
	"github.com/hanji-ml/hanji/serve"
)

// fuzz holds every answer to what it may be: whole JSON or a stream, never a mistake of the server's own.
func fuzz(f *testing.F, path string, seeds ...string) {
	e := &script{say: []string{"a ", "<tool_call>{\"name\": \"f\"}</tool_call>", "b"}, finish: generate.FinishLength}
	s := start(f, serve.Options{MaxBody: 1 << 16}, serve.ModelOptions{Engine: e})
	for _, seed := range append(seeds, `{}`, `[]`, `{"a": {"b": [1, 2, {"c": null}]}}`, "{\"model\":\"\xff\"}", `{"n": 1e999}`, `{"model": "tiny", "model": ""}`, strings.Repeat("[", 300)) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		e.prompts = nil
		w := send(s, "POST", path, body)
		text := w.Body.String()
		switch {
		case w.Code >= 500:
			t.Fatalf("%d %s", w.Code, text)
		case w.Code != 200:
			checkFault(t, w.Code, text, w.Code, "", "")
		case strings.HasPrefix(w.Header().Get("Content-Type"), "text/event-stream"):
			for _, d := range sse(t, text) {
				if d != "[DONE]" && !json.Valid([]byte(d)) {
					t.Fatalf("an event is %q", d)
				}
			}
		case !json.Valid(w.Body.Bytes()):
			t.Fatalf("no JSON: %q", text)
		}
	})
}

const fuzzTool = `"tools": [{"type": "function", "function": {"name": "f", "description": "d", "strict": true, "parameters": {"type": "object", "properties": {"x": {"$ref": "#/$defs/y"}}, "$defs": {"y": {"enum": [1]}}}}}]`

func FuzzChat(f *testing.F) {
	fuzz(f, "/v1/chat/completions", chatWith(""), chatWith(", "+fuzzTool), chatWith(", "+fuzzTool+`, "tool_choice": "required", "stream": true, "n": 2`),
		chatWith(`, "stream": true, "stream_options": {"include_usage": true}, "logprobs": true, "top_logprobs": 2, "logit_bias": {"7": -1}, "stop": ["a"], "seed": -1`),
		chatWith(`, "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "array", "items": {"type": "integer"}}}}, "max_completion_tokens": 3`),
		`{"messages": [{"role": "assistant", "content": null, "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{\"x\": [1]}"}}]}, {"role": "tool", "content": [{"type": "text", "text": "t"}], "tool_call_id": "1"}]}`)
}

func FuzzCompletions(f *testing.F) {
	fuzz(f, "/v1/completions", `{"prompt": "x"}`, `{"prompt": ["x", "y"], "n": 2, "logprobs": 2, "stream": true}`, `{"prompt": [[5, 6], [7]], "echo": true, "temperature": 0.5, "max_tokens": 2}`)
}

func FuzzMessages(f *testing.F) {
	fuzz(f, "/v1/messages", `{"max_tokens": 3, "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}], "messages": [{"role": "user", "content": "x"}], "stream": true}`,
		`{"max_tokens": 3, "messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "x", "is_error": true}]}, {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "f", "input": {"x": 1}}]}, {"role": "user", "content": [{"type": "text", "text": "go"}]}],
		"tools": [{"name": "f", "input_schema": {"type": "object"}}], "tool_choice": {"type": "any", "disable_parallel_tool_use": true}, "stop_sequences": ["z"]}`)
}

func FuzzResponses(f *testing.F) {
	fuzz(f, "/v1/responses", `{"input": "x", "stream": true}`, `{"input": [{"role": "user", "content": [{"type": "input_text", "text": "x"}]}, {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"}, {"type": "function_call_output", "call_id": "1", "output": "y"}],
		"tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}], "tool_choice": {"type": "function", "name": "f"}, "text": {"format": {"type": "text"}, "verbosity": "low"}, "include": ["message.output_text.logprobs"], "instructions": "i"}`)
}

func FuzzForecast(f *testing.F) {
	e := &script{}
	s := start(f, serve.Options{MaxBody: 1 << 12}, serve.ModelOptions{Engine: e})
	f.Add("ds,y\n2024-01-01,1\n2024-01-02,2\n2024-01-03,4\n", "horizon=2&quantiles=0.1,0.9&nonneg=true")
	f.Add("a\n1\n2\n3\n", "freq=D&model=ets&season=7")
	f.Fuzz(func(t *testing.T, body, query string) {
		if strings.ContainsAny(query, " \r\n\x00#") || strings.Contains(query, "%") {
			return
		}
		for _, c := range query {
			if c < 0x21 || c > 0x7e {
				return
			}
		}
		w := send(s, "POST", "/v1/forecast?"+query, body)
		if w.Code >= 500 || !json.Valid(w.Body.Bytes()) {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	})
}
