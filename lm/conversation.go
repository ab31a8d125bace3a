package lm

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode"

	"github.com/hanji-ml/hanji/chat"
	"github.com/hanji-ml/hanji/internal/par"
	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/tokenizer"
)

// roles are ShareGPT's names for who speaks (FastChat, fastchat/data/clean_sharegpt.py and conversation.py).
var roles = map[string]string{"human": "user", "user": "user", "gpt": "assistant", "chatgpt": "assistant", "bing": "assistant", "bard": "assistant",
	"assistant": "assistant", "model": "assistant", "system": "system"}

// record is a conversation as files write it.
type record struct {
	Messages      []chat.Message `json:"messages"` // OpenAI's layout
	Conversations []struct {     // ShareGPT's, also Vicuna's
		From  string `json:"from"`
		Value string `json:"value"`
	} `json:"conversations"`
	System string `json:"system"`
}

// conversations reads the conversations of a file, a JSON array or one object after the other. pair names the keys of question and answer where
// records have such, else they are in ShareGPT's or OpenAI's layout. What comes before the first words of a user is left out, but for the system's.
func conversations(path string, pair []string) (list [][]chat.Message, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("lm: %w", err)
	}
	defer f.Close()
	d, array, err := records(f)
	for n := 1; err == nil && (!array || d.More()); n++ {
		var raw json.RawMessage
		if err = d.Decode(&raw); err == io.EOF && !array {
			return list, nil
		}
		var messages []chat.Message
		if err == nil {
			messages, err = conversation(raw, pair)
		}
		if err != nil {
			err = fmt.Errorf("record %d: %w", n, err)
			break
		}
		list = append(list, messages)
	}
	if err == nil {
		_, err = d.Token() // the array's end
	}
	if err != nil {
		return nil, fmt.Errorf("lm: %s: %w", path, err)
	}
	return list, nil
}

// records is at the first record of a file.
func records(r io.Reader) (d *json.Decoder, array bool, err error) {
	br := bufio.NewReader(r)
	if bom, _ := br.Peek(3); string(bom) == "\ufeff" {
		br.Discard(3)
	}
	d = json.NewDecoder(br)
	for {
		c, err := br.ReadByte()
		if err != nil {
			return d, false, nil // an empty file: the first record is its end
		}
		if !unicode.IsSpace(rune(c)) {
			br.UnreadByte()
			if array = c == '['; array {
				_, err = d.Token()
			}
			return d, array, err
		}
	}
}

func conversation(raw json.RawMessage, pair []string) (list []chat.Message, err error) {
	if len(pair) == 2 {
		return asked(raw, pair)
	}
	var r record
	if err := json.Unmarshal(raw, &r); err != nil {
		return nil, err
	}
	list = r.Messages
	if r.System != "" {
		list = append([]chat.Message{{Role: "system", Content: r.System}}, list...)
	}
	for _, m := range r.Conversations {
		role, ok := roles[strings.ToLower(m.From)]
		if !ok {
			return nil, fmt.Errorf("from is %.40q, which is neither human, gpt nor system", m.From)
		}
		list = append(list, chat.Message{Role: role, Content: m.Value})
	}
	if r.Messages == nil && r.Conversations == nil {
		return nil, errors.New("neither messages nor conversations; for records of a question and an answer name their keys in data.pair")
	}
	return list, nil
}

// asked reads a record of a question and an answer.
func asked(raw json.RawMessage, pair []string) (list []chat.Message, err error) {
	var r map[string]json.RawMessage
	if err := json.Unmarshal(raw, &r); err != nil {
		return nil, err
	}
	for i, role := range []string{"user", "assistant"} {
		m := chat.Message{Role: role}
		if err := json.Unmarshal(r[pair[i]], &m.Content); err != nil {
			return nil, fmt.Errorf("%q is no text", pair[i])
		}
		list = append(list, m)
	}
	return list, nil
}

// opening leaves out what an assistant says before any user spoke, as FastChat does.
func opening(list []chat.Message) []chat.Message {
	var out []chat.Message
	for _, m := range list {
		if m.Role != "assistant" || len(out) > 0 && out[len(out)-1].Role != "system" {
			out = append(out, m)
		}
	}
	return out
}

