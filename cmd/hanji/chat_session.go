package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/pflag"

	"github.com/hanji-ml/hanji/chat"
	"github.com/hanji-ml/hanji/internal/atomicfile"
	"github.com/hanji-ml/hanji/model/all"
	"github.com/hanji-ml/hanji/nn"
)

// session is a conversation on disk: a line of JSON, and behind it what the cache holds of Tokens (generate.Decoder.Save).
type session struct {
	Version  int                 `json:"hanji_session"`
	Model    string              `json:"model"` // all.Fingerprint
	Name     string              `json:"name"`  // as it was called, for people
	Options  map[string][]string `json:"options"`
	Messages []sessionMessage    `json:"messages"`
	Tokens   []int32             `json:"tokens"`

	path string
}

type sessionMessage struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

const sessionVersion = 1

// sessionOptions are the flags that a session remembers; given again, a flag counts more.
var sessionOptions = []string{"template", "max-tokens", "temperature", "top-k", "top-p", "min-p", "repetition-penalty", "seed", "stop", "json-schema", "ctx", "kv-type"}

// openSession reads a session of a model, which these files make, or begins one where there is no file, and sets the flags that it remembers. A
// file that is made now is readable by its owner alone.
func openSession(path string, model []string, name string, flags *pflag.FlagSet) (*session, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no file", path)
	}
	fingerprint, err := all.Fingerprint(model...)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s := &session{Version: sessionVersion, Model: fingerprint, Name: name, path: path}
	line, err := bufio.NewReader(io.LimitReader(f, 2*maxPrompt)).ReadBytes('\n')
	switch {
	case errors.Is(err, io.EOF) && len(line) == 0: // new
		s.Options = rememberedFlags(flags)
		return s, nil
	case errors.Is(err, io.EOF):
		return nil, fmt.Errorf("%s is no session of hanji chat", path)
	case err != nil:
		return nil, err
	}
	if err := json.Unmarshal(line, s); err != nil || s.Version == 0 || !bytes.HasPrefix(line, []byte(`{"hanji_session":`)) {
		return nil, fmt.Errorf("%s is no session of hanji chat", path)
	}
	switch {
	case s.Version != sessionVersion:
		return nil, fmt.Errorf("%s is a session of version %d, this hanji knows %d", path, s.Version, sessionVersion)
	case s.Model != fingerprint:
		return nil, fmt.Errorf("%s is a conversation with another model, %s; give that one, or another file", path, s.Name)
	}
	for _, flag := range sessionOptions {
		if v, ok := s.Options[flag]; ok && !flags.Changed(flag) {
			if err := setFlag(flags, flag, v); err != nil {
				return nil, fmt.Errorf("%s: --%s: %w", path, flag, err)
			}
		}
	}
	s.Options = rememberedFlags(flags)
	return s, nil
}

func rememberedFlags(flags *pflag.FlagSet) map[string][]string {
	m := map[string][]string{}
	for _, name := range sessionOptions {
		switch f := flags.Lookup(name); v := f.Value.(type) {
		case pflag.SliceValue:
			if f.Changed {
				m[name] = v.GetSlice()
			}
		default:
			if f.Changed {
				m[name] = []string{v.String()}
			}
		}
	}
	return m
}

func setFlag(flags *pflag.FlagSet, name string, values []string) error {
	for _, v := range values { // a list takes them one by one
		if err := flags.Set(name, v); err != nil {
			return err
		}
	}
	return nil
}

// resume gives a conversation what a session has of it. Where the cache's part does not fit, the conversation is read again.
func (c *conversation) resume(s *session, system string) error {
	if c.l.Template == nil {
		return errors.New("--session keeps conversations, and this model has no chat template: name one by --template")
	}
	c.session = s
	for _, m := range s.Messages {
		c.history = append(c.history, chat.Message{Role: m.Role, Content: m.Content})
	}
	if was := s.system(); system != "" && len(s.Messages) > 0 && was != system {
		return usagef("--system: the conversation in %s has begun without these instructions; leave them out, or begin another file", s.path)
	}
	if len(s.Messages) > 0 {
		c.o.System = s.system()
	}
	if len(s.Tokens) == 0 {
		return nil
	}
	f, err := os.Open(s.path)
	if err != nil {
		return err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<20)
	if _, err := r.ReadBytes('\n'); err != nil {
		return err
	}
	seq, err := c.d.Load(r)
	switch n := c.d.Len(seq); {
	case err == nil && n == len(s.Tokens):
		c.d.Free(c.seq)
		c.seq, c.seen = seq, slices.Clone(s.Tokens)
		return nil
	case err == nil:
		c.d.Free(seq)
		err = fmt.Errorf("%w: %d tokens of %d", nn.ErrSequence, n, len(s.Tokens))
	case !errors.Is(err, nn.ErrSequence) && !errors.Is(err, nn.ErrCacheFull):
		return err
	}
	if !c.quiet {
		fmt.Fprintf(c.messages, "hanji: %s: the conversation is read again: %v\n", s.path, err)
	}
	return nil
}

func (s *session) system() string {
	if len(s.Messages) > 0 && s.Messages[0].Role == "system" {
		return s.Messages[0].Content
	}
	return ""
}

// keep writes the conversation to its file, if it has one.
func (c *conversation) keep() error {
	s := c.session
	if s == nil {
		return nil
	}
	s.Messages, s.Tokens = make([]sessionMessage, len(c.history)), nil
	for i, m := range c.history {
		s.Messages[i] = sessionMessage{m.Role, m.Content}
	}
	if c.d.Len(c.seq) == len(c.seen) {
		s.Tokens = c.seen
	}
	return atomicfile.Write(s.path, func(w io.Writer) error {
		if err := json.NewEncoder(w).Encode(s); err != nil || len(s.Tokens) == 0 {
			return err
		}
		return c.d.Save(w, c.seq)
	})
}
