package serve

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"strings"
)

// splitter takes a model's answer apart into text and calls of tools, as it comes. It knows the common ways to write a call:
//
//	<tool_call>{"name": …, "arguments": {…}}</tool_call>          Hermes, Qwen
//	[TOOL_CALLS][{"name": …, "arguments": {…}}, …]                Mistral
//	[TOOL_CALLS]name[ARGS]{…}                                     Mistral since 2025
//	{"name": …, "parameters": {…}}; …                             Llama 3, with or without <|python_tag|>
//
// What begins like one and is none, or names no tool of the request, is text.
type splitter struct {
	tools *toolset
	held  string // not decided yet
	began bool   // something that is no blank has come
	json  bool   // the whole answer may be calls: wait for its end
	calls int
}

const (
	hermesOpen  = "<tool_call>"
	hermesClose = "</tool_call>"
	mistralOpen = "[TOOL_CALLS]"
	mistralArgs = "[ARGS]"
	pythonTag   = "<|python_tag|>"
)

// markers begin a call. Models may have them as special tokens, which have no text otherwise.
var markers = []string{hermesOpen, mistralOpen, pythonTag}

// write takes the next piece and gives what is decided.
func (s *splitter) write(piece string) (text string, calls []toolCall) {
	s.held += piece
	if !s.began {
		first := strings.TrimLeft(s.held, " \t\r\n")
		if first == "" || first != mistralOpen && strings.HasPrefix(mistralOpen, first) {
			return "", nil
		}
		s.began = true
		s.json = s.tools.forced() || first[0] == '{' || first[0] == '[' && !strings.HasPrefix(first, mistralOpen)
	}
	if s.json {
		return "", nil
	}
	var out strings.Builder
	for {
		at, marker := s.marker()
		if marker == "" {
			n := len(s.held) - partial(s.held)
			out.WriteString(s.held[:n])
			s.held = s.held[n:]
			break
		}
		if marker != hermesOpen { // the rest are calls
			out.WriteString(s.held[:at])
			s.held, s.json = s.held[at:], true
			break
		}
		end := strings.Index(s.held[at:], hermesClose)
		if end < 0 {
			out.WriteString(s.held[:at])
			s.held = s.held[at:]
			break
		}
		end += at + len(hermesClose)
		if list := s.parse(s.held[at+len(hermesOpen) : end-len(hermesClose)]); list != nil {
			calls = append(calls, list...)
			out.WriteString(s.held[:at])
		} else {
			out.WriteString(s.held[:end])
		}
		s.held = s.held[end:]
	}
	return s.beside(out.String()), calls
}

// flush decides about the rest, when the answer is whole.
func (s *splitter) flush() (text string, calls []toolCall) {
	rest := s.held
	s.held = ""
	body := strings.TrimSpace(rest)
	if marker, ok := strings.CutPrefix(body, hermesOpen); ok { // cut off, or ended by a stop token
		body = strings.TrimSpace(marker)
	}
	body = strings.TrimSpace(strings.TrimPrefix(body, pythonTag))
	if after, ok := strings.CutPrefix(body, mistralOpen); ok {
		body = strings.TrimSpace(after)
		if calls = s.named(body); calls != nil {
			return "", calls
		}
	}
	if calls = s.parse(body); calls != nil {
		return "", calls
	}
	return s.beside(rest), nil
}

// beside leaves out the blanks that models write around calls.
func (s *splitter) beside(text string) string {
	if s.calls > 0 && strings.TrimSpace(text) == "" {
		return ""
	}
	return text
}

// marker finds the first of them in what is held.
func (s *splitter) marker() (at int, marker string) {
	for _, m := range markers {
		if i := strings.Index(s.held, m); i >= 0 && (marker == "" || i < at) {
			at, marker = i, m
		}
	}
	return at, marker
}

// partial is the length of the longest end of s with which a marker begins.
func partial(s string) int {
	longest := 0
	for _, m := range markers {
		for n := min(len(m)-1, len(s)); n > longest; n-- {
			if strings.HasSuffix(s, m[:n]) {
				longest = n
			}
		}
	}
	return longest
}

// parse reads calls: an object, a list of them, or several with a semicolon or blanks between; nil if it is anything else.
func (s *splitter) parse(text string) []toolCall {
	type written struct {
		Name       string          `json:"name"`
		Arguments  json.RawMessage `json:"arguments"`
		Parameters json.RawMessage `json:"parameters"`
	}
	var list []written
	for rest := strings.TrimSpace(text); rest != ""; {
		d := json.NewDecoder(strings.NewReader(rest))
		if rest[0] == '[' {
			var some []written
			if d.Decode(&some) != nil {
				return nil
			}
			list = append(list, some...)
		} else {
			var one written
			if d.Decode(&one) != nil {
				return nil
			}
			list = append(list, one)
		}
		rest = strings.TrimLeft(rest[d.InputOffset():], "; \t\r\n")
	}
	var calls []toolCall
	for _, c := range list {
		arguments := c.Arguments
		if !present(arguments) {
			arguments = c.Parameters
		}
		call, ok := s.call(c.Name, arguments)
		if !ok {
			return nil
		}
		calls = append(calls, call)
	}
	return s.admit(calls)
}

// named reads Mistral's later form.
func (s *splitter) named(text string) []toolCall {
	var calls []toolCall
	for part := range strings.SplitSeq(text, mistralOpen) {
		name, arguments, ok := strings.Cut(part, mistralArgs)
		if !ok || !json.Valid([]byte(arguments)) {
			return nil
		}
		call, ok := s.call(strings.TrimSpace(name), json.RawMessage(strings.TrimSpace(arguments)))
		if !ok {
			return nil
		}
		calls = append(calls, call)
	}
	return s.admit(calls)
}

func (s *splitter) call(name string, arguments json.RawMessage) (toolCall, bool) {
	if s.tools.find(name) < 0 {
		return toolCall{}, false
	}
	if !present(arguments) {
		arguments = json.RawMessage("{}")
	}
	var text string
	if json.Unmarshal(arguments, &text) == nil { // some write the arguments as OpenAI's API does, JSON within text
		arguments = json.RawMessage(text)
	}
	var b bytes.Buffer
	if json.Compact(&b, arguments) != nil || b.Len() == 0 || b.Bytes()[0] != '{' {
		return toolCall{}, false
	}
	return toolCall{ID: newID("call_"), Name: name, Arguments: b.String()}, true
}

// admit counts calls, and leaves out all but the first where only one may come.
func (s *splitter) admit(calls []toolCall) []toolCall {
	if !s.tools.parallel && len(calls) > 0 {
		calls = calls[:min(len(calls), max(0, 1-s.calls))] // not nil: they are no text either
	}
	s.calls += len(calls)
	return calls
}

// newID is a name that nobody guesses.
func newID(prefix string) string { return prefix + strings.ToLower(rand.Text()) }
