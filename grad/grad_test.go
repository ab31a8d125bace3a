package grad_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/grad"
	"github.com/hanji-ml/hanji/tensor"
)

// The ops themselves are checked in package tensor (ops_test.go); here is whether Check would notice.
func TestCheckNotices(t *testing.T) {
	w := tensor.NewParam("w", tensor.F64, 3)
	w.SetF64([]float64{0.5, -1, 2})
	half := func(ctx *tensor.Ctx) *tensor.Tensor { // x·x with one x held constant: the tape says x, the truth is 2x
		x := ctx.Use(w)
		return x.Mul(x.Detach()).Sum()
	}
	err := grad.Check(half, grad.Options{}, w)
	if err == nil || !strings.Contains(err.Error(), "w f64[3] element 0: tape says 0.5, finite difference 1") {
		t.Errorf("a wrong gradient gives %v", err)
	}
	silent := func(ctx *tensor.Ctx) *tensor.Tensor { // no gradient at all, though the loss moves
		return ctx.Use(w).Detach().Sum().Add(ctx.Use(w).MulS(0).Sum())
	}
	if err := grad.Check(silent, grad.Options{}, w); err == nil {
		t.Error("a missing gradient passes")
	}
	if err := grad.Check(half, grad.Options{}, tensor.NewParam("f", tensor.F32, 3)); err == nil {
		t.Error("a float32 parameter passes")
	}
	if err := grad.Check(func(ctx *tensor.Ctx) *tensor.Tensor { return ctx.Use(w).Reshape(7) }, grad.Options{}, w); err == nil {
		t.Error("a shape that does not fit gives no error")
	}
}

func ExampleCheck() {
	w := tensor.NewParam("w", tensor.F64, 2, 3)
	w.FillNormal(1, 0, 1)
	err := grad.Check(func(ctx *tensor.Ctx) *tensor.Tensor {
		return ctx.F64s([]float64{1, 2, 3}, 1, 3).Linear(w, nil).GELU().Sum()
	}, grad.Options{}, w)
	fmt.Println(err)
	// Output: <nil>
}
