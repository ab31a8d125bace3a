package llama

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/hanji-ml/hanji/gguf"
	"github.com/hanji-ml/hanji/internal/atomicfile"
	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/safetensors"
	"github.com/hanji-ml/hanji/tensor"
	"github.com/hanji-ml/hanji/weights"
)

// Family is llama and its kin.
var Family = model.DecoderFamily{
	Name:  "llama",
	Match: func(c model.Checkpoint) bool { return slices.Contains(modelTypes, c.ModelType()) },
	Load:  func(c model.Checkpoint, set map[string]string) (model.Decoder, error) { return Load(c.Path, set) },

	MatchGGUF: isGGUF,
	FromGGUF:  func(f *gguf.File) (model.Decoder, error) { return FromGGUF(f) },
}

// binding is how published tensors become the model's: they have its names but for what old files carry along.
func binding(c *Config) weights.Options {
	o := weights.Options{Ignore: []string{"model.layers.*.self_attn.rotary_emb.inv_freq"}}
	if c.Tied {
		o.Ignore = append(o.Ignore, "lm_head.weight") // the embedding again
	}
	return o
}

// Load reads a checkpoint folder: config.json and model.safetensors (or its shards), whose f16, bf16 or f32 weights become f32. set
// overrides keys of the configuration. Weights of a GPTQ, AWQ or INT8 checkpoint stay in their integers, and the others in the
// mapped file; close such a model.
func Load(dir string, set map[string]string) (*Model, error) {
	return load(dir, set, false)
}

// Map is Load for inference only: weights stay in the file's format, in the mapped file. Close the model.
func Map(dir string) (*Model, error) { return load(dir, nil, true) }

func load(dir string, set map[string]string, mapped bool) (*Model, error) {
	b, err := model.ReadConfig(dir, set)
	if err != nil {
		return nil, fmt.Errorf("llama: %w", err)
	}
	c, err := ParseConfig(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	o := binding(&c)
	o.Mapped = mapped
	m, keep, err := Fill(dir, c.Parameters(), func(reserve bool) *Model {
		c.reserve = reserve
		return New(c)
	}, o)
	if err != nil {
		return nil, fmt.Errorf("llama: %w", err)
	}
	m.file = keep
	return m, nil
}

// Save writes config.json and model.safetensors; transformers loads them.
func (m *Model) Save(dir string) error { return m.SaveAs(dir, tensor.F32) }

// SaveAs is Save with another storage type, F16 or BF16.
func (m *Model) SaveAs(dir string, dt tensor.DType) error {
	c := m.Config
	c.DType = DTypeName(dt)
	if err := SaveConfig(dir, c); err != nil {
		return fmt.Errorf("llama: %w", err)
	}
	return weights.Save(filepath.Join(dir, "model.safetensors"), m, dt, nil)
}

// DTypeName is a storage type as config.json writes it.
func DTypeName(dt tensor.DType) string {
	return map[tensor.DType]string{tensor.F32: "float32", tensor.F16: "float16", tensor.BF16: "bfloat16", tensor.F64: "float64"}[dt]
}

// Fill reads a folder's safetensors into the model that build makes, once it is known that the folder holds as many numbers as the
// configuration asks for. reserve tells build that weights bring their own memory. keep is what must stay open while the model is
// used; nil: nothing.
func Fill[M any](dir string, numbers int64, build func(reserve bool) M, o weights.Options) (m M, keep io.Closer, err error) {
	file, err := safetensors.OpenModel(dir)
	if err != nil {
		return m, nil, err
	}
	built, err := bindFolder(dir, file, numbers, build, &o)
	if err != nil || !o.Mapped {
		file.Close()
		return built, nil, err
	}
	return built, file, nil
}

func bindFolder[M any](dir string, file *safetensors.File, numbers int64, build func(reserve bool) M, o *weights.Options) (m M, err error) {
	if o.Quantized, err = ReadQuantization(dir); err != nil {
		return m, fmt.Errorf("%s: %w", dir, err)
	}
	o.Mapped = o.Mapped || o.Quantized != nil
	if err := weights.Enough(file, numbers, o.Quantized); err != nil {
		return m, fmt.Errorf("%s: %w", dir, err)
	}
	built := build(o.Mapped)
	if err := weights.Bind(built, file, *o); err != nil {
		return m, fmt.Errorf("%s: %w", dir, err)
	}
	return built, nil
}

// ReadQuantization reads how a folder's linear layers are stored; nil: in plain floats.
func ReadQuantization(dir string) (*weights.Quantization, error) {
	config, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		return nil, err
	}
	var beside []byte
	for _, name := range []string{"quantize_config.json", "quant_config.json"} { // AutoGPTQ's, and AutoAWQ's until 2023
		if beside, err = os.ReadFile(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return weights.ParseQuantization(config, beside)
}

// SaveConfig writes a family's config.json into dir, which it makes.
func SaveConfig(dir string, config any) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	b, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		return err
	}
	floats := map[string]bool{}
	floatKeys(reflect.TypeOf(config), floats)
	b = wholeNumber.ReplaceAllFunc(b, func(line []byte) []byte {
		if part := wholeNumber.FindSubmatch(line); floats[string(part[1])] {
			return slices.Concat(part[0][:len(part[0])-len(part[3])], []byte(".0"), part[3])
		}
		return line
	})
	return atomicfile.Write(filepath.Join(dir, "config.json"), func(w io.Writer) error {
		_, err := w.Write(append(b, '\n'))
		return err
	})
}

// wholeNumber is a line of indented JSON: its key, its value, and what follows. transformers 5 refuses a float without a point.
var wholeNumber = regexp.MustCompile(`(?m)^ *"(\w+)": (-?\d+)(,?)$`)

// floatKeys collects the keys under which a struct's floats are written.
func floatKeys(t reflect.Type, keys map[string]bool) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Map:
		floatKeys(t.Elem(), keys)
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); f.Type.Kind() == reflect.Float64 {
				keys[name] = true
			}
			floatKeys(f.Type, keys)
		}
	}
}

// Init draws the parameters as transformers does: matrices and embeddings from a normal distribution of standard deviation
// initializer_range, biases 0, gains 1.
func (m *Model) Init(seed uint64) { InitNormal(m, seed, m.Config.InitRange) }

// InitNormal draws every matrix of a model from N(0, std²), std 0.02 when 0, and leaves gains and biases.
func InitNormal(m any, seed uint64, std float64) {
	if std == 0 {
		std = 0.02
	}
	for _, p := range nn.Trainable(m) {
		if p.Tensor.Rank() == 2 {
			p.Tensor.FillNormal(nn.Hash(fmt.Sprintf("%d/%s", seed, p.Name)), 0, std)
		}
	}
}

// NewCache makes a cache for the model.
func (m *Model) NewCache(o nn.CacheOptions) (*nn.Cache, error) {
	s := m.Spec()
	return s.NewCache(o)
}

// Spec is the frame of a decoder with this configuration.
func (c *Config) Spec(family string) model.DecoderSpec {
	s := model.DecoderSpec{Family: family, Vocab: c.VocabSize, Context: c.MaxPositions, Width: c.HiddenSize, Layers: c.Layers, Heads: c.Heads,
		KVHeads: c.KVHeads, HeadDim: c.HeadDim, Windows: c.Windows(), BOS: -1, EOS: c.EOS}
	if c.BOS != nil {
		s.BOS = *c.BOS
	}
	return s
}
