package serve_test

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hanji-ml/hanji/generate"
	"github.com/hanji-ml/hanji/serve"
)

// Several prompts, text or ids, and several choices of each; echo; stops; log-probabilities with offsets; streamed alike.
func TestCompletions(t *testing.T) {
	s := start(t, serve.Options{}, serve.ModelOptions{})
	body := `{"prompt": ["ab", "c"], "n": 2, "max_tokens": 4, "seed": 1, "ignore_eos": true, "echo": true%s}`
	got := answer[completion](t, s, "/v1/completions", fmt.Sprintf(body, ""))
	if len(got.Choices) != 4 || got.Usage.Prompt != 5 || got.Usage.Output != 16 {
		t.Fatalf("%d choices, usage %+v", len(got.Choices), got.Usage)
	}
	_, text := post(t, s, "/v1/completions", fmt.Sprintf(body, `, "stream": true`))
	var streamed [4]string
	for _, c := range chunks(t, text) {
		streamed[c.Choices[0].Index] += c.Choices[0].Text
	}
	for i, c := range got.Choices {
		if want := []string{"ab", "c"}[i/2]; !strings.HasPrefix(c.Text, want) || c.Text == want || c.Finish != "length" || streamed[i] != c.Text {
			t.Errorf("choice %d is %+v, streamed %q", i, c, streamed[i])
		}
	}
	ids := answer[completion](t, s, "/v1/completions", `{"prompt": [[1, 100, 101], [1, 102]], "n": 2, "max_tokens": 4, "seed": 1, "ignore_eos": true}`)
	for i, c := range ids.Choices {
		if want := strings.TrimPrefix(strings.TrimPrefix(got.Choices[i].Text, "ab"), "c"); c.Text != want {
			t.Errorf("choice %d after ids is %q, after text %q", i, c.Text, want)
		}
	}
	lp := answer[struct {
		Choices []struct {
			LogProbs struct {
				Tokens []string
				Probs  []float64 `json:"token_logprobs"`
				Top    []map[string]float64
				Offset []int `json:"text_offset"`
			}
		}
	}](t, s, "/v1/completions", `{"prompt": "a", "max_tokens": 3, "logprobs": 0, "temperature": 0, "ignore_eos": true}`)
	if l := lp.Choices[0].LogProbs; len(l.Tokens) != 3 || len(l.Probs) != 3 || fmt.Sprint(l.Offset) != "[0 1 2]" || l.Probs[0] >= 0 {
		t.Errorf("%+v", l)
	}
}

func TestStopText(t *testing.T) {
	s := start(t, serve.Options{}, serve.ModelOptions{})
	whole := answer[completion](t, s, "/v1/completions", `{"prompt": "x", "max_tokens": 40, "seed": 9, "ignore_eos": true, "logit_bias": {"2": -100}}`).Choices[0].Text
	stop := ""
	for _, r := range whole[len(whole)/2:] {
		if r > ' ' && r < 0x7f && r != '"' && r != '\\' {
			stop = string(r)
		}
	}
	if stop == "" {
		t.Fatalf("no letter in %q", whole)
	}
	cut := answer[completion](t, s, "/v1/completions", fmt.Sprintf(`{"prompt": "x", "max_tokens": 40, "seed": 9, "ignore_eos": true, "logit_bias": {"2": -100}, "stop": [%q]}`, stop)).Choices[0]
	if want, _, _ := strings.Cut(whole, stop); cut.Text != want || cut.Finish != "stop" {
		t.Errorf("%q (%s), want %q", cut.Text, cut.Finish, want)
	}
}

func TestEmbeddings(t *testing.T) {
	s := start(t, serve.Options{}, serve.ModelOptions{})
	type list struct {
		Data []struct {
			Index     int
			Embedding json.RawMessage
		}
		Usage usage
	}
	floats := answer[list](t, s, "/v1/embeddings", `{"input": ["abc", "d"], "dimensions": 32}`)
	packed := answer[list](t, s, "/v1/embeddings", `{"input": [[1, 100, 101, 102], [1, 103]], "encoding_format": "base64"}`)
	if len(floats.Data) != 2 || floats.Usage.Prompt != 6 || floats.Usage.Total != 6 {
		t.Fatalf("%+v", floats)
	}
	for i := range floats.Data {
		var v []float32
		var text string
		if err := json.Unmarshal(floats.Data[i].Embedding, &v); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(packed.Data[i].Embedding, &text); err != nil {
			t.Fatal(err)
		}
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(b) != 4*len(v) || len(v) != 32 {
			t.Fatalf("%d numbers in %d bytes, %v", len(v), len(b), err)
		}
		length := 0.0
		for k, x := range v {
			length += float64(x) * float64(x)
			if y := math.Float32frombits(binary.LittleEndian.Uint32(b[4*k:])); y != x {
				t.Errorf("vector %d at %d: %v as a number, %v in base64", i, k, x, y)
			}
		}
		if math.Abs(length-1) > 1e-5 || floats.Data[i].Index != i {
			t.Errorf("vector %d has the length %v", floats.Data[i].Index, math.Sqrt(length))
		}
	}
}

