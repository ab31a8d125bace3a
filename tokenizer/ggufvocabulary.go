package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/text/unicode/norm"

	"github.com/hanji-ml/hanji/gguf"
)

// OpenVocabulary reads the tokenizer of a model's folder in the form that a GGUF file carries, as llama.cpp's
// convert_hf_to_gguf.py writes it: SentencePiece BPE (tokenizer.model, with what tokenizer_config.json and added_tokens.json add),
// or byte-level BPE (tokenizer.json) whose words are cut as GPT-2, Llama 3, Qwen 2 or SmolLM cut them. A folder without any
// tokenizer is an fs.ErrNotExist; another kind is an error, and so is one that reads a text otherwise once it is in this form. What
// GGUF cannot say is lost: that an added token takes the space beside it, or stands for whole words only; that text is composed first (NFC).
func OpenVocabulary(dir string) (*Vocabulary, error) {
	v, err := openVocabulary(dir)
	if err == nil {
		err = v.check(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %s: %w", dir, err)
	}
	return v, nil
}

func openVocabulary(dir string) (*Vocabulary, error) {
	data, err := readFile(filepath.Join(dir, "tokenizer.model"))
	if err == nil {
		return sentencePieceVocabulary(dir, data)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	text, err := readFile(filepath.Join(dir, "tokenizer.json"))
	if err == nil {
		return byteVocabulary(dir, text)
	}
	for _, name := range published {
		if _, other := readFile(filepath.Join(dir, name)); other == nil {
			return nil, fmt.Errorf("there is %s only; a tokenizer.model or tokenizer.json can be written into a GGUF file", name)
		}
	}
	return nil, err
}

// sample is of what tokenizers disagree on.
const sample = "Hello, world!  It's 12345 o'clock;\n\n\tx = 3.14e-5 # 한국어 문장, ça va? 🦙 \u00a0end of LINE'LL\r\n  "

// check holds the vocabulary against the folder's own tokenizer.
func (v *Vocabulary) check(dir string) error {
	own, err := OpenFile(dir)
	if err != nil {
		return err
	}
	t, err := New(*v)
	if err != nil {
		return err
	}
	if got, want := t.Encode(sample, EncodeOptions{}), own.Encode(sample, EncodeOptions{}); !slices.Equal(got, want) {
		return errors.New("this tokenizer reads text in a way that GGUF has no words for")
	}
	return nil
}

func byteVocabulary(dir string, data []byte) (*Vocabulary, error) {
	t, err := openDir(dir)
	if err != nil {
		return nil, err
	}
	b, ok := t.model.(*bpe)
	if !ok || !b.bytewise || b.prefix != "" || b.suffix != "" || slices.ContainsFunc(t.norm, changes) {
		return nil, errors.New("tokenizer.json is no byte-level BPE without normaliser; GGUF has those, and SentencePiece BPE from a tokenizer.model")
	}
	v := &Vocabulary{Model: "gpt2", Pre: t.preName(b)}
	if v.Pre == "" {
		return nil, errors.New("tokenizer.json cuts words by none of the patterns that can be written into a GGUF file: GPT-2, Llama 3, Qwen 2, SmolLM")
	}
	var f hfFile
	var m hfModel
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(f.Model, &m); err != nil {
		return nil, err
	}
	merges, err := readMerges(m.Merges)
	if err != nil {
		return nil, err
	}
	for _, p := range merges {
		v.Merges = append(v.Merges, p[0]+" "+p[1])
	}
	added := map[string]bool{}
	for _, a := range f.AddedTokens {
		added[a.Content] = true
	}
	taken := idsOf(t.tokens)
	for id, token := range t.tokens {
		kind := int32(spNormal)
		switch {
		case token == "":
			token, kind = padding(id, taken), spUnused
		case t.special[id]:
			kind = spControl
		case added[token]:
			kind = spUser
		}
		v.Tokens, v.Types = append(v.Tokens, token), append(v.Types, kind)
	}
	for _, r := range []struct {
		to **int32
		id int32
	}{{&v.BOS, t.roles.BOS}, {&v.EOS, t.roles.EOS}, {&v.Unknown, t.roles.Unknown}, {&v.Pad, t.roles.Pad}} {
		if r.id >= 0 {
			*r.to = &r.id
		}
	}
	ids := t.Encode("", EncodeOptions{})
	bos, eos := slices.Equal(ids, []int32{t.roles.BOS}) || len(ids) == 2, slices.Equal(ids, []int32{t.roles.EOS}) || len(ids) == 2
	v.AddBOS, v.AddEOS = &bos, &eos
	return v, nil
}

// changes tells of a normaliser whether text is another after it: NFC, which Qwen's have, composes what is nearly always composed already.
func changes(n normalizer) bool {
	u, ok := n.(unicodeForm)
	return !ok || u.form != norm.NFC
}

// preName is llama.cpp's name of the way in which t cuts words; "" where it has none.
func (t *Tokenizer) preName(b *bpe) string {
	if p, ok := t.splits.(llama3Split); ok && !p.tail {
		switch {
		case p.digits == 3 && b.whole:
			return "llama-bpe"
		case p.digits == 3:
			return "dbrx"
		case p.digits == 1 && !b.whole:
			return "qwen2"
		}
	}
	if b.whole {
		return ""
	}
	if _, ok := t.splits.(gpt2Split); ok {
		return "gpt-2"
	}
	if len(t.pre) == 2 { // SmolLM: each digit for itself, then GPT-2's pattern
		digits, ok := t.pre[0].(split)
		rest, ok2 := t.pre[1].(split)
		if !ok || !ok2 {
			return ""
		}
		_, ok = digits.pattern.(predicate)
		c, ok2 := rest.pattern.(cutting)
		if _, gpt2 := c.splitter.(gpt2Split); ok && ok2 && gpt2 {
			return "smollm" // whether the first is digits, check finds out
		}
	}
	return ""
}

func sentencePieceVocabulary(dir string, data []byte) (*Vocabulary, error) {
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
	taken := idsOf(v.Tokens)
	for id := len(v.Tokens); id < n; id++ {
		v.add(padding(id, taken), -10000, spUnused)
	}
	if v.Model == "gpt2" {
		v.Scores = nil // has merges in their place
	}
	return nil
}

// padding names the token of an id that has none, as no other is named.
func padding(id int, taken map[string]int32) string {
	name := "[PAD" + strconv.Itoa(id) + "]"
	for {
		if _, ok := taken[name]; !ok {
			return name
		}
		name += "_"
	}
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
