package tokenizer_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"

	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/tokenizer"
)

// TestOpenVocabulary: a folder's tokenizer and the one of its GGUF metadata give the same ids, with added tokens and rows to spare.
func TestOpenVocabulary(t *testing.T) {
	model := read(t, golden.Shared(t)+"/data/llama/tokenizer.model")
	dir := t.TempDir()
	write := func(name string, b []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("tokenizer.model", model)
	write("tokenizer_config.json", []byte(`{"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": {"content": "</s>"}, "pad_token": "<pad>", "add_bos_token": true,
		"added_tokens_decoder": {"0": {"content": "<unk>", "special": true}, "32000": {"content": "<pad>", "special": true}}}`))
	write("added_tokens.json", []byte(`{"<pad>": 32000, "<image>": 32001}`))
	v, err := tokenizer.OpenVocabulary(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Tokens) != 32002 || *v.BOS != 1 || *v.EOS != 2 || *v.Unknown != 0 || *v.Pad != 32000 || v.Tokens[32001] != "<image>" || v.Types[32000] != 3 {
		t.Errorf("%d tokens, %v %v %v %v", len(v.Tokens), *v.BOS, *v.EOS, *v.Unknown, *v.Pad)
	}
	if err := v.PadTo(32004); err != nil || v.Tokens[32003] != "[PAD32003]" || v.Types[32003] != 5 || len(v.Scores) != 32004 {
		t.Errorf("%d tokens, %v", len(v.Tokens), err)
	}
	if err := v.PadTo(32003); err == nil {
		t.Error("32004 tokens fit 32003 rows")
	}
	got, err := tokenizer.FromGGUF(v.Metadata())
	if err != nil {
		t.Fatal(err)
	}
	want, err := tokenizer.OpenFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "Hello, world", "  two  spaces\n\n", "한국어 문장과 🦙", "x\x00\xff", "1234567 1.5e-3", "a</s>b<image>c", "\tint main() { return 0; }"} {
		for _, o := range []tokenizer.EncodeOptions{{}, {NoSpecial: true, Verbatim: true}} {
			if a, b := got.Encode(text, o), want.Encode(text, o); !slices.Equal(a, b) {
				t.Errorf("%q, %+v: %v, want %v", text, o, a, b)
			}
		}
	}
}

