package chat_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/hanji-ml/hanji/chat"
	"github.com/hanji-ml/hanji/internal/golden"
)

func lines(t *testing.T, path string, each func(line []byte)) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := bufio.NewScanner(bytes.NewReader(b))
	s.Buffer(nil, 1<<24)
	n := 0
	for s.Scan() {
		if len(s.Bytes()) > 0 {
			each(s.Bytes())
			n++
		}
	}
	if n == 0 {
		t.Fatalf("%s is empty", path)
	}
}

type row struct {
	Template, Talk string
	Messages       []chat.Message
	Generate       bool `json:"add_generation_prompt"`
	Prompt, Error  string
}

// check holds a template against a row of transformers.
func (r row) check(t *testing.T, name string, tmpl *chat.Template, bos, eos string) {
	t.Helper()
	p, err := tmpl.Render(r.Messages, chat.Options{AddGenerationPrompt: r.Generate, BOS: bos, EOS: eos})
	if r.Error != "" {
		var raised *chat.RaisedError
		if !errors.As(err, &raised) || raised.Message != r.Error {
			t.Errorf("%s, %s: error %v, want %s", name, r.Talk, err, r.Error)
		}
		return
	}
	if err != nil || p.Text != r.Prompt {
		t.Errorf("%s, %s, %v: %v\n got %q\nwant %q", name, r.Talk, r.Generate, err, p.Text, r.Prompt)
	}
}

type caseOf struct {
	Templates map[string]struct{ BOS, EOS string }
}

func templateRows(t *testing.T, each func(r row, bos, eos string)) {
	t.Helper()
	dir := filepath.Join(golden.Shared(t), "golden", "language", "chat", "templates")
	var c caseOf
	if err := json.Unmarshal(golden.Open(t, "language", "chat/templates").Extra, &c); err != nil {
		t.Fatal(err)
	}
	lines(t, filepath.Join(dir, "rows.jsonl"), func(line []byte) {
		var r row
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		each(r, c.Templates[r.Template].BOS, c.Templates[r.Template].EOS)
	})
}

func TestTemplates(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(golden.Shared(t), "golden", "language", "chat", "templates", "templates.json"))
	if err != nil {
		t.Fatal(err)
	}
	var sources map[string]string
	if err := json.Unmarshal(b, &sources); err != nil {
		t.Fatal(err)
	}
	templates := map[string]*chat.Template{}
	for name, source := range sources {
		if templates[name], err = chat.Parse(source); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	n := 0
	templateRows(t, func(r row, bos, eos string) {
		n++
		r.check(t, r.Template, templates[r.Template], bos, eos)
	})
	if n < 11*13*2 {
		t.Errorf("%d rows", n)
	}
}

// The built-ins of a published template's name are that template.
func TestBuiltinTemplates(t *testing.T) {
	names := map[string]string{"llama-2-chat": "llama-2", "llama-3": "llama-3", "chatml": "chatml", "mixtral-instruct": "mistral", "zephyr": "zephyr"}
	templateRows(t, func(r row, bos, eos string) {
		name, ok := names[r.Template]
		if !ok {
			return
		}
		tmpl, err := chat.Builtin(name)
		if err != nil {
			t.Fatal(err)
		}
		r.check(t, name, tmpl, bos, eos)
	})
}

func TestLLaVAConversation(t *testing.T) {
	names := map[string]string{"vicuna_v1": "vicuna", "v1": "vicuna", "llava_v0": "llava-v0", "llava_v1": "llava-v1", "llava_llama_2": "llava-llama-2", "mpt": "mpt"}
	lines(t, filepath.Join(golden.Shared(t), "golden", "language", "chat", "llava-conversation", "rows.jsonl"), func(line []byte) {
		var r struct {
			Style, Talk, Prompt string
			Messages            [][2]*string
		}
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		tmpl, err := chat.Builtin(names[r.Style])
		if err != nil {
			t.Fatal(err)
		}
		var messages []chat.Message
		generate := false
		for i, m := range r.Messages {
			if m[1] == nil {
				generate = true
				continue
			}
			messages = append(messages, chat.Message{Role: []string{"user", "assistant"}[i%2], Content: *m[1]})
		}
		p, err := tmpl.Render(messages, chat.Options{AddGenerationPrompt: generate})
		if err != nil || p.Text != r.Prompt {
			t.Errorf("%s, %s: %v\n got %q\nwant %q", r.Style, r.Talk, err, p.Text, r.Prompt)
		}
	})
}
