package serve

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/hanji-ml/hanji/chat"
)

// messagesRequest is the body of Anthropic's /v1/messages and /v1/messages/count_tokens.
type messagesRequest struct {
	Model       string          `json:"model"`
	Messages    []turn          `json:"messages"`
	MaxTokens   *int            `json:"max_tokens"`
	System      content         `json:"system"`
	Stop        []string        `json:"stop_sequences"`
	Stream      bool            `json:"stream"`
	Temperature *float64        `json:"temperature"`
	TopP        *float64        `json:"top_p"`
	TopK        *int            `json:"top_k"`
	Tools       []messagesTool  `json:"tools"`
	ToolChoice  *messagesChoice `json:"tool_choice"`
	Config      *outputConfig   `json:"output_config"`

	Metadata    json.RawMessage `json:"metadata" ignored:"users are not told apart"`
	ServiceTier json.RawMessage `json:"service_tier" ignored:"there is one"`
	Thinking    json.RawMessage `json:"thinking" ignored:"templates have no place for it"`
	Cache       json.RawMessage `json:"cache_control" ignored:"every prompt is looked for in the cache"`

	Diagnostics json.RawMessage `json:"diagnostics" ignored:"there are none"`
	Geo         json.RawMessage `json:"inference_geo" ignored:"it runs here"`
	Speed       json.RawMessage `json:"speed" ignored:"there is one"`
	Profile     json.RawMessage `json:"user_profile_id" ignored:"users are not told apart"`

	Servers   json.RawMessage `json:"mcp_servers" refused:"the server calls no others"`
	Container json.RawMessage `json:"container" refused:"the server runs no code"`
}

// turn is a message of Anthropic's: text, or blocks.
type turn struct {
	Role    string `json:"role"`
	Content blocks `json:"content"`
}

type blocks []contentBlock

type contentBlock struct {
	Type      string          `json:"type"`
	Text      string          `json:"text"`
	ID        string          `json:"id"`
	Name      string          `json:"name"`
	Input     json.RawMessage `json:"input"`
	ToolUseID string          `json:"tool_use_id"`
	Content   content         `json:"content"`
	IsError   bool            `json:"is_error"`
}

func (b *blocks) UnmarshalJSON(raw []byte) (err error) {
	*b, err = textOr(raw, "messages", "content is neither text nor a list of blocks", func(text string) contentBlock { return contentBlock{Type: "text", Text: text} })
	return err
}

type messagesTool struct {
	Type        string          `json:"type"`
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Schema      json.RawMessage `json:"input_schema"`
	Cache       json.RawMessage `json:"cache_control"`  // does nothing
	Strict      *bool           `json:"strict"`         // calls that must come are always held to the schema
	Examples    json.RawMessage `json:"input_examples"` // does nothing
}

// outputConfig says what the answer looks like.
type outputConfig struct {
	Effort json.RawMessage `json:"effort"` // does nothing
	Format *struct {
		Type   string          `json:"type"`
		Schema json.RawMessage `json:"schema"`
	} `json:"format"`
}

type messagesChoice struct {
	Type            string `json:"type"`
	Name            string `json:"name"`
	DisableParallel bool   `json:"disable_parallel_tool_use"`
}

// conversation is the turns as templates want them: what came of calls are turns of their own, before the user's words.
func (c *messagesRequest) conversation() ([]chat.Message, *fault) {
	if len(c.Messages) == 0 || len(c.Messages) > maxMessages {
		return nil, invalid("messages", "%d messages, want 1 to %d", len(c.Messages), maxMessages)
	}
	var list []chat.Message
	if c.System != "" {
		list = append(list, chat.Message{Role: "system", Content: string(c.System)})
	}
	for i, t := range c.Messages {
		if t.Role != "user" && t.Role != "assistant" {
			return nil, invalid("messages", "message %d has the role %q, want user or assistant", i, clip(t.Role))
		}
		var lines []string
		var calls []toolCall
		for _, b := range t.Content {
			switch {
			case b.Type == "text":
				lines = append(lines, b.Text)
			case b.Type == "tool_use" && t.Role == "assistant":
				calls = append(calls, toolCall{b.ID, b.Name, string(b.Input)})
			case b.Type == "tool_result" && t.Role == "user":
				text := string(b.Content)
				if b.IsError {
					text = "Error: " + text
				}
				list = append(list, chat.Message{Role: "tool", Content: text, Extra: map[string]any{"tool_call_id": b.ToolUseID}})
			case strings.HasSuffix(b.Type, "thinking"): // templates leave it out
			case b.Type == "image":
				return nil, invalid("messages", "message %d has an image: the model sees none", i)
			default:
				return nil, invalid("messages", "message %d of the %s has a block of type %q", i, t.Role, clip(b.Type))
			}
		}
		text := strings.Join(lines, "\n")
		switch {
		case len(calls) > 0:
			list = append(list, callMessage(text, calls))
		case len(lines) > 0:
			list = append(list, chat.Message{Role: t.Role, Content: text})
		}
	}
	if len(list) == 0 || list[len(list)-1].Role == "assistant" {
		return nil, invalid("messages", "the last message is the assistant's: answers cannot be begun for it")
	}
	return list, nil
}

