package tokenizer_test

import (
	"encoding/json"
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

func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const (
	smallBPE  = `{"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2,"Ġ":3,"<s>":4,"</s>":5},"merges":["a b"]},"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},"decoder":{"type":"ByteLevel"},"added_tokens":[{"id":4,"content":"<s>","special":true},{"id":5,"content":"</s>","special":true}]}`
	smallBERT = "[PAD]\n[UNK]\n[CLS]\n[SEP]\nhello\nHello\n##ing\n"
)

// A file is known by its content, whatever its name.
func TestOpenFile(t *testing.T) {
	sp := string(spFile(2, string(field(4, 0)), "<unk>", "<s>", "</s>", "▁", "a", "b", "▁a", "ab"))
	for name, c := range map[string]struct {
		files        map[string]string
		open         string
		format, text string
		ids          []int32
	}{
		"json":          {map[string]string{"x.model": smallBPE}, "x.model", "tokenizer.json", "ab a", []int32{2, 3, 0}},
		"model":         {map[string]string{"x.json": sp}, "x.json", "sentencepiece", "ab", []int32{1, 6, 5}},
		"bert":          {map[string]string{"x": smallBERT}, "x", "bert", "Hello Helloing", []int32{2, 4, 4, 6, 3}},
		"folder json":   {map[string]string{"tokenizer.json": smallBPE, "vocab.txt": smallBERT}, "", "tokenizer.json", "ab a", []int32{2, 3, 0}},
		"folder llama":  {map[string]string{"tokenizer.json": smallBPE, "tokenizer_config.json": `{"tokenizer_class":"LlamaTokenizer","add_eos_token":true,"bos_token":"<s>","eos_token":"</s>"}`}, "", "tokenizer.json", "ab", []int32{4, 2, 5}},
		"folder cased":  {map[string]string{"vocab.txt": smallBERT, "tokenizer_config.json": `{"do_lower_case":false,"cls_token":"[CLS]"}`}, "", "bert", "Hello hello", []int32{2, 5, 4, 3}},
		"folder model":  {map[string]string{"spiece.model": sp, "tokenizer_config.json": `{"add_bos_token":false,"add_eos_token":true}`}, "", "sentencepiece", "ab<s>ab", []int32{6, 5, 1, 6, 5, 2}},
		"folder legacy": {map[string]string{"tokenizer.model": sp, "tokenizer_config.json": `{"legacy":false}`}, "", "sentencepiece", "ab<s>ab", []int32{1, 6, 5, 1, 7}},
		"folder added": {map[string]string{"tokenizer.model": sp, "tokenizer_config.json": `{"added_tokens_decoder":{"8":{"content":"<image>","special":true}}}`,
			"added_tokens.json": `{"<pad>":9}`}, "", "sentencepiece", "<image>a<pad>", []int32{1, 8, 6, 9}},
		"folder gpt2": {map[string]string{"vocab.json": `{"a":0,"b":1,"ab":2,"<|endoftext|>":3}`, "merges.txt": "#version: 0.2\na b\n"}, "", "vocab.json", "ab<|endoftext|>b", []int32{2, 3, 1}},
	} {
		tok, err := tokenizer.OpenFile(filepath.Join(folder(t, c.files), c.open))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := tok.Encode(c.text, tokenizer.EncodeOptions{}); tok.Format() != c.format || !slices.Equal(got, c.ids) {
			t.Errorf("%s: %s %v, want %s %v", name, tok.Format(), got, c.format, c.ids)
		}
	}
	if _, err := tokenizer.OpenFile(t.TempDir() + "/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"nothing":    {nil, "no tokenizer here"},
		"empty":      {map[string]string{"tokenizer.json": ""}, "tokenizer.json: file is empty"},
		"config":     {map[string]string{"tokenizer.json": smallBPE, "tokenizer_config.json": `{"bos_token":"<bos>"}`}, `bos_token "<bos>" is not in the vocabulary`},
		"broken":     {map[string]string{"tokenizer.json": smallBPE, "tokenizer_config.json": `{`}, "tokenizer_config.json"},
		"no merges":  {map[string]string{"vocab.json": `{"a":0}`}, "merges.txt"},
		"truncated":  {map[string]string{"tokenizer.model": sp[:40]}, "truncated download?"},
		"binary":     {map[string]string{"tokenizer.model": "\x00\x01\x02"}, "neither tokenizer.json"},
		"merges":     {map[string]string{"tokenizer.json": "#version: 0.2\na b\n"}, "merges without their vocabulary"},
		"vocab.json": {map[string]string{"tokenizer.json": `{"a":0}`}, "merges.txt"},
	} {
		if _, err := tokenizer.OpenFile(folder(t, c.files)); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
}

// What a file asks for and is not supported is an error that names it.
func TestUnsupported(t *testing.T) {
	for want, doc := range map[string]string{
		`normalizer: type "Magic" is not supported`:                                `{"normalizer":{"type":"Magic"},"model":{"type":"BPE","vocab":{},"merges":[]}}`,
		`pre_tokenizer: type "UnicodeScripts" is not supported`:                    `{"pre_tokenizer":{"type":"UnicodeScripts"},"model":{"type":"BPE","vocab":{},"merges":[]}}`,
		`model: type "RNN" is not supported`:                                       `{"model":{"type":"RNN"}}`,
		`model: there is none`:                                                     `{}`,
		`decoder: type "CTC" is not supported`:                                     `{"decoder":{"type":"CTC"},"model":{"type":"BPE","vocab":{"a":0},"merges":[]}}`,
		`post_processor: type "X" is not supported`:                                `{"post_processor":{"type":"X"},"model":{"type":"BPE","vocab":{"a":0},"merges":[]}}`,
		`BPE: dropout 0.5 makes encoding random`:                                   `{"model":{"type":"BPE","dropout":0.5,"vocab":{},"merges":[]}}`,
		`BPE: merges: 0: token "b" is not in the vocabulary`:                       `{"model":{"type":"BPE","vocab":{"a":0},"merges":["a b"]}}`,
		`BPE: merges: 0: "ab" is not two tokens`:                                   `{"model":{"type":"BPE","vocab":{"a":0},"merges":["ab"]}}`,
		`BPE: unk_token "u" is not in the vocabulary`:                              `{"model":{"type":"BPE","unk_token":"u","vocab":{"a":0},"merges":[]}}`,
		`token "a" has id 4000000; with 1 tokens ids go up to 65540`:               `{"model":{"type":"BPE","vocab":{"a":4000000},"merges":[]}}`,
		`special token "x" is not among []`:                                        `{"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"x","type_id":0}}]},"model":{"type":"BPE","vocab":{"a":0},"merges":[]}}`,
		`special token 7 is not in the vocabulary`:                                 `{"post_processor":{"type":"BertProcessing","cls":["x",7],"sep":["a",0]},"model":{"type":"BPE","vocab":{"a":0},"merges":[]}}`,
		`neither a known split pattern nor one of Go's regexp`:                     `{"pre_tokenizer":{"type":"Split","pattern":{"Regex":"a(?=b)"},"behavior":"Isolated"},"model":{"type":"BPE","vocab":{"a":0},"merges":[]}}`,
		`Unigram: unk_id 5 is not among 1 tokens`:                                  `{"model":{"type":"Unigram","unk_id":5,"vocab":[["a",0]]}}`,
		`WordPiece: no unk_token`:                                                  `{"model":{"type":"WordPiece","vocab":{"a":0}}}`,
		`truncation: strategy "Random" is unknown`:                                 `{"truncation":{"max_length":4,"strategy":"Random"},"model":{"type":"BPE","vocab":{"a":0},"merges":[]}}`,
		`padding: length 4000000, multiple of 0: want 0 to 1048576`:                `{"padding":{"strategy":{"Fixed":4000000}},"model":{"type":"BPE","vocab":{"a":0},"merges":[]}}`,
		`precompiled_charsmap: array of 99 bytes in 1`:                             `{"normalizer":{"type":"Precompiled","precompiled_charsmap":"YwAAAGE="},"model":{"type":"BPE","vocab":{"a":0},"merges":[]}}`,
		`"Split" behind ByteLevel would see bytes spelled as runes: not supported`: `{"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"ByteLevel"},{"type":"Split","pattern":{"String":"a"},"behavior":"Isolated"}]},"model":{"type":"BPE","vocab":{"a":0},"merges":[]}}`,
		`replacements make "aa" more than 256 times as long`:                       `{"normalizer":{"type":"Sequence","normalizers":[` + strings.Repeat(`{"type":"Replace","pattern":{"String":"a"},"content":"aa"},`, 40) + `{"type":"NFC"}]},"model":{"type":"BPE","vocab":{"a":0},"merges":[]}}`,
		`decoder: a Replace by 2000 bytes, the limit is 1024`:                      `{"decoder":{"type":"Replace","pattern":{"String":"a"},"content":"` + strings.Repeat("a", 2000) + `"},"model":{"type":"BPE","vocab":{"a":0},"merges":[]}}`,
	} {
		if _, err := tokenizer.ReadJSON([]byte(doc)); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "tokenizer.json: ") {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	for want, data := range map[string]string{
		"model_type 3 is not supported":         string(spFile(3, "", "<unk>", "a")),
		"none of 1 pieces is the unknown piece": string(spFile(2, "", "a")),
		`piece 2: "a" stands there twice`:       string(spFile(2, "", "<unk>", "a", "a")),
		"no pieces; is this a SentencePiece":    "",
		"byte 0: field 1 says 100 bytes, 1 are": "\x0a\x64a",
		"byte 0: wire type 3":                   "\x0b",
		"precompiled_charsmap has 2 bytes":      string(spFile(1, string(field(2, "ab")), "<unk>", "a")),
		"the limit is 2048":                     string(spFile(1, "", "<unk>", strings.Repeat("a", 3000))),
		"pieces 0 and 1 are both the unknown":   string(append(spFile(1, "", "<unk>"), field(1, string(append(field(1, "b"), field(3, 2)...)))...)),
		`piece 1: "b" has type 9`:               string(append(spFile(1, "", "<unk>"), field(1, string(append(field(1, "b"), field(3, 9)...)))...)),
	} {
		if _, err := tokenizer.ReadSentencePiece([]byte(data), tokenizer.SentencePieceOptions{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	for want, data := range map[string]string{
		"line 2: 3 fields":                 "YQ== 0\na b c\n",
		`line 1: "!" is not the base64`:    "! 0\n",
		`line 1: "x" is no rank`:           "YQ== x\n",
		`line 2: token "a" stands there`:   "YQ== 0\nYQ== 1\n",
		"belong to no table that is known": "YQ== 0\n",
	} {
		if _, err := tokenizer.ReadTiktoken([]byte(data), tokenizer.TiktokenOptions{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	if _, err := tokenizer.ReadTiktoken([]byte("YQ== 0\n"), tokenizer.TiktokenOptions{Pattern: "gpt2"}); err == nil || !strings.Contains(err.Error(), "byte 0x00 is no token") {
		t.Errorf("error %v", err)
	}
}

// A vocabulary as slices gives the ids of the file it was taken from.
func TestNew(t *testing.T) {
	pieces, scores := tokenizer.Pieces(t, read(t, golden.Shared(t)+"/data/llama/tokenizer.model"))
	types := make([]int32, len(pieces))
	for i, p := range pieces {
		switch {
		case p == "<unk>":
			types[i] = 2
		case i < 3:
			types[i] = 3
		case i < 259:
			types[i] = 6
		default:
			types[i] = 1
		}
	}
	bos := int32(1)
	llama, err := tokenizer.New(tokenizer.Vocabulary{Model: "llama", Tokens: pieces, Scores: scores, Types: types, BOS: &bos})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows(t, caseFile(t, "llama2", "hf_published.jsonl")) {
		if got := llama.Encode(r.Text, tokenizer.EncodeOptions{}); !slices.Equal(got, r.IDs) {
			t.Errorf("%q: ids\n got %v\nwant %v", r.Text, got, r.IDs)
		}
	}
	if llama.Format() != "gguf" || llama.Roles().BOS != 1 || llama.Roles().Unknown != 0 {
		t.Error(llama.Format(), llama.Roles())
	}

	var file struct {
		Added []struct {
			ID      int
			Content string
			Special bool
		} `json:"added_tokens"`
		Model struct {
			Vocab  map[string]int
			Merges [][2]string
		}
	}
	if err := json.Unmarshal(read(t, caseFile(t, "bpe-llama3", "tokenizer.json")), &file); err != nil {
		t.Fatal(err)
	}
	v := tokenizer.Vocabulary{Model: "gpt2", Pre: "llama-bpe", Tokens: make([]string, len(file.Model.Vocab)+len(file.Added))}
	v.Types = make([]int32, len(v.Tokens))
	for token, id := range file.Model.Vocab {
		v.Tokens[id], v.Types[id] = token, 1
	}
	for _, a := range file.Added {
		v.Tokens[a.ID], v.Types[a.ID] = a.Content, 4
		if a.Special {
			v.Types[a.ID] = 3
		}
	}
	for _, m := range file.Model.Merges {
		v.Merges = append(v.Merges, m[0]+" "+m[1])
	}
	llama3, err := tokenizer.New(v)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows(t, caseFile(t, "bpe-llama3", "rows.jsonl")) {
		if strings.Contains(r.Text, "<mask>") || strings.Contains(r.Text, "hanji") { // lstrip and single_word, which GGUF has not
			continue
		}
		if got := llama3.Encode(r.Text, tokenizer.EncodeOptions{}); !slices.Equal(got, r.IDs) {
			t.Errorf("%q: ids\n got %v\nwant %v", r.Text, got, r.IDs)
		}
	}

	id := int32(9)
	for want, v := range map[string]tokenizer.Vocabulary{
		`model "rwkv" is not supported`:           {Model: "rwkv", Tokens: []string{"a"}},
		"there are no tokens":                     {Model: "llama"},
		"0 scores for 1 tokens":                   {Model: "llama", Tokens: []string{"a"}},
		"1 types for 2 tokens":                    {Model: "llama", Tokens: []string{"a", "b"}, Types: []int32{1}},
		"BOS is 9, there are 1 tokens":            {Model: "llama", Tokens: []string{"a"}, BOS: &id},
		`pre-tokenizer "tekken" is not supported`: {Model: "gpt2", Pre: "tekken", Tokens: []string{"a"}},
		"no token is the unknown one":             {Model: "llama", Tokens: []string{"a"}, Scores: []float32{0}},
		"a token is empty or stands there twice":  {Model: "gpt2", Tokens: []string{"a", "a"}},
		`merge 0: "ab" is not two tokens`:         {Model: "gpt2", Tokens: []string{"a"}, Merges: []string{"ab"}},
	} {
		if _, err := tokenizer.New(v); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

func TestTruncation(t *testing.T) {
	tok, err := tokenizer.ReadBERT([]byte("[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\n"), tokenizer.BERTOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		a, b  string
		trunc tokenizer.Truncation
		pad   tokenizer.Padding
		want  []int32
		err   string
	}{
		{"a a a", "b b b", tokenizer.Truncation{MaxLength: 7}, tokenizer.Padding{}, []int32{2, 4, 4, 3, 5, 5, 3}, ""},
		{"a", "b b b b", tokenizer.Truncation{MaxLength: 6}, tokenizer.Padding{}, []int32{2, 4, 3, 5, 5, 3}, ""},
		{"a a b", "b", tokenizer.Truncation{MaxLength: 5, Strategy: "only_first", Left: true}, tokenizer.Padding{}, []int32{2, 5, 3, 5, 3}, ""},
		{"a", "b b a", tokenizer.Truncation{MaxLength: 5, Strategy: "only_second"}, tokenizer.Padding{Length: 6, Left: true}, []int32{0, 2, 4, 3, 5, 3}, ""},
		{"a", "b", tokenizer.Truncation{}, tokenizer.Padding{MultipleOf: 4}, []int32{2, 4, 3, 5, 3, 0, 0, 0}, ""},
		{"a", "b b", tokenizer.Truncation{MaxLength: 4, Strategy: "only_first"}, tokenizer.Padding{}, nil, "the first text has 1 tokens, 2 would have to go"},
		{"a", "b", tokenizer.Truncation{MaxLength: 2}, tokenizer.Padding{}, nil, "leaves no room for 3 special ones"},
		{"a", "b", tokenizer.Truncation{MaxLength: 3, Strategy: "x"}, tokenizer.Padding{}, nil, `strategy "x" is unknown`},
	} {
		in, err := tok.EncodePair(c.a, c.b, tokenizer.PairOptions{Truncation: &c.trunc, Padding: &c.pad})
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("error %v, want %s", err, c.err)
			}
			continue
		}
		if err != nil || !slices.Equal(in.IDs, c.want) || len(in.Mask) != len(in.IDs) || len(in.TypeIDs) != len(in.IDs) || len(in.Tokens) != len(in.IDs) {
			t.Errorf("%q, %q: %v %v, want %v", c.a, c.b, in.IDs, err, c.want)
		}
	}
	in, err := tok.EncodeInput("a", tokenizer.PairOptions{})
	if err != nil || !slices.Equal(in.IDs, []int32{2, 4, 3}) {
		t.Error(in.IDs, err)
	}
}
