package generate

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/tensor"
)

// Long prefixes outlive the engine: another finds them, and gives the same output. What is damaged, of another model or of another
// kind of cache is computed again, and is no error.
func TestEnginePrefixDir(t *testing.T) {
	for _, name := range []string{"llama", "gemma"} {
		m, dir := tinyDecoder(t, name), filepath.Join(t.TempDir(), "prefixes")
		prompt, other := somePrompt(1, 300), somePrompt(2, 290)
		next := append(slices.Clone(prompt), somePrompt(3, 40)...)
		options := []Options{{MaxTokens: 20, LogProbs: true}}
		want := alone(t, m, [][]int32{next}, options, nn.CacheOptions{PageTokens: 8})[0]
		o := EngineOptions{PrefixDir: dir, PrefixModel: "one", Cache: nn.CacheOptions{PageTokens: 8, Rewind: 400}} // for gemma's windows
		ask := func(o EngineOptions, prompts ...[]int32) (cached int, said Result) {
			e := newEngine(t, m, o)
			for _, p := range prompts {
				out, err := e.Submit(context.Background(), p, options[0])
				if err != nil {
					t.Fatal(err)
				}
				if said, err = collect(out); err != nil {
					t.Fatal(err)
				}
				cached = out.CachedTokens()
			}
			if err := e.Drain(context.Background()); err != nil {
				t.Error(err)
			}
			return cached, said
		}
		files := func() []string {
			list, err := filepath.Glob(filepath.Join(dir, "*"))
			if err != nil {
				t.Fatal(err)
			}
			return list
		}
		ask(o, somePrompt(4, 100), other, prompt)
		if n := len(files()); n != 2 {
			t.Fatalf("%s: %d files, want the two of 256 tokens and more", name, n)
		}
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: the folder is open: %v, %v", name, info.Mode(), err)
		}
		foreign, half := o, o
		foreign.PrefixModel, half.Cache.DType = "another", tensor.F16
		if n, _ := ask(foreign, next); n != 0 {
			t.Errorf("%s: %d tokens of another model", name, n)
		}
		if n, _ := ask(half, other[:280]); n != 0 {
			t.Errorf("%s: %d tokens of another type", name, n)
		}
		if n, got := ask(o, next); n != 300 || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %d tokens found, want 300; %v, alone %v", name, n, got, want)
		}
		if n, _ := ask(o, next); n != 339 { // the longer one is in the shorter one's place
			t.Errorf("%s: %d tokens found, want 339", name, n)
		}
		for _, f := range files() {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			b[len(b)/2+len(b)/4]++
			if err := os.WriteFile(f, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if n, got := ask(o, next); n != 0 || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %d tokens of a damaged file; %v, alone %v", name, n, got, want)
		}
		if err := os.WriteFile(filepath.Join(dir, "x"+prefixSuffix), []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
		if n, _ := ask(o, next); n != 339 {
			t.Errorf("%s: %d tokens found beside a file that is none, want 339", name, n)
		}
		few := o
		few.Prefixes = 1
		ask(few, somePrompt(5, 300))
		if n := len(files()); n != 4 { // that one, the file that is none, another model's and another type's
			t.Errorf("%s: %q, want four", name, files())
		}
	}
	if _, err := NewEngine(tinyDecoder(t, "llama"), EngineOptions{PrefixDir: t.TempDir()}); err == nil {
		t.Error("no name of the model, no error")
	}
}

func FuzzReadPrefix(f *testing.F) {
	f.Add([]byte(`{"hanji_prefix":1,"model":"m","tokens":[1,2,3]}` + "\nrest"))
	f.Add([]byte(`{"hanji_prefix":1,"tokens":[` + strings.Repeat("2147483647,", 99) + "1]}\n"))
	f.Add([]byte("{}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bufio.NewReaderSize(bytes.NewReader(b), 16)
		p, err := readPrefix(r, 50)
		if err == nil && (len(p.Tokens) < 1 || len(p.Tokens) > 50 || !bytes.Contains(b, []byte("\n"))) {
			t.Errorf("%q is taken for %+v", b, p)
		}
	})
}
