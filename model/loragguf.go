package model

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hanji-ml/hanji/gguf"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/quant"
	"github.com/hanji-ml/hanji/tensor"
)

// GGUFLayers is a model that knows what it would be in a GGUF file.
type GGUFLayers interface {
	GGUFArchitecture() string
	GGUFName(layer string) string // of a Linear or Embedding, without .weight; "": none
	GGUFRows(layer string) []int  // which row of the checkpoint each row in the file is; nil: the same
}

// Adapters in GGUF files are those of llama.cpp (convert_lora_to_gguf.py, llama-adapter.cpp): two tensors for a weight, named as it
// with these endings, and one alpha for all; the scale is alpha/r, or 1 where alpha is 0.
const (
	ggufA = ".weight.lora_a" // [r, in]
	ggufB = ".weight.lora_b" // [out, r]
)

// loadLoRAGGUF gives the model the adapters of a GGUF file.
func loadLoRAGGUF(m any, path string) (c LoRAConfig, err error) {
	g, ok := m.(GGUFLayers)
	if !ok {
		return c, errors.New("adapters in GGUF files are not known for this family; take a folder as peft writes it")
	}
	f, err := gguf.Open(path)
	if err != nil {
		return c, err
	}
	defer f.Close()
	alpha, err := loraMetadata(f.Metadata(), g.GGUFArchitecture())
	if err != nil {
		return c, err
	}
	linears, byName := nn.Linears(m), map[string]string{}
	for layer := range linears {
		byName[g.GGUFName(layer)] = layer
	}
	read := map[string]*nn.LoRA{}
	for _, name := range f.Names() {
		short, isA := strings.CutSuffix(name, ggufA)
		if !isA {
			if _, isB := strings.CutSuffix(name, ggufB); !isB {
				return c, fmt.Errorf("tensor %.120q is no part of a LoRA", name)
			}
			continue
		}
		layer := byName[short]
		if layer == "" || short == "" {
			return c, fmt.Errorf("the model has no layer for tensor %.120q", name)
		}
		if linears[layer].LoRA != nil {
			return c, fmt.Errorf("layer %q has an adapter already", layer)
		}
		if read[layer], err = loraOfGGUF(f, short, layer, linears[layer], alpha); err != nil {
			return c, err
		}
		if rows := g.GGUFRows(layer); rows != nil && rowOrder(m, layer) == nil {
			moveRows(read[layer].B, func(i int) (to, from int) { return rows[i], i })
		}
	}
	if 2*len(read) != len(f.Names()) || len(read) == 0 {
		return c, fmt.Errorf("%d tensors with lora_a of %d in all: each needs its lora_b", len(read), len(f.Names()))
	}
	for layer, lora := range read {
		linears[layer].LoRA = lora
		c.Targets = append(c.Targets, layer)
		c.Rank = max(c.Rank, lora.A.Dim(0))
	}
	slices.Sort(c.Targets)
	c.Alpha = cmp.Or(alpha, float64(c.Rank))
	nn.TrainAdapters(m)
	return c, nil
}

// loraMetadata checks what the file says it is, and gives its alpha.
func loraMetadata(meta gguf.Metadata, arch string) (alpha float64, err error) {
	for _, want := range [][2]string{{"general.type", "adapter"}, {"adapter.type", "lora"}, {"general.architecture", arch}} {
		got, err := meta.Text(want[0])
		if err != nil {
			return 0, err
		}
		if got != want[1] {
			return 0, fmt.Errorf("%s is %.40q, want %q", want[0], got, want[1])
		}
	}
	if _, ok := meta.Get("adapter.alora.invocation_tokens"); ok {
		return 0, errors.New("adapters that some tokens switch on are not supported")
	}
	alpha, err = meta.Float("adapter.lora.alpha")
	if errors.Is(err, gguf.ErrNoKey) {
		return 0, nil
	}
	if err == nil && (alpha < 0 || alpha-alpha != 0) {
		err = fmt.Errorf("adapter.lora.alpha is %v", alpha)
	}
	return alpha, err
}

