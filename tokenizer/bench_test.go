package tokenizer_test

import (
	"bytes"
	"testing"

	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/tokenizer"
)

// The work of peers/encode_text.py: a text encoded line by line, on one core.
func BenchmarkEncode(b *testing.B) {
	shared := golden.Shared(b)
	texts := map[string]string{
		"english": shared + "/data/ir/cranfield/cran.all.1400",
		"korean":  shared + "/data/ir/KorQuAD_v1.0_dev.json",
	}
	gpt2, err := tokenizer.ReadTiktoken(read(b, shared+"/data/speech/gpt2.tiktoken"), tokenizer.TiktokenOptions{})
	if err != nil {
		b.Fatal(err)
	}
	toks := map[string]*tokenizer.Tokenizer{
		"gpt2":        gpt2,
		"llama2-spm":  openSP(b, tokenizer.SentencePieceOptions{}, shared, "data", "llama", "tokenizer.model"),
		"llama2-json": publishedLlama(b),
		"wordpiece":   openBERT(b, "wordpiece-uncased"),
		"unigram":     openSP(b, tokenizer.SentencePieceOptions{}, caseFile(b, "unigram-nfkc-bytefallback", "tokenizer.model")),
	}
	for tname, tok := range toks {
		for name, path := range texts {
			var lines []string
			data := read(b, path)
			for line := range bytes.Lines(data) {
				lines = append(lines, string(bytes.TrimRight(line, "\n")))
			}
			b.Run(tname+"/"+name, func(b *testing.B) {
				b.SetBytes(int64(len(data)))
				for b.Loop() {
					for _, line := range lines {
						tok.Encode(line, tokenizer.EncodeOptions{NoSpecial: true})
					}
				}
			})
		}
	}
}
