package serve

import (
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"

	"github.com/hanji-ml/hanji/chat"
	"github.com/hanji-ml/hanji/generate"
)

// tool is a function that the model may ask the caller to call.
type tool struct {
	Type     string    `json:"type"`
	Function *function `json:"function"`
}

type function struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Parameters  json.RawMessage `json:"parameters,omitempty"`
	Strict      *bool           `json:"strict,omitempty"`
}

// toolCall is a call that the model asks for; Arguments is a JSON object as text.
type toolCall struct {
	ID, Name, Arguments string
}

// toolChoice says whether there may or must be calls.
type toolChoice struct {
	mode string // auto, none, required, or function
	name string // of the function
}

// UnmarshalJSON reads a word, OpenAI's {"type": "function", "function": {"name"}} or that of its responses, {"type", "name"}.
func (c *toolChoice) UnmarshalJSON(b []byte) error {
	*c = toolChoice{mode: "auto"}
	if string(b) == "null" {
		return nil
	}
	var word string
	if json.Unmarshal(b, &word) == nil {
		if word != "auto" && word != "none" && word != "required" {
			return invalid("tool_choice", "tool_choice is %q, want auto, none, required or a function", clip(word))
		}
		c.mode = word
		return nil
	}
	var named struct {
		Type     string
		Name     string
		Function struct{ Name string }
	}
	if json.Unmarshal(b, &named) != nil || named.Type != "function" || named.Name+named.Function.Name == "" {
		return invalid("tool_choice", `tool_choice is neither a word nor {"type": "function", "function": {"name": …}}`)
	}
	c.mode, c.name = "function", named.Name+named.Function.Name
	return nil
}

// toolset is what a request says about tools.
type toolset struct {
	tools    []tool
	choice   toolChoice
	parallel bool // several calls may come in one answer
}

var functionName = regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,64}$`)

// maxTools bounds their number; OpenAI's is the same.
const maxTools = 128

// check looks at the tools and leaves none where none may be called.
func (s *toolset) check() *fault {
	if len(s.tools) > maxTools {
		return invalid("tools", "%d tools, at most %d", len(s.tools), maxTools)
	}
	for i, t := range s.tools {
		switch {
		case t.Type != "function" || t.Function == nil:
			return invalid("tools", "tool %d is no function; the server runs no tools of its own", i)
		case !functionName.MatchString(t.Function.Name):
			return invalid("tools", "the name of tool %d is %q, want up to 64 letters, digits, _, . and -", i, clip(t.Function.Name))
		case s.find(t.Function.Name) != i:
			return invalid("tools", "two tools are called %q", t.Function.Name)
		case present(t.Function.Parameters) && bytes.TrimSpace(t.Function.Parameters)[0] != '{':
			return invalid("tools", "the parameters of tool %d are no JSON schema", i)
		}
	}
	switch {
	case s.choice.mode == "none":
		s.tools = nil
	case s.choice.mode == "required" && len(s.tools) == 0:
		return invalid("tool_choice", "tool_choice asks for a call, but there are no tools")
	case s.choice.mode == "function" && s.find(s.choice.name) < 0:
		return invalid("tool_choice", "tool_choice names %q, which is none of the tools", clip(s.choice.name))
	}
	return nil
}

func (s *toolset) find(name string) int {
	return slices.IndexFunc(s.tools, func(t tool) bool { return t.Function != nil && t.Function.Name == name })
}

// forced tells whether the answer must be a call.
func (s *toolset) forced() bool { return s.choice.mode == "required" || s.choice.mode == "function" }

// constrain holds an answer that must be a call to the tools' schemas: {"name": …, "arguments": …}, a list of these where
// several may come.
func (s *toolset) constrain(m *Model, o *generate.Options) *fault {
	if !s.forced() {
		return nil
	}
	var calls []any
	defs := map[string]json.RawMessage{} // of all tools: references are looked up from the root
	for _, t := range s.tools {
		if s.choice.mode == "function" && t.Function.Name != s.choice.name {
			continue
		}
		parameters := t.Function.Parameters
		if !present(parameters) {
			parameters = json.RawMessage(`{"type": "object"}`)
		}
		parameters, f := hoist(parameters, defs)
		if f != nil {
			return f
		}
		calls = append(calls, map[string]any{
			"type": "object", "properties": ordered{{"name", map[string]any{"const": t.Function.Name}}, {"arguments", parameters}},
			"required": []string{"name", "arguments"}, "additionalProperties": false,
		})
	}
	schema := map[string]any{"anyOf": calls}
	if s.choice.mode == "required" && s.parallel {
		schema = map[string]any{"type": "array", "items": schema, "minItems": 1, "maxItems": maxCalls}
	}
	if len(defs) > 0 {
		schema["$defs"] = defs
	}
	text, err := json.Marshal(schema)
	if err != nil {
		return faultf(http.StatusInternalServerError, "", "tools cannot be written: %v", err)
	}
	var f *fault
	o.Constraint, f = m.schema("tools", text)
	return f
}

// hoist moves the definitions of a tool's parameters to those of all.
func hoist(parameters json.RawMessage, defs map[string]json.RawMessage) (json.RawMessage, *fault) {
	var schema map[string]json.RawMessage
	var own map[string]json.RawMessage
	if json.Unmarshal(parameters, &schema) != nil || json.Unmarshal(schema["$defs"], &own) != nil {
		return parameters, nil
	}
	for name, def := range own {
		if other, ok := defs[name]; ok && !bytes.Equal(def, other) {
			return nil, invalid("tools", "two tools define $defs/%s, and not alike; give one another name", clip(name))
		}
		defs[name] = def
	}
	delete(schema, "$defs")
	b, err := json.Marshal(schema)
	if err != nil {
		return nil, invalid("tools", "the parameters of a tool cannot be read: %v", err)
	}
	return b, nil
}

// maxCalls bounds how many calls a model may be made to write in one answer.
const maxCalls = 16

// ordered is an object whose names keep their order, in which a model then has to write them.
type ordered []struct {
	name  string
	value any
}

func (o ordered) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, m := range o {
		if i > 0 {
			b = append(b, ',')
		}
		name, err := json.Marshal(m.name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(m.value)
		if err != nil {
			return nil, err
		}
		b = append(append(append(b, name...), ':'), value...)
	}
	return append(b, '}'), nil
}

// toolsJSON is the list as templates see it.
func toolsJSON(tools []tool) json.RawMessage {
	b, err := json.Marshal(tools)
	if err != nil { // raw messages were checked when the request was read
		panic(err)
	}
	return b
}

// callMessage is an assistant's turn with calls, as templates want it: arguments are an object, not text.
func callMessage(text string, calls []toolCall) chat.Message {
	list := make([]any, len(calls))
	for i, c := range calls {
		var arguments any = json.RawMessage(c.Arguments)
		if !json.Valid([]byte(c.Arguments)) {
			arguments = c.Arguments
		}
		list[i] = map[string]any{"id": c.ID, "type": "function", "function": map[string]any{"name": c.Name, "arguments": arguments}}
	}
	return chat.Message{Role: "assistant", Content: text, Extra: map[string]any{"tool_calls": list}}
}
