package tokenizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

var forms = map[string]norm.Form{"NFC": norm.NFC, "NFD": norm.NFD, "NFKC": norm.NFKC, "NFKD": norm.NFKD}

func isSpace(r rune) bool { return unicode.IsSpace(r) }

func (r *hfReader) postProcessor(raw json.RawMessage) error {
	templates := 0
	return r.postProcessorAt(raw, 0, &templates)
}

func (r *hfReader) postProcessorAt(raw json.RawMessage, depth int, templates *int) error {
	var p struct {
		Processors  []json.RawMessage `json:"processors"`
		TrimOffsets *bool             `json:"trim_offsets"`
		PrefixSpace *bool             `json:"add_prefix_space"`
		Cls         hfNamed           `json:"cls"`
		Sep         hfNamed           `json:"sep"`
		Single      []hfItem          `json:"single"`
		Pair        []hfItem          `json:"pair"`
		Special     map[string]struct {
			IDs []int32 `json:"ids"`
		} `json:"special_tokens"`
	}
	name, err := kind(raw, &p)
	if err != nil {
		return err
	}
	post := &r.t.post
	switch name {
	case "BertProcessing", "RobertaProcessing", "TemplateProcessing":
		if *templates++; *templates > 1 {
			return errors.New("more than one of Bert-, Roberta- and TemplateProcessing")
		}
	}
	switch name {
	case "":
	case "Sequence":
		if depth == maxNesting {
			return errNesting
		}
		for _, q := range p.Processors {
			if err := r.postProcessorAt(q, depth+1, templates); err != nil {
				return err
			}
		}
	case "ByteLevel":
		if isTrue(p.TrimOffsets, true) {
			post.trims = append(post.trims, trim{isTrue(p.PrefixSpace, true)})
		}
	case "BertProcessing":
		cls, sep := templateItem{ids: []int32{p.Cls.ID}}, templateItem{ids: []int32{p.Sep.ID}}
		post.single = []templateItem{cls, {seq: 1}, sep}
		post.pair = []templateItem{cls, {seq: 1}, sep, {seq: 2, typeID: 1}, {ids: sep.ids, typeID: 1}}
	case "RobertaProcessing":
		cls, sep := templateItem{ids: []int32{p.Cls.ID}}, templateItem{ids: []int32{p.Sep.ID}}
		post.single = []templateItem{cls, {seq: 1}, sep}
		post.pair = []templateItem{cls, {seq: 1}, sep, sep, {seq: 2}, sep}
		if isTrue(p.TrimOffsets, true) {
			post.trims = append(post.trims, trim{isTrue(p.PrefixSpace, true)})
		}
	case "TemplateProcessing":
		special := map[string][]int32{}
		for name, s := range p.Special {
			special[name] = s.IDs
		}
		if post.single, err = template(p.Single, special); err != nil {
			return fmt.Errorf("in TemplateProcessing: single: %w", err)
		}
		if post.pair, err = template(p.Pair, special); err != nil {
			return fmt.Errorf("in TemplateProcessing: pair: %w", err)
		}
	default:
		return fmt.Errorf("type %s is not supported", clip(name))
	}
	for _, item := range slices.Concat(post.single, post.pair) {
		for _, id := range item.ids {
			if !r.t.has(id) {
				return fmt.Errorf("special token %d is not in the vocabulary", id)
			}
		}
	}
	return nil
}

// hfNamed is ["[CLS]", 101].
type hfNamed struct{ ID int32 }

func (n *hfNamed) UnmarshalJSON(b []byte) error {
	var list []json.RawMessage
	if err := json.Unmarshal(b, &list); err != nil {
		return err
	}
	if len(list) != 2 {
		return fmt.Errorf("%d values, want a token and its id", len(list))
	}
	return json.Unmarshal(list[1], &n.ID)
}

// hfItem is {"Sequence": {"id": "A", "type_id": 0}} or {"SpecialToken": {"id": "[CLS]", "type_id": 0}}.
type hfItem struct {
	Sequence     *hfItemOf
	SpecialToken *hfItemOf
}

type hfItemOf struct {
	ID     string `json:"id"`
	TypeID int32  `json:"type_id"`
}

func template(items []hfItem, special map[string][]int32) ([]templateItem, error) {
	var out []templateItem
	for _, it := range items {
		switch {
		case it.Sequence != nil && (it.Sequence.ID == "A" || it.Sequence.ID == "B"):
			out = append(out, templateItem{seq: 1 + int(it.Sequence.ID[0]-'A'), typeID: it.Sequence.TypeID})
		case it.SpecialToken != nil:
			ids, ok := special[it.SpecialToken.ID]
			if !ok {
				return nil, fmt.Errorf("special token %s is not among %q", clip(it.SpecialToken.ID), slices.Sorted(maps.Keys(special)))
			}
			out = append(out, templateItem{ids: ids, typeID: it.SpecialToken.TypeID})
		default:
			return nil, errors.New("a part is neither Sequence A or B nor a SpecialToken")
		}
	}
	return out, nil
}

