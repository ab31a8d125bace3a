package tokenizer

import (
	"bytes"
	"cmp"
	"container/heap"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/hanji-ml/hanji/internal/atomicfile"
)

// TrainOptions of TrainBPE; the same struct is a recipe's `tokenizer.train`.
type TrainOptions struct {
	VocabSize    int      `yaml:"vocab_size" json:"vocab_size"`       // tokens, special ones and the 256 bytes included; must be given
	MinFrequency int      `yaml:"min_frequency" json:"min_frequency"` // pairs seen less often are not joined [1]
	BOS          string   `yaml:"bos" json:"bos"`                     // begins every text [<s>]
	EOS          string   `yaml:"eos" json:"eos"`                     // ends a text or an answer [</s>]
	Special      []string `yaml:"special" json:"special"`             // more special tokens, as of a chat template [none]
}

// Trained is a vocabulary that was made, as the files of a model's folder.
type Trained struct {
	JSON   []byte // tokenizer.json
	Config []byte // tokenizer_config.json
	Size   int    // of the vocabulary: below what was asked for where the text has not so many pairs
}

// TrainBPE makes a byte-level BPE vocabulary (Sennrich et al., arXiv 1508.07909, §3.2, over bytes as GPT-2's) from texts: words cut by GPT-2's
// pattern, then the most frequent pair of neighbours joined again and again, of equally frequent ones that of the smallest ids. The same texts
// in any order give the same vocabulary, and the ids and merges are those of Hugging Face's BpeTrainer with the ByteLevel alphabet: special
// tokens first, then the bytes by their spelling, then a token a merge.
func TrainBPE(texts iter.Seq[string], o TrainOptions) (*Trained, error) {
	o.BOS, o.EOS, o.MinFrequency = cmp.Or(o.BOS, "<s>"), cmp.Or(o.EOS, "</s>"), max(o.MinFrequency, 1)
	b := &bpeTrainer{ids: map[string]int32{}, count: map[[2]int32]int{}, where: map[[2]int32][]int32{}}
	for _, s := range append([]string{o.BOS, o.EOS}, o.Special...) {
		if _, ok := b.ids[s]; ok || s == "" {
			return nil, fmt.Errorf("tokenizer: special token %s is empty or named twice", clip(s))
		}
		b.add(s)
	}
	special := len(b.tokens)
	if least := special + 256; o.VocabSize < least || o.VocabSize > maxIDs {
		return nil, fmt.Errorf("tokenizer: vocab_size is %d, want %d (the bytes and special tokens) to %d", o.VocabSize, least, maxIDs)
	}
	spelled := byteRunes
	slices.Sort(spelled[:])
	for _, r := range spelled {
		b.add(string(r))
	}
	b.read(texts)
	if len(b.words) == 0 {
		return nil, fmt.Errorf("tokenizer: no text to train on")
	}
	for len(b.tokens) < o.VocabSize && b.join(o.MinFrequency) {
	}
	return b.files(o, special)
}

// maxIDs bounds a vocabulary that is made: beyond any published one.
const maxIDs = 1 << 22

// bpeTrainer is a vocabulary being made: the words of the texts, in the tokens so far, and their pairs of neighbours.
type bpeTrainer struct {
	tokens []string // spelled as tokenizer.json spells bytes
	ids    map[string]int32
	merges [][2]string
	words  [][]int32
	times  []int
	count  map[[2]int32]int
	where  map[[2]int32][]int32 // words that have or had the pair
	queue  pairQueue
}

func (b *bpeTrainer) add(token string) int32 {
	id, ok := b.ids[token]
	if !ok { // another pair may have become the same string
		id = int32(len(b.tokens))
		b.ids[token] = id
		b.tokens = append(b.tokens, token)
	}
	return id
}

// read counts the words of the texts and the pairs in them.
func (b *bpeTrainer) read(texts iter.Seq[string]) {
	seen, cut := map[string]int{}, gpt2Split{newClassifier()}
	for s := range texts {
		for s != "" {
			n := cut.next(s)
			seen[s[:n]]++
			s = s[n:]
		}
	}
	var of [256]int32
	for c, r := range byteRunes {
		of[c] = b.ids[string(r)]
	}
	for _, w := range slices.Sorted(maps.Keys(seen)) {
		ids := make([]int32, len(w))
		for i := range len(w) {
			ids[i] = of[w[i]]
		}
		b.words, b.times = append(b.words, ids), append(b.times, seen[w])
	}
	for i, w := range b.words {
		for k := 1; k < len(w); k++ {
			b.change([2]int32{w[k-1], w[k]}, i, b.times[i])
		}
	}
	for p, n := range b.count {
		b.queue = append(b.queue, pairCount{p, n})
	}
	heap.Init(&b.queue)
}

// change counts a pair in a word up or down.
func (b *bpeTrainer) change(p [2]int32, word, by int) {
	b.count[p] += by
	if in := b.where[p]; by > 0 && (len(in) == 0 || in[len(in)-1] != int32(word)) {
		b.where[p] = append(in, int32(word))
	}
}

// join makes a token of the most frequent pair; false: none is frequent enough.
func (b *bpeTrainer) join(least int) bool {
	for len(b.queue) > 0 {
		top := b.queue[0]
		if n := b.count[top.pair]; n != top.n { // other merges took some of it
			b.queue[0].n = n
			heap.Fix(&b.queue, 0)
			continue
		}
		if top.n < least {
			return false
		}
		heap.Pop(&b.queue)
		b.merge(top.pair)
		return true
	}
	return false
}

