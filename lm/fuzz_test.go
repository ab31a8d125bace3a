package lm

import (
	"testing"

	"github.com/hanji-ml/hanji/chat"
	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/tokenizer"
)

// Any record is a conversation or an error; of what is rendered the learned tokens are those of the prompt.
func FuzzConversation(f *testing.F) {
	for _, s := range []string{
		`{"conversations": [{"from": "human", "value": "a?"}, {"from": "gpt", "value": "b 🙂"}], "system": "s"}`,
		`{"messages": [{"role": "user", "content": "a?"}, {"role": "assistant", "content": [{"type": "text", "text": "</s> b"}]}]}`,
		`{"q": "a", "a": "b"}`, `{"messages": [{"role": "assistant", "content": ""}, {"role": "user"}, {"role": "assistant", "content": "  x "}]}`,
	} {
		f.Add([]byte(s), "vicuna")
		f.Add([]byte(s), "chatml")
	}
	v, err := tokenizer.TrainBPE(func(yield func(string) bool) { yield("USER: a ASSISTANT: b") }, tokenizer.TrainOptions{VocabSize: 270})
	if err != nil {
		f.Fatal(err)
	}
	t0, err := v.Open()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte, name string) {
		template, err := chat.Builtin(name)
		if err != nil {
			return
		}
		s := &speaker{tokenizer: t0, template: template, options: chat.Options{BOS: "<s>", EOS: "</s>"}}
		for _, pair := range [][]string{nil, {"q", "a"}} {
			messages, err := conversation(b, pair)
			if err != nil {
				continue
			}
			one, err := s.sample(opening(messages))
			if err != nil {
				continue
			}
			words := 0
			for i, label := range one.labels {
				if label != model.IgnoreLabel {
					words++
					if label != one.tokens[i] {
						t.Fatalf("token %d is %d, its label %d", i, one.tokens[i], label)
					}
				}
			}
			if words != one.words || len(one.labels) != len(one.tokens) || words > 0 != (one.bytes > 0) {
				t.Errorf("%d of %d tokens for %d bytes, said to be %d", words, len(one.tokens), one.bytes, one.words)
			}
		}
	})
}
