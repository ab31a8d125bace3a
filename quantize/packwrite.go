package quantize

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hanji-ml/hanji/internal/atomicfile"
	"github.com/hanji-ml/hanji/quant"
	"github.com/hanji-ml/hanji/safetensors"
)

// sourceFolder is the checkpoint that is packed: its tensors as the file has them.
type sourceFolder struct {
	*safetensors.File
	config map[string]json.RawMessage
}

func openSource(dir string) (*sourceFolder, error) {
	b, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		return nil, err
	}
	s := &sourceFolder{}
	if err := json.Unmarshal(b, &s.config); err != nil {
		return nil, fmt.Errorf("config.json: %w", err)
	}
	if s.File, err = safetensors.OpenModel(dir); err != nil {
		return nil, err
	}
	return s, nil
}

// planned is a tensor that will be written.
type planned struct {
	safetensors.Tensor        // Data of one that is only copied
	copied             bool   //
	shard              string // the file it goes to
	done               bool
}

// makePlan lists the tensors to be written and what becomes of each of the source's.
func (p *packer) makePlan() error {
	p.report = &Report{Type: p.label()}
	for _, name := range p.source.Names() {
		t, _ := p.source.Tensor(name)
		if strings.HasSuffix(name, ".rotary_emb.inv_freq") {
			continue // worked out from the configuration
		}
		r := TensorReport{Name: name, Shape: t.Shape, From: string(t.DType), To: string(t.DType), Before: len(t.Data), After: len(t.Data)}
		part := partOf(name)
		if slices.ContainsFunc(projections, func(list []string) bool { return slices.Contains(list, part) }) {
			list, err := p.packedShapes(strings.TrimSuffix(name, ".weight"), t.Shape)
			if err != nil {
				return fmt.Errorf("tensor %q: %w", name, err)
			}
			r.To, r.After = p.label(), 0
			for _, x := range list {
				size, err := x.DType.Size(x.Shape)
				if err != nil {
					return fmt.Errorf("tensor %q: %w", name, err)
				}
				r.After += size
				p.plan = append(p.plan, planned{Tensor: x})
			}
		} else {
			p.plan = append(p.plan, planned{Tensor: t, copied: !p.scales(part)})
		}
		p.report.Weights += t.Len()
		p.report.Before += r.Before
		p.report.After += r.After
		p.report.Tensors = append(p.report.Tensors, r)
	}
	p.report.BitsWas = 8 * float64(p.report.Before) / float64(max(1, p.report.Weights))
	p.report.Bits = 8 * float64(p.report.After) / float64(max(1, p.report.Weights))
	slices.SortStableFunc(p.report.Tensors, func(a, b TensorReport) int { return compareLayers(a.Name, b.Name) })
	slices.SortStableFunc(p.plan, func(a, b planned) int { return compareLayers(a.Name, b.Name) })
	p.shards()
	return nil
}

// partOf is the place of a weight within its layer; "" of what is no layer's weight.
func partOf(name string) string {
	if m := layerWeight.FindStringSubmatch(name); m != nil {
		return m[2]
	}
	return ""
}

func compareLayers(a, b string) int {
	layer := func(s string) int {
		n := -1
		if _, err := fmt.Sscanf(s, "model.layers.%d.", &n); err != nil {
			return -1
		}
		return n
	}
	if d := layer(a) - layer(b); d != 0 {
		return d
	}
	return strings.Compare(a, b)
}

// scales tells whether the method changes a norm's gains.
func (p *packer) scales(part string) bool {
	return (p.Method == AWQ || p.Method == Int8 && len(p.Samples) > 0) && (part == "input_layernorm" || part == "post_attention_layernorm")
}

func (p *packer) label() string {
	if p.Method == Int8 {
		return "INT8"
	}
	return fmt.Sprintf("%s%d", strings.ToUpper(p.Method), p.Bits)
}

