package tokenizer_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/tokenizer"
)

// TestOpenVocabulary: a folder's tokenizer and the one of its GGUF metadata give the same ids, with added tokens and rows to spare.
func TestOpenVocabulary(t *testing.T) {
	model, err := os.ReadFile(golden.Shared(t) + "/data/llama/tokenizer.model")
	if err != nil {
		t.Fatal(err)
	}
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

func TestOpenVocabularyErrors(t *testing.T) {
	if _, err := tokenizer.OpenVocabulary(t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing there: %v", err)
	}
	for want, files := range map[string]map[string]string{
		"there is tokenizer.json only":      {"tokenizer.json": "{}"},
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
