package quantize

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hanji-ml/hanji/gguf"
	"github.com/hanji-ml/hanji/model/llama"
	"github.com/hanji-ml/hanji/weights"
)

// Model is what is quantised: tensors under GGUF's names, their data mapped from the file, and metadata.
type Model struct {
	Tensors  []gguf.Tensor // in llama.cpp's order
	Metadata gguf.Metadata

	path  string
	reads map[string]reader // of tensors that are put together as they are read
	close func() error
}

// Open maps a GGUF model (a file, any part of a split one, or a folder that holds one), or a folder with the config.json and the
// safetensors of a Llama, Mistral, Mixtral, Qwen2, Qwen3 or Gemma 3. Close it.
func Open(path string) (*Model, error) {
	if _, err := os.Stat(filepath.Join(path, "config.json")); err == nil {
		q, err := llama.ReadQuantization(path)
		if err == nil && q != nil {
			err = quantisedAlready(path, q)
		}
		if err != nil {
			return nil, fmt.Errorf("quantize: %w", err)
		}
		m, err := openFolder(path)
		if err != nil {
			return nil, fmt.Errorf("quantize: %w", err)
		}
		return m, nil
	}
	f, err := gguf.OpenModel(path)
	if err != nil {
		return nil, fmt.Errorf("quantize: %w", err)
	}
	m := &Model{path: path, close: f.Close}
	for _, name := range f.Names() {
		t, _ := f.Tensor(name)
		m.Tensors = append(m.Tensors, t)
	}
	for _, kv := range f.Metadata() {
		if !strings.HasPrefix(kv.Key, "split.") { // what is written is one file
			m.Metadata = append(m.Metadata, kv)
		}
	}
	m.sort()
	return m, nil
}

func quantisedAlready(path string, q *weights.Quantization) error {
	return fmt.Errorf("%s is quantised already (%s, %d bits); take the model in F32, F16 or BF16", path, q.Method, q.Bits)
}

// Close gives the mapped files back.
func (m *Model) Close() error { return m.close() }

// sort puts tensors into the order in which llama.cpp writes them (llama-model-loader.h, weight_name_comparer): what is in no layer,
// then layer by layer, each by name.
func (m *Model) sort() {
	slices.SortStableFunc(m.Tensors, func(a, b gguf.Tensor) int {
		return cmp.Or(cmp.Compare(layerOf(a.Name), layerOf(b.Name)), cmp.Compare(a.Name, b.Name))
	})
}

// layerOf is the layer of a tensor, −1 where it is in none.
func layerOf(name string) int {
	layer := -1
	if _, err := fmt.Sscanf(name, "blk.%d.", &layer); err != nil {
		return -1
	}
	return layer
}

// integer reads a hyper-parameter of the architecture; 0 where it is missing. One for each layer counts as its largest, as of models
// whose layers differ.
func (m *Model) integer(key string) (int, error) {
	arch, err := m.Metadata.Text("general.architecture")
	if err != nil {
		return 0, err
	}
	key = arch + "." + key
	if _, ok := m.Metadata.Get(key); !ok {
		return 0, nil
	}
	n, err := m.Metadata.Int(key)
	if list, listErr := m.Metadata.Ints(key); listErr == nil && len(list) > 0 {
		n, err = slices.Max(list), nil
	}
	if err != nil {
		return 0, err
	}
	if n < 0 || n > 1<<20 {
		return 0, fmt.Errorf("key %q is %d, want a number from 0 to %d", key, n, 1<<20)
	}
	return int(n), nil
}

func (m *Model) has(name string) bool {
	return slices.ContainsFunc(m.Tensors, func(t gguf.Tensor) bool { return t.Name == name })
}
