package lm

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/chat"
	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/tokenizer"
)

func llamaTokenizer(t *testing.T) *tokenizer.Tokenizer {
	t.Helper()
	tok, err := tokenizer.OpenFile(filepath.Join(golden.Shared(t), "data", "llama", "tokenizer.model"))
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func write1(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "c.json")
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// The layouts of files say the same.
func TestLayouts(t *testing.T) {
	want := []chat.Message{{Role: "user", Content: "a?"}, {Role: "assistant", Content: "b."}}
	for name, c := range map[string]struct {
		text string
		pair []string
	}{
		"sharegpt": {`[{"id": "x", "conversations": [{"from": "human", "value": "a?"}, {"from": "GPT", "value": "b."}]}]`, nil},
		"openai":   {"\ufeff{\"messages\": [{\"role\": \"user\", \"content\": \"a?\"}, {\"role\": \"assistant\", \"content\": \"b.\"}]}\n", nil},
		"pair":     {` [ {"q": "a?", "out": "b.", "more": [1]} ] `, []string{"q", "out"}},
	} {
		list, err := conversations(write1(t, c.text), c.pair)
		if err != nil || len(list) != 1 || len(list[0]) != 2 || list[0][0].Content != want[0].Content || list[0][1].Role != "assistant" || list[0][1].Content != want[1].Content {
			t.Errorf("%s: %v, %v", name, list, err)
		}
	}
	for text, want := range map[string]string{
		`[{"a": 1}]`: "record 1: neither messages nor conversations", `{"messages": []} {`: "record 2: unexpected EOF", `[{"messages": []}`: "EOF", `3`: "record 1: ",
		`{"conversations": [{"from": "dog", "value": "w"}]}`: `from is "dog"`, `[] []`: "",
	} {
		_, err := conversations(write1(t, text), nil)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	if got := opening([]chat.Message{{Role: "system"}, {Role: "assistant"}, {Role: "user"}, {Role: "assistant"}}); len(got) != 3 || got[1].Role != "user" {
		t.Errorf("%v", got)
	}
}

// The labels of a Vicuna conversation are those of FastChat's rule (fastchat/train/train.py, preprocess): everything up to "ASSISTANT:" of each
// turn is masked, counted in tokens.
func TestVicunaLabels(t *testing.T) {
	tok := llamaTokenizer(t)
	w := &work{r: &Recipe{Data: DataRecipe{Template: "vicuna", Conversations: []string{"-"}}}, tokenizer: tok}
	if err := w.openTemplate(); err != nil {
		t.Fatal(err)
	}
	s := w.speaker()
	for _, talk := range [][]string{{"Hello", "Hi there"}, {"What is 1+1?", "2", "And 2+2?", "It is 4.\nOr so."}, {"한지?", "종이입니다. 🙂", "Thanks", "  spaced"}} {
		var messages []chat.Message
		for i, text := range talk {
			messages = append(messages, chat.Message{Role: []string{"user", "assistant"}[i%2], Content: text})
		}
		got, err := s.sample(messages)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.TrimPrefix(mustRender(t, s, messages), "<s>")
		if whole := tok.Encode(text, tokenizer.EncodeOptions{}); !slices.Equal(got.tokens, whole) {
			t.Fatalf("tokens %v, want %v", got.tokens, whole)
		}
		want := slices.Clone(got.tokens)
		want[0] = model.IgnoreLabel
		at := 1
		for _, turn := range strings.SplitAfter(text, "</s>") {
			if turn == "" {
				break
			}
			before, _, _ := strings.Cut(turn, "ASSISTANT: ")
			n := len(tok.Encode(before+"ASSISTANT: ", tokenizer.EncodeOptions{})) - 2
			for i := range n {
				want[at+i] = model.IgnoreLabel
			}
			at += len(tok.Encode(turn, tokenizer.EncodeOptions{})) - 1
		}
		if at != len(want) {
			t.Errorf("turns of %q have %d tokens, the whole has %d", text, at, len(want))
		}
		if !slices.Equal(got.labels, want) {
			t.Errorf("labels of %q:\n%v, want\n%v", text, got.labels, want)
		}
	}
}

func mustRender(t *testing.T, s *speaker, messages []chat.Message) string {
	t.Helper()
	p, err := s.template.Render(messages, s.options)
	if err != nil {
		t.Fatal(err)
	}
	return p.Text
}

// For the published templates, which do not say where the assistant speaks, what is learned is its answers and their end.
func TestPublishedTemplates(t *testing.T) {
	golden.Open(t, "language", "chat/templates")
	dir := filepath.Join(golden.Shared(t), "golden", "language", "chat", "templates")
	var templates map[string]string
	b, err := os.ReadFile(filepath.Join(dir, "templates.json"))
	if err == nil {
		err = json.Unmarshal(b, &templates)
	}
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(dir, "rows.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cut, refused := 0, map[string]bool{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var r struct {
			Template, Prompt, Talk string
			Messages               []chat.Message
			Generation             bool `json:"add_generation_prompt"`
		}
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		if r.Prompt == "" || r.Generation || !slices.ContainsFunc(r.Messages, func(m chat.Message) bool { return m.Role == "assistant" }) {
			continue
		}
		template, err := chat.Parse(templates[r.Template])
		if err != nil {
			t.Fatal(err)
		}
		s := &speaker{template: template, options: chat.Options{BOS: "<s>", EOS: "</s>"}}
		messages := opening(r.Messages)
		p, err := s.template.Render(messages, s.options)
		if err != nil {
			t.Fatal(err)
		}
		spans, err := s.answers(messages, p)
		if err != nil {
			refused[r.Template+" "+r.Talk] = true
			continue
		}
		cut++
		for _, m := range messages {
			if m.Role != "assistant" {
				continue
			}
			for _, part := range m.Parts {
				m.Content += part.Text
			}
			said := p.Text[spans[0].Start:spans[0].End]
			spans = spans[1:]
			rest, ok := strings.CutPrefix(strings.TrimSpace(said), strings.TrimSpace(m.Content))
			if rest = strings.TrimSpace(rest); !ok || rest != "" && !strings.HasPrefix(rest, "<") || strings.ContainsAny(rest, "\n ") {
				t.Errorf("%s: %q is learned of %q", r.Template, said, m.Content)
			}
		}
	}
	if cut < 70 {
		t.Errorf("%d conversations cut, none of %v", cut, refused)
	}
	t.Log(cut, "cut; not of", refused)
}

// For every built-in template, as it is written beside a model: the answers with their end, and nothing else.
func TestBuiltinTemplates(t *testing.T) {
	messages := []chat.Message{{Role: "user", Content: "one?"}, {Role: "assistant", Content: "First."}, {Role: "user", Content: "two?"}, {Role: "assistant", Content: "Second."}}
	tok := llamaTokenizer(t)
	for _, name := range chat.Builtins() {
		w := &work{r: &Recipe{Data: DataRecipe{Template: name}}, tokenizer: tok}
		if err := w.openTemplate(); err != nil {
			t.Fatal(err)
		}
		s := w.speaker()
		p, err := s.template.Render(messages, s.options)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		own, err := chat.Builtin(name)
		if err != nil {
			t.Fatal(err)
		}
		if q, err := own.Render(messages, s.options); err != nil || strings.TrimPrefix(p.Text, "<s>") != strings.TrimPrefix(q.Text, "<s>") {
			t.Errorf("%s: beside a model %q, else %q, %v", name, p.Text, q.Text, err)
		}
		answers, err := s.answers(messages, p)
		if err != nil || len(answers) != 2 {
			t.Fatalf("%s: %v, %v", name, answers, err)
		}
		for i, want := range []string{"First.", "Second."} {
			said := strings.TrimSpace(p.Text[answers[i].Start:answers[i].End])
			if end, ok := strings.CutPrefix(said, want); !ok || strings.TrimSpace(end) == "" {
				t.Errorf("%s: %q is learned of %q", name, said, want)
			}
		}
	}
}
