package serve

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"
)

// responseRequest is the body of /v1/responses.
type responseRequest struct {
	Model        string         `json:"model"`
	Input        responseInput  `json:"input"`
	Instructions *string        `json:"instructions"`
	MaxTokens    *int           `json:"max_output_tokens"`
	Stream       bool           `json:"stream"`
	Tools        []responseTool `json:"tools"`
	ToolChoice   toolChoice     `json:"tool_choice"`
	Parallel     *bool          `json:"parallel_tool_calls"`
	Text         *responseText  `json:"text"`
	TopLogProbs  *int           `json:"top_logprobs"`
	Include      []string       `json:"include"`
	Truncation   *string        `json:"truncation"`
	Background   bool           `json:"background"`
	sampling

	Store                json.RawMessage `json:"store" ignored:"nothing is stored"`
	Metadata             json.RawMessage `json:"metadata" ignored:"nothing is stored"`
	User                 json.RawMessage `json:"user" ignored:"users are not told apart"`
	SafetyIdentifier     json.RawMessage `json:"safety_identifier" ignored:"users are not told apart"`
	ServiceTier          json.RawMessage `json:"service_tier" ignored:"there is one"`
	PromptCacheKey       json.RawMessage `json:"prompt_cache_key" ignored:"every prompt is looked for in the cache"`
	PromptCacheRetention json.RawMessage `json:"prompt_cache_retention" ignored:"the cache keeps what it has room for"`
	PromptCacheOptions   json.RawMessage `json:"prompt_cache_options" ignored:"the cache keeps what it has room for"`
	Moderation           json.RawMessage `json:"moderation" ignored:"the server judges nothing"`
	BackgroundOptions    json.RawMessage `json:"background_options" ignored:"nothing runs in the background"`
	Programs             json.RawMessage `json:"access_programs" ignored:"there are none"`
	Reasoning            json.RawMessage `json:"reasoning" ignored:"templates have no place for it"`
	MaxToolCalls         json.RawMessage `json:"max_tool_calls" ignored:"the server runs no tools"`
	StreamOptions        json.RawMessage `json:"stream_options" ignored:"usage comes always, and nothing is obfuscated"`

	Previous     json.RawMessage `json:"previous_response_id" refused:"nothing is stored: send the whole conversation as input"`
	Conversation json.RawMessage `json:"conversation" refused:"nothing is stored: send the whole conversation as input"`
	Context      json.RawMessage `json:"context_management" refused:"a conversation is never shortened here"`
	Image        json.RawMessage `json:"image" refused:"the model makes no images"`
	Prompt       json.RawMessage `json:"prompt" refused:"there are no stored prompts"`
}

// responseTool is a tool with its function's fields beside its type.
type responseTool struct {
	Type string `json:"type"`
	function
}

// responseText says what the answer looks like.
type responseText struct {
	Format    *responseFormat `json:"format"`
	Verbosity json.RawMessage `json:"verbosity"` // does nothing
}

type responseFormat struct {
	Type string `json:"type"`
	namedSchema
}

// responseInput is a text, or items: messages, calls and what came of them.
type responseInput []responseItem

type responseItem struct {
	Type      string  `json:"type"`
	Role      string  `json:"role"`
	Content   content `json:"content"`
	CallID    string  `json:"call_id"`
	Name      string  `json:"name"`
	Arguments string  `json:"arguments"`
	Output    content `json:"output"`
}

func (in *responseInput) UnmarshalJSON(raw []byte) (err error) {
	*in, err = textOr(raw, "input", "input is neither text nor a list of items", func(text string) responseItem { return responseItem{Role: "user", Content: content(text)} })
	return err
}

// messages are the items as a chat has them: calls belong to the assistant's turn before.
func (c *responseRequest) messages() ([]message, *fault) {
	var list []message
	if c.Instructions != nil && *c.Instructions != "" {
		list = append(list, message{Role: "system", Content: content(*c.Instructions)})
	}
	for i, item := range c.Input {
		switch item.Type {
		case "", "message":
			list = append(list, message{Role: item.Role, Content: item.Content})
		case "function_call":
			if n := len(list); n == 0 || list[n-1].Role != "assistant" {
				list = append(list, message{Role: "assistant"})
			}
			last := &list[len(list)-1]
			last.ToolCalls = append(last.ToolCalls, wireCall{ID: item.CallID, Function: wireFunction{item.Name, item.Arguments}})
		case "function_call_output":
			list = append(list, message{Role: "tool", ToolCallID: item.CallID, Content: item.Output})
		case "reasoning": // templates leave it out
		default:
			return nil, invalid("input", "item %d is a %q, want message, function_call or function_call_output", i, clip(item.Type))
		}
	}
	return list, nil
}

const withLogProbs = "message.output_text.logprobs"

