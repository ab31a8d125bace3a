package torchpt

import (
	"errors"
	"fmt"
	"slices"

	"github.com/hanji-ml/hanji/safetensors"
)

// global is a Python object a pickle may name, as MODULE.NAME.
type global string

// callable tells whether a global is one of the functions and types that call
// below knows how to stand in for. Everything else a pickle may name is a dtype
// or a storage class; all other names are refused.
func callable(g global) bool {
	switch g {
	case "collections.OrderedDict",
		"builtins.dict", "builtins.list", "builtins.tuple", "builtins.set",
		"__builtin__.dict", "__builtin__.list", "__builtin__.tuple", "__builtin__.set", // Python 2's names, which protocol 2 keeps
		"torch.Size", "torch.device",
		"torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor_v3",
		"torch._utils._rebuild_parameter":
		return true
	}
	return false
}

func allowed(g global) bool {
	_, isClass := storageClasses[g]
	_, isDType := dtypes[g]
	return isClass || isDType || callable(g)
}

// storageClass is the element type of a storage; untyped ones count bytes, and
// the tensor brings the dtype.
type storageClass struct {
	dtype   safetensors.DType
	untyped bool
}

// storageClasses are torch's (torch/storage.py, _dtype_to_storage_type_map);
// complex128 and the quantised ones have no type here and are refused by name.
var storageClasses = map[global]storageClass{
	"torch.FloatStorage":           {dtype: safetensors.F32},
	"torch.DoubleStorage":          {dtype: safetensors.F64},
	"torch.HalfStorage":            {dtype: safetensors.F16},
	"torch.BFloat16Storage":        {dtype: safetensors.BF16},
	"torch.LongStorage":            {dtype: safetensors.I64},
	"torch.IntStorage":             {dtype: safetensors.I32},
	"torch.ShortStorage":           {dtype: safetensors.I16},
	"torch.CharStorage":            {dtype: safetensors.I8},
	"torch.ByteStorage":            {dtype: safetensors.U8},
	"torch.BoolStorage":            {dtype: safetensors.Bool},
	"torch.ComplexFloatStorage":    {dtype: safetensors.Complex},
	"torch.UntypedStorage":         {dtype: safetensors.U8, untyped: true},
	"torch.storage.UntypedStorage": {dtype: safetensors.U8, untyped: true},
}

var dtypes = map[global]safetensors.DType{
	"torch.float32": safetensors.F32, "torch.float": safetensors.F32,
	"torch.float64": safetensors.F64, "torch.double": safetensors.F64,
	"torch.float16": safetensors.F16, "torch.half": safetensors.F16,
	"torch.bfloat16": safetensors.BF16,
	"torch.int64":    safetensors.I64, "torch.long": safetensors.I64,
	"torch.int32": safetensors.I32, "torch.int": safetensors.I32,
	"torch.int16": safetensors.I16, "torch.short": safetensors.I16,
	"torch.int8": safetensors.I8, "torch.uint8": safetensors.U8, "torch.bool": safetensors.Bool,
	"torch.uint16": safetensors.U16, "torch.uint32": safetensors.U32, "torch.uint64": safetensors.U64,
	"torch.float8_e4m3fn": safetensors.F8E4M3, "torch.float8_e5m2": safetensors.F8E5M2, "torch.float8_e8m0fnu": safetensors.F8E8M0,
	"torch.complex64": safetensors.Complex,
}

// object runs the opcodes that name, make or change Python objects.
func (m *machine) object(op byte) error {
	switch op {
	case 'c', 'i': // GLOBAL; INST names and calls
		module, err := m.line()
		if err != nil {
			return err
		}
		name, err := m.line()
		if err != nil {
			return err
		}
		if op == 'i' {
			return &refusedError{module + "." + name} // of Python 1 classes: never a tensor
		}
		return m.global(module, name)
	case 0x93: // STACK_GLOBAL
		name, err1 := m.pop()
		module, err2 := m.pop()
		n, ok1 := name.(string)
		mod, ok2 := module.(string)
		if err1 != nil || err2 != nil || !ok1 || !ok2 {
			return errors.New("a global is named by what is no text")
		}
		return m.global(mod, n)
	case 'R', 0x81: // REDUCE, NEWOBJ
		args, err := m.pop()
		if err != nil {
			return err
		}
		f, err := m.pop()
		if err != nil {
			return err
		}
		return m.push(m.call(f, args))
	case 'b': // BUILD
		if _, err := m.pop(); err != nil {
			return err
		}
		// torch gives a state dict an attribute _metadata (module versions);
		// nothing else that may stand here has a state.
		if v, err := m.top(); err != nil {
			return err
		} else if _, ok := v.(*dict); !ok {
			return fmt.Errorf("cannot set the state of %s", describe(v))
		}
		return nil
	case 'Q': // BINPERSID
		id, err := m.pop()
		if err != nil {
			return err
		}
		return m.push(m.persistent(id))
	}
	return errors.New("opcode has no place in a checkpoint")
}

