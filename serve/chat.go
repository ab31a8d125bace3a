package serve

import (
	"encoding/json"
	"net/http"
	"time"
)

// chatRequest is the body of /v1/chat/completions.
type chatRequest struct {
	Model    string    `json:"model"`
	Messages []message `json:"messages"`
	sampling
	N                   *int           `json:"n"`
	MaxTokens           *int           `json:"max_tokens"`
	MaxCompletionTokens *int           `json:"max_completion_tokens"`
	Stream              bool           `json:"stream"`
	StreamOptions       *streamOptions `json:"stream_options"`
	LogProbs            bool           `json:"logprobs"`
	TopLogProbs         *int           `json:"top_logprobs"`
	ResponseFormat      *format        `json:"response_format"`
	Tools               []tool         `json:"tools"`
	ToolChoice          toolChoice     `json:"tool_choice"`
	ParallelToolCalls   *bool          `json:"parallel_tool_calls"`
	Modalities          []string       `json:"modalities"`

	Store                json.RawMessage `json:"store" ignored:"nothing is stored"`
	Metadata             json.RawMessage `json:"metadata" ignored:"nothing is stored"`
	User                 json.RawMessage `json:"user" ignored:"users are not told apart"`
	SafetyIdentifier     json.RawMessage `json:"safety_identifier" ignored:"users are not told apart"`
	ServiceTier          json.RawMessage `json:"service_tier" ignored:"there is one"`
	PromptCacheKey       json.RawMessage `json:"prompt_cache_key" ignored:"every prompt is looked for in the cache"`
	PromptCacheRetention json.RawMessage `json:"prompt_cache_retention" ignored:"the cache keeps what it has room for"`
	PromptCacheOptions   json.RawMessage `json:"prompt_cache_options" ignored:"the cache keeps what it has room for"`
	Moderation           json.RawMessage `json:"moderation" ignored:"the server judges nothing"`
	ReasoningEffort      json.RawMessage `json:"reasoning_effort" ignored:"templates have no place for it"`
	Verbosity            json.RawMessage `json:"verbosity" ignored:"templates have no place for it"`
	Prediction           json.RawMessage `json:"prediction" ignored:"a matter of speed alone"`

	Audio            json.RawMessage `json:"audio" refused:"the model speaks no sound"`
	Functions        json.RawMessage `json:"functions" refused:"the old form of tools"`
	FunctionCall     json.RawMessage `json:"function_call" refused:"the old form of tool_choice"`
	WebSearchOptions json.RawMessage `json:"web_search_options" refused:"the server looks nothing up"`
}

type streamOptions struct {
	IncludeUsage       bool            `json:"include_usage"`
	IncludeObfuscation json.RawMessage `json:"include_obfuscation"` // does nothing
}

// The most that OpenAI allows.
const maxTopLogProbs = 20

// request turns the body into work for the model.
func (c *chatRequest) request(s *Server, m *Model) (*request, *fault) {
	messages, f := conversation(c.Messages)
	if f != nil {
		return nil, f
	}
	q := &request{m: m, answer: true, tools: &toolset{tools: c.Tools, choice: c.ToolChoice, parallel: c.ParallelToolCalls == nil || *c.ParallelToolCalls}}
	if f := q.tools.check(); f != nil {
		return nil, f
	}
	if q.o, f = c.options(m); f != nil {
		return nil, f
	}
	var check checker
	q.n = within(&check, "n", c.N, 1, s.o.MaxChoices, 1)
	maxName, most := "max_completion_tokens", c.MaxCompletionTokens
	if most == nil {
		maxName, most = "max_tokens", c.MaxTokens
	}
	q.max = within(&check, maxName, most, 1, 1<<30, 0)
	q.o.TopLogProbs = within(&check, "top_logprobs", c.TopLogProbs, 0, maxTopLogProbs, 0)
	if q.o.LogProbs = c.LogProbs; !c.LogProbs && q.o.TopLogProbs > 0 {
		check.bad("top_logprobs", "top_logprobs needs logprobs")
	}
	for _, mode := range c.Modalities {
		if mode != "text" {
			check.bad("modalities", "modalities names %q, the model has text alone", clip(mode))
		}
	}
	if check.f != nil {
		return nil, check.f
	}
	if f := q.constrain(c.ResponseFormat, "response_format"); f != nil {
		return nil, f
	}
	prompt, f := m.prompt(messages, q.tools.tools)
	if f != nil {
		return nil, f
	}
	q.prompts = [][]int32{prompt}
	return q, s.check(q, maxName)
}

// constrain holds the output to calls of tools, or to a format. Both at once would be either of them, which no caller can want.
func (q *request) constrain(f *format, param string) *fault {
	if q.tools.forced() {
		return q.tools.constrain(q.m, &q.o)
	}
	if len(q.tools.tools) > 0 && f != nil && f.Type != "text" {
		return invalid(param, "%s and tools that may be called contradict each other: set tool_choice to none, required or a function", param)
	}
	return q.m.constrain(&q.o, param, f)
}

