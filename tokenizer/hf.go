package tokenizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// hfFile is tokenizer.json.
type hfFile struct {
	Truncation    *hfTruncation   `json:"truncation"`
	Padding       *hfPadding      `json:"padding"`
	AddedTokens   []AddedToken    `json:"added_tokens"`
	Normalizer    json.RawMessage `json:"normalizer"`
	PreTokenizer  json.RawMessage `json:"pre_tokenizer"`
	PostProcessor json.RawMessage `json:"post_processor"`
	Decoder       json.RawMessage `json:"decoder"`
	Model         json.RawMessage `json:"model"`
}

type hfTruncation struct {
	Direction string `json:"direction"`
	MaxLength int    `json:"max_length"`
	Strategy  string `json:"strategy"`
}

type hfPadding struct {
	Strategy  json.RawMessage `json:"strategy"` // "BatchLongest" or {"Fixed": n}
	Direction string          `json:"direction"`
	Multiple  int             `json:"pad_to_multiple_of"`
	ID        int32           `json:"pad_id"`
	TypeID    int32           `json:"pad_type_id"`
	Token     string          `json:"pad_token"`
}

// maxLength bounds lengths that a file states: what it makes us allocate.
const maxLength = 1 << 20

// ReadJSON reads a tokenizer.json, the format of Hugging Face's tokenizers. An error names the
// part that is wrong or not supported.
func ReadJSON(data []byte) (*Tokenizer, error) {
	var f hfFile
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("tokenizer.json: %w", err)
	}
	t, err := f.tokenizer()
	if err != nil {
		return nil, fmt.Errorf("tokenizer.json: %w", err)
	}
	return t, nil
}

func (f *hfFile) tokenizer() (*Tokenizer, error) {
	t := &Tokenizer{format: "tokenizer.json", roles: noRoles()}
	r := &hfReader{t: t}
	for _, part := range []struct {
		name string
		read func(json.RawMessage) error
		raw  json.RawMessage
	}{
		{"normalizer", r.normalizer, f.Normalizer},
		{"pre_tokenizer", r.preTokenizer, f.PreTokenizer},
		{"model", r.model, f.Model},
	} {
		if err := part.read(part.raw); err != nil {
			return nil, fmt.Errorf("%s: %w", part.name, err)
		}
	}
	if err := checkGrowth(t.norm); err != nil {
		return nil, fmt.Errorf("normalizer: %w", err)
	}
	sortAdded(f.AddedTokens)
	if err := t.setVocabulary(r.ids, f.AddedTokens); err != nil {
		return nil, err
	}
	t.setAdded(f.AddedTokens)
	if len(t.pre) == 1 {
		if s, ok := t.pre[0].(split); ok {
			if c, ok := s.pattern.(cutting); ok && (s.behavior == isolated && !s.invert || s.behavior == removed && s.invert) {
				t.splits = c.splitter
			}
		}
	}
	t.post = bare()
	if err := r.postProcessor(f.PostProcessor); err != nil {
		return nil, fmt.Errorf("post_processor: %w", err)
	}
	if err := r.decoder(f.Decoder); err != nil {
		return nil, fmt.Errorf("decoder: %w", err)
	}
	if err := f.lengths(t); err != nil {
		return nil, err
	}
	t.guessRoles()
	return t, nil
}

// lengths takes over truncation and padding.
func (f *hfFile) lengths(t *Tokenizer) error {
	if tr := f.Truncation; tr != nil {
		strategy, ok := map[string]string{"": "", "LongestFirst": "longest_first", "OnlyFirst": "only_first", "OnlySecond": "only_second"}[tr.Strategy]
		if !ok {
			return fmt.Errorf("truncation: strategy %s is unknown", clip(tr.Strategy))
		}
		if tr.MaxLength < 0 {
			return fmt.Errorf("truncation: max_length is %d", tr.MaxLength)
		}
		t.trunc = &Truncation{tr.MaxLength, strategy, tr.Direction == "Left"}
	}
	if p := f.Padding; p != nil {
		var fixed struct{ Fixed int }
		if len(p.Strategy) > 0 && p.Strategy[0] == '{' {
			if err := json.Unmarshal(p.Strategy, &fixed); err != nil {
				return fmt.Errorf("padding: strategy: %w", err)
			}
		}
		if fixed.Fixed < 0 || fixed.Fixed > maxLength || p.Multiple < 0 || p.Multiple > maxLength {
			return fmt.Errorf("padding: length %d, multiple of %d: want 0 to %d", fixed.Fixed, p.Multiple, maxLength)
		}
		t.pad = &Padding{fixed.Fixed, p.Multiple, p.ID, p.TypeID, p.Token, p.Direction == "Left"}
	}
	return nil
}

