package main

import (
	"math"
	"os"
	"strings"

	"github.com/hanji-ml/hanji/tokenizer"
)

// benchEncode measures how fast a text is turned into ids, line by line on one thread, in MB of UTF-8 a second.
func benchEncode(o benchOptions) error {
	if o.text == "" || o.model == "" && o.spm == "" && o.tiktoken == "" {
		return usagef("bench encode_text needs --text FILE and a tokenizer: --model (tokenizer.json), --spm or --tiktoken")
	}
	b, err := os.ReadFile(o.text)
	if err != nil {
		return err
	}
	o.threads = 1
	text := strings.ToValidUTF8(string(b), "\uFFFD")
	lines := strings.Split(text, "\n")
	for _, c := range []struct{ name, file string }{{"encode-tiktoken", o.tiktoken}, {"encode-bpe", o.model}, {"encode-spm", o.spm}} {
		if c.file == "" {
			continue
		}
		t, err := tokenizer.OpenFile(c.file)
		if err != nil {
			return err
		}
		sec := fastest(func() {
			for _, line := range lines {
				t.Encode(line, tokenizer.EncodeOptions{NoSpecial: true, Verbatim: true})
			}
		})
		if err := o.report(c.name, math.Round(float64(len(text))/sec/1e4)/100, "MB/s"); err != nil {
			return err
		}
	}
	return nil
}
