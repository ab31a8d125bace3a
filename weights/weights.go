// Package weights binds a checkpoint's tensors to a model's parameters, strictly in both directions, and writes a
// model's parameters as a checkpoint.
//
//	file, err := safetensors.OpenModel(dir)
//	err = weights.Bind(model, file, weights.Options{Rename: []weights.Rule{{From: "backbone.", To: ""}}})
//
// Everything that does not fit is named at once: parameters that the file lacks, tensors that the model does not
// use, and shapes that differ. The package knows file formats only as a Source.
package weights

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/quant"
	"github.com/hanji-ml/hanji/safetensors"
	"github.com/hanji-ml/hanji/tensor"
)

// Source is a checkpoint: *safetensors.File, *torchpt.File.
type Source interface {
	Names() []string
	Tensor(name string) (safetensors.Tensor, bool)
}

// Rule renames a checkpoint's tensors to the model's names: every From in the name becomes To. Rules apply in order.
type Rule struct{ From, To string }

// Options of Bind. The zero value wants the very names of nn.Walk.
type Options struct {
	Rename []Rule
	Ignore []string // tensors of the file that are not wanted, before renaming; * stands for any run of characters
	Allow  []string // parameters of the model that the file may lack (they keep their values); * as above

	// Quantized says how linear layers are packed; nil: they are plain floats. A packed layer gets a Matrix.
	Quantized *Quantization
	// Mapped gives layers that multiply by a weight, or look rows up, the file's own floats in place of a widened copy. So do packed
	// checkpoints. The source must then stay open, and the model cannot be trained.
	Mapped bool
}

// Bind copies the file's tensors into the model's parameters and buffers, converting float types. On an error nothing
// that was bound before is taken back: throw the model away.
func Bind(model any, src Source, o Options) error {
	from := map[string]string{} // model name → file name
	var problems []error
	for _, name := range src.Names() {
		if matches(o.Ignore, name) {
			continue
		}
		to := Renamed(name, o.Rename)
		if other, twice := from[to]; twice {
			problems = append(problems, fmt.Errorf("tensors %q and %q both become %q", other, name, to))
		}
		from[to] = name
	}
	var opaque map[*tensor.Tensor]*tensor.Matrix
	if o.Quantized != nil || o.Mapped {
		opaque = nn.Opaque(model)
	}
	params := nn.Walk(model)
	for _, p := range params {
		if at := opaque[p.Tensor]; at != nil {
			done, err := bindMatrix(at, p, src, from, o)
			if err != nil {
				problems = append(problems, err)
			}
			if done || err != nil {
				continue
			}
		}
		name, ok := from[p.Name]
		if !ok {
			if !matches(o.Allow, p.Name) {
				problems = append(problems, fmt.Errorf("missing %q %v", p.Name, p.Tensor.Shape()))
			}
			continue
		}
		delete(from, p.Name)
		t, ok := src.Tensor(name)
		if !ok {
			problems = append(problems, fmt.Errorf("tensor %q cannot be read", name))
			continue
		}
		if !slices.Equal(t.Shape, p.Tensor.Shape()) {
			problems = append(problems, fmt.Errorf("tensor %q is %v, want %v", name, t.Shape, p.Tensor.Shape()))
			continue
		}
		if err := Set(p.Tensor, t); err != nil {
			problems = append(problems, err)
		}
	}
	if o.Quantized != nil {
		dropZeroBiases(params, src, from)
	}
	unused := make([]string, 0, len(from))
	for _, name := range from {
		unused = append(unused, name)
	}
	slices.Sort(unused)
	for _, name := range unused {
		problems = append(problems, fmt.Errorf("tensor %q is not used by the model", name))
	}
	if len(problems) > 0 {
		return fmt.Errorf("weights: the checkpoint does not fit the model: %w", errors.Join(problems...))
	}
	return nil
}

// floatTypes are the formats of weights that a Matrix takes in place.
var floatTypes = map[safetensors.DType]quant.Type{safetensors.F32: quant.F32, safetensors.F16: quant.F16, safetensors.BF16: quant.BF16}

