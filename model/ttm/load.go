package ttm

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/hanji-ml/hanji/internal/atomicfile"
	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/safetensors"
	"github.com/hanji-ml/hanji/tensor"
	"github.com/hanji-ml/hanji/weights"
)

// Load reads a checkpoint folder: config.json and model.safetensors (or its shards). set overrides keys of the
// configuration (dropout, prediction_filter_length, …).
func Load(dir string, set map[string]string) (*Model, error) {
	b, err := model.ReadConfig(dir, set)
	if err != nil {
		return nil, fmt.Errorf("ttm: %w", err)
	}
	c, err := ParseConfig(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	file, err := safetensors.OpenModel(dir)
	if err != nil {
		return nil, fmt.Errorf("ttm: %w", err)
	}
	defer file.Close()
	m := New(c)
	if err := weights.Bind(m, file, weights.Options{}); err != nil {
		return nil, fmt.Errorf("ttm: %s: %w", dir, err)
	}
	return m, nil
}

// Save writes config.json and model.safetensors; granite-tsfm loads them (but for hanji's quantile head).
func (m *Model) Save(dir string) error { return m.SaveAs(dir, tensor.F32) }

// SaveAs is Save with another storage type, F16 for example.
func (m *Model) SaveAs(dir string, dt tensor.DType) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("ttm: %w", err)
	}
	b, err := json.MarshalIndent(m.Config, "", "  ")
	if err != nil {
		return fmt.Errorf("ttm: %w", err)
	}
	err = atomicfile.Write(filepath.Join(dir, "config.json"), func(w io.Writer) error {
		_, err := w.Write(append(b, '\n'))
		return err
	})
	if err != nil {
		return fmt.Errorf("ttm: %w", err)
	}
	return weights.Save(filepath.Join(dir, "model.safetensors"), m, dt, nil)
}

// SetDropout replaces the dropout of the backbone and of the decoder and head.
func (m *Model) SetDropout(backbone, head float64) {
	m.Config.Dropout, m.Config.HeadDropout = backbone, head
	nn.SetDropout(m.Backbone, backbone)
	nn.SetDropout(m.Head, head)
	if m.Decoder != nil {
		nn.SetDropout(m.Decoder, head)
	}
}

// FreezeBackbone leaves only decoder and head to training, the paper's fine-tuning.
func (m *Model) FreezeBackbone() {
	for _, p := range nn.Walk(m.Backbone) {
		if p.Tensor.IsParam() {
			p.Tensor.Trainable(false)
		}
	}
}
