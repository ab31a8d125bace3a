package tokenizer_test

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/tokenizer"
)

// use does with a tokenizer what can go wrong with one that should not have been read.
func use(t *testing.T, tok *tokenizer.Tokenizer, text string) {
	t.Helper()
	ids := tok.Encode(text, tokenizer.EncodeOptions{})
	tokens := tok.EncodeOffsets(text, tokenizer.EncodeOptions{})
	if len(ids) != len(tokens) {
		t.Fatalf("%q: %d ids, %d tokens", text, len(ids), len(tokens))
	}
	s := tok.NewStream(tokenizer.DecodeOptions{KeepSpecial: true})
	for i, id := range ids {
		if tokens[i].ID != id {
			t.Fatalf("%q: id %d is %d and %d", text, i, id, tokens[i].ID)
		}
		if id < 0 || int(id) >= tok.Len() {
			t.Fatalf("%q: id %d of %d", text, id, tok.Len())
		}
		s.Next(id)
	}
	s.Flush()
	tok.Decode(ids, tokenizer.DecodeOptions{KeepSpecial: true})
	tok.Decode([]int32{-1, 0, 1, math.MaxInt32}, tokenizer.DecodeOptions{})
	_, _ = tok.EncodePair(text, "b c", tokenizer.PairOptions{})
}

const fuzzText = "Hello, a  b 'll 12 안녕 é\xff<s>\n\n▁ab x<m> "