// packedShapes are the tensors that a projection becomes.
func (p *packer) packedShapes(base string, shape []int) ([]safetensors.Tensor, error) {
	rows, cols := shape[0], shape[1]
	if p.Method == Int8 {
		scales := []int{rows, 1}
		if p.PerTensor {
			scales = []int{1}
		}
		return []safetensors.Tensor{{Name: base + ".weight", DType: safetensors.I8, Shape: shape}, {Name: base + ".weight_scale", DType: safetensors.F32, Shape: scales}}, nil
	}
	if rows%32 != 0 || cols%32 != 0 {
		return nil, fmt.Errorf("%d outputs and %d inputs are no multiples of 32, as the layout wants", rows, cols)
	}
	group := p.group(cols)
	if cols%group != 0 {
		return nil, fmt.Errorf("%d inputs are no whole groups of %d; take another group size, or -1 for whole rows", cols, group)
	}
	weight, groups := []int{cols * p.Bits / 32, rows}, cols/group
	if p.Method == AWQ {
		weight = []int{cols, rows / 8}
	}
	list := []safetensors.Tensor{{Name: base + ".qweight", DType: safetensors.I32, Shape: weight},
		{Name: base + ".qzeros", DType: safetensors.I32, Shape: []int{groups, rows * p.Bits / 32}},
		{Name: base + ".scales", DType: safetensors.F16, Shape: []int{groups, rows}}}
	if p.Method == GPTQ {
		list = append(list, safetensors.Tensor{Name: base + ".g_idx", DType: safetensors.I32, Shape: []int{cols}})
	}
	return list, nil
}

// shards gives each planned tensor its file.
func (p *packer) shards() {
	var ends []int
	size := 0
	for i, t := range p.plan {
		n, _ := t.DType.Size(t.Shape)
		if size > 0 && size+n > p.shardBytes {
			ends = append(ends, i)
			size = 0
		}
		size += n
	}
	ends = append(ends, len(p.plan))
	from := 0
	for k, end := range ends {
		name := "model.safetensors"
		if len(ends) > 1 {
			name = fmt.Sprintf("model-%05d-of-%05d.safetensors", k+1, len(ends))
		}
		for i := from; i < end; i++ {
			p.plan[i].shard = name
		}
		from = end
	}
}

// shardWriter holds tensors until all of a file are there.
type shardWriter struct {
	dir  string
	plan []planned
	at   int // tensors before this one are written
}

// add takes tensors that were made, and writes the files that are then complete.
func (w *shardWriter) add(list []safetensors.Tensor) error {
	for _, t := range list {
		i := slices.IndexFunc(w.plan, func(p planned) bool { return p.Name == t.Name })
		if i < 0 || !slices.Equal(w.plan[i].Shape, t.Shape) || w.plan[i].DType != t.DType {
			return fmt.Errorf("tensor %q %s %v was not planned", t.Name, t.DType, t.Shape)
		}
		w.plan[i].Tensor, w.plan[i].done = t, true
	}
	return w.flush()
}

func (w *shardWriter) flush() error {
	for w.at < len(w.plan) {
		end := w.at
		var list []safetensors.Tensor
		for ; end < len(w.plan) && w.plan[end].shard == w.plan[w.at].shard; end++ {
			if t := &w.plan[end]; !t.done && !t.copied {
				return nil
			}
			list = append(list, w.plan[end].Tensor)
		}
		if err := safetensors.Write(filepath.Join(w.dir, w.plan[w.at].shard), list, map[string]string{"format": "pt"}); err != nil {
			return err
		}
		for i := w.at; i < end; i++ {
			w.plan[i].Data = nil
		}
		w.at = end
	}
	return nil
}

// finish writes what is left, and the index of a model in several files.
func (w *shardWriter) finish() error {
	if err := w.flush(); err != nil {
		return err
	}
	if w.at < len(w.plan) {
		i := slices.IndexFunc(w.plan[w.at:], func(t planned) bool { return !t.done && !t.copied })
		return fmt.Errorf("tensor %q was not made", w.plan[w.at+i].Name)
	}
	if len(w.plan) == 0 || w.plan[0].shard == "model.safetensors" {
		return nil
	}
	var index struct {
		Metadata struct {
			Size int `json:"total_size"`
		} `json:"metadata"`
		Map map[string]string `json:"weight_map"`
	}
	index.Map = map[string]string{}
	for _, t := range w.plan {
		n, _ := t.DType.Size(t.Shape)
		index.Metadata.Size += n
		index.Map[t.Name] = t.shard
	}
	return writeJSON(filepath.Join(w.dir, "model.safetensors.index.json"), index)
}

func writeJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.Write(path, func(w io.Writer) error {
		_, err := w.Write(append(b, '\n'))
		return err
	})
}

// beside are the files of a checkpoint that go along with its weights, the licence too.
var beside = []string{"tokenizer*", "special_tokens_map.json", "added_tokens.json", "vocab.*", "merges.txt", "chat_template*", "generation_config.json", "LICENSE*"}

// copyBeside copies the tokenizer's files and then writes config.json, without which a folder is no checkpoint.
func (p *packer) copyBeside(out string) error {
	for _, pattern := range beside {
		list, err := filepath.Glob(filepath.Join(p.dir, pattern))
		if err != nil {
			return err
		}
		for _, path := range list {
			b, err := os.ReadFile(path)
			if errors.Is(err, fs.ErrNotExist) {
				continue // a link to nowhere
			}
			if err == nil {
				err = os.WriteFile(filepath.Join(out, filepath.Base(path)), b, 0o666)
			}
			if err != nil {
				return err
			}
		}
	}
	q := p.quantizationConfig()
	if p.Method == GPTQ { // what AutoGPTQ and older programs look for
		if err := writeJSON(filepath.Join(out, "quantize_config.json"), q); err != nil {
			return err
		}
	}
	b, err := json.Marshal(q)
	if err != nil {
		return err
	}
	p.source.config["quantization_config"] = b
	if p.Method != Int8 { // scales are float16, and so are the products in the programs that read these
		for _, key := range []string{"torch_dtype", "dtype"} {
			if _, ok := p.source.config[key]; ok {
				p.source.config[key] = json.RawMessage(`"float16"`)
			}
		}
	}
	return writeJSON(filepath.Join(out, "config.json"), p.source.config)
}

// quantizationConfig says how the folder is packed, in the words of those whose layout it is.
func (p *packer) quantizationConfig() map[string]any {
	switch p.Method {
	case GPTQ:
		return map[string]any{"quant_method": "gptq", "checkpoint_format": "gptq", "bits": p.Bits, "group_size": p.Group, "damp_percent": p.Damp,
			"desc_act": p.ActOrder, "static_groups": false, "sym": true, "true_sequential": true}
	case AWQ:
		return map[string]any{"quant_method": "awq", "bits": p.Bits, "group_size": p.Group, "zero_point": true, "version": "gemm", "modules_to_not_convert": nil}
	}
	strategy := "channel"
	if p.PerTensor {
		strategy = "tensor"
	}
	return map[string]any{"quant_method": "compressed-tensors", "format": "int-quantized", "quantization_status": "compressed", "ignore": []string{"lm_head"},
		"config_groups": map[string]any{"group_0": map[string]any{"targets": []string{"Linear"},
			"weights":           map[string]any{"num_bits": 8, "type": "int", "symmetric": true, "strategy": strategy, "dynamic": false},
			"input_activations": map[string]any{"num_bits": 8, "type": "int", "symmetric": true, "strategy": "token", "dynamic": true}}}}
}

func int32Bytes(v []int32) []byte {
	b := make([]byte, 4*len(v))
	for i, x := range v {
		binary.LittleEndian.PutUint32(b[4*i:], uint32(x))
	}
	return b
}

func uint16Bytes(v []uint16) []byte {
	b := make([]byte, 2*len(v))
	for i, x := range v {
		binary.LittleEndian.PutUint16(b[2*i:], x)
	}
	return b
}

func float32Bytes(v []float32) []byte {
	b := make([]byte, 4*len(v))
	for i, x := range v {
		binary.LittleEndian.PutUint32(b[4*i:], math.Float32bits(x))
	}
	return b
}

// stored is v in a file's float type, and as it is read back.
func stored(v []float32, d safetensors.DType) (data []byte, back []float32, err error) {
	t, ok := plainTypes[d]
	if !ok {
		return nil, nil, fmt.Errorf("%s is no float type that norms have", d)
	}
	size, err := t.Size([]int{len(v)})
	if err != nil {
		return nil, nil, err
	}
	data, back = make([]byte, size), make([]float32, len(v))
	if err := quant.Quantize(data, v, t, quant.Options{}); err != nil {
		return nil, nil, err
	}
	return data, back, quant.Dequantize(back, data, t)
}
