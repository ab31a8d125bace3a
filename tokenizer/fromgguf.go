package tokenizer

import (
	"errors"
	"fmt"

	"github.com/hanji-ml/hanji/gguf"
)

// FromGGUF makes the tokenizer that a GGUF file carries in its metadata (keys tokenizer.ggml.*).
func FromGGUF(m gguf.Metadata) (*Tokenizer, error) {
	const prefix = "tokenizer.ggml."
	var v Vocabulary
	var err error
	if v.Model, err = m.Text(prefix + "model"); err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	if v.Tokens, err = m.Texts(prefix + "tokens"); err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	var problems []error
	optional := func(err error) bool {
		if err != nil && !errors.Is(err, gguf.ErrNoKey) {
			problems = append(problems, err)
		}
		return err == nil
	}
	v.Pre, err = m.Text(prefix + "pre")
	optional(err)
	v.Merges, err = m.Texts(prefix + "merges")
	optional(err)
	if scores, err := m.Floats(prefix + "scores"); optional(err) {
		for _, s := range scores {
			v.Scores = append(v.Scores, float32(s))
		}
	}
	if types, err := m.Ints(prefix + "token_type"); optional(err) {
		for _, t := range types {
			v.Types = append(v.Types, int32(t))
		}
	}
	for key, at := range map[string]**int32{"bos_token_id": &v.BOS, "eos_token_id": &v.EOS, "unknown_token_id": &v.Unknown, "padding_token_id": &v.Pad} {
		if id, err := m.Int(prefix + key); optional(err) {
			if id < 0 || id >= int64(len(v.Tokens)) {
				problems = append(problems, fmt.Errorf("key %q is %d, there are %d tokens", prefix+key, id, len(v.Tokens)))
				continue
			}
			n := int32(id)
			*at = &n
		}
	}
	for key, at := range map[string]**bool{"add_bos_token": &v.AddBOS, "add_eos_token": &v.AddEOS, "add_space_prefix": &v.AddSpacePrefix} {
		if yes, err := m.Bool(prefix + key); optional(err) {
			*at = &yes
		}
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("tokenizer: %w", errors.Join(problems...))
	}
	return New(v)
}
