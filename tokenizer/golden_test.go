package tokenizer_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/tokenizer"
)

// caseFile gives the path of a file of a case of golden/language/tokenizer.
func caseFile(t testing.TB, name ...string) string {
	t.Helper()
	return filepath.Join(append([]string{golden.Shared(t), "golden", "language", "tokenizer"}, name...)...)
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// row is a line of a fixture's .jsonl files.
type row struct {
	Text    string   `json:"text"`
	Bytes   string   `json:"bytes"` // base64, instead of text
	IDs     []int32  `json:"ids"`
	Tokens  []string `json:"tokens"`
	Offsets []int    `json:"offsets"`
	Pieces  []string `json:"pieces"`
	Spans   []int    `json:"spans"`
	Decode  string   `json:"decode"`
	Skip    *string  `json:"skip"`
	Plain   []int32  `json:"plain"`

	Steps  []*string `json:"steps"`
	Prefix []string  `json:"prefix_decode"`
}

func rows(t testing.TB, path string) []row {
	t.Helper()
	var out []row
	s := bufio.NewScanner(bytes.NewReader(read(t, path)))
	s.Buffer(nil, 1<<24)
	for s.Scan() {
		if len(s.Bytes()) == 0 {
			continue
		}
		var r row
		if err := json.Unmarshal(s.Bytes(), &r); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if r.Bytes != "" {
			b, err := base64.StdEncoding.DecodeString(r.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			r.Text = string(b)
		}
		out = append(out, r)
	}
	if len(out) == 0 {
		t.Fatalf("%s: no rows", path)
	}
	return out
}

func openJSON(t testing.TB, name string) *tokenizer.Tokenizer {
	t.Helper()
	tok, err := tokenizer.ReadJSON(read(t, caseFile(t, name, "tokenizer.json")))
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// checkRows holds a tokenizer against rows that tokenizers made.
func checkRows(t *testing.T, tok *tokenizer.Tokenizer, path string) {
	t.Helper()
	for _, r := range rows(t, path) {
		if got := tok.Encode(r.Text, tokenizer.EncodeOptions{}); !slices.Equal(got, r.IDs) {
			t.Errorf("%q: ids\n got %v\nwant %v", r.Text, got, r.IDs)
			continue
		}
		plain := r.Plain
		if plain == nil {
			plain = r.IDs
		}
		if got := tok.Encode(r.Text, tokenizer.EncodeOptions{NoSpecial: true}); !slices.Equal(got, plain) {
			t.Errorf("%q: plain ids %v, want %v", r.Text, got, plain)
		}
		var texts []string
		var ids []int32
		var offsets []int
		for _, k := range tok.EncodeOffsets(r.Text, tokenizer.EncodeOptions{}) {
			ids, texts, offsets = append(ids, k.ID), append(texts, k.Text), append(offsets, k.RuneStart, k.RuneEnd)
			if lo, hi := len([]rune(r.Text[:k.Start])), len([]rune(r.Text[:k.End])); lo != k.RuneStart || hi != k.RuneEnd {
				t.Errorf("%q: token %q stands at bytes %d to %d, which is runes %d to %d, not %d to %d", r.Text, k.Text, k.Start, k.End, lo, hi, k.RuneStart, k.RuneEnd)
			}
		}
		if !slices.Equal(ids, r.IDs) || !slices.Equal(texts, r.Tokens) {
			t.Errorf("%q: tokens\n got %q\nwant %q", r.Text, texts, r.Tokens)
		}
		if !slices.Equal(offsets, r.Offsets) {
			t.Errorf("%q: offsets\n got %v\nwant %v\n%q", r.Text, offsets, r.Offsets, texts)
		}
		if got := tok.Decode(r.IDs, tokenizer.DecodeOptions{KeepSpecial: true}); got != r.Decode {
			t.Errorf("%q: decoded to %q, want %q", r.Text, got, r.Decode)
		}
		skip := r.Decode
		if r.Skip != nil {
			skip = *r.Skip
		}
		if got := tok.Decode(r.IDs, tokenizer.DecodeOptions{}); got != skip {
			t.Errorf("%q: decoded without special tokens to %q, want %q", r.Text, got, skip)
		}
	}
}

func TestByteLevel(t *testing.T) {
	for _, name := range []string{"bpe-gpt2", "bpe-llama3"} {
		t.Run(name, func(t *testing.T) {
			checkRows(t, openJSON(t, name), caseFile(t, name, "rows.jsonl"))
		})
	}
}

func openSP(t testing.TB, o tokenizer.SentencePieceOptions, path ...string) *tokenizer.Tokenizer {
	t.Helper()
	tok, err := tokenizer.ReadSentencePiece(read(t, filepath.Join(path...)), o)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// checkPieces holds a tokenizer against rows that sentencepiece made.
func checkPieces(t *testing.T, tok *tokenizer.Tokenizer, path string) {
	t.Helper()
	asIs := tokenizer.EncodeOptions{NoSpecial: true, Verbatim: true}
	for _, r := range rows(t, path) {
		if got := tok.Encode(r.Text, asIs); !slices.Equal(got, r.IDs) {
			t.Errorf("%q: ids\n got %v\nwant %v", r.Text, got, r.IDs)
			continue
		}
		var pieces []string
		var spans []int
		for _, k := range tok.EncodeOffsets(r.Text, asIs) {
			pieces, spans = append(pieces, k.Text), append(spans, k.Start, k.End)
		}
		if !slices.Equal(pieces, r.Pieces) {
			t.Errorf("%q: pieces\n got %q\nwant %q", r.Text, pieces, r.Pieces)
		}
		if !slices.Equal(spans, r.Spans) {
			t.Errorf("%q: spans\n got %v\nwant %v\n%q", r.Text, spans, r.Spans, pieces)
		}
		if got := tok.Decode(r.IDs, tokenizer.DecodeOptions{KeepSpecial: true}); got != r.Decode {
			t.Errorf("%q: decoded to %q, want %q", r.Text, got, r.Decode)
		}
	}
}

func TestSentencePiece(t *testing.T) {
	t.Run("llama2", func(t *testing.T) {
		tok := openSP(t, tokenizer.SentencePieceOptions{}, golden.Shared(t), "data", "llama", "tokenizer.model")
		checkPieces(t, tok, caseFile(t, "llama2", "spm.jsonl"))
	})
	for _, name := range []string{"spm-bpe", "unigram", "unigram-nfkc-bytefallback"} {
		t.Run(name, func(t *testing.T) {
			checkPieces(t, openSP(t, tokenizer.SentencePieceOptions{}, caseFile(t, name, "tokenizer.model")), caseFile(t, name, "spm.jsonl"))
		})
	}
}

var wordPieces = map[string]tokenizer.BERTOptions{
	"wordpiece-uncased":             {},
	"wordpiece-cased":               {Cased: true},
	"wordpiece-cased-strip-accents": {Cased: true, StripAccents: new(true), NoChinese: true},
}

func openBERT(t testing.TB, name string) *tokenizer.Tokenizer {
	t.Helper()
	tok, err := tokenizer.ReadBERT(read(t, caseFile(t, name, "vocab.txt")), wordPieces[name])
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func TestWordPiece(t *testing.T) {
	for name := range wordPieces {
		t.Run(name, func(t *testing.T) {
			checkRows(t, openBERT(t, name), caseFile(t, name, "rows.jsonl"))
		})
	}
}

func TestPairs(t *testing.T) {
	for name := range wordPieces {
		t.Run(name, func(t *testing.T) {
			tok := openBERT(t, name)
			var pairs []struct {
				A, B    string
				IDs     []int32  `json:"ids"`
				TypeIDs []int32  `json:"type_ids"`
				Mask    []int32  `json:"attention_mask"`
				Tokens  []string `json:"tokens"`
			}
			if err := json.Unmarshal(read(t, caseFile(t, name, "pairs.json")), &pairs); err != nil || len(pairs) == 0 {
				t.Fatal(err, len(pairs))
			}
			for _, p := range pairs {
				in, err := tok.EncodePair(p.A, p.B, tokenizer.PairOptions{
					Truncation: &tokenizer.Truncation{MaxLength: 16},
					Padding:    &tokenizer.Padding{Length: 16, Token: "[PAD]"},
				})
				if err != nil {
					t.Fatal(err)
				}
				var texts []string
				for _, k := range in.Tokens {
					texts = append(texts, k.Text)
				}
				if !slices.Equal(in.IDs, p.IDs) || !slices.Equal(in.TypeIDs, p.TypeIDs) || !slices.Equal(in.Mask, p.Mask) || !slices.Equal(texts, p.Tokens) {
					t.Errorf("%q, %q:\n got %v\n     %v\n     %v\n     %q\nwant %v\n     %v\n     %v\n     %q", p.A, p.B,
						in.IDs, in.TypeIDs, in.Mask, texts, p.IDs, p.TypeIDs, p.Mask, p.Tokens)
				}
			}
		})
	}
}

// checkStream holds the steps of decoding against those of tokenizers' DecodeStream.
func checkStream(t *testing.T, tok *tokenizer.Tokenizer, path string) {
	t.Helper()
	for _, r := range rows(t, path) {
		s := tok.NewStream(tokenizer.DecodeOptions{})
		var all string
		for i, id := range r.IDs {
			want := ""
			if r.Steps[i] != nil {
				want = *r.Steps[i]
			}
			got := s.Next(id)
			if all += got; got != want {
				t.Errorf("%q: step %d shows %q, want %q", r.Text, i, got, want)
			}
			if got := tok.Decode(r.IDs[:i+1], tokenizer.DecodeOptions{}); got != r.Prefix[i] {
				t.Errorf("%q: the first %d ids are %q, want %q", r.Text, i+1, got, r.Prefix[i])
			}
		}
		if all += s.Flush(); all != tok.Decode(r.IDs, tokenizer.DecodeOptions{}) {
			t.Errorf("%q: streamed to %q", r.Text, all)
		}
	}
}

func TestStream(t *testing.T) {
	for _, name := range []string{"bpe-gpt2", "bpe-llama3"} {
		t.Run(name, func(t *testing.T) { checkStream(t, openJSON(t, name), caseFile(t, name, "stream.jsonl")) })
	}
	for name := range wordPieces {
		t.Run(name, func(t *testing.T) { checkStream(t, openBERT(t, name), caseFile(t, name, "stream.jsonl")) })
	}
	t.Run("llama2", func(t *testing.T) { checkStream(t, publishedLlama(t), caseFile(t, "llama2", "stream.jsonl")) })
}

// testdata/hf has small vocabularies that tokenizers 0.23.3 trained, one for each part of
// tokenizer.json that the fixtures do not use, and what that library makes of some texts.
func TestParts(t *testing.T) {
	files, err := filepath.Glob("testdata/hf/*.json")
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) { checkRows(t, readJSON(t, read(t, file)), file+"l") })
	}
}

// testdata/sp has small models that sentencepiece 0.2.3 trained with other options than the
// fixtures' (suffix white space, no dummy prefix, user-defined symbols, pieces across spaces,
// unknown runes without byte fallback), and what it makes of some texts.
func TestSentencePieceOptions(t *testing.T) {
	files, err := filepath.Glob("testdata/sp/*.model")
	if err != nil || len(files) < 8 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			checkPieces(t, openSP(t, tokenizer.SentencePieceOptions{}, file), strings.TrimSuffix(file, ".model")+".jsonl")
		})
	}
}