func FuzzReadJSON(f *testing.F) {
	for _, s := range []string{
		`{"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2,"Ġ":3},"merges":["a b"],"ignore_merges":true},"pre_tokenizer":{"type":"ByteLevel"},"decoder":{"type":"ByteLevel"},"post_processor":{"type":"ByteLevel"}}`,
		`{"model":{"type":"BPE","unk_token":"u","fuse_unk":true,"byte_fallback":true,"continuing_subword_prefix":"##","end_of_word_suffix":"</w>","vocab":{"u":0,"a":1,"##b</w>":2,"ab</w>":3},"merges":[["a","##b</w>"]]},"normalizer":{"type":"Sequence","normalizers":[{"type":"NFD"},{"type":"StripAccents"},{"type":"Lowercase"},{"type":"Strip"},{"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"Regex":"\\s+"},"content":"▁"},{"type":"Nmt"}]},"decoder":{"type":"Sequence","decoders":[{"type":"BPEDecoder"},{"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]}}`,
		`{"added_tokens":[{"id":4,"content":"<s>","special":true,"lstrip":true,"rstrip":true},{"id":5,"content":"x","normalized":true,"single_word":true}],"model":{"type":"Unigram","unk_id":0,"vocab":[["u",-5],["▁",-1],["a",-2],["▁a",-2.5]]},"normalizer":{"type":"Precompiled","precompiled_charsmap":"BAAAAAAAAABhAA=="},"pre_tokenizer":{"type":"Metaspace","replacement":"▁","prepend_scheme":"first"},"decoder":{"type":"Metaspace","replacement":"▁"},"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],"pair":[{"Sequence":{"id":"A","type_id":0}},{"Sequence":{"id":"B","type_id":1}}],"special_tokens":{"<s>":{"id":"<s>","ids":[4],"tokens":["<s>"]}}}}`,
		`{"truncation":{"max_length":4,"strategy":"LongestFirst","direction":"Right","stride":0},"padding":{"strategy":{"Fixed":8},"direction":"Left","pad_to_multiple_of":3,"pad_id":0,"pad_type_id":0,"pad_token":"u"},"model":{"type":"WordPiece","unk_token":"u","vocab":{"u":0,"a":1,"##b":2,"hello":3},"max_input_chars_per_word":5},"normalizer":{"type":"BertNormalizer"},"pre_tokenizer":{"type":"BertPreTokenizer"},"decoder":{"type":"WordPiece"},"post_processor":{"type":"BertProcessing","cls":["a",1],"sep":["u",0]}}`,
		`{"model":{"type":"WordLevel","unk_token":"u","vocab":{"u":0,"a":1}},"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Whitespace"},{"type":"Digits","individual_digits":true},{"type":"Punctuation","behavior":"MergedWithNext"},{"type":"Split","pattern":{"Regex":"[^\\r\\n\\p{L}\\p{N}]?\\p{Lu}+|\\p{N}{1,3}|\\s+(?!\\S)|\\s+"},"behavior":"Removed","invert":true},{"type":"CharDelimiterSplit","delimiter":"-"}]},"post_processor":{"type":"RobertaProcessing","cls":["a",1],"sep":["u",0]}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		tok, err := tokenizer.ReadJSON(data)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Fatalf("error of several lines: %q", err)
			}
			return
		}
		use(t, tok, fuzzText)
	})
}

// field writes one field of a protocol buffer.
func field(n int, v any) []byte {
	switch v := v.(type) {
	case string:
		return append(binary.AppendUvarint(binary.AppendUvarint(nil, uint64(n<<3|2)), uint64(len(v))), v...)
	case int:
		return binary.AppendUvarint(binary.AppendUvarint(nil, uint64(n<<3)), uint64(v))
	case float32:
		return binary.LittleEndian.AppendUint32(binary.AppendUvarint(nil, uint64(n<<3|5)), math.Float32bits(v))
	}
	return nil
}

func spFile(kind int, normalizer string, pieces ...string) []byte {
	var b []byte
	for i, p := range pieces {
		piece := slices.Concat(field(1, p), field(2, float32(-i)))
		switch p {
		case "<unk>":
			piece = append(piece, field(3, 2)...)
		case "<s>", "</s>":
			piece = append(piece, field(3, 3)...)
		case "<user>":
			piece = append(piece, field(3, 4)...)
		}
		b = append(b, field(1, string(piece))...)
	}
	b = append(b, field(2, string(field(3, kind)))...)
	return append(b, field(3, normalizer)...)
}

func FuzzReadSentencePiece(f *testing.F) {
	pieces := []string{"<unk>", "<s>", "</s>", "<user>", "▁", "a", "b", "▁a", "ab", "▁ab", "한", "�"}
	f.Add(spFile(2, string(field(4, 0)), pieces...))
	f.Add(spFile(1, string(field(3, 0)), pieces...))
	f.Add(spFile(1, string(field(2, "\x04\x00\x00\x00\x00\x00\x00\x00a\x00")), pieces...))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, o := range []tokenizer.SentencePieceOptions{{}, {NotLegacy: true, AddEOS: true}} {
			tok, err := tokenizer.ReadSentencePiece(data, o)
			if err != nil {
				return
			}
			use(t, tok, fuzzText)
			use(t, tok, "a<user> b")
		}
	})
}

func FuzzRead(f *testing.F) {
	var table strings.Builder
	for b := range 256 {
		table.WriteString(base64.StdEncoding.EncodeToString([]byte{byte(b)}) + " " + strconv.Itoa(b) + "\n")
	}
	f.Add([]byte(table.String()))
	f.Add([]byte("[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n##b\n"))
	f.Add([]byte("YQ== 0\nYg== 1\nYWI= 2\n"))
	f.Add([]byte("#version: 0.2\na b\n"))
	f.Add([]byte(`{"a":0}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if tok, err := tokenizer.Read(data); err == nil {
			use(t, tok, fuzzText)
		}
	})
}

func FuzzEncode(f *testing.F) {
	toks := everyTokenizer(f)
	f.Add(fuzzText)
	f.Add(strings.Repeat("ab ", 100))
	f.Fuzz(func(t *testing.T, text string) {
		for _, tok := range toks {
			use(t, tok, text)
		}
	})
}

// Whatever text a vocabulary is made from, it reads that text back.
func FuzzTrainBPE(f *testing.F) {
	f.Add("aaaa aaaa bab", "ababab", 270)
	f.Add("한지 종이 한지", "\xff\x00 </s>", 300)
	f.Fuzz(func(t *testing.T, a, b string, size int) {
		v, err := tokenizer.TrainBPE(slices.Values([]string{a, b}), tokenizer.TrainOptions{VocabSize: size % 400})
		if err != nil {
			return
		}
		k, err := v.Open()
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []string{a, b} {
			if s = strings.ToValidUTF8(s, "?"); k.Decode(k.Encode(s, tokenizer.EncodeOptions{Verbatim: true}), tokenizer.DecodeOptions{}) != s {
				t.Errorf("%q comes back otherwise", s)
			}
		}
	})
}
