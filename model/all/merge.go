package all

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hanji-ml/hanji/gguf"
	"github.com/hanji-ml/hanji/internal/atomicfile"
	"github.com/hanji-ml/hanji/model"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/quant"
	"github.com/hanji-ml/hanji/safetensors"
	"github.com/hanji-ml/hanji/tensor"
)

// MergeOptions of MergeLoRA.
type MergeOptions struct {
	Requantize bool                  // allow the base to be quantised; the sums are rounded to its types again
	Progress   func(done, total int) // told of weights merged; may be nil
}

// MergeLoRA writes the base model with an adapter added to its weights, W + scale·B·A, into out, which must not be there: a folder
// of safetensors as a folder with the same files, a GGUF file as one GGUF file. Types stay as they are. It returns the number of
// weights changed.
func MergeLoRA(ctx context.Context, base, adapter, out string, o MergeOptions) (int, error) {
	n, err := mergeLoRA(ctx, base, adapter, out, o)
	if err != nil {
		return 0, fmt.Errorf("model: merge: %w", err)
	}
	return n, nil
}

func mergeLoRA(ctx context.Context, base, adapter, out string, o MergeOptions) (int, error) {
	if _, err := os.Lstat(out); err == nil {
		return 0, fmt.Errorf("%s is there already", out)
	}
	m := &merger{MergeOptions: o, ctx: ctx, adapters: map[string]*nn.LoRA{}}
	if _, err := os.Stat(filepath.Join(base, "config.json")); err != nil {
		err := m.gguf(base, adapter, out)
		return len(m.adapters), err
	}
	a, err := model.OpenLoRA(adapter)
	if err != nil {
		return 0, fmt.Errorf("adapter %s: %w", adapter, err)
	}
	defer a.Close()
	return len(a.Layers), m.folder(base, a, out)
}

// merger adds adapters to weights, one at a time.
type merger struct {
	MergeOptions
	ctx      context.Context
	adapters map[string]*nn.LoRA // by tensor
	done     int
}

// add is w + scale·B·A, in float32.
func (m *merger) add(w []float32, a *nn.LoRA) (*tensor.Tensor, error) {
	if m.ctx.Err() != nil {
		return nil, context.Cause(m.ctx)
	}
	ctx := tensor.New(tensor.Options{})
	defer ctx.Close()
	sum := tensor.NewBuffer("weight", tensor.F32, a.B.Dim(0), a.A.Dim(1))
	sum.SetF32(w)
	sum.AddInPlace(a.Delta(ctx))
	if m.done++; m.Progress != nil {
		m.Progress(m.done, len(m.adapters))
	}
	return sum, nil
}

// folder goes through the files of a checkpoint: names of layers are those of its tensors.
func (m *merger) folder(base string, a *model.LoRA, out string) (err error) {
	shards, err := shardsOf(base)
	if err != nil {
		return err
	}
	files := map[string]*safetensors.File{}
	for _, shard := range shards {
		f, err := safetensors.Open(filepath.Join(base, shard))
		if err != nil {
			return err
		}
		defer f.Close()
		files[shard] = f
		if err := m.find(f, a); err != nil {
			return err
		}
	}
	for _, layer := range a.Layers {
		if m.adapters[layer+".weight"] == nil {
			return fmt.Errorf("%s has no tensor %q; is the adapter of another model, or the base quantised?", base, layer+".weight")
		}
	}
	defer func() {
		if err != nil {
			os.RemoveAll(out) // a part of a model is none
		}
	}()
	if err := copyBeside(base, out); err != nil {
		return err
	}
	for _, shard := range shards {
		f, list := files[shard], []safetensors.Tensor{}
		for _, name := range f.Names() {
			t, _ := f.Tensor(name)
			list = append(list, t)
		}
		if err := safetensors.WriteFunc(filepath.Join(out, shard), list, f.Metadata(), m.write); err != nil {
			return err
		}
	}
	return nil
}

// find reads the adapters of layers whose weight is in the file.
func (m *merger) find(f *safetensors.File, a *model.LoRA) (err error) {
	for _, layer := range a.Layers {
		t, ok := f.Tensor(layer + ".weight")
		if !ok {
			continue
		}
		if _, ok := floats[t.DType]; !ok || len(t.Shape) != 2 {
			return fmt.Errorf("tensor %q is %s %v, want a matrix of F32, F16 or BF16", t.Name, t.DType, t.Shape)
		}
		if m.adapters[t.Name], err = a.Adapter(layer, nn.ReserveLinear(t.Shape[1], t.Shape[0], false)); err != nil {
			return err
		}
	}
	return nil
}

func (m *merger) write(w io.Writer, t safetensors.Tensor) error {
	b := t.Data
	if lora := m.adapters[t.Name]; lora != nil {
		v, err := t.Float32s()
		if err != nil {
			return err
		}
		sum, err := m.add(v, lora)
		if err != nil {
			return err
		}
		b = sum.Cast(floats[t.DType]).ReadBytes()
	}
	_, err := w.Write(b)
	return err
}