func (m *machine) global(module, name string) error {
	g := global(module + "." + name)
	if !allowed(g) {
		return &refusedError{string(g)}
	}
	return m.push(g, nil)
}

// call stands in for the Python call f(*args).
func (m *machine) call(f, args any) (any, error) {
	g, ok := f.(global)
	if !ok || !callable(g) {
		return nil, fmt.Errorf("cannot call %s", describe(f))
	}
	t, ok := args.(*tuple)
	if !ok {
		return nil, fmt.Errorf("arguments of %s are %s", g, describe(args))
	}
	a := t.items
	switch g {
	case "torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor_v3":
		return rebuildTensor(g, a)
	case "torch._utils._rebuild_parameter": // (data, requires_grad, backward_hooks)
		if len(a) > 0 {
			if v, ok := a[0].(*view); ok {
				return v, nil
			}
		}
		return nil, fmt.Errorf("%s without a tensor", g)
	case "torch.device": // ("cuda", 0)
		return device(a)
	case "collections.OrderedDict", "builtins.dict", "__builtin__.dict":
		return m.makeDict(g, a)
	}
	var items []any // torch.Size, list, tuple, set
	if len(a) > 0 {
		if items, ok = sequence(a[0]); !ok || len(a) > 1 {
			return nil, fmt.Errorf("%s of %s", g, describe(a[0]))
		}
	}
	if err := m.spend(len(items)); err != nil {
		return nil, err
	}
	items = slices.Clone(items)
	switch g {
	case "torch.Size", "builtins.tuple", "__builtin__.tuple":
		return &tuple{items}, nil
	}
	return &list{items}, nil
}

func device(args []any) (any, error) {
	if len(args) > 0 {
		kind, ok := args[0].(string)
		if ok && len(args) == 1 {
			return kind, nil
		}
		if i, isIndex := index(args[len(args)-1]); ok && isIndex && len(args) == 2 {
			return fmt.Sprintf("%s:%d", clip(kind), i), nil
		}
	}
	return nil, errors.New("torch.device of what is no name and index")
}

// makeDict is dict() or dict([(key, value), ...]).
func (m *machine) makeDict(g global, args []any) (any, error) {
	d := &dict{}
	if len(args) == 0 {
		return d, nil
	}
	pairs, ok := sequence(args[0])
	if !ok || len(args) > 1 {
		return nil, fmt.Errorf("%s of %s", g, describe(args[0]))
	}
	if err := m.spend(2 * len(pairs)); err != nil {
		return nil, err
	}
	for _, p := range pairs {
		pair, ok := sequence(p)
		if !ok || len(pair) != 2 {
			return nil, fmt.Errorf("%s of what are no pairs", g)
		}
		d.set(pair[0], pair[1])
	}
	return d, nil
}

// persistent loads ("storage", class, key, location, number of elements).
func (m *machine) persistent(id any) (any, error) {
	t, ok := id.(*tuple)
	if !ok || len(t.items) != 5 || t.items[0] != "storage" {
		return nil, errors.New("persistent id is no storage")
	}
	g, _ := t.items[1].(global)
	class, ok1 := storageClasses[g]
	key, ok2 := t.items[2].(string)
	numel, ok3 := index(t.items[4])
	if !ok1 || !ok2 || !ok3 {
		return nil, fmt.Errorf("storage of class %s, key %s, %s elements", describe(t.items[1]), describe(t.items[2]), describe(t.items[4]))
	}
	return m.load(key, numel, class)
}

func sequence(v any) ([]any, bool) {
	switch v := v.(type) {
	case *tuple:
		return v.items, true
	case *list:
		return v.items, true
	}
	return nil, false
}

// index is a length or a position.
func index(v any) (int, bool) {
	i, ok := v.(int64)
	return int(i), ok && i >= 0 && int64(int(i)) == i
}

// describe names a value for an error, without its contents.
func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case global:
		return string(v)
	case string:
		return fmt.Sprintf("%q", clip(v))
	case bool, int64, float64:
		return fmt.Sprint(v)
	case *list:
		return fmt.Sprintf("a list of %d", len(v.items))
	case *tuple:
		return fmt.Sprintf("a tuple of %d", len(v.items))
	case *dict:
		return fmt.Sprintf("a dict of %d", len(v.keys))
	case *view:
		return "a tensor"
	case *storage:
		return "a storage"
	case []byte:
		return fmt.Sprintf("%d bytes", len(v))
	}
	return "a large integer"
}
