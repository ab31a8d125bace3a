package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"

	"github.com/hanji-ml/hanji/gguf"
)

// OpenVocabulary reads the SentencePiece BPE vocabulary of a model's folder (tokenizer.model, with what tokenizer_config.json and
// added_tokens.json add) in the form that a GGUF file carries, as llama.cpp's convert_hf_to_gguf.py writes it. A folder without any
// tokenizer is an fs.ErrNotExist; one with another kind is an error that says so.
func OpenVocabulary(dir string) (*Vocabulary, error) {
	v, err := openVocabulary(dir)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %s: %w", dir, err)
	}
	return v, nil
}

func openVocabulary(dir string) (*Vocabulary, error) {
	data, err := readFile(filepath.Join(dir, "tokenizer.model"))
	if errors.Is(err, fs.ErrNotExist) {
		for _, name := range published {
			if _, other := readFile(filepath.Join(dir, name)); other == nil {
				return nil, fmt.Errorf("there is %s only; vocabularies in tokenizer.model (SentencePiece BPE) can be written into a GGUF file", name)
			}
		}
	}
	if err != nil {
		return nil, err
	}
	c := &config{}
	for name, into := range map[string]any{"tokenizer_config.json": c, "added_tokens.json": &c.addedTokens} {
		b, err := readFile(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = json.Unmarshal(b, into)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	m, err := readSPModel(data)
	if err != nil {
		return nil, fmt.Errorf("tokenizer.model: %w", err)
	}
	if m.kind != spBPE || len(m.norm.charsmap) > 0 || m.suffix {
		return nil, errors.New("tokenizer.model is no BPE model that keeps text as it is, which is the only kind of SentencePiece that GGUF has")
	}
	v := &Vocabulary{Model: "llama", Pre: "default"}
	for _, p := range m.pieces {
		v.add(p.text, p.score, int32(p.kind))
	}
	if err := v.addAdded(c); err != nil {
		return nil, err
	}
	ids := idsOf(v.Tokens)
	for _, r := range []struct {
		to   **int32
		name configToken
		or   string
	}{{&v.BOS, c.BOS, m.bos}, {&v.EOS, c.EOS, m.eos}, {&v.Unknown, c.Unknown, "<unk>"}, {&v.Pad, c.Pad, ""}} {
		id, ok := ids[string(r.name)]
		if !ok {
			id, ok = ids[r.or]
		}
		if ok {
			*r.to = &id
		}
	}
	o := c.sentencePiece()
	bos, prefix := !o.NoBOS, m.norm.dummyPrefix && !o.NoPrefix
	v.AddBOS, v.AddEOS, v.AddSpacePrefix = &bos, &o.AddEOS, &prefix
	return v, nil
}

func (v *Vocabulary) add(token string, score float32, kind int32) {
	v.Tokens, v.Scores, v.Types = append(v.Tokens, token), append(v.Scores, score), append(v.Types, kind)
}

// addAdded adds the tokens beyond the model's, in order of their ids, and marks those of the model's that are special.
func (v *Vocabulary) addAdded(c *config) error {
	added := map[int]AddedToken{}
	for _, a := range c.sentencePiece().Added {
		added[int(a.ID)] = a
	}
	for id := range v.Tokens {
		if a, ok := added[id]; ok && a.Content != v.Tokens[id] {
			return fmt.Errorf("token %d is %s in tokenizer.model and %s in the configuration", id, clip(v.Tokens[id]), clip(a.Content))
		}
		delete(added, id)
	}
	for len(added) > 0 {
		id := len(v.Tokens)
		a, ok := added[id]
		if !ok {
			return fmt.Errorf("there is no token %d, but %d added ones behind it", id, len(added))
		}
		kind := int32(spUser)
		if a.Special {
			kind = spControl
		}
		v.add(a.Content, -1000, kind) // the converter's score of what no merge makes
		delete(added, id)
	}
	return nil
}

// PadTo fills the vocabulary up to n tokens with unused ones: a model may have more rows than its tokenizer has tokens.
func (v *Vocabulary) PadTo(n int) error {
	if len(v.Tokens) > n {
		return fmt.Errorf("tokenizer: %d tokens, the model has room for %d", len(v.Tokens), n)
	}
	for id := len(v.Tokens); id < n; id++ {
		v.add("[PAD"+strconv.Itoa(id)+"]", -10000, spUnused)
	}
	return nil
}

// Metadata is what FromGGUF reads.
func (v *Vocabulary) Metadata() gguf.Metadata {
	const prefix = "tokenizer.ggml."
	m := gguf.Metadata{{Key: prefix + "model", Value: v.Model}}
	add := func(key string, value any) { m = append(m, gguf.KV{Key: prefix + key, Value: value}) }
	if v.Pre != "" {
		add("pre", v.Pre)
	}
	add("tokens", v.Tokens)
	if v.Scores != nil {
		add("scores", v.Scores)
	}
	if v.Types != nil {
		add("token_type", v.Types)
	}
	if v.Merges != nil {
		add("merges", v.Merges)
	}
	for _, r := range []struct {
		key string
		id  *int32
	}{{"bos_token_id", v.BOS}, {"eos_token_id", v.EOS}, {"unknown_token_id", v.Unknown}, {"padding_token_id", v.Pad}} {
		if r.id != nil {
			add(r.key, uint32(*r.id))
		}
	}
	for _, r := range []struct {
		key string
		yes *bool
	}{{"add_bos_token", v.AddBOS}, {"add_eos_token", v.AddEOS}, {"add_space_prefix", v.AddSpacePrefix}} {
		if r.yes != nil {
			add(r.key, *r.yes)
		}
	}
	return m
}
