package tensor

import (
	"reflect"
	"unsafe"
)

// Guard wraps every primitive so that storage reached while none runs panics, until restore is called.
func Guard() (restore func()) {
	was := prim
	v := reflect.ValueOf(&prim).Elem()
	for i := range v.NumField() {
		f := reflect.NewAt(v.Field(i).Type(), unsafe.Pointer(v.Field(i).UnsafeAddr())).Elem()
		inner := reflect.ValueOf(f.Interface())
		f.Set(reflect.MakeFunc(f.Type(), func(args []reflect.Value) []reflect.Value {
			hostReads++
			defer func() { hostReads-- }()
			return inner.Call(args)
		}))
	}
	guarded = true
	return func() { guarded, prim = false, was }
}

// Touch reaches a tensor's storage as an op must not.
func Touch(t *Tensor) { _ = data[float32](t) }

// FillNew makes every new buffer NaN until restore is called.
func FillNew() (restore func()) {
	debugFill = true
	return func() { debugFill = false }
}
