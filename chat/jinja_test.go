package chat_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hanji-ml/hanji/chat"
)

// testdata/jinja.jsonl is what Jinja2 3.1.6 makes of each template, in the environment of
// transformers' chat_template_utils (ImmutableSandboxedEnvironment, trim_blocks, lstrip_blocks,
// loopcontrols, tojson, raise_exception), given jinja_input.json, bos_token <s> and eos_token
// </s> on 26 July 2024; or the kind of its error.
func TestJinja(t *testing.T) {
	b, err := os.ReadFile("testdata/jinja_input.json")
	if err != nil {
		t.Fatal(err)
	}
	var in struct {
		Messages []chat.Message
		Tools    json.RawMessage
	}
	if err := json.Unmarshal(b, &in); err != nil {
		t.Fatal(err)
	}
	o := chat.Options{BOS: "<s>", EOS: "</s>", Extra: map[string]any{"tools": in.Tools}, Now: time.Date(2024, 7, 26, 13, 5, 9, 0, time.UTC)}
	lines(t, "testdata/jinja.jsonl", func(line []byte) {
		var r struct{ Template, Prompt, Error string }
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		tmpl, err := chat.Parse(r.Template)
		var p chat.Prompt
		if err == nil {
			p, err = tmpl.Render(in.Messages, o)
		}
		if (err != nil) != (r.Error != "") || p.Text != r.Prompt {
			t.Errorf("%q: %v\n got %q\nwant %q %s", r.Template, err, p.Text, r.Prompt, r.Error)
		}
	})
}

