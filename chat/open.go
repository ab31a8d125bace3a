package chat

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// OpenDir reads the template of a model's folder: chat_template.jinja, or chat_template in
// chat_template.json or tokenizer_config.json, of several the one called default. The begin and
// end tokens of tokenizer_config.json are Options' BOS and EOS where those are empty. A folder
// without a template is an error that wraps fs.ErrNotExist.
func OpenDir(dir string) (*Template, error) {
	t, err := openDir(dir)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return t, nil
}

func openDir(dir string) (*Template, error) {
	var config, more folderConfig
	if err := readJSON(filepath.Join(dir, "tokenizer_config.json"), &config); err != nil {
		return nil, err
	}
	if err := readJSON(filepath.Join(dir, "chat_template.json"), &more); err != nil {
		return nil, err
	}
	source := ""
	switch b, err := readFile(filepath.Join(dir, "chat_template.jinja")); {
	case err == nil:
		source = string(b)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	case more.Template != "":
		source = string(more.Template)
	case config.Template != "":
		source = string(config.Template)
	default:
		return nil, fmt.Errorf("no chat template, neither in chat_template.jinja nor in tokenizer_config.json; a built-in one may fit: %v: %w", Builtins(), fs.ErrNotExist)
	}
	t, err := Parse(source)
	if err != nil {
		return nil, err
	}
	t.bos, t.eos = string(config.BOS), string(config.EOS)
	return t, nil
}

type folderConfig struct {
	Template templateText `json:"chat_template"`
	BOS      tokenText    `json:"bos_token"`
	EOS      tokenText    `json:"eos_token"`
}

// templateText is a template, or a list of {"name": …, "template": …}.
type templateText string

func (t *templateText) UnmarshalJSON(b []byte) error {
	if len(b) == 0 || b[0] != '[' {
		return json.Unmarshal(b, (*string)(t))
	}
	var list []struct{ Name, Template string }
	if err := json.Unmarshal(b, &list); err != nil {
		return err
	}
	named := map[string]string{}
	for _, e := range list {
		named[e.Name] = e.Template
	}
	source, ok := named["default"]
	if !ok {
		return fmt.Errorf("none of the chat templates %q is called default", slices.Sorted(maps.Keys(named)))
	}
	*t = templateText(source)
	return nil
}

// tokenText is "</s>" or {"content": "</s>", …}.
type tokenText string

func (t *tokenText) UnmarshalJSON(b []byte) error {
	if len(b) == 0 || b[0] != '{' {
		return json.Unmarshal(b, (*string)(t))
	}
	var in struct{ Content string }
	err := json.Unmarshal(b, &in)
	*t = tokenText(in.Content)
	return err
}

// maxConfig bounds what is read of a folder's files: tokenizer_config.json lists every added token.
const maxConfig = 64 << 20

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err == nil && len(b) > maxConfig {
		err = fmt.Errorf("%s: more than %d bytes", filepath.Base(path), maxConfig)
	}
	return b, err
}

// readJSON reads a file if it is there.
func readJSON(path string, v any) error {
	b, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return nil
}
