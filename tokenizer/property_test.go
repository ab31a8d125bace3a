package tokenizer_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/tokenizer"
)

func everyTokenizer(t testing.TB) map[string]*tokenizer.Tokenizer {
	t.Helper()
	shared := golden.Shared(t)
	gpt2, err := tokenizer.ReadTiktoken(read(t, shared+"/data/speech/gpt2.tiktoken"), tokenizer.TiktokenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return map[string]*tokenizer.Tokenizer{
		"tiktoken":  gpt2,
		"gpt2":      openJSON(t, "bpe-gpt2"),
		"llama3":    openJSON(t, "bpe-llama3"),
		"llama2":    publishedLlama(t),
		"spm":       openSP(t, tokenizer.SentencePieceOptions{}, shared, "data", "llama", "tokenizer.model"),
		"spm-bpe":   openSP(t, tokenizer.SentencePieceOptions{}, caseFile(t, "spm-bpe", "tokenizer.model")),
		"unigram":   openSP(t, tokenizer.SentencePieceOptions{}, caseFile(t, "unigram", "tokenizer.model")),
		"nfkc":      openSP(t, tokenizer.SentencePieceOptions{}, caseFile(t, "unigram-nfkc-bytefallback", "tokenizer.model")),
		"wordpiece": openBERT(t, "wordpiece-uncased"),
	}
}

// someText draws what tokenizers stumble over: spaces, line breaks, marks, special tokens,
// broken bytes, long runs.
func someText() *rapid.Generator[string] {
	bits := rapid.SampledFrom(strings.Split(" |  |\n|\r\n|\t|a|the|The |'s|'LL|12|3|½|안녕|하세요|한|é|é|ſ|😀|👨‍👩‍👧|漢字|▁|<s>|</s>|<|endoftext|>|<mask>|hanji|[SEP]|\x00|\xff|\xed\xa0\x80|\xe2\x82|\u00a0|\u3000|\u200b|\ufffd|ﬁ|㎏|x|xx|xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "|"))
	return rapid.Custom(func(t *rapid.T) string {
		if rapid.Bool().Draw(t, "bytes") {
			return string(rapid.SliceOfN(rapid.Byte(), 0, 60).Draw(t, "text"))
		}
		return strings.Join(rapid.SliceOfN(bits, 0, 30).Draw(t, "bits"), "")
	})
}

func TestProperties(t *testing.T) {
	byteLevel := map[string]bool{"tiktoken": true, "gpt2": true, "llama3": true}
	for name, tok := range everyTokenizer(t) {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(r *rapid.T) {
				text := someText().Draw(r, "text")
				o := tokenizer.EncodeOptions{NoSpecial: rapid.Bool().Draw(r, "nospecial"), Verbatim: rapid.Bool().Draw(r, "verbatim")}
				ids := tok.Encode(text, o)
				tokens := tok.EncodeOffsets(text, o)
				var same []int32
				lo := 0
				for _, k := range tokens {
					same = append(same, k.ID)
					if k.Start < 0 || k.Start > k.End || k.End > len(text) || k.RuneStart > k.RuneEnd || k.RuneEnd > utf8.RuneCountInString(text) {
						r.Fatalf("%q: token %+v stands outside", text, k)
					}
					if !o.NoSpecial {
						continue
					}
					if k.Start < lo {
						r.Fatalf("%q: token %+v stands before the one before it", text, k)
					}
					lo = k.Start
				}
				if !slices.Equal(ids, same) {
					r.Fatalf("%q: Encode gives %v, EncodeOffsets %v", text, ids, same)
				}
				whole := tok.Decode(ids, tokenizer.DecodeOptions{})
				s := tok.NewStream(tokenizer.DecodeOptions{})
				var streamed strings.Builder
				for _, id := range ids {
					part := s.Next(id)
					if !utf8.ValidString(part) {
						r.Fatalf("%q: a step shows %q", text, part)
					}
					streamed.WriteString(part)
				}
				if streamed.WriteString(s.Flush()); streamed.String() != whole {
					r.Fatalf("%q: streamed to %q, decoded to %q", text, streamed.String(), whole)
				}
				if byteLevel[name] && o.Verbatim && name == "tiktoken" {
					var b strings.Builder
					for _, id := range ids {
						piece, _ := tok.Bytes(id)
						b.WriteString(piece)
					}
					if b.String() != text {
						r.Fatalf("%q comes back as %q", text, b.String())
					}
				}
			})
		})
	}
}

// Tokens of a byte-level vocabulary without gaps: each begins where the one before it ended,
// or within one rune of it.
func TestOffsetsCover(t *testing.T) {
	tok := everyTokenizer(t)["tiktoken"]
	rapid.Check(t, func(r *rapid.T) {
		text := someText().Draw(r, "text")
		at := 0
		for _, k := range tok.EncodeOffsets(text, tokenizer.EncodeOptions{Verbatim: true}) {
			if k.Start > at || at-k.Start > utf8.UTFMax || k.End < at {
				r.Fatalf("%q: token %+v, expected to begin at %d", text, k, at)
			}
			at = k.End
		}
		if at != len(text) {
			r.Fatalf("%q: tokens end at %d of %d", text, at, len(text))
		}
	})
}

// A long run of one character costs n·log n at most: eight times the text must not take
// anywhere near 64 times as long.
func TestLongRuns(t *testing.T) {
	const n = 1 << 17
	for name, tok := range everyTokenizer(t) {
		for _, s := range []string{"a", " ", "\n", "한", "!", "\xff", "<"} {
			short, long := strings.Repeat(s, n/8), strings.Repeat(s, n)
			begin := time.Now()
			tok.Encode(short, tokenizer.EncodeOptions{})
			once := time.Since(begin)
			begin = time.Now()
			ids := tok.Encode(long, tokenizer.EncodeOptions{})
			if eight := time.Since(begin); eight > 24*once+500*time.Millisecond {
				t.Errorf("%s: %d of %q take %v, %d take %v", name, n/8, s, once, n, eight)
			}
			tok.Decode(ids, tokenizer.DecodeOptions{})
		}
	}
}

func TestConcurrent(t *testing.T) {
	text := strings.Repeat("The quick brown fox jumps over the lazy dog. 안녕하세요 ", 20)
	for name, tok := range everyTokenizer(t) {
		want := tok.Encode(text, tokenizer.EncodeOptions{})
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for i := range 20 {
					if got := tok.Encode(text, tokenizer.EncodeOptions{}); !slices.Equal(got, want) {
						t.Errorf("%s: round %d differs", name, i)
						return
					}
				}
			})
		}
		wg.Wait()
	}
}