// A template that does not end, or grows without end, ends with an error.
func TestLimits(t *testing.T) {
	for name, source := range map[string]string{
		"steps":     `{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}`,
		"doubling":  `{% set ns = namespace(s='xxxxxxxxxxxxxxxx') %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}`,
		"repeat":    `{{ 'x' * 9999999999 }}`,
		"repeats":   `{% for i in range(9999) %}{% set x = 'x' * 9999999 %}{% endfor %}`,
		"range":     `{{ range(1000000000) | length }}`,
		"recursion": `{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}`,
		"output":    `{% set s = 'x' * 1000000 %}{% for i in range(1000) %}{{ s }}{% endfor %}`,
		"join":      `{% set s = 'x' * 1000000 %}{{ range(1000) | join(s) }}`,
		"replace":   `{% set s = 'x' * 10000 %}{{ s.replace('x', s) }}`,
		"indent":    `{% set s = '\nx' * 100000 %}{{ s | indent(1000) }}`,
		"nesting":   `{% set ns = namespace(l=[]) %}{% for i in range(200) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l }}`,
		"compare":   `{% set ns = namespace(l=[1]) %}{% for i in range(40) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l == ns.l }}{{ ns.l | tojson | length }}`,
		"power":     `{{ 9 ** 9 ** 9 }}`,
		"slice":     `{% set s = 'x' * 1000000 %}{% for i in range(99999) %}{% set t = s[::-1] %}{% endfor %}`,
	} {
		tmpl, err := chat.Parse(source)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		p, err := tmpl.Render(nil, chat.Options{})
		var e *chat.Error
		if !errors.As(err, &e) {
			t.Errorf("%s: %d bytes, error %v", name, len(p.Text), err)
		}
	}
	for name, source := range map[string]string{
		"brackets":   strings.Repeat("{{ ", 1) + strings.Repeat("(", 10000) + "1" + strings.Repeat(")", 10000) + " }}",
		"lists":      "{{ " + strings.Repeat("[", 10000) + strings.Repeat("]", 10000) + " }}",
		"not":        "{{ " + strings.Repeat("not ", 10000) + "1 }}",
		"minus":      "{{ " + strings.Repeat("-", 10000) + "1 }}",
		"statements": strings.Repeat("{% if true %}", 10000) + strings.Repeat("{% endif %}", 10000),
		"sum":        "{{ 1" + strings.Repeat("+1", 10000) + " }}",
		"attributes": "{{ x" + strings.Repeat(".x", 10000) + " }}",
		"filters":    "{{ x" + strings.Repeat("|trim", 10000) + " }}",
		"else":       "{{ 1 " + strings.Repeat("if 1 else 1 ", 10000) + " }}",
		"size":       strings.Repeat("x", 2<<20),
	} {
		if _, err := chat.Parse(source); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestGeneration(t *testing.T) {
	for _, name := range chat.Builtins() {
		tmpl, err := chat.Builtin(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		p, err := tmpl.Render([]chat.Message{{Role: "user", Content: "ask 1"}, {Role: "assistant", Content: "answer 한 1"},
			{Role: "user", Content: "ask 2"}, {Role: "assistant", Content: "answer 2"}}, chat.Options{BOS: "<s>", EOS: "</s>"})
		if err != nil || len(p.Assistant) != 2 {
			t.Errorf("%s: %v, spans %v", name, err, p.Assistant)
			continue
		}
		for i, s := range p.Assistant {
			words := p.Text[s.Start:s.End]
			if want := fmt.Sprintf("answer %s%d", []string{"한 ", ""}[i], i+1); !strings.HasPrefix(words, want) || strings.Contains(words, "ask") || len(words) == len(want) {
				t.Errorf("%s: the assistant says %q", name, words)
			}
		}
	}
	for _, bad := range []string{
		"{% macro f() %}{% generation %}x{% endgeneration %}{% endmacro %}{{ f() }}",
		"{% generation %}{% generation %}x{% endgeneration %}{% endgeneration %}",
	} {
		tmpl, err := chat.Parse(bad)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tmpl.Render(nil, chat.Options{}); err == nil {
			t.Errorf("%q renders", bad)
		}
	}
}

func TestSpoken(t *testing.T) {
	p := chat.Prompt{Text: "0123456789", Assistant: []chat.Span{{2, 4}, {6, 9}}}
	for _, c := range []struct {
		start, end int
		want       bool
	}{{0, 2, false}, {1, 3, false}, {2, 3, true}, {2, 4, true}, {3, 5, false}, {4, 6, false}, {3, 7, false}, {6, 9, true}, {8, 9, true}, {8, 10, false}, {7, 7, false}, {9, 10, false}} {
		if got := p.Spoken(c.start, c.end); got != c.want {
			t.Errorf("%d to %d: %v", c.start, c.end, got)
		}
	}
}

func TestBuiltinUnknown(t *testing.T) {
	if _, err := chat.Builtin("x"); err == nil || !strings.Contains(err.Error(), "vicuna") {
		t.Errorf("error %v", err)
	}
	gemma, err := chat.Builtin("gemma")
	if err != nil {
		t.Fatal(err)
	}
	talk := []chat.Message{{Role: "user", Content: " hi "}, {Role: "assistant", Content: "ho"}}
	p, err := gemma.Render(talk, chat.Options{BOS: "<bos>", AddGenerationPrompt: true})
	if want := "<bos><start_of_turn>user\nhi<end_of_turn>\n<start_of_turn>model\nho<end_of_turn>\n<start_of_turn>model\n"; err != nil || p.Text != want {
		t.Errorf("%q %v, want %q", p.Text, err, want)
	}
}

func TestMessageJSON(t *testing.T) {
	var m chat.Message
	for _, bad := range []string{`{"role": 1}`, `{"role": "user", "content": 1}`, `{"role": "user", "content": [{"text": "x"}]}`, `[]`} {
		if err := json.Unmarshal([]byte(bad), &m); err == nil {
			t.Errorf("%s is read", bad)
		}
	}
	if err := json.Unmarshal([]byte(`{"role": "assistant", "content": null, "tool_calls": [{"b": 1, "a": 2}]}`), &m); err != nil || m.Content != "" || m.Parts != nil {
		t.Fatal(m, err)
	}
	tmpl, err := chat.Parse("{{ messages[0].tool_calls | tojson }}")
	if err != nil {
		t.Fatal(err)
	}
	if p, err := tmpl.Render([]chat.Message{m}, chat.Options{}); err != nil || p.Text != `[{"b": 1, "a": 2}]` {
		t.Error(p.Text, err)
	}
}

func TestOpenDir(t *testing.T) {
	write := func(files map[string]string) string {
		dir := t.TempDir()
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"config": {map[string]string{"tokenizer_config.json": `{"chat_template": "{{ bos_token }}x{{ eos_token }}", "bos_token": "<b>", "eos_token": {"content": "<e>"}}`}, "<b>x<e>"},
		"jinja":  {map[string]string{"tokenizer_config.json": `{"chat_template": "x", "bos_token": null}`, "chat_template.jinja": "y\n"}, "y"},
		"json":   {map[string]string{"chat_template.json": `{"chat_template": "z"}`}, "z"},
		"list":   {map[string]string{"tokenizer_config.json": `{"chat_template": [{"name": "tool", "template": "t"}, {"name": "default", "template": "d"}]}`}, "d"},
	} {
		tmpl, err := chat.OpenDir(write(c.files))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if p, err := tmpl.Render(nil, chat.Options{}); err != nil || p.Text != c.want {
			t.Errorf("%s: %q %v, want %q", name, p.Text, err, c.want)
		}
	}
	if _, err := chat.OpenDir(write(nil)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	for _, bad := range []string{`{`, `{"chat_template": [{"name": "a"}]}`, `{"chat_template": "{% x %}"}`} {
		if _, err := chat.OpenDir(write(map[string]string{"tokenizer_config.json": bad})); err == nil {
			t.Errorf("%s is read", bad)
		}
	}
}
