package tokenizer

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
)

// TiktokenOptions is what a .tiktoken table leaves to the program that reads it.
type TiktokenOptions struct {
	// Pattern is the split pattern: gpt2, cl100k, llama3, o200k, qwen2, or a regular expression.
	// Empty: by the number of ranks, for the tables of GPT-2, GPT-4, GPT-4o, Llama 3 and Whisper.
	Pattern string
	// Special tokens by their spelling. Nil: what the table recognised by its size has.
	Special map[string]int32
}

// splitNames are the split patterns by the name of the model that brought them.
var splitNames = map[string]func() splitter{
	"gpt2":   func() splitter { return gpt2Split{newClassifier()} },
	"cl100k": func() splitter { return llama3Split{newClassifier(), 3, true} },
	"llama3": func() splitter { return llama3Split{newClassifier(), 3, false} },
	"o200k":  newO200kSplit,
	"qwen2":  func() splitter { return llama3Split{newClassifier(), 1, false} },
}

// ReadTiktoken reads a table of tiktoken: a line for each token, its bytes in base64 and its
// rank, which is its id. As in tiktoken a word that is a token stays whole, and of two
// neighbours those are joined whose joined bytes rank lowest.
func ReadTiktoken(data []byte, o TiktokenOptions) (*Tokenizer, error) {
	t, err := readTiktoken(data, o)
	if err != nil {
		return nil, fmt.Errorf("tiktoken table: %w", err)
	}
	return t, nil
}

func readTiktoken(data []byte, o TiktokenOptions) (*Tokenizer, error) {
	ranks, err := tiktokenRanks(data)
	if err != nil {
		return nil, err
	}
	if o.Pattern == "" {
		if o.Pattern = tiktokenPattern(len(ranks)); o.Pattern == "" {
			return nil, fmt.Errorf("%d ranks belong to no table that is known by its size: name the split pattern", len(ranks))
		}
	}
	if o.Special == nil && o.Pattern == "gpt2" {
		o.Special = map[string]int32{"<|endoftext|>": int32(len(ranks))}
	}
	var splits splitter
	if known, ok := splitNames[o.Pattern]; ok {
		splits = known()
	} else {
		p, err := compilePattern(o.Pattern)
		if err != nil {
			return nil, err
		}
		c, ok := p.(cutting)
		if !ok {
			return nil, fmt.Errorf("pattern %s: only known split patterns are supported with a table", clip(o.Pattern))
		}
		splits = c.splitter
	}
	return byRanks("tiktoken", ranks, o.Special, splits)
}

func tiktokenRanks(data []byte) (map[string]int32, error) {
	ranks := map[string]int32{}
	n := 0
	for line := range bytes.Lines(data) {
		n++
		fields := bytes.Fields(line)
		if len(fields) == 0 {
			continue
		}
		if len(fields) != 2 {
			return nil, fmt.Errorf("line %d: %d fields, want base64 and a rank", n, len(fields))
		}
		token, err := base64.StdEncoding.DecodeString(string(fields[0]))
		if err != nil || len(token) == 0 || len(token) > maxPiece {
			return nil, fmt.Errorf("line %d: %s is not the base64 of 1 to %d bytes", n, clip(string(fields[0])), maxPiece)
		}
		rank, err := strconv.ParseInt(string(fields[1]), 10, 32)
		if err != nil || rank < 0 {
			return nil, fmt.Errorf("line %d: %s is no rank", n, clip(string(fields[1])))
		}
		if _, ok := ranks[string(token)]; ok {
			return nil, fmt.Errorf("line %d: token %s stands there twice", n, clip(string(token)))
		}
		ranks[string(token)] = int32(rank)
	}
	if len(ranks) == 0 {
		return nil, errors.New("it is empty")
	}
	return ranks, nil
}

// tiktokenPattern knows the published tables by their number of ranks.
func tiktokenPattern(n int) string {
	switch n {
	case 50256, 50257: // gpt2, r50k_base, p50k_base without its runs of spaces; Whisper's
		return "gpt2"
	case 100256:
		return "cl100k"
	case 128000:
		return "llama3"
	case 199998:
		return "o200k"
	}
	return ""
}

// byRanks makes a byte-level tokenizer of tokens' bytes and ranks.
func byRanks(format string, ranks map[string]int32, special map[string]int32, splits splitter) (*Tokenizer, error) {
	spelled := make(map[string]int32, len(ranks))
	var added []AddedToken
	for token, id := range special {
		added = append(added, AddedToken{ID: id, Content: token, Special: true})
	}
	n, err := vocabularySize(ranks, added)
	if err != nil {
		return nil, err
	}
	owner := make([]string, n)
	for token, id := range ranks {
		if owner[id] != "" {
			return nil, fmt.Errorf("tokens %s and %s have one rank, %d", clip(owner[id]), clip(token), id)
		}
		owner[id] = token
		spelled[byteLevelSpelling(token)] = id
	}
	b := &bpe{bytewise: true, unk: -1, whole: true, vocab: ranks, cache: new(cache)}
	for c := range 256 {
		id, ok := ranks[string([]byte{byte(c)})]
		if !ok {
			return nil, fmt.Errorf("byte %#02x is no token: some texts could not be encoded", c)
		}
		b.first[c] = id
	}
	splitsOf := 0
	for token := range ranks {
		splitsOf += len(token)
	}
	b.pairs = newPairTable(splitsOf)
	for token, id := range ranks {
		for i := 1; i < len(token); i++ {
			left, ok := ranks[token[:i]]
			if !ok {
				continue
			}
			if right, ok := ranks[token[i:]]; ok {
				b.pairs.put(left, right, newMerged(int(id), int(id)))
			}
		}
	}
	t := &Tokenizer{format: format, roles: noRoles(), post: bare(), model: b, splits: splits,
		pre: []preTokenizer{split{pattern: cutting{splits}, behavior: isolated}}}
	sortAdded(added)
	if err := t.setVocabulary(spelled, added); err != nil {
		return nil, err
	}
	t.setAdded(added)
	t.dec = newByteDecoder(t.tokens)
	t.guessRoles()
	return t, nil
}
