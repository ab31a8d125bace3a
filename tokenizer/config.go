package tokenizer

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// config is the part of tokenizer_config.json that changes ids.
type config struct {
	Class        string             `json:"tokenizer_class"`
	AddBOS       *bool              `json:"add_bos_token"`
	AddEOS       *bool              `json:"add_eos_token"`
	BOS          configToken        `json:"bos_token"`
	EOS          configToken        `json:"eos_token"`
	Unknown      configToken        `json:"unk_token"`
	Pad          configToken        `json:"pad_token"`
	CLS          configToken        `json:"cls_token"`
	Sep          configToken        `json:"sep_token"`
	Mask         configToken        `json:"mask_token"`
	Legacy       *bool              `json:"legacy"`
	PrefixSpace  *bool              `json:"add_prefix_space"`
	LowerCase    *bool              `json:"do_lower_case"`
	StripAccents *bool              `json:"strip_accents"`
	Chinese      *bool              `json:"tokenize_chinese_chars"`
	Decoder      map[string]addedIn `json:"added_tokens_decoder"`

	addedTokens map[string]int32 // added_tokens.json
}

type addedIn struct {
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	LStrip     bool   `json:"lstrip"`
	RStrip     bool   `json:"rstrip"`
	Special    bool   `json:"special"`
}

// configToken is "</s>" or {"content": "</s>", …}.
type configToken string

func (t *configToken) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '{' {
		var a addedIn
		err := json.Unmarshal(b, &a)
		*t = configToken(a.Content)
		return err
	}
	return json.Unmarshal(b, (*string)(t))
}

// llamaLike says whether the class is one whose begin and end tokens the configuration sets.
func (c *config) llamaLike() bool {
	for _, name := range []string{"Llama", "CodeLlama", "Gemma"} {
		if strings.HasPrefix(c.Class, name) {
			return true
		}
	}
	return false
}

func (c *config) sentencePiece() SentencePieceOptions {
	o := SentencePieceOptions{NoBOS: !isTrue(c.AddBOS, true), AddEOS: isTrue(c.AddEOS, false),
		NotLegacy: !isTrue(c.Legacy, true), NoPrefix: !isTrue(c.PrefixSpace, true)}
	for key, a := range c.Decoder {
		if id, err := strconv.ParseInt(key, 10, 32); err == nil && a.Content != "" {
			o.Added = append(o.Added, AddedToken{ID: int32(id), Content: a.Content, SingleWord: a.SingleWord, LStrip: a.LStrip, RStrip: a.RStrip, Special: a.Special})
		}
	}
	for token, id := range c.addedTokens {
		if _, ok := c.Decoder[strconv.Itoa(int(id))]; !ok && token != "" {
			o.Added = append(o.Added, AddedToken{ID: id, Content: token, Special: true})
		}
	}
	return o
}

func (c *config) bert() BERTOptions {
	return BERTOptions{Cased: !isTrue(c.LowerCase, true), StripAccents: c.StripAccents, NoChinese: !isTrue(c.Chinese, true)}
}

// apply sets the roles, and begin and end tokens where the class takes them from here.
func (c *config) apply(t *Tokenizer) error {
	for _, r := range []struct {
		name  string
		token configToken
		to    *int32
	}{
		{"bos_token", c.BOS, &t.roles.BOS}, {"eos_token", c.EOS, &t.roles.EOS}, {"unk_token", c.Unknown, &t.roles.Unknown},
		{"pad_token", c.Pad, &t.roles.Pad}, {"cls_token", c.CLS, &t.roles.CLS}, {"sep_token", c.Sep, &t.roles.Sep},
		{"mask_token", c.Mask, &t.roles.Mask},
	} {
		if r.token == "" {
			continue
		}
		id, ok := t.byToken[string(r.token)]
		if !ok {
			return fmt.Errorf("tokenizer_config.json: %s %s is not in the vocabulary", r.name, clip(string(r.token)))
		}
		*r.to = id
	}
	if c.llamaLike() && t.format != "bert" && (t.format == "sentencepiece" || c.AddBOS != nil || c.AddEOS != nil) {
		t.addBeginEnd(isTrue(c.AddBOS, true), isTrue(c.AddEOS, false))
	}
	return nil
}
