package tokenizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
)

// model reads the model; the oldest files leave out its type.
func (r *hfReader) model(raw json.RawMessage) error {
	var p hfModel
	name, err := kind(raw, &p)
	if err != nil {
		return err
	}
	if name == "" {
		switch vocab := bytes.TrimSpace(p.Vocab); {
		case len(vocab) == 0:
			return errors.New("there is none")
		case vocab[0] == '[':
			name = "Unigram"
		case p.Merges != nil:
			name = "BPE"
		case p.Prefix != nil || p.MaxChars != nil:
			name = "WordPiece"
		default:
			name = "WordLevel"
		}
	}
	read, ok := map[string]func(*hfModel) error{"BPE": r.bpe, "WordPiece": r.wordPiece, "WordLevel": r.wordLevel, "Unigram": r.unigram}[name]
	if !ok {
		return fmt.Errorf("type %s is not supported", clip(name))
	}
	if err := read(&p); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

type hfModel struct {
	Vocab        json.RawMessage `json:"vocab"`
	Merges       json.RawMessage `json:"merges"`
	Dropout      *float64        `json:"dropout"`
	UnkToken     *string         `json:"unk_token"`
	UnkID        *int32          `json:"unk_id"`
	Prefix       *string         `json:"continuing_subword_prefix"`
	Suffix       *string         `json:"end_of_word_suffix"`
	FuseUnk      bool            `json:"fuse_unk"`
	ByteFallback bool            `json:"byte_fallback"`
	IgnoreMerges bool            `json:"ignore_merges"`
	MaxChars     *int            `json:"max_input_chars_per_word"`
}

// vocab reads {"token": id}.
func (r *hfReader) vocab(p *hfModel) error {
	if len(p.Vocab) == 0 {
		return errors.New("there is no vocab")
	}
	if err := json.Unmarshal(p.Vocab, &r.ids); err != nil {
		return fmt.Errorf("vocab: %w", err)
	}
	if r.ids == nil {
		r.ids = map[string]int32{}
	}
	if _, ok := r.ids[""]; ok {
		return errors.New("vocab: a token is empty")
	}
	_, err := vocabularySize(r.ids, nil)
	return err
}

// unknownToken finds the unknown token; −1 where the model has none.
func (r *hfReader) unknownToken(p *hfModel) (int32, error) {
	if p.UnkToken == nil || *p.UnkToken == "" {
		return -1, nil
	}
	id, ok := r.ids[*p.UnkToken]
	if !ok {
		return -1, fmt.Errorf("unk_token %s is not in the vocabulary", clip(*p.UnkToken))
	}
	return id, nil
}

func text0(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (r *hfReader) bpe(p *hfModel) error {
	if p.Dropout != nil && *p.Dropout != 0 {
		return fmt.Errorf("dropout %g makes encoding random: not supported", *p.Dropout)
	}
	if err := r.vocab(p); err != nil {
		return err
	}
	merges, err := readMerges(p.Merges)
	if err != nil {
		return err
	}
	unk, err := r.unknownToken(p)
	if err != nil {
		return err
	}
	b := &bpe{bytewise: r.bytewise, unk: unk, fuseUnk: p.FuseUnk, whole: p.IgnoreMerges,
		prefix: text0(p.Prefix), suffix: text0(p.Suffix), cache: new(cache), vocab: r.ids}
	if err := b.setMerges(merges); err != nil {
		return err
	}
	if p.ByteFallback {
		b.bytes = byteTokens(r.ids)
	}
	b.finish()
	r.t.model = b
	return nil
}

// setMerges fills the table of pairs; b.vocab has the tokens as the file spells them.
func (b *bpe) setMerges(merges [][2]string) error {
	b.pairs = newPairTable(len(merges))
	for rank, m := range merges {
		left, okLeft := b.vocab[m[0]]
		right, okRight := b.vocab[m[1]]
		joined := m[0] + strings.TrimPrefix(m[1], b.prefix)
		into, ok := b.vocab[joined]
		if !okLeft || !okRight || !ok {
			for _, token := range []string{m[0], m[1], joined} {
				if _, ok := b.vocab[token]; !ok {
					return fmt.Errorf("merges: %d: token %s is not in the vocabulary", rank, clip(token))
				}
			}
		}
		b.pairs.put(left, right, newMerged(rank, int(into)))
	}
	return nil
}

// finish sets up the first symbols, and turns a byte-level vocabulary into bytes.
func (b *bpe) finish() {
	if !b.bytewise {
		b.setRunes()
		if !b.whole && b.prefix == "" && b.suffix == "" {
			b.meet = newMeeting(b.vocab)
		}
		return
	}
	for c := range 256 {
		b.first[c], b.last[c] = -1, -1
		if id, ok := b.vocab[string(byteRunes[c])]; ok {
			b.first[c] = id
		}
		if id, ok := b.vocab[string(byteRunes[c])+b.suffix]; ok {
			b.last[c] = id
		}
	}
	spelled := b.vocab
	b.vocab = nil
	if b.whole {
		b.vocab = make(map[string]int32, len(spelled))
		for token, id := range spelled {
			b.vocab[byteLevelBytes(token)] = id
		}
	}
}

// readMerges reads ["a b", …] or [["a", "b"], …].
func readMerges(raw json.RawMessage) ([][2]string, error) {
	var pairs [][2]string
	var lines []string
	if json.Unmarshal(raw, &lines) == nil {
		for i, line := range lines {
			left, right, ok := strings.Cut(line, " ")
			if !ok || left == "" || right == "" || strings.Contains(right, " ") {
				return nil, fmt.Errorf("merges: %d: %s is not two tokens", i, clip(line))
			}
			pairs = append(pairs, [2]string{left, right})
		}
		return pairs, nil
	}
	var lists [][]string
	if err := json.Unmarshal(raw, &lists); err != nil {
		return nil, fmt.Errorf("merges: %w", err)
	}
	for i, l := range lists {
		if len(l) != 2 || l[0] == "" || l[1] == "" {
			return nil, fmt.Errorf("merges: %d: %d parts, want two tokens", i, len(l))
		}
		pairs = append(pairs, [2]string{l[0], l[1]})
	}
	return pairs, nil
}

// finite says whether a score can be added up.
func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
