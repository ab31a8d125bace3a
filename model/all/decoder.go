package all

import (
	"fmt"
	"strings"

	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/model/gemma"
	"github.com/hanji-ml/hanji/model/llama"
	"github.com/hanji-ml/hanji/model/mixtral"
)

// decoders are asked in this order.
var decoders = []model.DecoderFamily{llama.Family, mixtral.Family, gemma.Family}

// OpenDecoder loads a language model from a checkpoint folder with config.json and model.safetensors (or its shards). The family
// is recognised by config.json's model_type. set overrides keys of the configuration.
func OpenDecoder(path string, set map[string]string) (model.Decoder, error) {
	c, err := describe(path)
	if err != nil {
		return nil, err
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
