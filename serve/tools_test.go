package serve_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/generate"
	"github.com/hanji-ml/hanji/serve"
)

const lamp = `"tools": [{"type": "function", "function": {"name": "lamp", "description": "d", "parameters": {"type": "object", "properties": {"on": {"type": "boolean"}, "at": {"$ref": "#/$defs/place"}},
	"required": ["on", "at"], "additionalProperties": false, "$defs": {"place": {"enum": ["hall", "attic"]}}}}}, {"type": "function", "function": {"name": "radio"}}]`

const askLamp = `{"messages": [{"role": "user", "content": "light!"}], ` + lamp

// What models write, and what the caller gets: text, calls, finish_reason. Each is cut into single bytes too, and streamed.
func TestToolCalls(t *testing.T) {
	hermes := "<tool_call>\n{\"name\": \"lamp\", \"arguments\": {\"on\": true}}\n</tool_call>"
	for _, c := range []struct {
		name, say, text, calls string
	}{
		{"Hermes", "Well:\n" + hermes, "Well:\n", `lamp {"on":true}`},
		{"two of Hermes", hermes + "\n" + hermes, "", `lamp {"on":true}; lamp {"on":true}`},
		{"cut before its end mark", strings.TrimSuffix(hermes, "</tool_call>"), "", `lamp {"on":true}`},
		{"Mistral", mark + `[{"name": "lamp", "arguments": {"on": false}}, {"name": "radio", "arguments": {}}]`, "", `lamp {"on":false}; radio {}`},
		{"later Mistral", mark + `lamp[ARGS]{"on": 1}` + mark + `radio[ARGS]{}`, "", `lamp {"on":1}; radio {}`},
		{"Llama 3", `{"name": "lamp", "parameters": {"on": true}}`, "", `lamp {"on":true}`},
		{"Llama 3, two", `<|python_tag|>{"type": "function", "name": "lamp", "parameters": {"on": true}}; {"name": "radio", "parameters": {}}`, "", `lamp {"on":true}; radio {}`},
		{"arguments as text", `{"name": "lamp", "arguments": "{\"on\": true}"}`, "", `lamp {"on":true}`},
		{"no arguments", `<tool_call>{"name": "radio"}</tool_call>`, "", `radio {}`},
		{"an unknown tool", `<tool_call>{"name": "door"}</tool_call>`, `<tool_call>{"name": "door"}</tool_call>`, ""},
		{"no JSON", "<tool_call>lamp!</tool_call>", "<tool_call>lamp!</tool_call>", ""},
		{"JSON that is no call", `{"name": "Kim"}`, `{"name": "Kim"}`, ""},
		{"a list", "[1, 2]", "[1, 2]", ""},
		{"half a mark", "a <tool", "a <tool", ""},
		{"text", "a < b, and [TOOL", "a < b, and [TOOL", ""},
		{"nothing", "", "", ""},
	} {
		for _, pieces := range [][]string{split(c.say, 1), split(c.say, 7), split(c.say, 1<<20)} {
			e := &script{say: pieces}
			s := start(t, serve.Options{}, serve.ModelOptions{Engine: e})
			got := answer[completion](t, s, "/v1/chat/completions", askLamp+"}").Choices[0]
			finish := "stop"
			if c.calls != "" {
				finish = "tool_calls"
			}
			if text, calls := got.Message.Content, spelled(t, got.Message.ToolCalls); text != c.text || calls != c.calls || got.Finish != finish {
				t.Errorf("%s in %d pieces: %q, %q, %s", c.name, len(pieces), text, calls, got.Finish)
			}
			if e.prompts[0] != "[lampradio]u:light!;a:" {
				t.Errorf("the prompt is %q", e.prompts[0])
			}
			_, text := post(t, s, "/v1/chat/completions", askLamp+`, "stream": true}`)
			var streamed strings.Builder
			var calls []call
			for _, chunk := range chunks(t, text) {
				streamed.WriteString(chunk.Choices[0].Delta.Content)
				for _, d := range chunk.Choices[0].Delta.ToolCalls {
					if d.Index == nil || *d.Index != len(calls) {
						t.Errorf("%s: call %d has the index %v", c.name, len(calls), d.Index)
					}
					calls = append(calls, d)
				}
			}
			if streamed.String() != c.text || spelled(t, calls) != c.calls {
				t.Errorf("%s in %d pieces, streamed: %q, %q", c.name, len(pieces), streamed.String(), spelled(t, calls))
			}
		}
	}
}

// split cuts a text into pieces of n bytes; the mark is one token always.
func split(text string, n int) []string {
	var list []string
	for i, part := range strings.Split(text, mark) {
		if i > 0 {
			list = append(list, mark)
		}
		for len(part) > n {
			list, part = append(list, part[:n]), part[n:]
		}
		if part != "" {
			list = append(list, part)
		}
	}
	return append(list, "") // the end token
}

func spelled(t *testing.T, calls []call) string {
	var list []string
	for _, c := range calls {
		if !strings.HasPrefix(c.ID, "call_") || c.Type != "function" {
			t.Errorf("a call is %+v", c)
		}
		list = append(list, c.Function.Name+" "+c.Function.Arguments)
	}
	return strings.Join(list, "; ")
}

