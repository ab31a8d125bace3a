package quantize_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/model/all"
	"github.com/hanji-ml/hanji/tokenizer"
)

// TestLlamaCppTokenizes: llama.cpp cuts text as hanji does by the vocabulary that hanji put into the file. It needs the same Python as
// TestLlamaCpp.
func TestLlamaCppTokenizes(t *testing.T) {
	python := os.Getenv("HANJI_PYTHON")
	if python == "" || exec.Command(python, "-c", "import llama_cpp").Run() != nil {
		t.Log("HANJI_PYTHON names no Python with llama_cpp: not compared with llama.cpp in this run")
		return
	}
	const qwen = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`
	const level = `{"type": "ByteLevel", "add_prefix_space": false, "use_regex": `
	tokenizers := golden.Shared(t) + "/golden/language/tokenizer/"
	for _, c := range []struct{ file, texts, cut string }{
		{golden.Shared(t) + "/data/llama/tokenizer.model", "llama2/spm.jsonl", ""},
		{tokenizers + "bpe-gpt2/tokenizer.json", "bpe-gpt2/rows.jsonl", ""},
		{tokenizers + "bpe-llama3/tokenizer.json", "bpe-llama3/rows.jsonl", ""},
		{tokenizers + "bpe-gpt2/tokenizer.json", "bpe-gpt2/rows.jsonl", `[{"type": "Digits", "individual_digits": true}, ` + level + `true}]`},
		{tokenizers + "bpe-gpt2/tokenizer.json", "bpe-gpt2/rows.jsonl",
			`[{"type": "Split", "pattern": {"Regex": "` + qwen + `"}, "behavior": "Isolated", "invert": false}, ` + level + `false}]`},
	} {
		dir := t.TempDir()
		b, err := os.ReadFile(c.file)
		if err != nil {
			t.Fatal(err)
		}
		if c.cut != "" {
			var file map[string]json.RawMessage
			if err := json.Unmarshal(b, &file); err != nil {
				t.Fatal(err)
			}
			file["pre_tokenizer"] = json.RawMessage(`{"type": "Sequence", "pretokenizers": ` + c.cut + "}")
			if b, err = json.Marshal(file); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(c.file)), b, 0o644); err != nil {
			t.Fatal(err)
		}
		own, err := tokenizer.OpenFile(dir)
		if err != nil {
			t.Fatal(err)
		}
		m, err := all.NewDecoder("llama", fmt.Appendf(nil, `{"vocab_size": %d, "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 1}`, own.Len()+3), 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Save(dir); err != nil {
			t.Fatal(err)
		}
		write(t, dir, "f16")
		texts, err := os.ReadFile(tokenizers + c.texts)
		if err != nil {
			t.Fatal(err)
		}
		compareTokens(t, python, dir, strings.Split(string(texts), "\n"))
	}
}

func compareTokens(t *testing.T, python, dir string, texts []string) {
	b, err := json.Marshal(texts)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "texts.json"), b, 0o644); err != nil {
		t.Fatal(err)
	}
	script := `
import json, sys, llama_cpp
m = llama_cpp.Llama(sys.argv[1] + "/f16.gguf", vocab_only=True, verbose=False)
print(json.dumps([m.tokenize(t.encode(), add_bos=False, special=False) for t in json.load(open(sys.argv[1] + "/texts.json"))]))
`
	cmd := exec.Command(python, "-c", script, dir)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &said)
	}
	var want [][]int32
	if err := json.Unmarshal(out, &want); err != nil {
		t.Fatal(err)
	}
	own, err := tokenizer.OpenFile(filepath.Join(dir, "f16.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for i, text := range texts {
		if got := own.Encode(text, tokenizer.EncodeOptions{NoSpecial: true, Verbatim: true}); !slices.Equal(got, want[i]) {
			n++
			t.Errorf("%q: %v, llama.cpp gives %v", text, got, want[i])
		}
	}
	t.Logf("%d texts, %d differ", len(texts), n)
}
