package tokenizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"unicode/utf8"

	"github.com/hanji-ml/hanji/gguf"
)

// maxFile bounds what is read: the largest published vocabularies have some 40 MB.
const maxFile = 1 << 30

// published are the names that vocabularies go by in a model's folder, best first: where to
// look, not what they are.
var published = []string{"tokenizer.json", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "vocab.txt", "qwen.tiktoken", "vocab.json"}

// OpenFile reads the tokenizer of a model's folder, or one file; of a GGUF model its metadata. What a file is, its content
// tells. In a folder tokenizer_config.json also counts: it says which tokens go around a text,
// whether text is lower-cased, which tokens were added.
func OpenFile(path string) (*Tokenizer, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		if isGGUF(path) {
			return openGGUF(path)
		}
		data, err := readFile(path)
		if err != nil {
			return nil, err
		}
		t, err := recognise(data, &config{}, "")
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return t, nil
	}
	t, err := openDir(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

func openDir(dir string) (*Tokenizer, error) {
	c := &config{}
	switch data, err := readFile(filepath.Join(dir, "tokenizer_config.json")); {
	case err == nil:
		if err := json.Unmarshal(data, c); err != nil {
			return nil, fmt.Errorf("tokenizer_config.json: %w", err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	if data, err := readFile(filepath.Join(dir, "added_tokens.json")); err == nil {
		if err := json.Unmarshal(data, &c.addedTokens); err != nil {
			return nil, fmt.Errorf("added_tokens.json: %w", err)
		}
	}
	for _, name := range published {
		data, err := readFile(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		t, err := recognise(data, c, dir)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return t, c.apply(t)
	}
	if t, err := openGGUF(dir); err == nil {
		return t, nil
	}
	return nil, fmt.Errorf("no tokenizer here: none of %v, and no GGUF model", published)
}

func isGGUF(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var magic [4]byte
	_, err = io.ReadFull(f, magic[:])
	return err == nil && string(magic[:]) == "GGUF"
}

func openGGUF(path string) (*Tokenizer, error) {
	f, err := gguf.OpenModel(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	t, err := FromGGUF(f.Metadata())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s: more than %d bytes", path, maxFile)
	}
	return data, err
}

// Read recognises a tokenizer by its content, as OpenFile does with one file.
func Read(data []byte) (*Tokenizer, error) { return recognise(data, &config{}, "") }

func recognise(data []byte, c *config, dir string) (*Tokenizer, error) {
	trimmed := bytes.TrimLeft(data, " \t\r\n")
	switch {
	case len(trimmed) == 0:
		return nil, errors.New("file is empty")
	case trimmed[0] == '{':
		return recogniseJSON(data, dir)
	case data[0] == 0x0a && !looksLikeText(data):
		return ReadSentencePiece(data, c.sentencePiece())
	case isTiktoken(trimmed):
		return ReadTiktoken(data, TiktokenOptions{})
	case bytes.HasPrefix(trimmed, []byte("#version")):
		return nil, errors.New("these are merges without their vocabulary: give the folder, or tokenizer.json")
	case looksLikeText(data):
		return ReadBERT(data, c.bert())
	}
	return nil, errors.New("this is neither tokenizer.json, a SentencePiece model, a tiktoken table nor BERT's vocab.txt")
}

// looksLikeText tells lines of text from a protocol buffer, whose first field, the piece
// <unk>, begins with a line feed too.
func looksLikeText(data []byte) bool {
	head := data[:min(len(data), 4096)]
	for _, b := range head {
		if b < ' ' && b != '\n' && b != '\r' && b != '\t' {
			return false
		}
	}
	return utf8.Valid(head) || len(data) > len(head)
}

func isTiktoken(data []byte) bool {
	line, _, _ := bytes.Cut(data[:min(len(data), 2*maxPiece)], []byte("\n"))
	fields := bytes.Fields(line)
	if len(fields) != 2 || len(fields[0])%4 != 0 {
		return false
	}
	_, err := strconv.ParseUint(string(fields[1]), 10, 31)
	return err == nil
}

// recogniseJSON tells tokenizer.json from GPT-2's vocab.json, whose merges lie beside it.
func recogniseJSON(data []byte, dir string) (*Tokenizer, error) {
	var parts struct {
		Model json.RawMessage `json:"model"`
	}
	if err := json.Unmarshal(data, &parts); err != nil {
		return nil, err
	}
	if m := bytes.TrimSpace(parts.Model); len(m) > 0 && m[0] == '{' {
		return ReadJSON(data)
	}
	if dir == "" {
		return nil, errors.New(`JSON without "model" is no tokenizer.json; for a vocab.json give the folder that has its merges.txt`)
	}
	merges, err := readFile(filepath.Join(dir, "merges.txt"))
	if err != nil {
		return nil, err
	}
	return readGPT2(data, merges)
}

// readGPT2 reads vocab.json and merges.txt of GPT-2 and RoBERTa.
func readGPT2(vocab, merges []byte) (*Tokenizer, error) {
	var ids map[string]int32
	if err := json.Unmarshal(vocab, &ids); err != nil {
		return nil, err
	}
	n, err := vocabularySize(ids, nil)
	if err != nil {
		return nil, err
	}
	v := Vocabulary{Model: "gpt2", Tokens: make([]string, n), Types: make([]int32, n)}
	for token, id := range ids {
		v.Tokens[id], v.Types[id] = token, spNormal
		if isMark(token) {
			v.Types[id] = spControl
		}
	}
	for id, token := range v.Tokens {
		if token == "" {
			return nil, fmt.Errorf("id %d has no token", id)
		}
	}
	for line := range bytes.Lines(merges) {
		line = bytes.TrimRight(line, "\r\n")
		if len(line) > 0 && !bytes.HasPrefix(line, []byte("#version")) {
			v.Merges = append(v.Merges, string(line))
		}
	}
	t, err := New(v)
	if err != nil {
		return nil, err
	}
	t.format = "vocab.json"
	return t, nil
}

// isMark knows the special tokens of GPT-2 and RoBERTa.
func isMark(token string) bool {
	switch token {
	case "<|endoftext|>", "<s>", "</s>", "<pad>", "<unk>", "<mask>":
		return true
	}
	return false
}
