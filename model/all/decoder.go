package all

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/hanji-ml/hanji/chat"
	"github.com/hanji-ml/hanji/gguf"
	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/model/gemma"
	"github.com/hanji-ml/hanji/model/llama"
	"github.com/hanji-ml/hanji/model/mixtral"
	"github.com/hanji-ml/hanji/tokenizer"
)

// decoders are asked in this order.
var decoders = []model.DecoderFamily{llama.Family, mixtral.Family, gemma.Family}

// OpenDecoder loads a language model: a GGUF file or any part of a split one, or a folder with config.json and
// safetensors, or with one GGUF model. The family is recognised by what the file says, never by its name. set overrides
// keys of config.json. Close the model where it is an io.Closer.
func OpenDecoder(path string, set map[string]string) (model.Decoder, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	config := filepath.Join(path, "config.json")
	if info.IsDir() {
		if _, err := os.Stat(config); err != nil {
			return openGGUF(path, set)
		}
	} else {
		switch isGGUF, err := beginsGGUF(path); {
		case err != nil:
			return nil, fmt.Errorf("model: %w", err)
		case isGGUF:
			return openGGUF(path, set)
		}
		return nil, fmt.Errorf("model: %s is no GGUF file; of a safetensors model give the folder, with config.json", path)
	}
	c := model.Checkpoint{Path: path, FS: os.DirFS(path)}
	b, err := os.ReadFile(config)
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	if err := json.Unmarshal(b, &c.Config); err != nil {
		return nil, fmt.Errorf("model: %s: config.json: %w", path, err)
	}
	var names []string
	for _, f := range decoders {
		if f.Match(c) {
			return f.Load(c, set)
		}
		names = append(names, f.Name)
	}
	return nil, fmt.Errorf("model: %s: no language model is of model_type %q; there are the families %s", path, c.ModelType(), strings.Join(names, ", "))
}

func openGGUF(path string, set map[string]string) (model.Decoder, error) {
	if len(set) > 0 {
		return nil, fmt.Errorf("model: %s: keys of a GGUF file cannot be overridden", path)
	}
	f, err := gguf.OpenModel(path)
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	m, err := FromGGUF(f)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("model: %s: %w", path, err)
	}
	return m, nil
}

// FromGGUF makes the language model of an open file; it is an io.Closer, which closes the file. On an error the file stays open.
func FromGGUF(f *gguf.File) (model.Decoder, error) {
	arch, err := f.Metadata().Text("general.architecture")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, family := range decoders {
		if !family.MatchGGUF(f.Metadata()) {
			names = append(names, family.Name)
			continue
		}
		m, err := family.FromGGUF(f)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", family.Name, err) // an interface that holds a nil *Model would not be nil
		}
		return m, nil
	}
	return nil, fmt.Errorf("no language model is of architecture %q; there are the families %s", arch, strings.Join(names, ", "))
}

func beginsGGUF(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	var magic [4]byte
	if _, err := io.ReadFull(f, magic[:]); err != nil {
		return false, nil // too short for any model
	}
	return string(magic[:]) == "GGUF", nil
}

// Decoders builds language models; it implements lm.Builder.
type Decoders struct{}

// Open is OpenDecoder.
func (Decoders) Open(path string) (model.Decoder, error) { return OpenDecoder(path, nil) }

// Vocabulary is the tokenizer of a folder or GGUF file and its chat template, nil where it has none.
func (Decoders) Vocabulary(path string) (*tokenizer.Tokenizer, *chat.Template, error) {
	if isGGUF, err := beginsGGUF(path); err != nil || isGGUF {
		if err != nil {
			return nil, nil, fmt.Errorf("model: %w", err)
		}
		f, err := gguf.OpenModel(path)
		if err != nil {
			return nil, nil, err
		}
		defer f.Close()
		return vocabularyOfGGUF(f)
	}
	t, err := tokenizer.OpenFile(path)
	if err != nil {
		return nil, nil, err
	}
	c, err := chat.OpenDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return t, c, err
}

// New is NewDecoder that takes no key which the family does not know.
func (Decoders) New(family string, config []byte, seed uint64) (model.TrainableDecoder, error) {
	known := map[string]any{"llama": new(llama.Config), "mixtral": new(mixtral.Config), "gemma": new(gemma.Config)}[family]
	if known != nil {
		d := json.NewDecoder(bytes.NewReader(config))
		d.DisallowUnknownFields()
		if err := d.Decode(known); err != nil {
			return nil, fmt.Errorf("model: %s: config: %w", family, err)
		}
	}
	return NewDecoder(family, config, seed)
}

// NewDecoder builds an untrained language model from config.json over the family's defaults, its parameters drawn by seed.
func NewDecoder(family string, config []byte, seed uint64) (model.TrainableDecoder, error) {
	switch family {
	case "llama":
		c, err := llama.ParseConfig(config)
		if err != nil {
			return nil, err
		}
		m := llama.New(c)
		m.Init(seed)
		return m, nil
	case "mixtral":
		c, err := mixtral.ParseConfig(config)
		if err != nil {
			return nil, err
		}
		m := mixtral.New(c)
		m.Init(seed)
		return m, nil
	case "gemma":
		c, err := gemma.ParseConfig(config)
		if err != nil {
			return nil, err
		}
		m := gemma.New(c)
		m.Init(seed)
		return m, nil
	}
	return nil, fmt.Errorf("model: no language model %q; there are llama, mixtral and gemma", family)
}