// The events of OpenAI's responses, in order, and the same answer whole.
func TestResponses(t *testing.T) {
	e := &script{say: []string{"Well", ", ", `<tool_call>{"name": "f", "arguments": {"x": 1}}</tool_call>`, ""}}
	s := start(t, serve.Options{}, serve.ModelOptions{Engine: e})
	body := `{"input": "x", "instructions": "i", "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}]%s}`
	type item struct {
		Type, Status, Name, Arguments string
		CallID                        string `json:"call_id"`
		Content                       []struct{ Type, Text string }
	}
	type response struct {
		Status string
		Output []item
		Usage  struct {
			Input   int `json:"input_tokens"`
			Output  int `json:"output_tokens"`
			Details struct {
				Cached int `json:"cached_tokens"`
			} `json:"input_tokens_details"`
		}
	}
	spell := func(r response) string {
		var list []string
		for _, i := range r.Output {
			text := ""
			for _, c := range i.Content {
				text += c.Type + " " + c.Text
			}
			list = append(list, strings.TrimSpace(i.Type+" "+i.Status+" "+text+i.Name+i.Arguments))
		}
		return r.Status + ": " + strings.Join(list, "; ")
	}
	want := `completed: message completed output_text Well,; function_call completed f{"x":1}`
	whole := answer[response](t, s, "/v1/responses", fmt.Sprintf(body, ""))
	if got := spell(whole); got != want || whole.Usage.Output != 4 || whole.Usage.Details.Cached != 1 || e.prompts[0] != "[f]s:i;u:x;a:" {
		t.Errorf("%s, usage %+v, prompt %q", got, whole.Usage, e.prompts[0])
	}
	_, text := post(t, s, "/v1/responses", fmt.Sprintf(body, `, "stream": true`))
	var names []string
	for i, d := range sse(t, text) {
		var v struct {
			Type     string
			Number   int `json:"sequence_number"`
			Response response
		}
		if err := json.Unmarshal([]byte(d), &v); err != nil || v.Number != i {
			t.Fatalf("event %d is %s (%v)", i, d, err)
		}
		names = append(names, strings.TrimPrefix(v.Type, "response."))
		if v.Type == "response.completed" && spell(v.Response) != want {
			t.Errorf("streamed: %s", spell(v.Response))
		}
	}
	if got := strings.Join(names, " "); got != "created in_progress output_item.added content_part.added output_text.delta output_text.delta output_text.done content_part.done output_item.done "+
		"output_item.added function_call_arguments.delta function_call_arguments.done output_item.done completed" {
		t.Errorf("events: %s", got)
	}
	e.say, e.finish = []string{"cut"}, generate.FinishLength
	if got := spell(answer[response](t, s, "/v1/responses", `{"input": "x"}`)); got != "incomplete: message incomplete output_text cut" {
		t.Error(got)
	}
}

