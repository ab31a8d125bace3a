package generate

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/hanji-ml/hanji/nn"
)

// askEngine gives each prompt's output and how many of its tokens were known.
func askEngine(t *testing.T, e *Engine, prompts [][]int32) (said [][]int32, known []int) {
	t.Helper()
	for _, p := range prompts {
		out, err := e.Submit(context.Background(), p, Options{MaxTokens: 12})
		if err != nil {
			t.Fatal(err)
		}
		r, err := collect(out)
		if err != nil {
			t.Fatal(err)
		}
		said, known = append(said, ids(r)), append(known, out.CachedTokens())
	}
	return said, known
}

// An engine that reads what another has written knows its prompts, and says the same.
func TestPrefixesStored(t *testing.T) {
	for name := range tinyDecoders {
		m := tinyDecoder(t, name)
		o := EngineOptions{Slots: 2, Context: 200, Cache: nn.CacheOptions{PageTokens: 8, MaxTokens: 800}}
		first := newEngine(t, m, o)
		prompts := [][]int32{somePrompt(1, 50), somePrompt(2, 30), somePrompt(3, 75)}
		want, _ := askEngine(t, first, prompts)
		if err := first.WritePrefixes(io.Discard, "m"); err == nil {
			t.Error("written while the engine runs")
		}
		first.Close()
		var b bytes.Buffer
		if err := first.WritePrefixes(&b, "m"); err != nil {
			t.Fatal(err)
		}
		second := newEngine(t, m, o)
		n, err := second.ReadPrefixes(bytes.NewReader(b.Bytes()), "m")
		if err != nil || n != first.Stats().Prefixes || second.Stats().Prefixes != n || n == 0 {
			t.Fatalf("%s: %d prefixes of %d, %v", name, n, first.Stats().Prefixes, err)
		}
		got, known := askEngine(t, second, prompts)
		for i := range prompts {
			if !slices.Equal(got[i], want[i]) {
				t.Errorf("%s: prompt %d is answered %v, want %v", name, i, got[i], want[i])
			}
			if known[i] != len(prompts[i])-1 && name != "mistral" && name != "gemma" { // whose windows have passed what the prompt's end would see
				t.Errorf("%s: %d of %d tokens are known", name, known[i], len(prompts[i]))
			}
		}
		few := o
		few.Prefixes = 1
		if n, err := newEngine(t, m, few).ReadPrefixes(bytes.NewReader(b.Bytes()), "m"); n != 1 || err != nil {
			t.Errorf("%s: %d prefixes where one is kept, %v", name, n, err)
		}
		small := o
		small.Context, small.Cache.MaxTokens = 96, 96
		if n, err := newEngine(t, m, small).ReadPrefixes(bytes.NewReader(b.Bytes()), "m"); n < 1 || n == first.Stats().Prefixes || err != nil {
			t.Errorf("%s: %d prefixes where there is no room for all, %v", name, n, err)
		}
	}
}

// What is damaged or of another model is refused; what was read before it stays good.
func TestPrefixesRefused(t *testing.T) {
	m := tinyDecoder(t, "llama")
	o := EngineOptions{Slots: 2, Context: 60, Cache: nn.CacheOptions{PageTokens: 8, MaxTokens: 200}}
	first := newEngine(t, m, o)
	prompts := [][]int32{somePrompt(1, 20), somePrompt(2, 30)}
	want, _ := askEngine(t, first, prompts)
	first.Close()
	var b bytes.Buffer
	if err := first.WritePrefixes(&b, "m"); err != nil {
		t.Fatal(err)
	}
	good := b.Bytes()
	if n, err := newEngine(t, m, o).ReadPrefixes(bytes.NewReader(good), "n"); n != 0 || !errors.Is(err, nn.ErrSequence) {
		t.Errorf("another model: %d, %v", n, err)
	}
	head := bytes.IndexByte(good, '\n') + 1
	for at := head; at < len(good); at += 501 {
		bad := bytes.Clone(good)
		bad[at] ^= 0x10
		for what, b := range map[string][]byte{"damaged": bad, "cut": good[:at]} {
			e, err := NewEngine(m, o)
			if err != nil {
				t.Fatal(err)
			}
			n, err := e.ReadPrefixes(bytes.NewReader(b), "m")
			if err == nil && n == len(want) {
				t.Errorf("%s at %d: all %d prefixes are taken", what, at, n)
			}
			if said, _ := askEngine(t, e, prompts); !slices.EqualFunc(said, want, slices.Equal) {
				t.Errorf("%s at %d: other answers", what, at)
			}
			e.Close()
		}
	}
}

func FuzzReadPrefixes(f *testing.F) {
	m := tinyDecoder(f, "llama")
	o := EngineOptions{Slots: 1, Context: 24, Cache: nn.CacheOptions{PageTokens: 8, MaxTokens: 24}}
	e, err := NewEngine(m, o)
	if err != nil {
		f.Fatal(err)
	}
	out, err := e.Submit(context.Background(), somePrompt(1, 10), Options{MaxTokens: 3})
	if err != nil {
		f.Fatal(err)
	}
	if _, err := collect(out); err != nil {
		f.Fatal(err)
	}
	e.Close()
	var b bytes.Buffer
	if err := e.WritePrefixes(&b, ""); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte("{\"hanji_prefixes\":1,\"lengths\":[1,-1,99999999999]}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := NewEngine(m, o)
		if err != nil {
			t.Fatal(err)
		}
		n, err := e.ReadPrefixes(bytes.NewReader(b), "")
		if err == nil && n > 3 {
			t.Fatalf("%d prefixes in room for 24 tokens", n)
		}
		e.Close()
		for e.evict() {
		}
		if room := e.cache.Room(); room != 24 {
			t.Fatalf("%d tokens are lost", 24-room)
		}
	})
}