// speaker turns conversations into tokens of which the assistant's are learned.
type speaker struct {
	tokenizer *tokenizer.Tokenizer
	template  *chat.Template
	options   chat.Options
}

// sample renders a conversation. A token is learned that ends within an answer, from where the prompt for it ends to its end token: what a model
// has to say when it is asked. A token without a place, the first bytes of a character, goes with the one that has it.
func (s *speaker) sample(messages []chat.Message) (out sample, err error) {
	p, err := s.template.Render(messages, s.options)
	if err != nil {
		return out, err
	}
	answers, err := s.answers(messages, p)
	if err != nil {
		return out, err
	}
	for _, a := range answers {
		out.bytes += a.End - a.Start
	}
	placeless := 0
	for _, k := range s.tokenizer.EncodeOffsets(p.Text, tokenizer.EncodeOptions{NoSpecial: true}) {
		out.tokens, out.labels = append(out.tokens, k.ID), append(out.labels, model.IgnoreLabel)
		if placeless++; k.Start == k.End {
			continue
		}
		for len(answers) > 0 && k.End > answers[0].End {
			answers = answers[1:]
		}
		if len(answers) > 0 && k.End > answers[0].Start {
			from := len(out.tokens) - placeless
			copy(out.labels[from:], out.tokens[from:])
			out.words += placeless
			if k.End == answers[0].End && s.tokenizer.IsSpecial(k.ID) && !slices.Contains(out.ends, k.ID) {
				out.ends = append(out.ends, k.ID)
			}
		}
		placeless = 0
	}
	return out, nil
}

// answers are the stretches that the assistant said. A template that marks them ({% generation %}) may leave out the space before, which the
// prompt for an answer does not have; for one that does not, an answer is what the conversation has beyond that prompt.
func (s *speaker) answers(messages []chat.Message, p chat.Prompt) (list []chat.Span, err error) {
	asking := s.options
	asking.AddGenerationPrompt = true
	marks := p.Assistant
	for i, m := range messages {
		if m.Role != "assistant" {
			continue
		}
		before, err := s.template.Render(messages[:i], asking)
		if err != nil {
			return nil, err
		}
		grows := strings.HasPrefix(p.Text, before.Text)
		if len(p.Assistant) > 0 {
			if grows && len(marks) > 0 && len(before.Text) <= marks[0].Start && strings.TrimSpace(p.Text[len(before.Text):marks[0].Start]) == "" {
				list, marks = append(list, chat.Span{Start: len(before.Text), End: marks[0].End}), marks[1:]
			}
			continue
		}
		after, err := s.template.Render(messages[:i+1], s.options)
		if err != nil {
			return nil, err
		}
		said := strings.TrimRight(after.Text, " \n")
		if !grows || !strings.HasPrefix(said, before.Text) || !strings.HasPrefix(p.Text, said) {
			return nil, errors.New("the template does not show where the assistant speaks: neither by {% generation %} nor by growing with each message")
		}
		list = append(list, chat.Span{Start: len(before.Text), End: len(said)})
	}
	if len(p.Assistant) > 0 && len(marks) > 0 { // it asks for an answer in another way than it writes one
		return p.Assistant, nil
	}
	return list, nil
}

// samples renders conversations; those in which nothing is to be learned or that the template refuses are left out, and counted by reason.
func (s *speaker) samples(list [][]chat.Message) (out []sample, skipped map[string]int) {
	all, errs := make([]sample, len(list)), make([]error, len(list))
	par.For(len(list), 1, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			all[i], errs[i] = s.sample(opening(list[i]))
		}
	})
	skipped = map[string]int{}
	for i, one := range all {
		var raised *chat.RaisedError
		switch {
		case errors.As(errs[i], &raised):
			skipped["the template refuses it: "+raised.Message]++
		case errs[i] != nil:
			skipped[errs[i].Error()]++
		case one.words == 0:
			skipped["the assistant says nothing"]++
		default:
			out = append(out, one)
		}
	}
	return out, skipped
}
