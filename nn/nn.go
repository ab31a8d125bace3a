// Package nn has the layers that models are made of: one file each, parameters first, then Forward.
//
// A model is a struct of layers. Walk finds its parameters and names them by their path of field names (or `w` tags),
// so that the struct shows what lies in the checkpoint:
//
//	type Block struct {
//		Norm *nn.LayerNorm `w:"norm"`
//		Fc1  *nn.Linear    `w:"mlp.fc1"`
//	}
//
// Constructors leave parameters at zero; Init draws them, weights.Bind loads them. nn knows nothing of files.
package nn

import (
	"fmt"
	"hash/fnv"
	"reflect"
	"strconv"
	"strings"

	"github.com/hanji-ml/hanji/tensor"
)

// Param is a named tensor of a model: a trained parameter or a buffer (running statistics, tables).
type Param struct {
	Name   string
	Tensor *tensor.Tensor
}

// Walk lists the parameters and buffers of a model in field order. Pointers that are nil are left out; slices add
// their index to the path (or put it where their tag has a #: `w:"bias_l#"`); a field tagged `w:"-"` is skipped and an embedded struct or a tag `w:""` adds nothing.
func Walk(model any) []Param {
	var list []Param
	walk(reflect.ValueOf(model), "", func(path string, v reflect.Value) {
		if t, ok := v.Interface().(*tensor.Tensor); ok {
			list = append(list, Param{path, t})
		}
	})
	return list
}

// Trainable is Walk without the buffers and the frozen parameters.
func Trainable(model any) []Param {
	var list []Param
	for _, p := range Walk(model) {
		if p.Tensor.IsParam() && p.Tensor.NeedsGrad() {
			list = append(list, p)
		}
	}
	return list
}

// Opaque finds, by their weight, the layers that can take a Matrix in its place, and where they keep it.
func Opaque(model any) map[*tensor.Tensor]*tensor.Matrix {
	found := map[*tensor.Tensor]*tensor.Matrix{}
	walk(reflect.ValueOf(model), "", func(_ string, v reflect.Value) {
		switch l := v.Interface().(type) {
		case *Linear:
			found[l.Weight] = &l.Matrix
		case *Embedding:
			found[l.Weight] = &l.Matrix
		}
	})
	return found
}

// Count is the number of elements of all parameters, without buffers.
func Count(model any) int {
	n := 0
	for _, p := range Walk(model) {
		if p.Tensor.IsParam() {
			n += p.Tensor.Len()
		}
	}
	return n
}

// walk visits every pointer below v that is not nil, parents before children.
func walk(v reflect.Value, path string, visit func(path string, v reflect.Value)) {
	switch v.Kind() {
	case reflect.Interface:
		if !v.IsNil() {
			walk(v.Elem(), path, visit)
		}
	case reflect.Pointer:
		if v.IsNil() {
			return
		}
		visit(path, v)
		if _, leaf := v.Interface().(*tensor.Tensor); !leaf {
			walk(v.Elem(), path, visit)
		}
	case reflect.Slice:
		for i := range v.Len() {
			walk(v.Index(i), element(path, i), visit)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			name, tagged := f.Tag.Lookup("w")
			if name == "-" || !f.IsExported() {
				continue
			}
			if !tagged && !f.Anonymous {
				name = snake(f.Name)
			}
			walk(v.Field(i), join(path, name), visit)
		}
	}
}

func join(path, name string) string {
	if path == "" || name == "" {
		return path + name
	}
	return path + "." + name
}

// element is the path of a slice's element: its index joined on, or in the place of the tag's #.
func element(path string, i int) string {
	if at := strings.LastIndexByte(path, '#'); at >= 0 {
		return path[:at] + strconv.Itoa(i) + path[at+1:]
	}
	return join(path, strconv.Itoa(i))
}

// snake writes a Go field name as checkpoints write theirs: SelfAttn → self_attn.
func snake(s string) string {
	var b strings.Builder
	for i, r := range s {
		if r >= 'A' && r <= 'Z' {
			if i > 0 && s[i-1] >= 'a' {
				b.WriteByte('_')
			}
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}

// placed is a layer that draws random numbers and so must know its place in the model.
type placed interface{ place(path uint64) }

// initialised is a layer that draws its parameters' first values.
type initialised interface{ init(key uint64) }

// Name tells every parameter and every random layer its path. Model constructors call it last.
func Name(model any) {
	walk(reflect.ValueOf(model), "", func(path string, v reflect.Value) {
		switch l := v.Interface().(type) {
		case *tensor.Tensor:
			l.SetName(path)
		case placed:
			l.place(Hash(path))
		}
	})
}

// Init draws every layer's parameters as torch does by default (see each layer), a function of seed and path alone.
func Init(model any, seed uint64) {
	walk(reflect.ValueOf(model), "", func(path string, v reflect.Value) {
		if l, ok := v.Interface().(initialised); ok {
			l.init(Hash(fmt.Sprintf("%d/%s", seed, path)))
		}
	})
}

// Hash is the 64-bit key of a path in a model.
func Hash(path string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(path))
	return h.Sum64()
}

// Cast converts all parameters and buffers to another float type in place: float64 for gradient checks.
func Cast(model any, dt tensor.DType) {
	seen := map[*tensor.Tensor]*tensor.Tensor{}
	var cast func(v reflect.Value)
	cast = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Interface:
			if !v.IsNil() {
				cast(v.Elem())
			}
		case reflect.Pointer:
			if v.IsNil() {
				return
			}
			t, ok := v.Interface().(*tensor.Tensor)
			if !ok {
				cast(v.Elem())
				return
			}
			if t.DType().Float() && v.CanSet() {
				if seen[t] == nil {
					seen[t] = t.Cast(dt)
				}
				v.Set(reflect.ValueOf(seen[t]))
			}
		case reflect.Slice:
			for i := range v.Len() {
				cast(v.Index(i))
			}
		case reflect.Struct:
			for i := range v.NumField() {
				if f := v.Type().Field(i); f.IsExported() {
					cast(v.Field(i))
				}
			}
		}
	}
	cast(reflect.ValueOf(model))
}