type wireChat struct {
	ID      string       `json:"id"`
	Object  string       `json:"object"`
	Created int64        `json:"created"`
	Model   string       `json:"model"`
	Choices []wireChoice `json:"choices"`
	Usage   any          `json:"usage,omitempty"`
}

type wireChoice struct {
	Index    int          `json:"index"`
	Message  *wireMessage `json:"message,omitempty"`
	Delta    *wireMessage `json:"delta,omitempty"`
	LogProbs *wireProbs   `json:"logprobs"`
	Finish   *string      `json:"finish_reason"`
}

type wireMessage struct {
	Role      string     `json:"role,omitempty"`
	Content   any        `json:"content,omitempty"` // nil: not in this delta; null in a whole message
	ToolCalls []wireCall `json:"tool_calls,omitempty"`
}

var null = json.RawMessage("null")

func (s *Server) chatCompletions(w http.ResponseWriter, r *http.Request) *fault {
	var c chatRequest
	m, f := s.ask(w, r, &c, &c.Model)
	if f != nil {
		return f
	}
	q, f := c.request(s, m)
	if f != nil {
		return f
	}
	out := wireChat{ID: newID("chatcmpl-"), Object: "chat.completion", Created: time.Now().Unix(), Model: m.name}
	if c.Stream {
		out.Object = "chat.completion.chunk"
		return s.chatStream(w, r, q, out, c.StreamOptions)
	}
	outs, u, f := s.collect(r, q)
	if f != nil {
		return f
	}
	for i := range outs {
		o := &outs[i]
		msg := &wireMessage{Role: "assistant", Content: o.text.String(), ToolCalls: wireCalls(o.calls, nil)}
		if o.text.Len() == 0 && len(o.calls) > 0 {
			msg.Content = null
		}
		out.Choices = append(out.Choices, wireChoice{Index: i, Message: msg, LogProbs: q.wireProbs(o.probs), Finish: &o.finish})
	}
	out.Usage = u.wire()
	writeJSON(w, http.StatusOK, out)
	return nil
}

// ask reads a request, notes what of it does nothing, and finds its model.
func (s *Server) ask(w http.ResponseWriter, r *http.Request, v any, name *string) (*Model, *fault) {
	b, f := s.read(w, r)
	if f != nil {
		return nil, f
	}
	if f := decode(b, v); f != nil {
		return nil, f
	}
	noteIgnored(w, v)
	return s.models.Load().find(*name)
}

// wireCalls are calls as OpenAI writes them; in a stream each has its place, count from zero for each choice.
func wireCalls(calls []toolCall, count *int) []wireCall {
	var list []wireCall
	for _, c := range calls {
		w := wireCall{ID: c.ID, Type: "function", Function: wireFunction{c.Name, c.Arguments}}
		if count != nil {
			n := *count
			w.Index = &n
			*count++
		}
		list = append(list, w)
	}
	return list
}

// chatStream is the sink of a streamed chat.
type chatStream struct {
	*stream
	q     *request
	out   wireChat
	calls []int // of each choice, so far
}

func (s *Server) chatStream(w http.ResponseWriter, r *http.Request, q *request, out wireChat, o *streamOptions) *fault {
	to := &chatStream{stream: newStream(w), q: q, out: out, calls: make([]int, q.n)}
	usage := o != nil && o.IncludeUsage
	if usage {
		to.out.Usage = null
	}
	u, f := s.pour(r, to.stream, q, to)
	if f != nil {
		return f
	}
	var last any
	if usage {
		out.Choices, out.Usage = []wireChoice{}, u.wire()
		last = out
	}
	to.finish(last)
	return nil
}

func (c *chatStream) start() error {
	c.open()
	for i := range c.q.n {
		if err := c.delta(wireChoice{Index: i, Delta: &wireMessage{Role: "assistant", Content: ""}}); err != nil {
			return err
		}
	}
	return nil
}

func (c *chatStream) delta(choice wireChoice) error {
	c.out.Choices = []wireChoice{choice}
	return c.send("", c.out)
}

func (c *chatStream) event(e event) error {
	if e.text != "" || e.calls != nil || e.probs != nil {
		d := &wireMessage{ToolCalls: wireCalls(e.calls, &c.calls[e.choice])}
		if e.text != "" || e.calls == nil {
			d.Content = e.text
		}
		if err := c.delta(wireChoice{Index: e.choice, Delta: d, LogProbs: c.q.wireProbs(e.probs)}); err != nil {
			return err
		}
	}
	if e.finish == "" {
		return nil
	}
	return c.delta(wireChoice{Index: e.choice, Delta: &wireMessage{}, Finish: &e.finish})
}