func (b *bpeTrainer) merge(p [2]int32) {
	left, right := b.tokens[p[0]], b.tokens[p[1]]
	into := b.add(left + right)
	b.merges = append(b.merges, [2]string{left, right})
	grown := map[[2]int32]bool{}
	last := int32(-1)
	in := b.where[p]
	slices.Sort(in)
	for _, i := range in {
		if i != last {
			b.mergeIn(int(i), p, into, grown)
		}
		last = i
	}
	delete(b.where, p)
	delete(b.count, p)
	for q := range grown {
		if q != p {
			heap.Push(&b.queue, pairCount{q, b.count[q]})
		}
	}
}

// mergeIn joins a pair in one word, from left to right.
func (b *bpeTrainer) mergeIn(i int, p [2]int32, into int32, grown map[[2]int32]bool) {
	w, n := b.words[i], b.times[i]
	k := 0
	for at := 0; at < len(w); at++ {
		if at+1 == len(w) || w[at] != p[0] || w[at+1] != p[1] {
			w[k] = w[at]
			k++
			continue
		}
		if k > 0 {
			b.change([2]int32{w[k-1], p[0]}, i, -n)
			b.change([2]int32{w[k-1], into}, i, n)
			grown[[2]int32{w[k-1], into}] = true
		}
		at++
		if at+1 < len(w) {
			b.change([2]int32{p[1], w[at+1]}, i, -n)
			b.change([2]int32{into, w[at+1]}, i, n)
			grown[[2]int32{into, w[at+1]}] = true
		}
		w[k] = into
		k++
	}
	b.words[i] = w[:k]
}

// pairQueue is a heap of pairs, the most frequent first, of equals that of the smallest ids. Counts may be old: too large ones are put right when
// they come up, and a pair that has grown is there again.
type pairQueue []pairCount

type pairCount struct {
	pair [2]int32
	n    int
}

func (q pairQueue) Len() int { return len(q) }
func (q pairQueue) Less(i, j int) bool {
	if q[i].n != q[j].n {
		return q[i].n > q[j].n
	}
	return slices.Compare(q[i].pair[:], q[j].pair[:]) < 0
}
func (q pairQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *pairQueue) Push(x any)   { *q = append(*q, x.(pairCount)) }
func (q *pairQueue) Pop() any {
	old := *q
	x := old[len(old)-1]
	*q = old[:len(old)-1]
	return x
}

// files writes the vocabulary down; the first special tokens are BOS and EOS.
func (b *bpeTrainer) files(o TrainOptions, special int) (*Trained, error) {
	var added []map[string]any
	for id, token := range b.tokens[:special] {
		added = append(added, map[string]any{"id": id, "content": token, "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false})
	}
	byteLevel := map[string]any{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}
	token := func(s string) any { return map[string]any{"SpecialToken": map[string]any{"id": s, "type_id": 0}} }
	text := func(s string) any { return map[string]any{"Sequence": map[string]any{"id": s, "type_id": 0}} }
	begin := map[string]any{"type": "TemplateProcessing", "single": []any{token(o.BOS), text("A")}, "pair": []any{token(o.BOS), text("A"), text("B")},
		"special_tokens": map[string]any{o.BOS: map[string]any{"id": o.BOS, "ids": []int{0}, "tokens": []string{o.BOS}}}}
	file, err := encodeJSON(map[string]any{
		"version": "1.0", "truncation": nil, "padding": nil, "added_tokens": added, "normalizer": nil, "pre_tokenizer": byteLevel, "decoder": byteLevel,
		"post_processor": map[string]any{"type": "Sequence", "processors": []any{byteLevel, begin}},
		"model": map[string]any{"type": "BPE", "dropout": nil, "unk_token": nil, "continuing_subword_prefix": nil, "end_of_word_suffix": nil, "fuse_unk": false,
			"byte_fallback": false, "ignore_merges": false, "vocab": b.ids, "merges": b.merges},
	})
	if err != nil {
		return nil, err
	}
	config, err := encodeJSON(map[string]any{"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": o.BOS, "eos_token": o.EOS, "clean_up_tokenization_spaces": false})
	return &Trained{JSON: file, Config: config, Size: len(b.tokens)}, err
}

func encodeJSON(v any) ([]byte, error) {
	var w bytes.Buffer
	e := json.NewEncoder(&w)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	err := e.Encode(v)
	return w.Bytes(), err
}

// Open makes the tokenizer.
func (v *Trained) Open() (*Tokenizer, error) {
	t, err := ReadJSON(v.JSON)
	if err != nil {
		return nil, err
	}
	c := &config{}
	if err := json.Unmarshal(v.Config, c); err != nil {
		return nil, err
	}
	return t, c.apply(t)
}

// Save writes tokenizer.json and tokenizer_config.json into dir, which it makes.
func (v *Trained) Save(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("tokenizer: %w", err)
	}
	for name, data := range map[string][]byte{"tokenizer.json": v.JSON, "tokenizer_config.json": v.Config} {
		err := atomicfile.Write(filepath.Join(dir, name), func(w io.Writer) error {
			_, err := w.Write(data)
			return err
		})
		if err != nil {
			return fmt.Errorf("tokenizer: %w", err)
		}
	}
	return nil
}