// hfReader builds a tokenizer from the parts of the file.
type hfReader struct {
	t        *Tokenizer
	ids      map[string]int32
	replaces []normalizer // of the decoder
	bytewise bool         // ByteLevel is among the parts: the vocabulary spells bytes as runes
}

// kind reads the type of a part, and the part into v. An absent part has the kind "".
func kind(raw json.RawMessage, v any) (string, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || string(raw) == "null" {
		return "", nil
	}
	var k struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(raw, &k); err != nil {
		return "", err
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return "", fmt.Errorf("%s: %w", clip(k.Type), err)
	}
	return k.Type, nil
}

// errNesting stops Sequences within Sequences; published files have one level.
var errNesting = errors.New("a Sequence within Sequence goes deeper than 8")

const maxNesting = 8

func (r *hfReader) normalizer(raw json.RawMessage) error { return r.normalizerAt(raw, 0) }

func (r *hfReader) normalizerAt(raw json.RawMessage, depth int) error {
	var p struct {
		Normalizers []json.RawMessage `json:"normalizers"`
		Clean       *bool             `json:"clean_text"`
		Chinese     *bool             `json:"handle_chinese_chars"`
		Accents     *bool             `json:"strip_accents"`
		Lower       *bool             `json:"lowercase"`
		Left        *bool             `json:"strip_left"`
		Right       *bool             `json:"strip_right"`
		Prepend     string            `json:"prepend"`
		Pattern     hfPattern         `json:"pattern"`
		Content     string            `json:"content"`
		Charsmap    []byte            `json:"precompiled_charsmap"`
	}
	name, err := kind(raw, &p)
	if err != nil {
		return err
	}
	add := func(n normalizer) { r.t.norm = append(r.t.norm, n) }
	switch name {
	case "":
	case "Sequence":
		if depth == maxNesting {
			return errNesting
		}
		for _, n := range p.Normalizers {
			if err := r.normalizerAt(n, depth+1); err != nil {
				return err
			}
		}
	case "BertNormalizer":
		lower := isTrue(p.Lower, true)
		add(bert{isTrue(p.Clean, true), isTrue(p.Chinese, true), isTrue(p.Accents, lower), lower})
	case "NFC", "NFD", "NFKC", "NFKD":
		add(unicodeForm{forms[name]})
	case "Lowercase":
		add(lowercase{})
	case "StripAccents":
		add(stripAccents{})
	case "Strip":
		add(strip{isTrue(p.Left, true), isTrue(p.Right, true)})
	case "Prepend":
		add(prepend{p.Prepend})
	case "Replace":
		pat, err := p.Pattern.compile()
		if err != nil {
			return fmt.Errorf("in Replace: %w", err)
		}
		add(replace{pat, p.Content})
	case "Nmt":
		add(nmt{})
	case "Precompiled":
		m, err := readCharsMap(p.Charsmap)
		if err != nil {
			return fmt.Errorf("in Precompiled: %w", err)
		}
		if m != nil {
			add(precompiled{m})
		}
	case "ByteLevel":
		r.bytewise = true
	default:
		return fmt.Errorf("type %s is not supported", clip(name))
	}
	return nil
}

func isTrue(b *bool, absent bool) bool {
	if b == nil {
		return absent
	}
	return *b
}

// hfPattern is {"String": s} or {"Regex": s}.
type hfPattern struct {
	String *string
	Regex  *string
}