// TestOpenByteVocabulary: byte-level tokenizers read as their files do, once they are in a GGUF file; those that cut words in ways
// that it has no name for are refused.
func TestOpenByteVocabulary(t *testing.T) {
	const qwen = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`
	const level = `{"type": "ByteLevel", "add_prefix_space": false, "use_regex": `
	for _, c := range []struct{ name, cut, pre string }{
		{"bpe-gpt2", "", "gpt-2"},
		{"bpe-llama3", "", "llama-bpe"},
		{"bpe-gpt2", `[{"type": "Digits", "individual_digits": true}, ` + level + `true}]`, "smollm"},
		{"bpe-gpt2", `[{"type": "Split", "pattern": {"Regex": "` + qwen + `"}, "behavior": "Isolated", "invert": false}, ` + level + `false}]`, "qwen2"},
		{"bpe-gpt2", `[{"type": "Punctuation"}, ` + level + `true}]`, ""},
		{"bpe-gpt2", `[{"type": "WhitespaceSplit"}, ` + level + `true}]`, ""},
		{"bpe-gpt2", `[` + level + `false}]`, ""},
	} {
		name, pre := c.name, c.pre
		source := filepath.Join(golden.Shared(t), "golden", "language", "tokenizer", name)
		dir := t.TempDir()
		var file map[string]json.RawMessage
		if err := json.Unmarshal(read(t, filepath.Join(source, "tokenizer.json")), &file); err != nil {
			t.Fatal(err)
		}
		if pre == "qwen2" {
			file["normalizer"] = json.RawMessage(`{"type": "NFC"}`)
		}
		if c.cut != "" {
			file["pre_tokenizer"] = json.RawMessage(`{"type": "Sequence", "pretokenizers": ` + c.cut + "}")
		}
		b, err := json.Marshal(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "tokenizer.json"), b, 0o644); err != nil {
			t.Fatal(err)
		}
		if pre == "" {
			if _, err := tokenizer.OpenVocabulary(dir); err == nil || !strings.Contains(err.Error(), "can be written into a GGUF file") && !strings.Contains(err.Error(), "GGUF has no words for") {
				t.Errorf("%s: %v", c.cut, err)
			}
			continue
		}
		v, err := tokenizer.OpenVocabulary(dir)
		if err != nil {
			t.Fatal(err)
		}
		if v.Pre != pre {
			t.Errorf("%s: words are cut as %s, want %s", name, v.Pre, pre)
		}
		if err := v.PadTo(len(v.Tokens) + 2); err != nil {
			t.Fatal(err)
		}
		got, err := tokenizer.FromGGUF(v.Metadata())
		if err != nil {
			t.Fatal(err)
		}
		want, err := tokenizer.OpenFile(dir)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, text := range strings.SplitAfter(string(read(t, filepath.Join(source, "rows.jsonl"))), "\n") {
			if strings.Contains(text, "hanji") || strings.Contains(text, "<mask>") {
				continue // whole words only, and with the space before: a GGUF file cannot say so of a token
			}
			text = norm.NFC.String(text)
			for _, o := range []tokenizer.EncodeOptions{{}, {NoSpecial: true}} {
				n++
				if a, b := got.Encode(text, o), want.Encode(text, o); !slices.Equal(a, b) {
					t.Errorf("%s: %q, %+v: %v, want %v", name, text, o, a, b)
				}
			}
		}
		if n < 20 || got.Roles() != want.Roles() {
			t.Errorf("%s: %d texts; roles %+v, want %+v", name, n, got.Roles(), want.Roles())
		}
	}
}

// TestPadTo: a name that is taken is not given twice.
func TestPadTo(t *testing.T) {
	v := tokenizer.Vocabulary{Model: "gpt2", Tokens: []string{"a", "[PAD2]"}, Types: []int32{1, 1}}
	if err := v.PadTo(4); err != nil || !slices.Equal(v.Tokens, []string{"a", "[PAD2]", "[PAD2]_", "[PAD3]"}) || !slices.Equal(v.Types, []int32{1, 1, 5, 5}) || v.Scores != nil {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestOpenVocabularyErrors(t *testing.T) {
	if _, err := tokenizer.OpenVocabulary(t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing there: %v", err)
	}
	for want, files := range map[string]map[string]string{
		"there is vocab.txt only":           {"vocab.txt": "[UNK]\n"},
		"tokenizer.model: ":                 {"tokenizer.model": "no"},
		"tokenizer_config.json: ":           {"tokenizer.model": "no", "tokenizer_config.json": "["},
		"there is no token 2, but 1 added":  {"tokenizer.model": piece("<unk>", 2) + piece("a", 1) + bpeKind, "added_tokens.json": `{"b": 3}`},
		`token 1 is "a" in tokenizer.model`: {"tokenizer.model": piece("<unk>", 2) + piece("a", 1) + bpeKind, "added_tokens.json": `{"b": 1}`},
		"is no BPE model":                   {"tokenizer.model": piece("<unk>", 2)},
	} {
		dir := t.TempDir()
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := tokenizer.OpenVocabulary(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

// piece is one of a SentencePiece model: text (field 1) and kind (field 3); bpeKind is the trainer's model_type.
func piece(text string, kind byte) string {
	body := "\x0a" + string(rune(len(text))) + text + "\x18" + string(rune(kind))
	return "\x0a" + string(rune(len(body))) + body
}

const bpeKind = "\x12\x02\x18\x02"

// FuzzOpenVocabulary: whatever a folder holds, there is a one-line error or a vocabulary that can be read again.
func FuzzOpenVocabulary(f *testing.F) {
	f.Add(true, piece("<unk>", 2)+piece("<s>", 3)+piece("a", 1)+bpeKind, `{"bos_token": "<s>", "added_tokens_decoder": {"3": {"content": "b"}}}`, `{"b": 3}`)
	f.Add(false, `{"added_tokens": [{"id": 3, "content": "<s>", "special": true}], "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false}, "model": {"type": "BPE",
		"vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}}`, `{"eos_token": "<s>"}`, `{}`)
	f.Fuzz(func(t *testing.T, spm bool, model, config, added string) {
		dir := t.TempDir()
		name := "tokenizer.json"
		if spm {
			name = "tokenizer.model"
		}
		for file, text := range map[string]string{name: model, "tokenizer_config.json": config, "added_tokens.json": added} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		v, err := tokenizer.OpenVocabulary(dir)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Fatalf("more than a line: %q", err)
			}
			return
		}
		if err := v.PadTo(len(v.Tokens) + 1); err != nil {
			t.Fatal(err)
		}
		if _, err := tokenizer.FromGGUF(v.Metadata()); err != nil {
			t.Fatalf("%v of %+v", err, v)
		}
	})
}
