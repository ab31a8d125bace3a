package nn

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/hanji-ml/hanji/quant"
	"github.com/hanji-ml/hanji/tensor"
)

// FakeQuant rounds what a layer multiplies while gradients pass straight through: quantisation-aware training. The parameters
// stay float32, and are what a checkpoint holds; quantised afterwards they give the values that training saw.
type FakeQuant struct {
	Weight tensor.Rounding // nil: as it is
	Input  tensor.Rounding // of each row of x; nil: as it is
}

// FakeQuantOptions say what SetFakeQuant rounds to. Zero fields take the default in brackets.
type FakeQuantOptions struct {
	Type      string   `yaml:"type" json:"type"`             // of weights: "q4_0" and others of GGUF, "int4", "absmax8" (quant.ParseRounding); "": none
	Group     int      `yaml:"group" json:"group"`           // weights of an int type that share a scale [a row]
	Symmetric bool     `yaml:"symmetric" json:"symmetric"`   // of an int type: no zero
	InputBits int      `yaml:"input_bits" json:"input_bits"` // of what Linears multiply, absmax by rows (LLM-QAT's); 0: none
	Targets   []string `yaml:"targets" json:"targets"`       // names of Linears and Embeddings, or the ends of names at a dot [all]

	// TypeOf gives layers other types than Type, by name and shape [out, in]; nil, or "" from it: Type.
	TypeOf func(layer string, shape []int) (string, error) `yaml:"-" json:"-"`
}

// SetFakeQuant makes layers of a model round their weights, and Linears their inputs, and returns how many. With empty options it takes
// the rounding away.
func SetFakeQuant(model any, o FakeQuantOptions) (n int, err error) {
	if o.InputBits != 0 && (o.InputBits < 3 || o.InputBits > 16) {
		return 0, fmt.Errorf("nn: input_bits is %d, want 3 to 16, or 0 for none", o.InputBits)
	}
	set := map[**FakeQuant]*FakeQuant{}
	var problems []error
	walk(reflect.ValueOf(model), "", func(path string, v reflect.Value) {
		var at **FakeQuant
		var l namedWeight
		switch layer := v.Interface().(type) {
		case *Linear:
			at, l = &layer.Quant, namedWeight{path, layer.Weight, layer.Matrix != nil, o.InputBits}
		case *Embedding:
			at, l = &layer.Quant, namedWeight{path, layer.Weight, layer.Matrix != nil, 0}
		default:
			return
		}
		if len(o.Targets) > 0 && !slices.ContainsFunc(o.Targets, func(t string) bool { return path == t || strings.HasSuffix(path, "."+t) }) {
			return
		}
		q, err := l.rounding(&o)
		if err != nil {
			problems = append(problems, err)
		}
		set[at] = q
	})
	if len(problems) > 0 {
		return 0, errors.Join(problems[:min(len(problems), 5)]...)
	}
	if len(set) == 0 {
		return 0, fmt.Errorf("nn: targets %v name no layer of the model", o.Targets)
	}
	for at, q := range set {
		if *at = q; q != nil {
			n++
		}
	}
	return n, nil
}

// namedWeight is a layer's weight.
type namedWeight struct {
	name   string
	weight *tensor.Tensor
	opaque bool
	input  int // bits
}

func (l *namedWeight) rounding(o *FakeQuantOptions) (*FakeQuant, error) {
	typ, shape := o.Type, l.weight.Shape()
	if o.TypeOf != nil {
		t, err := o.TypeOf(l.name, shape)
		if err != nil {
			return nil, err
		}
		if t != "" {
			typ = t
		}
	}
	var q FakeQuant
	if l.input > 0 {
		q.Input = quant.Absmax{Bits: l.input}
	}
	if typ != "" {
		r, err := quant.ParseRounding(typ, o.Group, o.Symmetric)
		if err != nil {
			return nil, err
		}
		if l.opaque {
			return nil, fmt.Errorf("nn: the weights of layer %q are quantised already; load them as float32 to train", l.name)
		}
		if size := rowSize(r); shape[1]%size != 0 {
			return nil, fmt.Errorf("nn: layer %q has rows of %d, no multiple of the %d that share a scale in %s", l.name, shape[1], size, typ)
		}
		q.Weight = r
	}
	if q == (FakeQuant{}) {
		return nil, nil
	}
	return &q, nil
}

// rowSize is what the length of a row must be a multiple of.
func rowSize(r quant.Rounding) int {
	switch r := r.(type) {
	case quant.Blocks:
		return r.Type.Block()
	case quant.Grid:
		return max(r.Group, 1)
	}
	return 1
}

// weight is w as the layer multiplies it.
func (q *FakeQuant) weight(c *tensor.Ctx, w *tensor.Tensor) *tensor.Tensor {
	if q == nil || q.Weight == nil {
		return w
	}
	return c.Use(w).FakeQuant(q.Weight)
}

// rows is some rows of a weight as they are looked up: a scale is for one row at most, so that only these need to be rounded.
func (q *FakeQuant) rows(x *tensor.Tensor) *tensor.Tensor {
	if q == nil || q.Weight == nil {
		return x
	}
	return x.FakeQuant(q.Weight)
}

// input is x as the layer multiplies it, rows along an axis.
func (q *FakeQuant) input(axis int, x *tensor.Tensor) *tensor.Tensor {
	if q == nil || q.Input == nil {
		return x
	}
	if last := x.Rank() - 1; axis >= 0 && axis < last {
		return x.Transpose(axis, last).FakeQuant(q.Input).Transpose(axis, last)
	}
	return x.FakeQuant(q.Input)
}