// The events of Anthropic's messages, in order, and the same answer whole.
func TestMessages(t *testing.T) {
	e := &script{say: []string{"Well", ", ", `<tool_call>{"name": "f", "arguments": {"x": 1}}</tool_call>`, ""}}
	s := start(t, serve.Options{}, serve.ModelOptions{Engine: e})
	body := `{"max_tokens": 50, "system": "i", "messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}], "tools": [{"name": "f", "input_schema": {"type": "object"}}]%s}`
	status, text := post(t, s, "/v1/messages", fmt.Sprintf(body, ""))
	if status != http.StatusOK || !strings.Contains(text, `"content":[{"type":"text","text":"Well, "},{"type":"tool_use","id":"call_`) || !strings.Contains(text, `"name":"f","input":{"x":1}}],"stop_reason":"tool_use","stop_sequence":null`) ||
		!strings.Contains(text, `"cache_read_input_tokens":1,"output_tokens":4`) {
		t.Errorf("%d %s", status, text)
	}
	if e.prompts[0] != "[f]s:i;u:x;a:" {
		t.Errorf("prompt %q", e.prompts[0])
	}
	_, text = post(t, s, "/v1/messages", fmt.Sprintf(body, `, "stream": true`))
	var names []string
	for _, d := range sse(t, text) {
		var v struct {
			Type  string
			Index int
			Delta struct {
				Text, Type string
				JSON       string `json:"partial_json"`
				Reason     string `json:"stop_reason"`
			}
		}
		if err := json.Unmarshal([]byte(d), &v); err != nil {
			t.Fatalf("%s: %v", d, err)
		}
		names = append(names, fmt.Sprint(v.Type, v.Index, v.Delta.Text, v.Delta.JSON, v.Delta.Reason))
	}
	if got := strings.Join(names, " "); got != `message_start0 content_block_start0 content_block_delta0Well content_block_delta0,  content_block_stop0 content_block_start1 content_block_delta1{"x":1} content_block_stop1 message_delta0tool_use message_stop0` {
		t.Errorf("events: %s", got)
	}
	if n := answer[map[string]int](t, s, "/v1/messages/count_tokens", `{"messages": [{"role": "user", "content": "abc"}]}`)["input_tokens"]; n != len("u:abc;a:") {
		t.Errorf("%d tokens", n)
	}
}

func TestTokens(t *testing.T) {
	s := start(t, serve.Options{}, serve.ModelOptions{Engine: &script{}})
	for body, want := range map[string]string{
		`{"content": "hé"}`:                           `{"count":3,"max_model_len":512,"tokens":[107,198,172]}`,
		`{"content": "h", "add_special": true}`:       `{"count":2,"max_model_len":512,"tokens":[1,107]}`,
		`{"content": "</s>"}`:                         `{"count":1,"max_model_len":512,"tokens":[2]}`,
		`{"content": "</s>", "parse_special": false}`: `{"count":4,"max_model_len":512,"tokens":[63,50,118,65]}`,
		`{"content": "h", "with_pieces": true}`:       `{"count":1,"max_model_len":512,"tokens":[{"id":107,"piece":"h"}]}`,
		`{"content": ""}`:                             `{"count":0,"max_model_len":512,"tokens":[]}`,
	} {
		if status, text := post(t, s, "/tokenize", body); status != 200 || strings.TrimSpace(text) != want {
			t.Errorf("%s: %d %s, want %s", body, status, text, want)
		}
	}
	if _, text := post(t, s, "/detokenize", `{"tokens": [1, 107, 198, 172]}`); text != `{"content":"<s>hé"}`+"\n" {
		t.Error(text)
	}
	if _, text := post(t, s, "/apply-template", `{"messages": [{"role": "user", "content": "x"}], "add_generation_prompt": false}`); text != `{"prompt":"u:x;"}`+"\n" {
		t.Error(text)
	}
}

func TestForecast(t *testing.T) {
	s := start(t, serve.Options{}, serve.ModelOptions{Engine: &script{}})
	var b strings.Builder
	b.WriteString("ds,y\n")
	for i := range 30 {
		fmt.Fprintf(&b, "2026-01-%02d,%d\n", i+1, i)
	}
	got := answer[struct {
		Forecast struct {
			Series []struct {
				ID   string `json:"unique_id"`
				Mean []float64
				DS   []string
			}
		}
		History []struct {
			Y  []float64
			DS []string
		}
	}](t, s, "/v1/forecast?horizon=3&model=drift", b.String())
	late := start(t, serve.Options{AnswerTime: time.Nanosecond}, serve.ModelOptions{Engine: &script{}})
	expectFault(t, late, "/v1/forecast", b.String(), 408, "", "request_timeout")
	f := got.Forecast.Series[0]
	if f.ID != "y" || len(f.Mean) != 3 || math.Abs(f.Mean[2]-32) > 1e-9 || f.DS[0] != "2026-01-31T00:00:00Z" || len(got.History[0].Y) != 30 || got.History[0].DS[29] != "2026-01-30T00:00:00Z" {
		t.Errorf("%+v", got)
	}
}