// Without tools an answer that looks like a call is text.
func TestNoTools(t *testing.T) {
	for _, tools := range []string{"", ", " + lamp + `, "tool_choice": "none"`} {
		e := &script{say: []string{`{"name": "lamp", `, `"arguments": {}}`}}
		s := start(t, serve.Options{}, serve.ModelOptions{Engine: e})
		got := answer[completion](t, s, "/v1/chat/completions", `{"messages": [{"role": "user", "content": "x"}]`+tools+"}").Choices[0]
		if got.Finish != "stop" || got.Message.Content == "" || got.Message.ToolCalls != nil || strings.Contains(e.prompts[0], "lamp") {
			t.Errorf("%+v after %q", got, e.prompts[0])
		}
	}
}

// One call is all that comes where only one may.
func TestOneCall(t *testing.T) {
	e := &script{say: []string{"<tool_call>{\"name\": \"radio\"}</tool_call>", "<tool_call>{\"name\": \"lamp\"}</tool_call>", ""}}
	s := start(t, serve.Options{}, serve.ModelOptions{Engine: e})
	got := answer[completion](t, s, "/v1/chat/completions", askLamp+`, "parallel_tool_calls": false}`).Choices[0]
	if spelled(t, got.Message.ToolCalls) != "radio {}" || got.Message.Content != "" {
		t.Errorf("%+v", got)
	}
}

// A model of drawn weights has to call the tool that is named, with arguments that its schema allows.
func TestForcedCalls(t *testing.T) {
	s := start(t, serve.Options{}, serve.ModelOptions{})
	for i, choice := range []string{`{"type": "function", "function": {"name": "lamp"}}`, `"required", "parallel_tool_calls": false`, `"required"`} {
		got := answer[completion](t, s, "/v1/chat/completions", fmt.Sprintf(`%s, "max_tokens": 400, "seed": 4, "tool_choice": %s}`, askLamp, choice)).Choices[0]
		if got.Finish == "length" {
			t.Logf("%s was cut", choice)
			continue
		}
		if len(got.Message.ToolCalls) == 0 || got.Finish != "tool_calls" || got.Message.Content != "" {
			t.Fatalf("%s: %+v", choice, got)
		}
		for _, c := range got.Message.ToolCalls {
			var args struct {
				On *bool
				At string
			}
			if c.Function.Name == "radio" && i > 0 {
				continue
			}
			if json.Unmarshal([]byte(c.Function.Arguments), &args) != nil || args.On == nil || args.At != "hall" && args.At != "attic" {
				t.Errorf("%s: %+v", choice, c)
			}
		}
	}
}

// Calls and what came of them go back through the template: arguments as an object, not as text.
func TestToolResults(t *testing.T) {
	e := &script{say: []string{"ok"}}
	s := start(t, serve.Options{}, serve.ModelOptions{Engine: e})
	answer[completion](t, s, "/v1/chat/completions", `{"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": null, "tool_calls":
		[{"id": "1", "type": "function", "function": {"name": "lamp", "arguments": "{\"on\":true}"}}]}, {"role": "tool", "tool_call_id": "1", "content": "done"}]}`)
	answer[completion](t, s, "/v1/responses", `{"input": [{"role": "user", "content": "x"}, {"type": "reasoning", "summary": []}, {"type": "function_call", "call_id": "1", "name": "lamp", "arguments": "{\"on\":true}"},
		{"type": "function_call_output", "call_id": "1", "output": "done"}]}`)
	answer[completion](t, s, "/v1/messages", `{"max_tokens": 5, "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "lamp", "input": {"on": true}}]},
		{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": "done"}]}]}]}`)
	want := `u:x;a:<lamp {"on": true}>;t:done;a:`
	for i, p := range e.prompts {
		if p != want {
			t.Errorf("prompt %d is %q, want %q", i, p, want)
		}
	}
}

func TestToolMistakes(t *testing.T) {
	s := start(t, serve.Options{}, serve.ModelOptions{Engine: &script{say: []string{"a"}}})
	for body, param := range map[string]string{
		`"tools": [{"type": "web_search"}]`:                                                                                                  "tools",
		`"tools": [{"type": "function", "function": {"name": "a b"}}]`:                                                                       "tools",
		`"tools": [{"type": "function", "function": {"name": "a", "parameters": 3}}]`:                                                        "tools",
		`"tools": [{"type": "function", "function": {"name": "a"}}, {"type": "function", "function": {"name": "a"}}]`:                        "tools",
		`"tools": [{"type": "function", "function": {"name": "a", "colour": 1}}]`:                                                            "tools.function.colour",
		`"tool_choice": "required"`:                                                                                                          "tool_choice",
		`"tool_choice": "maybe"`:                                                                                                             "tool_choice",
		lamp + `, "tool_choice": {"type": "function", "function": {"name": "door"}}`:                                                         "tool_choice",
		lamp + `, "response_format": {"type": "json_object"}`:                                                                                "response_format",
		`"tools": [{"type": "function", "function": {"name": "a", "parameters": {"type": "object", "not": {}}}}], "tool_choice": "required"`: "tools",
	} {
		expectFault(t, s, "/v1/chat/completions", `{"messages": [{"role": "user", "content": "x"}], `+body+"}", 400, param, "")
	}
	if generate.FinishStop != "stop" {
		t.Error("finish reasons are not OpenAI's")
	}
}
