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
	for _, p := range nn.Walk(model) {
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

// Enough tells whether the file holds at least so many numbers, all tensors together: to be asked before a model of a
// configuration's sizes is built, so that a wrong one allocates nothing that the file's own size does not bear out.
func Enough(src Source, numbers int64) error {
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
