package tokenizer

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// BERTOptions are the settings of BERT's tokenizer that vocab.txt does not hold
// (tokenizer_config.json does). The zero value is that of the uncased checkpoints.
type BERTOptions struct {
	Cased        bool  // do not lower-case (do_lower_case: false)
	StripAccents *bool // nil: as lower-casing. Also takes Hangul syllables apart
	NoChinese    bool  // do not put spaces around CJK ideographs (tokenize_chinese_chars: false)
}

// ReadBERT reads BERT's vocab.txt: one token a line, its number the id. [CLS], [SEP] and [UNK]
// must be among them; special tokens spelled in a text are tokens.
func ReadBERT(data []byte, o BERTOptions) (*Tokenizer, error) {
	ids, err := vocabLines(data)
	if err != nil {
		return nil, fmt.Errorf("vocab.txt: %w", err)
	}
	t := &Tokenizer{format: "bert", roles: noRoles(), post: bare(), dec: chain{wordPieceStep("##", true)}}
	t.norm = []normalizer{bert{true, !o.NoChinese, isTrue(o.StripAccents, !o.Cased), !o.Cased}}
	t.pre = []preTokenizer{bertWords{}}
	var added []AddedToken
	for _, token := range []string{"[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"} {
		id, ok := ids[token]
		if !ok {
			if token == "[PAD]" || token == "[MASK]" {
				continue
			}
			return nil, fmt.Errorf("vocab.txt: none of %d lines is %s; is this a BERT vocabulary?", len(ids), token)
		}
		added = append(added, AddedToken{ID: id, Content: token, Special: true})
	}
	t.model = newWordPiece(ids, "##", ids["[UNK]"], 100)
	sortAdded(added)
	if err := t.setVocabulary(ids, added); err != nil {
		return nil, fmt.Errorf("vocab.txt: %w", err)
	}
	t.setAdded(added)
	t.guessRoles()
	cls, sep := templateItem{ids: []int32{t.roles.CLS}}, templateItem{ids: []int32{t.roles.Sep}}
	t.post.single = []templateItem{cls, {seq: 1}, sep}
	t.post.pair = []templateItem{cls, {seq: 1}, sep, {seq: 2, typeID: 1}, {ids: sep.ids, typeID: 1}}
	return t, nil
}

func vocabLines(data []byte) (map[string]int32, error) {
	if !utf8.Valid(data) {
		return nil, fmt.Errorf("it is not UTF-8")
	}
	ids := map[string]int32{}
	n := int32(0)
	for line := range bytes.Lines(data) {
		token := strings.TrimRight(string(line), "\r\n")
		if token != "" {
			ids[token] = n // of equal lines the last counts, as in the reference
		}
		n++
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("it is empty")
	}
	return ids, nil
}
