package tokenizer

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Vocabulary is a tokenizer as a GGUF file carries it, under keys tokenizer.ggml.*: slices by
// token id, [V] each. Only Model and Tokens are needed in all cases.
type Vocabulary struct {
	Model  string    // "llama" (SentencePiece BPE by scores) or "gpt2" (byte-level BPE by merges)
	Pre    string    // gpt2: name of the split pattern, as "llama-bpe"; empty is GPT-2's
	Tokens []string  // spellings
	Scores []float32 // llama: [V]
	Types  []int32   // 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte; nil: all normal
	Merges []string  // gpt2: "left right", lowest rank first

	// Ids of tokens with a part to play; nil: none.
	BOS, EOS, Unknown, Pad *int32
	// Begin and end token around texts, and the space before them; nil: what the model's kind
	// is used with, which is begin and space for llama, begin alone for gpt2 with Pre of Llama 3.
	AddBOS, AddEOS, AddSpacePrefix *bool
}

// preNames are llama.cpp's names of split patterns (llama-vocab.cpp) that are one of ours.
var preNames = map[string]string{
	"": "gpt2", "gpt-2": "gpt2", "phi-2": "gpt2", "mpt": "gpt2", "olmo": "gpt2", "jina-es": "gpt2", "jina-de": "gpt2",
	"llama3": "llama3", "llama-v3": "llama3", "llama-bpe": "llama3", "falcon3": "llama3", "pixtral": "llama3",
	"dbrx": "llama3", "smaug-bpe": "llama3",
	"gpt-4o": "o200k", "llama4": "o200k",
	"qwen2": "qwen2", "deepseek-r1-qwen": "qwen2", "stablelm2": "qwen2",
	"refact": "digits", "starcoder": "digits", "command-r": "digits", "smollm": "digits", "codeshell": "digits",
}

// wholeWords are those of preNames whose tokenizers take a word that is a token whole.
var wholeWords = map[string]bool{"llama3": true, "llama-v3": true, "llama-bpe": true, "falcon3": true, "pixtral": true}

// New makes a tokenizer of a vocabulary. Control tokens spelled in a text are tokens unless it
// is encoded Verbatim; user-defined ones always are.
func New(v Vocabulary) (*Tokenizer, error) {
	t, err := v.tokenizer()
	if err != nil {
		return nil, fmt.Errorf("vocabulary: %w", err)
	}
	return t, nil
}

func (v *Vocabulary) tokenizer() (*Tokenizer, error) {
	if len(v.Tokens) == 0 {
		return nil, fmt.Errorf("there are no tokens")
	}
	if v.Types != nil && len(v.Types) != len(v.Tokens) {
		return nil, fmt.Errorf("%d types for %d tokens", len(v.Types), len(v.Tokens))
	}
	for name, id := range map[string]*int32{"BOS": v.BOS, "EOS": v.EOS, "Unknown": v.Unknown, "Pad": v.Pad} {
		if id != nil && (*id < 0 || int(*id) >= len(v.Tokens)) {
			return nil, fmt.Errorf("%s is %d, there are %d tokens", name, *id, len(v.Tokens))
		}
	}
	var t *Tokenizer
	var err error
	bos := true
	switch v.Model {
	case "llama":
		t, err = v.llama()
	case "gpt2":
		bos = wholeWords[v.Pre]
		t, err = v.gpt2()
	default:
		err = fmt.Errorf("model %s is not supported; want llama or gpt2", clip(v.Model))
	}
	if err != nil {
		return nil, err
	}
	t.format = "gguf"
	for _, r := range []struct {
		to   *int32
		from *int32
	}{{&t.roles.BOS, v.BOS}, {&t.roles.EOS, v.EOS}, {&t.roles.Unknown, v.Unknown}, {&t.roles.Pad, v.Pad}} {
		if r.from != nil {
			*r.to = *r.from
		}
	}
	t.addBeginEnd(isTrue(v.AddBOS, bos), isTrue(v.AddEOS, false))
	return t, nil
}