func (r *hfReader) decoder(raw json.RawMessage) error {
	if raw = bytes.TrimSpace(raw); len(raw) == 0 || string(raw) == "null" {
		r.t.dec = chain(nil)
		return nil
	}
	var steps chain
	names, err := r.steps(raw, &steps, 0)
	if err == nil {
		err = checkGrowth(r.replaces)
	}
	if err != nil {
		return err
	}
	if len(names) == 1 && names[0] == "ByteLevel" {
		r.t.dec = newByteDecoder(r.t.tokens)
		return nil
	}
	r.t.dec = steps
	return nil
}

func (r *hfReader) steps(raw json.RawMessage, steps *chain, depth int) (names []string, err error) {
	var p struct {
		Decoders    []json.RawMessage `json:"decoders"`
		Prefix      *string           `json:"prefix"`
		Suffix      *string           `json:"suffix"`
		Cleanup     *bool             `json:"cleanup"`
		Replacement string            `json:"replacement"`
		Scheme      string            `json:"prepend_scheme"`
		PrefixSpace *bool             `json:"add_prefix_space"`
		Pattern     hfPattern         `json:"pattern"`
		Content     string            `json:"content"`
		Start       int               `json:"start"`
		Stop        int               `json:"stop"`
	}
	name, err := kind(raw, &p)
	if err != nil {
		return nil, err
	}
	add := func(s step) { *steps = append(*steps, s) }
	switch name {
	case "Sequence":
		if depth == maxNesting {
			return nil, errNesting
		}
		for _, q := range p.Decoders {
			more, err := r.steps(q, steps, depth+1)
			if err != nil {
				return nil, err
			}
			names = append(names, more...)
		}
		if *steps == nil {
			*steps = chain{fuseStep}
		}
		return names, nil
	case "ByteLevel":
		add(byteLevelStep)
	case "WordPiece":
		prefix := "##"
		if p.Prefix != nil {
			prefix = *p.Prefix
		}
		add(wordPieceStep(prefix, isTrue(p.Cleanup, true)))
	case "Metaspace":
		if utf8.RuneCountInString(p.Replacement) != 1 {
			return nil, fmt.Errorf("in Metaspace: replacement %s, want a character", clip(p.Replacement))
		}
		add(metaspaceStep(p.Replacement, p.Scheme != "never" && (p.Scheme != "" || isTrue(p.PrefixSpace, true))))
	case "BPEDecoder":
		suffix := "</w>"
		if p.Suffix != nil && *p.Suffix != "" {
			suffix = *p.Suffix
		}
		add(bpeStep(suffix))
	case "ByteFallback":
		add(byteFallbackStep)
	case "Fuse":
		add(fuseStep)
	case "Strip":
		if p.Content == "" || p.Start < 0 || p.Stop < 0 || p.Start > maxLength || p.Stop > maxLength {
			return nil, fmt.Errorf("in Strip: content %s, start %d, stop %d", clip(p.Content), p.Start, p.Stop)
		}
		add(stripStep(p.Content, p.Start, p.Stop))
	case "Replace":
		pat, err := p.Pattern.compile()
		if err != nil {
			return nil, fmt.Errorf("in Replace: %w", err)
		}
		r.replaces = append(r.replaces, replace{pat, p.Content})
		add(replaceStep(pat, p.Content))
	default:
		return nil, fmt.Errorf("type %s is not supported", clip(name))
	}
	return []string{name}, nil
}

// guessRoles finds begin, end and the rest by the spellings in use: tokenizer.json does not
// name them. tokenizer_config.json does, and wins.
func (t *Tokenizer) guessRoles() {
	r := &t.roles
	r.BOS = t.firstOf("<s> <|begin_of_text|> <bos> <|startoftext|> <｜begin▁of▁sentence｜>")
	r.EOS = t.firstOf("</s> <|end_of_text|> <eos> <|endoftext|> <｜end▁of▁sentence｜> <|im_end|>")
	r.Unknown = t.firstOf("<unk> [UNK]")
	r.Pad = t.firstOf("<pad> [PAD]")
	r.CLS = t.firstOf("[CLS] <cls>")
	r.Sep = t.firstOf("[SEP] <sep>")
	r.Mask = t.firstOf("[MASK] <mask>")
}
