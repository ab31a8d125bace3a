package model

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hanji-ml/hanji/internal/atomicfile"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/safetensors"
	"github.com/hanji-ml/hanji/tensor"
	"github.com/hanji-ml/hanji/weights"
)

// RowOrderer is a decoder that keeps rows of some layers in another order than transformers does.
type RowOrderer interface {
	// RowOrder tells which row of the checkpoint each row of a Linear is; nil: the same.
	RowOrder(layer string) []int
}

// The two files of an adapter's folder, and what peft puts before the names of layers.
const (
	loraConfig  = "adapter_config.json"
	loraWeights = "adapter_model.safetensors"
	loraPrefix  = "base_model.model."
)

// maxConfig bounds the reading of adapter_config.json.
const maxConfig = 1 << 20

// LoadLoRA gives a model, such as a Decoder, the adapters of a folder in peft's layout (adapter_config.json and
// adapter_model.safetensors) or of a GGUF file. All else is frozen, as by nn.AddLoRA. On an error the model is as before.
func LoadLoRA(m any, path string) (LoRAConfig, error) {
	c, err := loadLoRA(m, path)
	if err != nil {
		return LoRAConfig{}, fmt.Errorf("model: adapter %s: %w", path, err)
	}
	return c, nil
}

func loadLoRA(m any, path string) (LoRAConfig, error) {
	info, err := os.Stat(path)
	if err != nil {
		return LoRAConfig{}, err
	}
	if !info.IsDir() {
		return loadLoRAGGUF(m, path)
	}
	a, err := OpenLoRA(path)
	if err != nil {
		return LoRAConfig{}, err
	}
	defer a.Close()
	return a.Config, a.add(m)
}

// LoRA is the open folder of an adapter.
type LoRA struct {
	Config LoRAConfig
	Layers []string // names of those that have an adapter, sorted
	file   *safetensors.File
}

// OpenLoRA opens the folder of an adapter in peft's layout. Close it.
func OpenLoRA(dir string) (*LoRA, error) {
	f, err := os.Open(filepath.Join(dir, loraConfig))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxConfig))
	if err != nil {
		return nil, err
	}
	a := &LoRA{}
	if a.Config, err = ParseLoRAConfig(b); err != nil {
		return nil, fmt.Errorf("%s: %w", loraConfig, err)
	}
	if a.file, err = safetensors.Open(filepath.Join(dir, loraWeights)); err != nil {
		return nil, err
	}
	if err := a.list(); err != nil {
		a.file.Close()
		return nil, err
	}
	if a.Config.Targets == nil { // a regular expression, or some layers only
		a.Config.Targets = a.Layers
	}
	return a, nil
}

// Close gives the mapped file back.
func (a *LoRA) Close() error { return a.file.Close() }

// list finds the layers, each with both parts and of one rank, that of the configuration.
func (a *LoRA) list() error {
	layers := map[string]bool{}
	for _, name := range a.file.Names() {
		layer, ok := strings.CutSuffix(name, ".lora_A.weight")
		if !ok {
			layer, ok = strings.CutSuffix(name, ".lora_B.weight")
		}
		short, prefixed := strings.CutPrefix(layer, loraPrefix)
		if !ok || !prefixed {
			return fmt.Errorf("tensor %.120q is no part of a LoRA: want %sLAYER.lora_A.weight or lora_B", name, loraPrefix)
		}
		layers[short] = true
	}
	if a.Layers = slices.Sorted(maps.Keys(layers)); len(a.Layers) == 0 {
		return errors.New("no adapter in the file")
	}
	for _, layer := range a.Layers {
		x, y := a.part(layer, "lora_A"), a.part(layer, "lora_B")
		if len(x.Shape) != 2 || len(y.Shape) != 2 {
			return fmt.Errorf("layer %.120q lacks lora_A or lora_B [rows, columns]", layer)
		}
		if rank, _ := a.Config.layer(layer); x.Shape[0] != rank || y.Shape[1] != rank {
			return fmt.Errorf("layer %.120q: lora_A is %v and lora_B %v, the rank by the configuration %d", layer, x.Shape, y.Shape, rank)
		}
	}
	return nil
}

