package weights

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hanji-ml/hanji/gguf"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/quant"
	"github.com/hanji-ml/hanji/tensor"
)

// EnoughGGUF is Enough for a GGUF file, whose large tensors stay where they are: a quarter of the numbers will do, so that BindGGUF can
// say what is missing.
func EnoughGGUF(f *gguf.File, numbers int64) error {
	have := int64(0)
	for _, name := range f.Names() {
		t, _ := f.Tensor(name)
		have += int64(t.Len())
	}
	if have < numbers/4 {
		return fmt.Errorf("weights: the metadata ask for %d numbers, the file has %d; cut off?", numbers, have)
	}
	return nil
}

// BindGGUF gives a model the tensors of a GGUF file, strictly as Bind does: name maps a tensor's name to the model's, ""
// for one that is not wanted. A name with a * is that of a stack along the first axis, such as a layer's experts: its parts are bound
// one by one, their number in place of the *. Layers that multiply by a weight take it in the file's format, and look at the file's
// memory, which must stay mapped; all else is widened to float32.
func BindGGUF(model any, f *gguf.File, name func(string) string) error {
	b := ggufBinder{file: f, params: map[string]nn.Param{}, opaque: nn.Opaque(model)}
	for _, p := range nn.Walk(model) {
		b.params[p.Name] = p
	}
	for _, from := range f.Names() {
		t, _ := f.Tensor(from)
		switch to := name(from); {
		case to == "":
		case strings.Contains(to, "*"):
			b.stack(t, to)
		default:
			b.bind(t, to)
		}
	}
	for _, p := range nn.Walk(model) {
		if _, missing := b.params[p.Name]; missing {
			b.fail("missing %q %v", p.Name, p.Tensor.Shape())
		}
	}
	if len(b.problems) > 0 {
		return fmt.Errorf("weights: the file does not fit the model: %w", errors.Join(b.problems...))
	}
	return nil
}

// ggufBinder holds what is not bound yet, and what went wrong.
type ggufBinder struct {
	file     *gguf.File
	params   map[string]nn.Param
	opaque   map[*tensor.Tensor]*tensor.Matrix
	problems []error
}

func (b *ggufBinder) fail(format string, args ...any) {
	b.problems = append(b.problems, fmt.Errorf(format, args...))
}

func (b *ggufBinder) stack(t gguf.Tensor, to string) {
	if len(t.Shape) < 2 || t.Shape[0] == 0 {
		b.fail("tensor %q is %v, want a stack of matrices", t.Name, t.Shape)
		return
	}
	size := len(t.Data) / t.Shape[0]
	for i := range t.Shape[0] {
		part := gguf.Tensor{Name: fmt.Sprintf("%s[%d]", t.Name, i), Type: t.Type, Shape: t.Shape[1:], Data: t.Data[i*size:][:size:size]}
		if !b.bind(part, strings.Replace(to, "*", strconv.Itoa(i), 1)) {
			return // the others would be said to be wrong too
		}
	}
}

func (b *ggufBinder) bind(t gguf.Tensor, to string) bool {
	p, ok := b.params[to]
	delete(b.params, to)
	switch {
	case !ok:
		b.fail("tensor %q is not used by the model", t.Name)
		return false
	case !slices.Equal(t.Shape, p.Tensor.Shape()):
		b.fail("tensor %q is %v, want %v", t.Name, t.Shape, p.Tensor.Shape())
		return false
	}
	if at := b.opaque[p.Tensor]; at != nil {
		m, err := quant.NewMatrix(t.Type, t.Shape[0], t.Shape[1], t.Data)
		if err != nil {
			b.fail("tensor %q: %w", t.Name, err)
			return false
		}
		m.OnCopy(b.file.Drop)
		*at = m
		return true
	}
	v := make([]float32, p.Tensor.Len())
	if err := quant.Dequantize(v, t.Data, t.Type); err != nil {
		b.fail("tensor %q: %w", t.Name, err)
		return false
	}
	p.Tensor.SetF32(v)
	return true
}
