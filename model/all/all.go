// Package all lists the model families. Adding one is a line here.
package all

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/model/patchtst"
	"github.com/hanji-ml/hanji/model/ttm"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/safetensors"
	"github.com/hanji-ml/hanji/torchpt"
	"github.com/hanji-ml/hanji/weights"
)

// Families builds models; it implements forecast.Builder.
type Families struct{}

// Open is the package's Open.
func (Families) Open(path string, set map[string]string) (model.Forecaster, error) {
	return Open(path, set)
}

// New builds an untrained model of a family from keys of its config.json over the family's defaults, its parameters
// drawn by seed.
func (Families) New(family string, config []byte, seed uint64) (model.Trainable, error) {
	switch family {
	case "ttm":
		c, err := ttm.ParseConfig(config)
		if err != nil {
			return nil, err
		}
		m := ttm.New(c)
		nn.Init(m, seed)
		return m, nil
	case "patchtst":
		c, err := patchtst.ParseConfig(config)
		if err != nil {
			return nil, err
		}
		m := patchtst.New(c)
		m.Init(seed)
		return m, nil
	}
	return nil, fmt.Errorf("model: no family %q; there are ttm and patchtst", family)
}

// families are asked in this order.
var families = []model.Family{
	{Name: "ttm", Match: func(c model.Checkpoint) bool { return c.ModelType() == "tinytimemixer" },
		Load: func(c model.Checkpoint, set map[string]string) (model.Forecaster, error) {
			return ttm.Load(c.Path, set)
		}},
	{Name: "patchtst", Match: func(c model.Checkpoint) bool { return c.ModelType() == "patchtst" },
		Load: func(c model.Checkpoint, set map[string]string) (model.Forecaster, error) {
			return patchtst.Load(c.Path, set)
		}},
	{Name: "patchtst (paper)", Match: func(c model.Checkpoint) bool { return patchtst.IsPaper(c.Names) },
		Load: func(c model.Checkpoint, set map[string]string) (model.Forecaster, error) {
			src, closeFile, err := openTensors(c.Path)
			if err != nil {
				return nil, err
			}
			defer closeFile()
			return patchtst.LoadPaper(src, set, c.Path)
		}},
}

// Open loads a forecaster from a checkpoint: a folder with config.json and model.safetensors, or a bare file of
// tensors (.pth, .safetensors). The family is recognised by config.json's model_type or by the tensors' names, never
// by the file's. set overrides keys of the configuration, where the family allows it.
func Open(path string, set map[string]string) (model.Forecaster, error) {
	c, err := describe(path)
	if err != nil {
		return nil, err
	}
	for _, f := range families {
		if f.Match(c) {
			m, err := f.Load(c, set)
			if err != nil {
				return nil, err
			}
			return m, nil
		}
	}
	if t := c.ModelType(); t != "" {
		return nil, fmt.Errorf("model: %s: no family for model_type %q", path, t)
	}
	return nil, fmt.Errorf("model: %s: no family knows these %d tensors; a folder needs config.json beside them", path, len(c.Names))
}

func describe(path string) (c model.Checkpoint, err error) {
	c.Path = path
	info, err := os.Stat(path)
	if err != nil {
		return c, fmt.Errorf("model: %w", err)
	}
	if !info.IsDir() {
		src, closeFile, err := openTensors(path)
		if err != nil {
			return c, err
		}
		defer closeFile()
		c.Names = src.Names()
		return c, nil
	}
	c.FS = os.DirFS(path)
	b, err := os.ReadFile(filepath.Join(path, "config.json"))
	if err != nil {
		return c, fmt.Errorf("model: %w; a checkpoint folder has config.json and model.safetensors", err)
	}
	if err := json.Unmarshal(b, &c.Config); err != nil {
		return c, fmt.Errorf("model: %s: config.json: %w", path, err)
	}
	return c, nil
}

// openTensors opens a bare file by its content: a zip is PyTorch's, anything else must be safetensors.
func openTensors(path string) (weights.Source, func() error, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("model: %w", err)
	}
	var magic [4]byte
	n, _ := f.Read(magic[:])
	f.Close()
	if strings.HasPrefix(string(magic[:n]), "PK") || (n > 0 && magic[0] == 0x80) { // zip, or a bare pickle for torchpt to refuse
		src, err := torchpt.Open(path)
		if err != nil {
			return nil, nil, err
		}
		return src, func() error { return nil }, nil
	}
	src, err := safetensors.Open(path)
	if err != nil {
		return nil, nil, err
	}
	return src, src.Close, nil
}
