package gemma

import (
	"fmt"
	"path/filepath"

	"github.com/hanji-ml/hanji/gguf"
	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/model/llama"
	"github.com/hanji-ml/hanji/tensor"
	"github.com/hanji-ml/hanji/weights"
)

// Family is Gemma 3 (text).
var Family = model.DecoderFamily{
	Name:  "gemma",
	Match: func(c model.Checkpoint) bool { return c.ModelType() == "gemma3_text" },
	Load:  func(c model.Checkpoint, set map[string]string) (model.Decoder, error) { return Load(c.Path, set) },

	MatchGGUF: isGGUF,
	FromGGUF:  func(f *gguf.File) (model.Decoder, error) { return FromGGUF(f) },
}

// binding is how published tensors become the model's: under their own names.
func binding(c *Config) weights.Options {
	if c.Tied {
		return weights.Options{Ignore: []string{"lm_head.weight"}} // the embedding again
	}
	return weights.Options{}
}

// Load reads a checkpoint folder: config.json and model.safetensors (or its shards), whose f16, bf16 or f32 weights become f32. set
// overrides keys of the configuration. Weights of a GPTQ, AWQ or INT8 checkpoint stay in their integers, and the others in the
// mapped file; close such a model.
func Load(dir string, set map[string]string) (*Model, error) {
	b, err := model.ReadConfig(dir, set)
	if err != nil {
		return nil, fmt.Errorf("gemma: %w", err)
	}
	c, err := ParseConfig(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	m, keep, err := llama.Fill(dir, c.Parameters(), func(reserve bool) *Model {
		if reserve {
			c.Reserve()
		}
		return New(c)
	}, binding(&c))
	if err != nil {
		return nil, fmt.Errorf("gemma: %w", err)
	}
	m.file = keep
	return m, nil
}

// Close gives a mapped file back, where weights stay in it.
func (m *Model) Close() error {
	if m.file == nil {
		return nil
	}
	return m.file.Close()
}

// Save writes config.json and model.safetensors; transformers loads them.
func (m *Model) Save(dir string) error { return m.SaveAs(dir, tensor.F32) }

// SaveAs is Save with another storage type, F16 or BF16.
func (m *Model) SaveAs(dir string, dt tensor.DType) error {
	c := m.Config
	c.DType = llama.DTypeName(dt)
	if err := llama.SaveConfig(dir, c); err != nil {
		return fmt.Errorf("gemma: %w", err)
	}
	return weights.Save(filepath.Join(dir, "model.safetensors"), m, dt, nil)
}

// Init draws the parameters as transformers does: matrices and embeddings from a normal distribution of standard deviation
// initializer_range, gains 1 (which the file has as 0).
func (m *Model) Init(seed uint64) { llama.InitNormal(m, seed, m.Config.InitRange) }
