// Package chat turns a conversation into the prompt that a model was trained on.
//
//	t, err := chat.OpenDir("model-folder") // the checkpoint's own template, or
//	t, err := chat.Builtin("vicuna")       // one that is known by name
//	p, err := t.Render(messages, chat.Options{AddGenerationPrompt: true, BOS: "<s>", EOS: "</s>"})
//
// Checkpoints carry their template as a Jinja program. It comes from outside, so it runs in an
// interpreter of its own: the part of the language that chat templates use, as transformers
// sets it up (trim_blocks, lstrip_blocks, loop controls, raise_exception, strftime_now,
// {% generation %}), without access to anything but the conversation, and with limits on steps,
// memory, output and nesting. What is not in that part is an error that names it.
//
// A prompt also says where the assistant speaks, which is what fine-tuning learns from.
// The package knows neither tokens nor models.
package chat

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Message is one turn of a conversation.
type Message struct {
	Role    string // system, user, assistant, tool …
	Content string
	Parts   []Part         // text and images in place of Content
	Extra   map[string]any // other keys that templates read, name or tool_calls; see Options.Extra
}

// Part is a piece of a message that is not text alone.
type Part struct {
	Type string // text, image …
	Text string // of a text
}

// UnmarshalJSON reads the form of OpenAI's and transformers' messages: content is text, null,
// or a list of parts. Other keys go to Extra as json.RawMessage, so that their order is kept.
func (msg *Message) UnmarshalJSON(b []byte) error {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		return err
	}
	*msg = Message{}
	for k, v := range all {
		switch k {
		case "role":
			if err := json.Unmarshal(v, &msg.Role); err != nil {
				return errors.New("message: role is no text")
			}
		case "content":
			if err := msg.content(v); err != nil {
				return err
			}
		default:
			if msg.Extra == nil {
				msg.Extra = map[string]any{}
			}
			msg.Extra[k] = v
		}
	}
	return nil
}

func (msg *Message) content(b json.RawMessage) error {
	if json.Unmarshal(b, &msg.Content) == nil {
		return nil
	}
	var parts []struct{ Type, Text string }
	if err := json.Unmarshal(b, &parts); err != nil {
		return errors.New("message: content is neither text nor a list of parts")
	}
	msg.Parts = []Part{}
	for i, p := range parts {
		if p.Type == "" {
			return fmt.Errorf("message: part %d has no type", i)
		}
		msg.Parts = append(msg.Parts, Part(p))
	}
	return nil
}

// Options are what templates read besides the messages.
type Options struct {
	// AddGenerationPrompt ends the prompt where the assistant is to go on.
	AddGenerationPrompt bool
	BOS, EOS            string // bos_token, eos_token
	// Extra are more variables: tools, documents, and whatever the checkpoint's template asks
	// for. Values are what encoding/json makes, or json.RawMessage, which keeps the order of
	// keys; a template that prints a tool shows it.
	Extra map[string]any
	// Now is the time that strftime_now tells; zero: the time of the call.
	Now time.Time
}

// Span is a stretch of a prompt, in bytes.
type Span struct{ Start, End int }

// Prompt is a conversation as text.
type Prompt struct {
	Text string
	// Assistant is where the assistant speaks, its end token included, in order: what
	// {% generation %} blocks wrote. Empty for templates that have none.
	Assistant []Span
}

// Spoken says whether the bytes from start to end, a token's place say, are the assistant's:
// with the whole of them within one span. An empty place is nobody's.
func (p Prompt) Spoken(start, end int) bool {
	i, _ := slices.BinarySearchFunc(p.Assistant, end, func(s Span, end int) int { return s.End - end })
	return start < end && i < len(p.Assistant) && p.Assistant[i].Start <= start
}

// Error is a mistake in a template, or what it did that cannot be done.
type Error struct {
	Line    int // of the template, from 1
	Message string
}

func (e *Error) Error() string {
	return fmt.Sprintf("chat template: line %d: %s", e.Line, e.Message)
}

// RaisedError is a template's own complaint about the conversation (raise_exception).
type RaisedError struct{ Message string }

func (e *RaisedError) Error() string { return "chat template: " + e.Message }

// Template makes prompts. It never changes and may be used by any number of goroutines.
type Template struct {
	body []node
	vars map[string]any // the built-in's own settings

	bos, eos string // where Options has none
	source   string
}

// Source is the text that was parsed; of a built-in template the part that is Jinja.
func (t *Template) Source() string { return t.source }

// maxTemplate bounds a template's size: the longest published ones have some 30 kB.
const maxTemplate = 1 << 20

// Parse reads a Jinja template. An error is an *Error.
func Parse(source string) (*Template, error) {
	if len(source) > maxTemplate {
		return nil, &Error{Line: 1, Message: fmt.Sprintf("%d bytes, the limit is %d", len(source), maxTemplate)}
	}
	tokens, err := lex(source)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens}
	body, _, err := p.body()
	if err != nil {
		return nil, err
	}
	return &Template{body: body, source: source}, nil
}

// Render makes a prompt. It fails with a *RaisedError where the template refuses the
// conversation, and with an *Error where it goes wrong.
func (t *Template) Render(messages []Message, o Options) (Prompt, error) {
	m := &machine{global: map[string]any{}, filters: filterTable}
	for name, v := range t.vars {
		m.global[name] = v
	}
	list := make([]any, len(messages))
	for i, msg := range messages {
		d, err := msg.value()
		if err != nil {
			return Prompt{}, fmt.Errorf("chat: message %d: %w", i+1, err)
		}
		list[i] = d
	}
	m.global["messages"] = list
	m.global["add_generation_prompt"] = o.AddGenerationPrompt
	m.global["bos_token"], m.global["eos_token"] = cmp.Or(o.BOS, t.bos), cmp.Or(o.EOS, t.eos)
	m.global["tools"], m.global["documents"] = nil, nil
	for name, f := range globals(o) {
		m.global[name] = f
	}
	for name, v := range o.Extra {
		var err error
		if m.global[name], err = fromGo(v, 0); err != nil {
			return Prompt{}, fmt.Errorf("chat: %s: %w", name, err)
		}
	}
	m.frame = &frame{}
	if _, err := m.run(t.body); err != nil {
		return Prompt{}, at(1, err)
	}
	return Prompt{m.out.String(), m.spans}, nil
}

// value is the message as templates see it.
func (msg *Message) value() (any, error) {
	d := newDict()
	d.set("role", msg.Role)
	if msg.Parts == nil {
		d.set("content", msg.Content)
	} else {
		parts := make([]any, len(msg.Parts))
		for i, p := range msg.Parts {
			part := newDict()
			part.set("type", p.Type)
			if p.Type == "text" || p.Text != "" {
				part.set("text", p.Text)
			}
			parts[i] = part
		}
		d.set("content", parts)
	}
	keys := make([]string, 0, len(msg.Extra))
	for k := range msg.Extra {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		v, err := fromGo(msg.Extra[k], 0)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k, err)
		}
		d.set(k, v)
	}
	return d, nil
}
