package tensor

import (
	"reflect"
	"unsafe"
)

// Guard wraps every primitive so that storage reached while none runs panics, until restore is called. calls counts the calls
// of each by name.
func Guard() (calls map[string]int, restore func()) {
	was := prim
	calls = map[string]int{}
	v := reflect.ValueOf(&prim).Elem()
	for i := range v.NumField() {
		f := reflect.NewAt(v.Field(i).Type(), unsafe.Pointer(v.Field(i).UnsafeAddr())).Elem()
		inner := reflect.ValueOf(f.Interface())
		name := v.Type().Field(i).Name
		calls[name] = 0
		f.Set(reflect.MakeFunc(f.Type(), func(args []reflect.Value) []reflect.Value {
			hostReads++
			calls[name]++
			defer func() { hostReads-- }()
			return inner.Call(args)
		}))
	}
	guarded = true
	return calls, func() { guarded, prim = false, was }
}

// Touch reaches a tensor's storage as an op must not.
func Touch(t *Tensor) { _ = data[float32](t) }

// FillNew makes every new buffer NaN until restore is called.
func FillNew() (restore func()) {
	debugFill = true
	return func() { debugFill = false }
}