// loraOfGGUF reads the two tensors of a weight.
func loraOfGGUF(f *gguf.File, short, layer string, l *nn.Linear, alpha float64) (*nn.LoRA, error) {
	a, _ := f.Tensor(short + ggufA)
	b, ok := f.Tensor(short + ggufB)
	out, in := l.Weight.Dim(0), l.Weight.Dim(1)
	if !ok || len(a.Shape) != 2 || a.Shape[0] < 1 || a.Shape[1] != in || !slices.Equal(b.Shape, []int{out, a.Shape[0]}) {
		return nil, fmt.Errorf("tensors %q are %v and %v, want [r %d] and [%d r]", short, a.Shape, b.Shape, in, out)
	}
	rank := a.Shape[0]
	lora := nn.NewLoRA(layer, l, rank, cmp.Or(alpha/float64(rank), 1), 0)
	for _, p := range []struct {
		t  gguf.Tensor
		to *tensor.Tensor
	}{{a, lora.A}, {b, lora.B}} {
		v := make([]float32, p.t.Len())
		if err := quant.Dequantize(v, p.t.Data, p.t.Type); err != nil {
			return nil, fmt.Errorf("tensor %q: %w", p.t.Name, err)
		}
		p.to.SetF32(v)
	}
	return lora, nil
}

// SaveLoRAGGUF writes a model's adapters as a GGUF file that llama.cpp runs, in float32.
func SaveLoRAGGUF(m any, path string) error {
	if err := saveLoRAGGUF(m, path); err != nil {
		return fmt.Errorf("model: adapter: %w", err)
	}
	return nil
}

func saveLoRAGGUF(m any, path string) error {
	g, ok := m.(GGUFLayers)
	if !ok {
		return errors.New("this family's names in GGUF files are not known; save it as a folder")
	}
	alpha := 0.0
	var list []gguf.Tensor
	for _, l := range sortedLinears(m) {
		lora, name := l.LoRA, g.GGUFName(l.name)
		if lora == nil {
			continue
		}
		if name == "" {
			return fmt.Errorf("layer %q has no name in GGUF files", l.name)
		}
		if a := lora.Scale * float64(lora.A.Dim(0)); alpha == 0 {
			alpha = float64(float32(a)) // what the file holds
		}
		b := lora.B.Keep()
		if rows := g.GGUFRows(l.name); rows != nil && rowOrder(m, l.name) == nil {
			moveRows(b, func(i int) (to, from int) { return i, rows[i] })
		}
		if s := lora.Scale * float64(lora.A.Dim(0)) / alpha; math.Abs(s-1) > 1e-6 { // a scale of its own goes into B
			b.ScaleInPlace(s)
		}
		for _, part := range []struct {
			name string
			t    *tensor.Tensor
		}{{ggufA, lora.A}, {ggufB, b}} {
			x := part.t.Cast(tensor.F32)
			list = append(list, gguf.Tensor{Name: name + part.name, Type: gguf.F32, Shape: x.Shape(), Data: x.ReadBytes()})
		}
	}
	if len(list) == 0 {
		return errors.New("the model has none")
	}
	return gguf.Write(path, list, gguf.Metadata{
		{Key: "general.architecture", Value: g.GGUFArchitecture()}, {Key: "general.type", Value: "adapter"},
		{Key: "general.name", Value: strings.TrimSuffix(filepath.Base(path), ".gguf")},
		{Key: "adapter.type", Value: "lora"}, {Key: "adapter.lora.alpha", Value: float32(alpha)},
	})
}

// namedLinear is a Linear and its path.
type namedLinear struct {
	*nn.Linear
	name string
}

func sortedLinears(m any) (list []namedLinear) {
	for name, l := range nn.Linears(m) {
		list = append(list, namedLinear{l, name})
	}
	slices.SortFunc(list, func(a, b namedLinear) int { return strings.Compare(a.name, b.name) })
	return list
}