func (p hfPattern) compile() (pattern, error) {
	switch {
	case p.String != nil && *p.String != "":
		return literal(*p.String), nil
	case p.Regex != nil && *p.Regex != "":
		return compilePattern(*p.Regex)
	}
	return nil, errors.New("pattern is neither a String nor a Regex")
}

func (r *hfReader) preTokenizer(raw json.RawMessage) error { return r.preTokenizerAt(raw, 0) }

func (r *hfReader) preTokenizerAt(raw json.RawMessage, depth int) error {
	var p struct {
		PreTokenizers []json.RawMessage `json:"pretokenizers"`
		PrefixSpace   *bool             `json:"add_prefix_space"`
		UseRegex      *bool             `json:"use_regex"`
		Pattern       hfPattern         `json:"pattern"`
		Behavior      string            `json:"behavior"`
		Invert        bool              `json:"invert"`
		Replacement   string            `json:"replacement"`
		Scheme        string            `json:"prepend_scheme"`
		Split         *bool             `json:"split"`
		Individual    bool              `json:"individual_digits"`
		Delimiter     string            `json:"delimiter"`
	}
	name, err := kind(raw, &p)
	if err != nil {
		return err
	}
	if r.bytewise && name != "" && name != "ByteLevel" && len(r.t.norm) == 0 {
		return fmt.Errorf("%s behind ByteLevel would see bytes spelled as runes: not supported", clip(name))
	}
	add := func(q preTokenizer) { r.t.pre = append(r.t.pre, q) }
	switch name {
	case "":
	case "Sequence":
		if depth == maxNesting {
			return errNesting
		}
		for _, q := range p.PreTokenizers {
			if err := r.preTokenizerAt(q, depth+1); err != nil {
				return err
			}
		}
	case "ByteLevel":
		r.bytewise = true
		if isTrue(p.PrefixSpace, true) {
			add(byteLevel{})
		}
		if isTrue(p.UseRegex, true) {
			add(split{pattern: cutting{gpt2Split{newClassifier()}}, behavior: isolated})
		}
	case "Split":
		how, ok := behaviors[p.Behavior]
		if !ok {
			return fmt.Errorf("in Split: behavior %s is unknown", clip(p.Behavior))
		}
		pat, err := p.Pattern.compile()
		if err != nil {
			return fmt.Errorf("in Split: %w", err)
		}
		add(split{pat, how, p.Invert})
	case "Metaspace":
		scheme := p.Scheme
		if scheme == "" {
			scheme = "always"
			if !isTrue(p.PrefixSpace, true) {
				scheme = "never"
			}
		}
		if utf8.RuneCountInString(p.Replacement) != 1 || scheme != "always" && scheme != "first" && scheme != "never" {
			return fmt.Errorf("in Metaspace: replacement %s, prepend_scheme %s: want a character, and always, first or never", clip(p.Replacement), clip(scheme))
		}
		add(metaspace{p.Replacement, scheme, isTrue(p.Split, true)})
	case "Whitespace":
		add(split{pattern: whitespace{}, behavior: removed, invert: true})
	case "WhitespaceSplit":
		add(split{pattern: predicate(isSpace), behavior: removed})
	case "BertPreTokenizer":
		add(bertWords{})
	case "Punctuation":
		how, ok := behaviors[p.Behavior]
		if p.Behavior == "" {
			how, ok = isolated, true
		}
		if !ok {
			return fmt.Errorf("in Punctuation: behavior %s is unknown", clip(p.Behavior))
		}
		add(split{pattern: predicate(isPunctuation), behavior: how})
	case "Digits":
		how := contiguous
		if p.Individual {
			how = isolated
		}
		add(split{pattern: predicate(isNumeric), behavior: how})
	case "CharDelimiterSplit":
		if p.Delimiter == "" {
			return errors.New("in CharDelimiterSplit: no delimiter")
		}
		add(split{pattern: literal(p.Delimiter), behavior: removed})
	default:
		return fmt.Errorf("type %s is not supported", clip(name))
	}
	return nil
}
