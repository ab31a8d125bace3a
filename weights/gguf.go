package weights

import (
	"errors"
	"fmt"
	"slices"

	"github.com/hanji-ml/hanji/gguf"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/quant"
)

// BindGGUF gives a model the tensors of a GGUF file, strictly as Bind does: name maps a tensor's name to the model's, ""
// for one that is not wanted. Layers that multiply by a weight take it in the file's format, and look at the file's
// memory, which must stay mapped; all else is widened to float32.
func BindGGUF(model any, f *gguf.File, name func(string) string) error {
	params := map[string]nn.Param{}
	for _, p := range nn.Walk(model) {
		params[p.Name] = p
	}
	opaque := nn.Opaque(model)
	var problems []error
	for _, from := range f.Names() {
		to := name(from)
		if to == "" {
			continue
		}
		t, _ := f.Tensor(from)
		p, ok := params[to]
		delete(params, to)
		switch {
		case !ok:
			problems = append(problems, fmt.Errorf("tensor %q is not used by the model", from))
			continue
		case !slices.Equal(t.Shape, p.Tensor.Shape()):
			problems = append(problems, fmt.Errorf("tensor %q is %v, want %v", from, t.Shape, p.Tensor.Shape()))
			continue
		}
		if at := opaque[p.Tensor]; at != nil {
			m, err := quant.NewMatrix(t.Type, t.Shape[0], t.Shape[1], t.Data)
			if err != nil {
				problems = append(problems, fmt.Errorf("tensor %q: %w", from, err))
				continue
			}
			m.OnCopy(f.Drop)
			*at = m
			continue
		}
		v := make([]float32, p.Tensor.Len())
		if err := quant.Dequantize(v, t.Data, t.Type); err != nil {
			problems = append(problems, fmt.Errorf("tensor %q: %w", from, err))
			continue
		}
		p.Tensor.SetF32(v)
	}
	for _, p := range nn.Walk(model) {
		if _, missing := params[p.Name]; missing {
			problems = append(problems, fmt.Errorf("missing %q %v", p.Name, p.Tensor.Shape()))
		}
	}
	if len(problems) > 0 {
		return fmt.Errorf("weights: the file does not fit the model: %w", errors.Join(problems...))
	}
	return nil
}