// bindMatrix gives a layer its weight p in the file's own format, and takes its tensors out of from. done is false where the file
// has it in no such format.
func bindMatrix(at *tensor.Matrix, p nn.Param, src Source, from map[string]string, o Options) (done bool, err error) {
	base := strings.TrimSuffix(p.Name, ".weight")
	out, in := p.Tensor.Dim(0), p.Tensor.Dim(1)
	if o.Quantized != nil {
		var taken []safetensors.Tensor
		m, ok, err := o.Quantized.matrix(out, in, func(suffix string) (safetensors.Tensor, bool) {
			name, ok := from[base+suffix]
			if !ok {
				return safetensors.Tensor{}, false
			}
			delete(from, base+suffix)
			t, ok := src.Tensor(name)
			taken = append(taken, t)
			return t, ok
		})
		if ok && err == nil {
			*at = m
			if f, ok := src.(*safetensors.File); ok { // the matrix has a copy, in the order of its products
				for _, t := range taken {
					f.Drop(t.Data)
				}
			}
		}
		if ok || err != nil {
			return true, err
		}
	}
	name, ok := from[p.Name]
	if !ok {
		return false, nil
	}
	t, ok := src.Tensor(name)
	format, plain := floatTypes[t.DType]
	if !ok || !plain || !slices.Equal(t.Shape, []int{out, in}) {
		return false, nil // for the caller to complain
	}
	delete(from, p.Name)
	m, err := quant.NewMatrix(format, out, in, t.Data)
	if err != nil {
		return true, fmt.Errorf("tensor %q: %w", name, err)
	}
	*at = m
	return true, nil
}

// dropZeroBiases takes out of from the biases that AutoGPTQ writes for layers which have none: all zeros.
func dropZeroBiases(params []nn.Param, src Source, from map[string]string) {
	for _, p := range params {
		base, ok := strings.CutSuffix(p.Name, ".weight")
		name, left := from[base+".bias"]
		if !ok || !left {
			continue
		}
		t, _ := src.Tensor(name)
		v, err := t.Float32s()
		if err == nil && !slices.ContainsFunc(v, func(x float32) bool { return x != 0 }) {
			delete(from, base+".bias")
		}
	}
}

// Enough tells whether the file holds at least so many numbers, all tensors together: to be asked before a model of a
// configuration's sizes is built, so that a wrong one allocates nothing that the file's own size does not bear out. q says how
// layers are packed; nil: not.
func Enough(src Source, numbers int64, q *Quantization) error {
	have := int64(0)
	for _, name := range src.Names() {
		t, ok := src.Tensor(name)
		if !ok {
			continue
		}
		n := int64(1)
		for _, d := range t.Shape {
			n *= int64(d)
		}
		if q != nil && strings.HasSuffix(name, ".qweight") {
			n = n * 32 / int64(q.Bits) // integers in its words
		}
		have += n
	}
	if have < numbers {
		return fmt.Errorf("weights: the configuration asks for %d numbers, the checkpoint has %d", numbers, have)
	}
	return nil
}

// Renamed is name after the rules.
func Renamed(name string, rules []Rule) string {
	for _, r := range rules {
		name = strings.ReplaceAll(name, r.From, r.To)
	}
	return name
}

func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return match(p, name) })
}

// match compares with a pattern in which * stands for any run of characters.
func match(pattern, s string) bool {
	head, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == s
	}
	if !strings.HasPrefix(s, head) {
		return false
	}
	for s = s[len(head):]; ; s = s[1:] {
		if match(rest, s) {
			return true
		}
		if s == "" {
			return false
		}
	}
}

// Set copies a file's tensor into dst, converting to its element type; the shapes must be equal.
func Set(dst *tensor.Tensor, t safetensors.Tensor) error {
	switch dst.DType() {
	case tensor.F64:
		v, err := t.Float64s()
		if err != nil {
			return err
		}
		dst.SetF64(v)
	case tensor.F32:
		v, err := t.Float32s()
		if err != nil {
			return err
		}
		dst.SetF32(v)
	default:
		v, err := t.Int64s()
		if err != nil {
			return err
		}
		dst.SetInts(v)
	}
	return nil
}

var dtypes = map[tensor.DType]safetensors.DType{
	tensor.F32: safetensors.F32, tensor.F64: safetensors.F64, tensor.F16: safetensors.F16, tensor.BF16: safetensors.BF16,
	tensor.I32: safetensors.I32, tensor.I64: safetensors.I64, tensor.U8: safetensors.U8,
}

// Tensors lists a model's parameters and buffers for safetensors.Write, floats stored as dt. names maps a parameter's
// name to that in the file; nil: the same.
func Tensors(params []nn.Param, dt tensor.DType, names func(string) string) []safetensors.Tensor {
	list := make([]safetensors.Tensor, 0, len(params))
	for _, p := range params {
		t := p.Tensor
		if t.DType().Float() && t.DType() != dt {
			t = t.Cast(dt)
		}
		name := p.Name
		if names != nil {
			name = names(name)
		}
		list = append(list, safetensors.Tensor{Name: name, DType: dtypes[t.DType()], Shape: t.Shape(), Data: t.ReadBytes()})
	}
	return list
}

// Save writes all parameters and buffers of a model to a safetensors file, beside it first and then renamed. The
// metadata gets format=pt, as transformers expects.
func Save(path string, model any, dt tensor.DType, names func(string) string) error {
	return safetensors.Write(path, Tensors(nn.Walk(model), dt, names), map[string]string{"format": "pt"})
}