func (a *LoRA) part(layer, part string) safetensors.Tensor {
	t, _ := a.file.Tensor(loraPrefix + layer + "." + part + ".weight")
	return t
}

// Adapter reads the adapter of a layer of the file for a Linear of its name.
func (a *LoRA) Adapter(layer string, l *nn.Linear) (*nn.LoRA, error) {
	x, y := a.part(layer, "lora_A"), a.part(layer, "lora_B")
	if out, in := l.Weight.Dim(0), l.Weight.Dim(1); x.Shape[1] != in || y.Shape[0] != out {
		return nil, fmt.Errorf("layer %q maps %d to %d features, the adapter %d to %d; is it of another model?", layer, in, out, x.Shape[1], y.Shape[0])
	}
	rank, scale := a.Config.layer(layer)
	lora := nn.NewLoRA(layer, l, rank, scale, a.Config.Dropout)
	if err := weights.Set(lora.A, x); err != nil {
		return nil, err
	}
	return lora, weights.Set(lora.B, y)
}

func (a *LoRA) add(m any) error {
	linears, read := nn.Linears(m), map[*nn.Linear]*nn.LoRA{}
	var problems []error
	for _, layer := range a.Layers {
		l := linears[layer]
		switch {
		case l == nil:
			problems = append(problems, fmt.Errorf("the model has no layer %.120q", layer))
		case l.LoRA != nil:
			problems = append(problems, fmt.Errorf("layer %q has an adapter already", layer))
		default:
			lora, err := a.Adapter(layer, l)
			if err != nil {
				problems = append(problems, err)
				continue
			}
			if order := rowOrder(m, layer); order != nil {
				moveRows(lora.B, func(i int) (to, from int) { return i, order[i] })
			}
			read[l] = lora
		}
	}
	if len(problems) > 0 {
		return errors.Join(problems[:min(len(problems), 5)]...)
	}
	for l, lora := range read {
		l.LoRA = lora
	}
	nn.TrainAdapters(m)
	return nil
}

// SaveLoRA writes a model's adapters into dir, which it makes, in the layout that peft reads.
func SaveLoRA(m any, dir string, c LoRAConfig) error {
	if err := saveLoRA(m, dir, c); err != nil {
		return fmt.Errorf("model: adapter: %w", err)
	}
	return nil
}

func saveLoRA(m any, dir string, c LoRAConfig) error {
	var list []nn.Param
	for _, p := range nn.Adapters(m) {
		layer, ok := strings.CutSuffix(p.Name, ".lora_B.weight")
		if order := rowOrder(m, layer); ok && order != nil {
			p.Tensor = p.Tensor.Keep()
			moveRows(p.Tensor, func(i int) (to, from int) { return order[i], i })
		}
		list = append(list, p)
	}
	if len(list) == 0 {
		return errors.New("the model has none")
	}
	b, err := c.encode()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	err = atomicfile.Write(filepath.Join(dir, loraConfig), func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
	if err != nil {
		return err
	}
	tensors := weights.Tensors(list, tensor.F32, func(name string) string { return loraPrefix + name })
	return safetensors.Write(filepath.Join(dir, loraWeights), tensors, map[string]string{"format": "pt"})
}

func rowOrder(m any, layer string) []int {
	if o, ok := m.(RowOrderer); ok {
		return o.RowOrder(layer)
	}
	return nil
}

// moveRows puts row from of t [rows, columns] into the place of row to, for every i.
func moveRows(t *tensor.Tensor, places func(i int) (to, from int)) {
	cols, was := t.Dim(1), t.ReadF64()
	now := make([]float64, len(was))
	for i := range t.Dim(0) {
		to, from := places(i)
		copy(now[to*cols:][:cols], was[from*cols:])
	}
	t.SetF64(now)
}
