package serve

import (
	"encoding/json"
	"strings"

	"github.com/hanji-ml/hanji/chat"
)

// message is a turn in the words of OpenAI's chat completions.
type message struct {
	Role       string     `json:"role"`
	Content    content    `json:"content"`
	Name       string     `json:"name"`
	ToolCalls  []wireCall `json:"tool_calls"`
	ToolCallID string     `json:"tool_call_id"`

	// What answers have and clients send back.
	Refusal     json.RawMessage `json:"refusal" ignored:"what was refused is no part of the conversation"`
	Annotations json.RawMessage `json:"annotations" ignored:"text has none here"`
	Reasoning   json.RawMessage `json:"reasoning_content" ignored:"templates leave it out"`
	Audio       json.RawMessage `json:"audio" ignored:"text alone"`
	Function    json.RawMessage `json:"function_call" ignored:"old form of tool_calls"`
}

// wireCall is a call of a tool as OpenAI writes it.
type wireCall struct {
	Index    *int         `json:"index,omitempty"`
	ID       string       `json:"id,omitempty"`
	Type     string       `json:"type,omitempty"`
	Function wireFunction `json:"function"`
}

type wireFunction struct {
	Name      string `json:"name,omitempty"`
	Arguments string `json:"arguments"`
}

// content is text, or parts of it, which are put together line by line.
type content string

// textParts are the types of parts that hold text; all others are things that a language model does not see.
var textParts = map[string]bool{"text": true, "input_text": true, "output_text": true}

func (c *content) UnmarshalJSON(b []byte) error {
	*c = ""
	if json.Unmarshal(b, (*string)(c)) == nil { // null is ""
		return nil
	}
	var parts []struct{ Type, Text string }
	if json.Unmarshal(b, &parts) != nil {
		return invalid("messages", "content is neither text nor a list of parts")
	}
	var lines []string
	for _, p := range parts {
		switch {
		case textParts[p.Type]:
			lines = append(lines, p.Text)
		case p.Type == "refusal":
		case strings.Contains(p.Type, "image"):
			return invalid("messages", "a part is of type %q: the model sees no images", clip(p.Type))
		default:
			return invalid("messages", "a part is of type %q, want text", clip(p.Type))
		}
	}
	*c = content(strings.Join(lines, "\n"))
	return nil
}

// maxMessages bounds a conversation's turns.
const maxMessages = 4096

// conversation is the messages as templates want them.
func conversation(list []message) ([]chat.Message, *fault) {
	if len(list) == 0 || len(list) > maxMessages {
		return nil, invalid("messages", "%d messages, want 1 to %d", len(list), maxMessages)
	}
	out := make([]chat.Message, len(list))
	for i, m := range list {
		turn := chat.Message{Role: m.Role, Content: string(m.Content)}
		switch m.Role {
		case "system", "user":
		case "developer": // OpenAI's later name; templates know the earlier one
			turn.Role = "system"
		case "assistant":
			if len(m.ToolCalls) > 0 {
				var calls []toolCall
				for _, c := range m.ToolCalls {
					calls = append(calls, toolCall{c.ID, c.Function.Name, c.Function.Arguments})
				}
				turn = callMessage(turn.Content, calls)
			}
		case "tool":
			turn.Extra = map[string]any{"tool_call_id": m.ToolCallID}
		default:
			return nil, invalid("messages", "message %d has the role %q, want system, developer, user, assistant or tool", i, clip(m.Role))
		}
		if m.Name != "" {
			if turn.Extra == nil {
				turn.Extra = map[string]any{}
			}
			turn.Extra["name"] = m.Name
		}
		out[i] = turn
	}
	return out, nil
}

// textOr reads a list, or a text in place of it, which one makes an item of.
func textOr[T any](raw []byte, param, what string, one func(text string) T) (list []T, err error) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return []T{one(text)}, nil
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		if f := asFault(err); f != nil {
			return nil, f
		}
		return nil, invalid(param, "%s: %v", what, err)
	}
	return list, nil
}
