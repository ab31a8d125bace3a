package model

import (
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/quant"
)

// Mixed is a model that knows which type each of its layers has in a GGUF file of a recipe such as Q4_K_M.
type Mixed interface {
	// MixedType is the type that a weight of that layer and shape [out, in] gets.
	MixedType(recipe quant.FileType, layer string, shape []int) (quant.Type, error)
}

// SetFakeQuant is nn.SetFakeQuant, but where Type names a recipe (q4_0, q4_k_m; as hanji quantize --type) and the model is
// Mixed, each layer gets the type that it will have in the file.
func SetFakeQuant(m any, o nn.FakeQuantOptions) (int, error) {
	recipe, err := quant.ParseFileType(o.Type)
	if mixed, ok := m.(Mixed); ok && err == nil && o.TypeOf == nil {
		o.TypeOf = func(layer string, shape []int) (string, error) {
			t, err := mixed.MixedType(recipe, layer, shape)
			return t.String(), err
		}
	}
	return nn.SetFakeQuant(m, o)
}