var floats = map[safetensors.DType]tensor.DType{safetensors.F32: tensor.F32, safetensors.F16: tensor.F16, safetensors.BF16: tensor.BF16}

// shardsOf names the files of a checkpoint's weights.
func shardsOf(dir string) ([]string, error) {
	const single = "model.safetensors"
	if _, err := os.Stat(filepath.Join(dir, single)); err == nil {
		return []string{single}, nil
	}
	b, err := os.ReadFile(filepath.Join(dir, single+".index.json"))
	if err != nil {
		return nil, fmt.Errorf("%s has no %s and no index of several", dir, single)
	}
	var index struct {
		Files map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(b, &index); err != nil {
		return nil, fmt.Errorf("%s: %w", single+".index.json", err)
	}
	shards := slices.Compact(slices.Sorted(maps.Values(index.Files)))
	for _, s := range shards {
		if s != filepath.Base(s) || !strings.HasSuffix(s, ".safetensors") {
			return nil, fmt.Errorf("%s: %.80q is no file of the folder", single+".index.json", s)
		}
	}
	return shards, nil
}

// weightFiles are extensions of files that hold the weights in this or another format.
var weightFiles = []string{".safetensors", ".bin", ".pt", ".pth", ".gguf", ".onnx", ".h5", ".msgpack"}

// copyBeside makes the folder out with what lies beside the weights: configuration, tokenizer, templates, licence.
func copyBeside(base, out string) error {
	entries, err := os.ReadDir(base)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o777); err != nil {
		return err
	}
	for _, e := range entries {
		info, err := os.Stat(filepath.Join(base, e.Name())) // of what a link points to, as in the hub's cache
		if err != nil || !info.Mode().IsRegular() || slices.Contains(weightFiles, filepath.Ext(e.Name())) {
			continue
		}
		src, err := os.Open(filepath.Join(base, e.Name()))
		if err != nil {
			return err
		}
		err = atomicfile.Write(filepath.Join(out, e.Name()), func(w io.Writer) error {
			_, err := io.Copy(w, src)
			return err
		})
		if src.Close(); err != nil {
			return err
		}
	}
	return nil
}

// gguf writes one file of the base's tensors. The model knows the names of layers, and the order of their rows in the file.
func (m *merger) gguf(base, adapter, out string) error {
	d, err := OpenDecoder(base, nil)
	if err != nil {
		return err
	}
	defer closeDecoder(d)
	names, ok := d.(model.GGUFLayers)
	if !ok {
		return fmt.Errorf("adapters cannot be merged into GGUF files of the %s family; run it with the adapter beside it", d.Spec().Family)
	}
	if _, err := model.LoadLoRA(d, adapter); err != nil {
		return err
	}
	f, err := gguf.OpenModel(base)
	if err != nil {
		return err
	}
	defer f.Close()
	for layer, l := range nn.Linears(d) {
		if l.LoRA == nil {
			continue
		}
		name := names.GGUFName(layer) + ".weight"
		t, ok := f.Tensor(name)
		switch {
		case !ok:
			return fmt.Errorf("no tensor %q for layer %q", name, layer)
		case t.Type.Block() > 1 && !m.Requantize:
			return fmt.Errorf("tensor %q is %s: to round the sum again needs --requantize; or run the model with --lora, or merge before quantising", name, t.Type)
		case !quant.CanQuantize(t.Type):
			return fmt.Errorf("tensor %q is %s, which cannot be written", name, t.Type)
		}
		m.adapters[name] = l.LoRA
	}
	var list []gguf.Tensor
	for _, name := range f.Names() {
		t, _ := f.Tensor(name)
		list = append(list, t)
	}
	meta := slices.DeleteFunc(slices.Clone(f.Metadata()), func(kv gguf.KV) bool { return strings.HasPrefix(kv.Key, "split.") })
	return gguf.WriteFunc(out, list, meta, m.writeBlocks)
}

func (m *merger) writeBlocks(w io.Writer, t gguf.Tensor) error {
	b := t.Data
	if lora := m.adapters[t.Name]; lora != nil {
		v := make([]float32, t.Len())
		if err := quant.Dequantize(v, t.Data, t.Type); err != nil {
			return err
		}
		sum, err := m.add(v, lora)
		if err != nil {
			return err
		}
		b = make([]byte, len(t.Data))
		if err := quant.Quantize(b, sum.Read(), t.Type, quant.Options{Cols: t.Shape[1]}); err != nil {
			return err
		}
	}
	_, err := w.Write(b)
	return err
}

func closeDecoder(d model.Decoder) {
	if c, ok := d.(io.Closer); ok {
		c.Close()
	}
}