func (v *Vocabulary) kind(id int) uint64 {
	if v.Types == nil {
		return spNormal
	}
	return uint64(uint32(v.Types[id]))
}

func (v *Vocabulary) llama() (*Tokenizer, error) {
	if len(v.Scores) != len(v.Tokens) {
		return nil, fmt.Errorf("%d scores for %d tokens", len(v.Scores), len(v.Tokens))
	}
	m := &spModel{kind: spBPE, unkSurface: " \u2047 ", norm: spNormalizer{dummyPrefix: isTrue(v.AddSpacePrefix, true)}}
	var added []AddedToken
	unknown := false
	for id, token := range v.Tokens {
		p := spPiece{token, v.Scores[id], v.kind(id)}
		switch {
		case token == "" || !finite(float64(p.score)) || p.kind < spNormal || p.kind > spByte:
			return nil, fmt.Errorf("token %d is %s with score %g and type %d", id, clip(token), p.score, p.kind)
		case p.kind == spUser: // looked for in the text before all else, here as in llama.cpp
			added = append(added, AddedToken{ID: int32(id), Content: token})
			p.kind = spNormal
		case p.kind == spUnused:
			p.kind = spNormal
		case p.kind == spUnknown && unknown: // one is what the model has; more are left-overs
			p.kind = spControl
		}
		unknown = unknown || p.kind == spUnknown
		m.pieces = append(m.pieces, p)
	}
	if !unknown {
		if v.Unknown == nil {
			return nil, fmt.Errorf("no token is the unknown one")
		}
		m.pieces[*v.Unknown].kind = spUnknown
	}
	m.fallback = byteTokens(idsOf(v.Tokens)) != nil
	return m.tokenizer(SentencePieceOptions{Added: added, NoBOS: true})
}

func idsOf(tokens []string) map[string]int32 {
	ids := make(map[string]int32, len(tokens))
	for id, token := range tokens {
		ids[token] = int32(id)
	}
	return ids
}

func (v *Vocabulary) gpt2() (*Tokenizer, error) {
	name, ok := preNames[v.Pre]
	if !ok {
		return nil, fmt.Errorf("pre-tokenizer %s is not supported; want one of %v", clip(v.Pre), slices.Sorted(maps.Keys(preNames)))
	}
	ids := idsOf(v.Tokens)
	if len(ids) != len(v.Tokens) || ids[""] != 0 || v.Tokens[0] == "" {
		return nil, fmt.Errorf("a token is empty or stands there twice")
	}
	merges := make([][2]string, len(v.Merges))
	for i, line := range v.Merges {
		left, right, ok := strings.Cut(line, " ")
		if !ok || left == "" || right == "" {
			return nil, fmt.Errorf("merge %d: %s is not two tokens", i, clip(line))
		}
		merges[i] = [2]string{left, right}
	}
	b := &bpe{bytewise: true, unk: -1, whole: wholeWords[v.Pre], vocab: ids, cache: new(cache)}
	if err := b.setMerges(merges); err != nil {
		return nil, err
	}
	b.finish()
	t := &Tokenizer{roles: noRoles(), post: bare(), model: b}
	if name == "digits" {
		t.pre = []preTokenizer{split{pattern: predicate(isNumeric), behavior: isolated}, split{pattern: cutting{gpt2Split{newClassifier()}}, behavior: isolated}}
	} else {
		t.splits = splitNames[name]()
		t.pre = []preTokenizer{split{pattern: cutting{t.splits}, behavior: isolated}}
	}
	var added []AddedToken
	for id, token := range v.Tokens {
		if k := v.kind(id); k == spControl || k == spUser {
			added = append(added, AddedToken{ID: int32(id), Content: token, Special: k == spControl})
		}
	}
	if err := t.setVocabulary(ids, added); err != nil {
		return nil, err
	}
	t.setAdded(added)
	t.dec = newByteDecoder(t.tokens)
	t.guessRoles()
	return t, nil
}
