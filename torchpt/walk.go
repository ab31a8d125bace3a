package torchpt

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"

	"github.com/hanji-ml/hanji/safetensors"
)

// roots are the keys under which training programs keep the weights, the more
// telling first: Lightning and most others state_dict, Whisper
// model_state_dict, DeiT and MAE model, DeepSpeed module.
var roots = []string{"state_dict", "model_state_dict", "model_state", "model", "module", "net", "network", "weights", "params"}

// maxDepth bounds how deep containers may lie in each other. A checkpoint's lie
// three or four deep; without a bound a cycle has no end.
const maxDepth = 32

var errWalk = errors.New("its containers hold each other so often that there is no end; a pickle bomb?")

// collect finds the weights in what the pickle left and gives each a name.
func (f *File) collect(fileSize int) error {
	at := f.top
	for range maxDepth {
		down, key := below(at)
		if key == "" {
			break
		}
		if at = down; f.root != "" {
			f.root += "."
		}
		f.root += key
	}
	w := &walker{f: f, left: f.limit, text: 16 * f.limit}
	f.views = map[string]*view{}
	if err := w.walk(at, "", 0); err != nil {
		return err
	}
	// What a caller that reads everything allocates must have some relation to
	// the file. Shared and tied weights are there a few times; a tensor expanded
	// with stride 0 could be there a billion times.
	const spare = 64 << 20
	total, most := uint64(0), 16*uint64(fileSize)+spare
	for _, name := range f.names {
		v := f.views[name]
		if total += uint64(v.len() * v.size); total > most {
			return fmt.Errorf("tensors take more than %d bytes, in a file of %d: expanded tensors? call .contiguous() before saving", most, fileSize)
		}
	}
	return nil
}

// below returns the value under one of roots, if at is a dict that holds no
// tensor itself and that value does, at any depth.
func below(at any) (any, string) {
	d, ok := at.(*dict)
	if !ok {
		return nil, ""
	}
	for _, v := range d.values {
		if _, ok := v.(*view); ok {
			return nil, ""
		}
	}
	for _, key := range roots {
		if v, ok := d.get(key); ok {
			if _, isDict := v.(*dict); isDict && holdsTensor(v, map[any]bool{}, 0) {
				return v, key
			}
		}
	}
	return nil, ""
}

// holdsTensor looks at each container once.
func holdsTensor(v any, seen map[any]bool, depth int) bool {
	if depth > maxDepth {
		return false
	}
	var items []any
	switch v := v.(type) {
	case *view:
		return true
	case *dict:
		items = v.values
	case *list:
		items = v.items
	case *tuple:
		items = v.items
	default:
		return false
	}
	if seen[v] {
		return false
	}
	seen[v] = true
	for _, x := range items {
		if holdsTensor(x, seen, depth+1) {
			return true
		}
	}
	return false
}

// walker names tensors by the keys and positions that lead to them. Containers
// may be shared, so its steps and the names' length are bounded.
type walker struct {
	f          *File
	left, text int
}

func (w *walker) walk(v any, name string, depth int) error {
	if w.left--; w.left < 0 || depth > maxDepth {
		return errWalk
	}
	switch v := v.(type) {
	case *view:
		if name == "" {
			name = "tensor" // torch.save(tensor, path)
		}
		if w.text -= len(name); w.text < 0 {
			return errWalk
		}
		if w.f.views[name] != nil {
			return fmt.Errorf("two tensors are named %q", clip(name))
		}
		w.f.views[name] = v
		w.f.names = append(w.f.names, name)
	case *dict:
		for i, key := range v.keys {
			part, ok := keyText(key)
			if !ok || !w.holds(v.values[i]) {
				continue
			}
			if err := w.walk(v.values[i], w.join(name, part), depth+1); err != nil {
				return err
			}
		}
	case *list:
		return w.items(v.items, name, depth)
	case *tuple:
		return w.items(v.items, name, depth)
	}
	return nil
}

func (w *walker) items(items []any, name string, depth int) error {
	for i, v := range items {
		if !w.holds(v) {
			continue
		}
		if err := w.walk(v, w.join(name, strconv.Itoa(i)), depth+1); err != nil {
			return err
		}
	}
	return nil
}

// holds leaves out what can hold no tensor before a name is made for it; it
// counts as a step too.
func (w *walker) holds(v any) bool {
	switch v.(type) {
	case *view, *dict, *list, *tuple:
		return true
	}
	w.left--
	return w.left < 0 // let walk report it
}

func (w *walker) join(name, part string) string {
	w.text -= len(name) + len(part)
	if w.text < 0 {
		w.left = 0 // the next step reports it
		return ""
	}
	if name == "" {
		return part
	}
	return name + "." + part
}

func keyText(key any) (string, bool) {
	switch key := key.(type) {
	case string:
		return key, true
	case int64:
		return strconv.FormatInt(key, 10), true
	}
	return "", false
}

// Value returns what the checkpoint holds under the keys, from its top down:
// nil, bool, int64, float64, string, []byte, *big.Int, []any for lists, tuples
// and sets, map[string]any for dicts (integer keys as text, others left out).
// Tensors within are nil. With no keys it is everything. ok is false where there
// is nothing, and for values that hold each other without end.
//
//	dims, ok := f.Value("dims") // Whisper: map[n_mels:80 ...]
func (f *File) Value(keys ...string) (value any, ok bool) {
	at := f.top
	for _, key := range keys {
		d, isDict := at.(*dict)
		if !isDict {
			return nil, false
		}
		if at, ok = d.get(key); !ok {
			return nil, false
		}
	}
	left := f.limit
	value = plain(at, &left, 0)
	if left < 0 {
		return nil, false
	}
	return value, true
}

func plain(v any, left *int, depth int) any {
	if *left--; *left < 0 || depth > maxDepth {
		*left = -1
		return nil
	}
	switch v := v.(type) {
	case bool, int64, float64, string, []byte, *big.Int:
		return v
	case global:
		return string(v)
	case *dict:
		out := map[string]any{}
		for i, key := range v.keys {
			if text, ok := keyText(key); ok {
				out[text] = plain(v.values[i], left, depth+1)
			}
		}
		return out
	case *list:
		return plainList(v.items, left, depth)
	case *tuple:
		return plainList(v.items, left, depth)
	}
	return nil
}

func plainList(items []any, left *int, depth int) []any {
	out := []any{}
	for _, v := range items {
		if out = append(out, plain(v, left, depth+1)); *left < 0 {
			break
		}
	}
	return out
}

var _ interface {
	Names() []string
	Tensor(name string) (safetensors.Tensor, bool)
} = (*File)(nil)
