package quantize

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hanji-ml/hanji/chat"
	"github.com/hanji-ml/hanji/gguf"
	"github.com/hanji-ml/hanji/model/llama"
	"github.com/hanji-ml/hanji/quant"
	"github.com/hanji-ml/hanji/safetensors"
	"github.com/hanji-ml/hanji/tokenizer"
)

// folder is what config.json says of a checkpoint.
type folder struct {
	family
	config  *llama.Config
	experts int           // E; 0: dense
	queries float64       // what the gain of q is multiplied by: scores are scaled by 1/√D in GGUF; 0: nothing
	own     gguf.Metadata // keys that other families have not
}

// openFolder reads a checkpoint (config.json, safetensors, the tokenizer's files) as the GGUF model that it is: names and metadata as
// llama.cpp's convert_hf_to_gguf.py gives them.
func openFolder(dir string) (*Model, error) {
	b, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		return nil, err
	}
	d, err := parseFolder(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	file, err := safetensors.OpenModel(dir)
	if err != nil {
		return nil, err
	}
	m := &Model{path: dir, close: file.Close, reads: map[string]reader{}}
	for _, add := range []func() error{
		func() error { return m.addTensors(file, d) },
		func() error { return m.addParameters(d, filepath.Base(filepath.Clean(dir))) },
		func() error { return m.addTokenizer(dir, d.config.VocabSize) },
	} {
		if err := add(); err != nil {
			file.Close()
			return nil, fmt.Errorf("%s: %w", dir, err)
		}
	}
	m.sort()
	return m, nil
}

func parseFolder(b []byte) (*folder, error) {
	var head struct {
		ModelType string `json:"model_type"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return nil, fmt.Errorf("config.json: %w", err)
	}
	if head.ModelType == "" {
		head.ModelType = "llama"
	}
	f, ok := families[head.ModelType]
	if !ok {
		return nil, fmt.Errorf("a folder of model_type %q cannot be written as GGUF, those of %s can", head.ModelType,
			strings.Join(slices.Sorted(maps.Keys(families)), ", "))
	}
	d := &folder{family: f}
	var err error
	switch head.ModelType {
	case "mixtral":
		err = d.parseMixtral(b)
	case "gemma3_text":
		err = d.parseGemma(b)
	default:
		var c llama.Config
		c, err = llama.ParseConfig(b)
		d.config = &c
	}
	return d, err
}

var plainTypes = map[safetensors.DType]quant.Type{safetensors.F32: quant.F32, safetensors.F16: quant.F16, safetensors.BF16: quant.BF16}

// addTensors takes what the configuration asks for, all of it and nothing else.
func (m *Model) addTensors(file *safetensors.File, d *folder) error {
	have, asked := len(file.Names()), d.config.Layers*(9+3*d.experts)
	if asked > 4*have+1000 { // no list of what a configuration makes up
		return fmt.Errorf("config.json asks for more than %d tensors, the files have %d", asked, have)
	}
	want, stacks := d.checkpoint(), map[string][]gguf.Tensor{}
	for _, name := range file.Names() {
		t, _ := file.Tensor(name)
		p, ok := want[name]
		switch {
		case !ok && (strings.HasSuffix(name, ".rotary_emb.inv_freq") || d.config.Tied && name == "lm_head.weight" || strings.HasSuffix(name, ".block_sparse_moe.noise.weight")):
			continue // worked out from the configuration; the embedding again; hanji's own, of training
		case !ok:
			return fmt.Errorf("tensor %.80q is no part of a %s of this config.json", name, d.config.ModelType)
		case !slices.Equal(t.Shape, p.shape):
			return fmt.Errorf("tensor %q is %v, want %v by config.json", name, t.Shape, p.shape)
		}
		typ, ok := plainTypes[t.DType]
		if !ok {
			return fmt.Errorf("tensor %q is %s, want F32, F16 or BF16", name, t.DType)
		}
		delete(want, name)
		x := gguf.Tensor{Name: p.name, Type: typ, Shape: t.Shape, Data: t.Data}
		switch {
		case p.of > 0:
			if stacks[p.name] == nil {
				stacks[p.name] = make([]gguf.Tensor, p.of)
			}
			stacks[p.name][p.expert] = x
			continue
		case p.heads > 0:
			m.reads[p.name] = pairs(x, p.heads)
		case p.gain > 0:
			var err error
			if x, err = whole(x, p.gain); err != nil {
				return fmt.Errorf("tensor %q: %w", name, err)
			}
		}
		m.Tensors = append(m.Tensors, x)
	}
	if len(want) > 0 {
		return fmt.Errorf("%d tensors are missing, such as %q", len(want), slices.Min(slices.Collect(maps.Keys(want))))
	}
	for name, list := range stacks {
		for i, x := range list {
			if x.Type != list[0].Type {
				return fmt.Errorf("experts of %q are of two types, number 0 %s and number %d %s", name, list[0].Type, i, x.Type)
			}
		}
		m.reads[name] = stacked(list)
		m.Tensors = append(m.Tensors, gguf.Tensor{Name: name, Type: list[0].Type, Shape: append([]int{len(list)}, list[0].Shape...)})
	}
	return nil
}

// whole is a gain that is stored less 1, times a factor, in F32.
func whole(t gguf.Tensor, factor float64) (gguf.Tensor, error) {
	v := make([]float32, t.Len())
	if err := quant.Dequantize(v, t.Data, t.Type); err != nil {
		return t, err
	}
	for i := range v {
		v[i] = float32(factor * float64(v[i]+1))
	}
	return floats(t.Name, v)
}

// floats is a vector as a tensor.
func floats(name string, v []float32) (gguf.Tensor, error) {
	b := make([]byte, 4*len(v))
	err := quant.Quantize(b, v, quant.F32, quant.Options{})
	return gguf.Tensor{Name: name, Type: quant.F32, Shape: []int{len(v)}, Data: b}, err
}

// addTokenizer adds the vocabulary and the chat template; a folder without one gives a file without one.
func (m *Model) addTokenizer(dir string, tokens int) error {
	v, err := tokenizer.OpenVocabulary(dir)
	if errors.Is(err, fs.ErrNotExist) {
		m.Metadata = append(m.Metadata, gguf.KV{Key: "tokenizer.ggml.model", Value: "no_vocab"})
		return nil
	}
	if err != nil {
		return err
	}
	if err := v.PadTo(tokens); err != nil {
		return err
	}
	m.Metadata = append(m.Metadata, v.Metadata()...)
	switch t, err := chat.OpenDir(dir); {
	case err == nil:
		m.Metadata = append(m.Metadata, gguf.KV{Key: "tokenizer.chat_template", Value: t.Source()})
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return nil
}