// request is that of a chat with the same content.
func (c *responseRequest) request(s *Server, m *Model) (*request, *fault) {
	list, f := c.messages()
	if f != nil {
		return nil, f
	}
	if c.Truncation != nil && *c.Truncation != "disabled" {
		return nil, invalid("truncation", "truncation is %q: a conversation that does not fit is an error here, want disabled", clip(*c.Truncation))
	}
	if c.Background {
		return nil, invalid("background", "background is not supported: nothing is stored")
	}
	same := chatRequest{Messages: list, sampling: c.sampling, MaxCompletionTokens: c.MaxTokens, ToolChoice: c.ToolChoice, ParallelToolCalls: c.Parallel,
		TopLogProbs: c.TopLogProbs, LogProbs: slices.Contains(c.Include, withLogProbs) || c.TopLogProbs != nil && *c.TopLogProbs > 0}
	for _, t := range c.Tools {
		same.Tools = append(same.Tools, tool{Type: t.Type, Function: &t.function})
	}
	if c.Text != nil && c.Text.Format != nil {
		same.ResponseFormat = &format{Type: c.Text.Format.Type, Schema: &c.Text.Format.namedSchema}
	}
	return same.request(s, m)
}

// wireResponse is OpenAI's response.
type wireResponse struct {
	ID           string         `json:"id"`
	Object       string         `json:"object"`
	CreatedAt    int64          `json:"created_at"`
	Status       string         `json:"status"`
	Error        any            `json:"error"`
	Incomplete   any            `json:"incomplete_details"`
	Instructions *string        `json:"instructions"`
	MaxTokens    *int           `json:"max_output_tokens"`
	Model        string         `json:"model"`
	Output       []wireItem     `json:"output"`
	Parallel     bool           `json:"parallel_tool_calls"`
	Previous     any            `json:"previous_response_id"`
	Store        bool           `json:"store"`
	Temperature  float64        `json:"temperature"`
	Text         any            `json:"text"`
	ToolChoice   any            `json:"tool_choice"`
	Tools        []responseTool `json:"tools"`
	TopP         float64        `json:"top_p"`
	Truncation   string         `json:"truncation"`
	Usage        any            `json:"usage"`
	Metadata     struct{}       `json:"metadata"`
}

type wireItem struct {
	ID        string      `json:"id"`
	Type      string      `json:"type"`
	Status    string      `json:"status"`
	Role      string      `json:"role,omitempty"`
	Content   *[]wirePart `json:"content,omitempty"`
	CallID    string      `json:"call_id,omitempty"`
	Name      string      `json:"name,omitempty"`
	Arguments *string     `json:"arguments,omitempty"`
}

type wirePart struct {
	Type        string     `json:"type"`
	Text        string     `json:"text"`
	Annotations []struct{} `json:"annotations"`
	LogProbs    []wireProb `json:"logprobs"`
}

func outputText(text string, probs []wireProb) wirePart {
	return wirePart{"output_text", text, []struct{}{}, append([]wireProb{}, probs...)}
}

func (c *responseRequest) answer(m *Model, q *request) wireResponse {
	w := wireResponse{ID: newID("resp_"), Object: "response", CreatedAt: time.Now().Unix(), Status: "in_progress", Instructions: c.Instructions, MaxTokens: c.MaxTokens,
		Model: m.name, Output: []wireItem{}, Parallel: q.tools.parallel, Temperature: q.o.Temperature, TopP: q.o.TopP, Truncation: "disabled", Tools: append([]responseTool{}, c.Tools...)}
	w.Text = map[string]any{"format": map[string]string{"type": "text"}}
	if c.Text != nil && c.Text.Format != nil {
		w.Text = map[string]any{"format": c.Text.Format}
	}
	switch w.ToolChoice = q.tools.choice.mode; q.tools.choice.mode {
	case "":
		w.ToolChoice = "auto"
	case "function":
		w.ToolChoice = map[string]string{"type": "function", "name": q.tools.choice.name}
	}
	return w
}

// finish is what is known when the output is whole.
func (w *wireResponse) finish(reason string, u usage) {
	w.Status = "completed"
	if reason == "length" {
		w.Status, w.Incomplete = "incomplete", map[string]string{"reason": "max_output_tokens"}
	}
	w.Usage = map[string]any{
		"input_tokens": u.prompt, "input_tokens_details": map[string]int{"cached_tokens": u.cached},
		"output_tokens": u.output, "output_tokens_details": map[string]int{"reasoning_tokens": 0}, "total_tokens": u.prompt + u.output,
	}
}

func (s *Server) responses(w http.ResponseWriter, r *http.Request) *fault {
	var c responseRequest
	m, f := s.ask(w, r, &c, &c.Model)
	if f != nil {
		return f
	}
	q, f := c.request(s, m)
	if f != nil {
		return f
	}
	to := &responseStream{q: q, out: c.answer(m, q)}
	if c.Stream {
		to.stream = newStream(w)
	}
	u, f := s.pour(r, to.stream, q, to)
	if f != nil {
		return f
	}
	to.out.finish(to.reason, u)
	if c.Stream {
		_ = to.tell("response."+to.out.Status, map[string]any{"response": to.out}) // a client that left has no use for it
		return nil
	}
	writeJSON(w, http.StatusOK, to.out)
	return nil
}
