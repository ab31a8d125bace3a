package torchpt

import (
	"errors"
	"fmt"
	"math/bits"

	"github.com/hanji-ml/hanji/safetensors"
)

// storage is one record of the archive: elements in a row.
type storage struct {
	data  []byte
	class storageClass
}

// view is a tensor as torch saves it: a window with strides on a storage, which
// several tensors may share.
type view struct {
	data          []byte // the storage
	dtype         safetensors.DType
	size          int // of an element, in bytes
	offset        int // of the first element, in elements
	shape, stride []int
}

// maxDims is torch's own bound.
const maxDims = 64

// rebuildTensor reads (storage, storage_offset, size, stride, ...); v3 has the
// dtype as seventh, because its storages are untyped.
func rebuildTensor(g global, a []any) (*view, error) {
	need := map[global]int{"torch._utils._rebuild_tensor": 4, "torch._utils._rebuild_tensor_v2": 6, "torch._utils._rebuild_tensor_v3": 7}[g]
	if len(a) < need {
		return nil, fmt.Errorf("%s with %d arguments, want %d", g, len(a), need)
	}
	s, ok := a[0].(*storage)
	if !ok {
		return nil, fmt.Errorf("%s on %s, want a storage", g, describe(a[0]))
	}
	v := &view{data: s.data, dtype: s.class.dtype}
	if g == "torch._utils._rebuild_tensor_v3" {
		name, _ := a[6].(global)
		if v.dtype, ok = dtypes[name]; !ok {
			return nil, fmt.Errorf("%s with dtype %s", g, describe(a[6]))
		}
	} else if s.class.untyped {
		return nil, fmt.Errorf("%s on a storage without dtype", g)
	}
	v.size = v.dtype.Bits() / 8
	var ok1, ok2, ok3 bool
	v.offset, ok1 = index(a[1])
	v.shape, ok2 = indices(a[2])
	v.stride, ok3 = indices(a[3])
	if !ok1 || !ok2 || !ok3 || len(v.shape) != len(v.stride) {
		return nil, fmt.Errorf("%s with offset %s, size %s, stride %s", g, describe(a[1]), describe(a[2]), describe(a[3]))
	}
	return v, v.check()
}

func indices(v any) ([]int, bool) {
	items, ok := sequence(v)
	if !ok || len(items) > maxDims {
		return nil, false
	}
	out := make([]int, len(items))
	for i, x := range items {
		if out[i], ok = index(x); !ok {
			return nil, false
		}
	}
	return out, true
}

// check makes sure that every element lies in the storage, and that the number
// of bytes is an int.
func (v *view) check() error {
	if _, err := v.dtype.Size(v.shape); err != nil {
		return err
	}
	if v.len() == 0 {
		return nil
	}
	last := uint64(v.offset)
	for i, n := range v.shape {
		hi, lo := bits.Mul64(uint64(n-1), uint64(v.stride[i]))
		sum, carry := bits.Add64(last, lo, 0)
		if hi != 0 || carry != 0 {
			return errors.New("tensor's stride overflows")
		}
		last = sum
	}
	if have := len(v.data) / v.size; last >= uint64(have) {
		return fmt.Errorf("tensor %v with stride %v from %d reaches element %d, its storage has %d", v.shape, v.stride, v.offset, last, have)
	}
	return nil
}

func (v *view) len() int {
	n := 1
	for _, d := range v.shape {
		n *= d
	}
	return n
}

// contiguous returns the elements in C order: the storage itself where they
// already lie so, else a copy.
func (v *view) contiguous() []byte {
	n := v.len()
	if n == 0 {
		return []byte{}
	}
	inOrder, step := true, 1
	for d := len(v.shape) - 1; d >= 0; d-- {
		if v.shape[d] != 1 && v.stride[d] != step {
			inOrder = false
		}
		step *= v.shape[d]
	}
	if inOrder {
		at, end := v.offset*v.size, (v.offset+n)*v.size
		return v.data[at:end:end]
	}
	out := make([]byte, 0, n*v.size)
	pos := make([]int, len(v.shape))
	at := v.offset
	for {
		out = append(out, v.data[at*v.size:(at+1)*v.size]...)
		d := len(pos) - 1
		for ; d >= 0; d-- { // count up, the last dimension fastest
			pos[d]++
			at += v.stride[d]
			if pos[d] < v.shape[d] {
				break
			}
			at -= pos[d] * v.stride[d]
			pos[d] = 0
		}
		if d < 0 {
			return out
		}
	}
}
