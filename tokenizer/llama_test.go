package tokenizer_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/tokenizer"
)

// llamaJSON writes the Llama-2 vocabulary as a tokenizer.json, merges ordered by score as the
// published file has them. layout is the file's parts besides model and added_tokens.
func llamaJSON(t testing.TB, layout map[string]any, added ...map[string]any) []byte {
	t.Helper()
	path := golden.Shared(t) + "/data/llama/tokenizer.model"
	pieces, scores := tokenizer.Pieces(t, read(t, path))
	vocab := map[string]int{}
	for id, p := range pieces {
		vocab[p] = id
	}
	type merge struct {
		left, right string
		id          int
	}
	var merges []merge
	for id, p := range pieces {
		if id < 259 { // <unk>, <s>, </s> and the bytes
			continue
		}
		var local []merge
		for i := range p {
			if _, ok := vocab[p[:i]]; ok && i > 0 {
				if _, ok := vocab[p[i:]]; ok {
					local = append(local, merge{p[:i], p[i:], id})
				}
			}
		}
		slices.SortStableFunc(local, func(a, b merge) int {
			return cmp.Or(cmp.Compare(vocab[a.left], vocab[b.left]), cmp.Compare(vocab[a.right], vocab[b.right]))
		})
		merges = append(merges, local...)
	}
	slices.SortStableFunc(merges, func(a, b merge) int { return -cmp.Compare(scores[a.id], scores[b.id]) })
	list := make([][2]string, len(merges))
	for i, m := range merges {
		list[i] = [2]string{m.left, m.right}
	}
	for id, s := range []string{"<unk>", "<s>", "</s>"} {
		added = append(added, map[string]any{"id": id, "content": s, "special": true})
	}
	doc := map[string]any{
		"added_tokens": added,
		"model": map[string]any{"type": "BPE", "unk_token": "<unk>", "fuse_unk": true, "byte_fallback": true,
			"vocab": vocab, "merges": list},
		"post_processor": map[string]any{"type": "TemplateProcessing",
			"single":         []any{special("<s>", 0), sequence("A", 0)},
			"pair":           []any{special("<s>", 0), sequence("A", 0), special("<s>", 1), sequence("B", 1)},
			"special_tokens": map[string]any{"<s>": map[string]any{"id": "<s>", "ids": []int{1}, "tokens": []string{"<s>"}}}},
	}
	for k, v := range layout {
		doc[k] = v
	}
	b, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func special(id string, typeID int) any {
	return map[string]any{"SpecialToken": map[string]any{"id": id, "type_id": typeID}}
}

func sequence(id string, typeID int) any {
	return map[string]any{"Sequence": map[string]any{"id": id, "type_id": typeID}}
}

func list(key string, parts ...any) any { return map[string]any{"type": "Sequence", key: parts} }

func part(kind string, keysValues ...any) any {
	m := map[string]any{"type": kind}
	for i := 0; i < len(keysValues); i += 2 {
		m[fmt.Sprint(keysValues[i])] = keysValues[i+1]
	}
	return m
}

func pattern(s string) any { return map[string]any{"String": s} }

var llamaDecoder = list("decoders", part("Replace", "pattern", pattern("▁"), "content", " "), part("ByteFallback"), part("Fuse"),
	part("Strip", "content", " ", "start", 1, "stop", 0))

// published is the layout of the published Llama-2 tokenizer.json, which is also the one before
// "legacy": false: the dummy prefix stands before every stretch of text.
func published() map[string]any {
	return map[string]any{
		"normalizer": list("normalizers", part("Prepend", "prepend", "▁"), part("Replace", "pattern", pattern(" "), "content", "▁")),
		"decoder":    llamaDecoder,
	}
}

func publishedLlama(t testing.TB, added ...map[string]any) *tokenizer.Tokenizer {
	t.Helper()
	return readJSON(t, llamaJSON(t, published(), added...))
}

func readJSON(t testing.TB, b []byte) *tokenizer.Tokenizer {
	t.Helper()
	tok, err := tokenizer.ReadJSON(b)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func TestLlama2(t *testing.T) {
	t.Run("published", func(t *testing.T) {
		checkRows(t, publishedLlama(t), caseFile(t, "llama2", "hf_published.jsonl"))
	})
	t.Run("not legacy", func(t *testing.T) {
		layout := map[string]any{
			"pre_tokenizer": part("Metaspace", "replacement", "▁", "prepend_scheme", "first", "split", false),
			"decoder":       llamaDecoder,
		}
		checkRows(t, readJSON(t, llamaJSON(t, layout)), caseFile(t, "llama2", "hf.jsonl"))
	})
	t.Run("added", func(t *testing.T) {
		checkRows(t, publishedLlama(t, map[string]any{"id": 32000, "content": "<image>", "special": true},
			map[string]any{"id": 32001, "content": "<pad>", "special": true}), caseFile(t, "llama2", "added.jsonl"))
	})
}

// A model read as such gives the ids of either tokenizer.json.
func TestSentencePieceAsJSON(t *testing.T) {
	model := golden.Shared(t) + "/data/llama/tokenizer.model"
	for file, o := range map[string]tokenizer.SentencePieceOptions{"hf_published.jsonl": {}, "hf.jsonl": {NotLegacy: true}} {
		tok := openSP(t, o, model)
		for _, r := range rows(t, caseFile(t, "llama2", file)) {
			if got := tok.Encode(r.Text, tokenizer.EncodeOptions{}); !slices.Equal(got, r.IDs) {
				t.Errorf("%s: %q: ids\n got %v\nwant %v", file, r.Text, got, r.IDs)
			}
		}
	}
}
