package gguf

import (
	"errors"
	"fmt"
	"math"
)

// Keys reads a model's hyper-parameters one after another and keeps the first error, so that a list of them reads as one. Numbers are
// those of int32, not negative where they are counts.
type Keys struct {
	Meta   Metadata
	Prefix string // before every key, such as "llama."
	Err    error
}

// Int sets to from a key; one that is missing and need not be there leaves it.
func (k *Keys) Int(to *int, key string, must bool) {
	v, err := k.Meta.Int(k.Prefix + key)
	switch {
	case k.skip(err, must):
	case v < 0 || v > math.MaxInt32:
		k.Err = fmt.Errorf("key %q is %d", k.Prefix+key, v)
	default:
		*to = int(v)
	}
}

// Float sets to from a key; one that is missing and need not be there leaves it.
func (k *Keys) Float(to *float64, key string, must bool) {
	if v, err := k.Meta.Float(k.Prefix + key); !k.skip(err, must) {
		*to = v
	}
}

// skip tells that there is nothing to set.
func (k *Keys) skip(err error, must bool) bool {
	if k.Err != nil || err != nil && !must && errors.Is(err, ErrNoKey) {
		return true
	}
	k.Err = err
	return err != nil
}