// toolset are the tools in OpenAI's words.
func (c *messagesRequest) toolset() (*toolset, *fault) {
	s := &toolset{parallel: true}
	for i, t := range c.Tools {
		if t.Type != "" && t.Type != "custom" {
			return nil, invalid("tools", "tool %d is a %q: the server runs no tools of its own", i, clip(t.Type))
		}
		s.tools = append(s.tools, tool{"function", &function{Name: t.Name, Description: t.Description, Parameters: t.Schema}})
	}
	if choice := c.ToolChoice; choice != nil {
		s.parallel = !choice.DisableParallel
		mode, ok := map[string]string{"auto": "auto", "any": "required", "tool": "function", "none": "none"}[choice.Type]
		if !ok {
			return nil, invalid("tool_choice", "tool_choice is %q, want auto, any, tool or none", clip(choice.Type))
		}
		s.choice = toolChoice{mode, choice.Name}
	}
	return s, s.check()
}

// request turns the body into work for the model. Where tokens are only counted there is no max_tokens.
func (c *messagesRequest) request(s *Server, m *Model) (*request, *fault) {
	list, f := c.conversation()
	if f != nil {
		return nil, f
	}
	q := &request{m: m, n: 1, answer: true}
	if q.tools, f = c.toolset(); f != nil {
		return nil, f
	}
	p := sampling{Temperature: c.Temperature, TopP: c.TopP, TopK: c.TopK}
	if q.o, f = p.options(m); f != nil {
		return nil, f
	}
	if len(c.Stop) > maxStops {
		return nil, invalid("stop_sequences", "%d stop texts, at most %d", len(c.Stop), maxStops)
	}
	for _, text := range c.Stop {
		if text == "" {
			return nil, invalid("stop_sequences", "a stop text is empty: it would end every answer at once")
		}
	}
	q.o.Stop = c.Stop
	var answer *format
	if c.Config != nil && c.Config.Format != nil {
		answer = &format{Type: c.Config.Format.Type, Schema: &namedSchema{Schema: c.Config.Format.Schema}}
	}
	if f := q.constrain(answer, "output_config.format"); f != nil {
		return nil, f
	}
	prompt, f := m.prompt(list, q.tools.tools)
	if f != nil {
		return nil, f
	}
	q.prompts = [][]int32{prompt}
	return q, nil
}

// wireReply is Anthropic's message.
type wireReply struct {
	ID       string      `json:"id"`
	Type     string      `json:"type"`
	Role     string      `json:"role"`
	Model    string      `json:"model"`
	Content  []wireBlock `json:"content"`
	Reason   *string     `json:"stop_reason"`
	Sequence *string     `json:"stop_sequence"`
	Usage    replyUsage  `json:"usage"`
}

type replyUsage struct {
	Input    int `json:"input_tokens"` // read anew
	Creation int `json:"cache_creation_input_tokens"`
	Read     int `json:"cache_read_input_tokens"`
	Output   int `json:"output_tokens"`
}

func (u usage) reply() replyUsage {
	return replyUsage{Input: u.prompt - u.cached, Read: u.cached, Output: u.output}
}

type wireBlock struct {
	Type  string          `json:"type"`
	Text  *string         `json:"text,omitempty"`
	ID    string          `json:"id,omitempty"`
	Name  string          `json:"name,omitempty"`
	Input json.RawMessage `json:"input,omitempty"`
}

func textBlock(text string) wireBlock { return wireBlock{Type: "text", Text: &text} }

func callBlock(c toolCall, input string) wireBlock {
	return wireBlock{Type: "tool_use", ID: c.ID, Name: c.Name, Input: json.RawMessage(input)}
}

// ended puts the reason in Anthropic's words.
func (w *wireReply) ended(finish, stop string) {
	reason := map[string]string{"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}[finish]
	if stop != "" {
		w.Sequence, reason = &stop, "stop_sequence"
	}
	w.Reason = &reason
}

func (s *Server) messages(w http.ResponseWriter, r *http.Request) *fault {
	var c messagesRequest
	m, f := s.ask(w, r, &c, &c.Model)
	if f != nil {
		return f
	}
	if c.MaxTokens == nil {
		return &fault{http.StatusBadRequest, "max_tokens", "missing_required_parameter", "max_tokens is missing"}
	}
	q, f := c.request(s, m)
	if f != nil {
		return f
	}
	var check checker
	q.max = within(&check, "max_tokens", c.MaxTokens, 1, 1<<30, 0)
	if check.f != nil {
		return check.f
	}
	if f := s.check(q, "max_tokens"); f != nil {
		return f
	}
	out := wireReply{ID: newID("msg_"), Type: "message", Role: "assistant", Model: m.name, Content: []wireBlock{}}
	if c.Stream {
		return s.replyStream(w, r, q, out)
	}
	outs, u, f := s.collect(r, q)
	if f != nil {
		return f
	}
	o := &outs[0]
	if o.text.Len() > 0 {
		out.Content = append(out.Content, textBlock(o.text.String()))
	}
	for _, call := range o.calls {
		out.Content = append(out.Content, callBlock(call, call.Arguments))
	}
	out.ended(o.finish, o.stop)
	out.Usage = u.reply()
	writeJSON(w, http.StatusOK, out)
	return nil
}

func (s *Server) countTokens(w http.ResponseWriter, r *http.Request) *fault {
	var c messagesRequest
	m, f := s.ask(w, r, &c, &c.Model)
	if f != nil {
		return f
	}
	q, f := c.request(s, m)
	if f != nil {
		return f
	}
	writeJSON(w, http.StatusOK, map[string]int{"input_tokens": len(q.prompts[0])})
	return nil
}
