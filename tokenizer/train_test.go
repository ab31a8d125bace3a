package tokenizer

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/internal/golden"
)

// trainedCase is one of testdata/train/merges.json, which make.py beside it wrote.
type trainedCase struct {
	VocabSize    int `json:"vocab_size"`
	MinFrequency int `json:"min_frequency"`
	Size, Merges int
	SHA256       string
	First, Last  [][2]string
}

func (c trainedCase) check(t *testing.T, texts []string) {
	t.Helper()
	v, err := TrainBPE(slices.Values(texts), TrainOptions{VocabSize: c.VocabSize, MinFrequency: c.MinFrequency, Special: []string{"<|im_end|>"}})
	if err != nil {
		t.Fatal(err)
	}
	var f struct{ Model struct{ Merges [][2]string } }
	if err := json.Unmarshal(v.JSON, &f); err != nil {
		t.Fatal(err)
	}
	merges := f.Model.Merges
	var lines []string
	for _, m := range merges {
		lines = append(lines, m[0]+" "+m[1])
	}
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	if hex.EncodeToString(sum[:]) != c.SHA256 || v.Size != c.Size || len(merges) != c.Merges {
		t.Errorf("vocabulary of %d: %d tokens, %d merges ending in %q, want %d, %d and %q", c.VocabSize, v.Size, len(merges), merges[len(merges)-5:], c.Size, c.Merges, c.Last)
		for i, m := range c.First {
			if merges[i] != m {
				t.Fatalf("merge %d is %q, want %q", i, merges[i], m)
			}
		}
	}
}

// The merges are those of Hugging Face's BpeTrainer, and the order of texts does not matter.
func TestTrainBPE(t *testing.T) {
	b, err := os.ReadFile("testdata/train/merges.json")
	if err != nil {
		t.Fatal(err)
	}
	var g struct {
		Texts []string
		Cases []trainedCase
		DCLM  trainedCase
	}
	if err := json.Unmarshal(b, &g); err != nil {
		t.Fatal(err)
	}
	for _, c := range g.Cases {
		c.check(t, g.Texts)
		slices.Reverse(g.Texts)
		c.check(t, g.Texts)
	}
	file, err := os.Open(filepath.Join(golden.Shared(t), "data", "dclm", "majority_data.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var pages []string
	for lines := bufio.NewReader(file); ; {
		line, err := lines.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			var page struct{ Text string }
			if err := json.Unmarshal(line, &page); err != nil {
				t.Fatal(err)
			}
			pages = append(pages, page.Text)
		}
		if err != nil {
			break
		}
	}
	g.DCLM.check(t, pages)
}

// A vocabulary that was made reads and writes any bytes that are text, and opens as a folder.
func TestTrained(t *testing.T) {
	texts := []string{"한지는 닥나무로 만든 종이다. 종이는 오래 간다.", "paper paper papers, papering"}
	v, err := TrainBPE(slices.Values(texts), TrainOptions{VocabSize: 290})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := v.Save(dir); err != nil {
		t.Fatal(err)
	}
	fromDir, err := OpenFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	own, err := v.Open()
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []*Tokenizer{fromDir, own} {
		if r := k.Roles(); r.BOS != 0 || r.EOS != 1 || k.Len() != v.Size {
			t.Errorf("%+v, %d tokens", r, k.Len())
		}
		for _, s := range append(texts, "", "\x00 zebra 🦓\n\n") {
			ids := k.Encode(s, EncodeOptions{})
			if len(ids) < 1 || ids[0] != 0 || k.Decode(ids, DecodeOptions{}) != s {
				t.Errorf("%q comes back as %q", s, k.Decode(ids, DecodeOptions{}))
			}
		}
	}
	if n := len(own.Encode("paper", EncodeOptions{NoSpecial: true})); n != 1 {
		t.Errorf("a frequent word is %d tokens", n)
	}
	gguf, err := OpenVocabulary(dir)
	if err != nil || len(gguf.Tokens) != v.Size {
		t.Errorf("as a GGUF vocabulary: %v", err)
	}
	for _, o := range []TrainOptions{{}, {VocabSize: 257}, {VocabSize: 1 << 30}, {VocabSize: 300, BOS: "</s>"}, {VocabSize: 300, Special: []string{"a", "a"}}} {
		if _, err := TrainBPE(slices.Values(texts), o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
	if _, err := TrainBPE(slices.Values([]string{""}), TrainOptions{VocabSize: 300}); err == nil {
		t.Error("a vocabulary of nothing")
	}
}

func ExampleTrainBPE() {
	texts := []string{"low low low low low lower lower newest newest newest widest"}
	v, err := TrainBPE(slices.Values(texts), TrainOptions{VocabSize: 264})
	if err != nil {
		fmt.Println(err)
		return
	}
	t, err := v.Open()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, k := range t.EncodeOffsets("lowest", EncodeOptions{}) {
		fmt.Print(k.Text, " ")
	}
	// Output: <s> low est
}
