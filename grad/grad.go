// Package grad compares the gradients of the tape with finite differences. It holds for every op and layer alike:
//
//	err := grad.Check(func(ctx *tensor.Ctx) *tensor.Tensor { return x.Linear(w, b).GELU().Sum() }, grad.Options{}, w, b)
//
// The backward pass itself is Tensor.Backward: the tape is the tensor package's own.
package grad

import (
	"fmt"
	"math"

	"github.com/hanji-ml/hanji/tensor"
)

// Options of Check; the zero value is what float64 wants.
type Options struct {
	Step float64 // of the central difference, relative to max(1, |x|); default 1e-5
	Tol  float64 // allowed |analytic − numeric| relative to max(1, |numeric|); default 1e-6, the step's own truncation and rounding
	Max  int     // elements checked of each parameter, evenly spread; 0: all
	Ctx  tensor.Options
}

// Check evaluates the scalar loss f(ctx) with gradients, then again with each checked element of each parameter moved
// up and down, and reports the first element whose gradient differs. Parameters must be F64 and made by
// tensor.NewParam; f must be a function of them alone (the random stream starts anew for each evaluation).
func Check(f func(*tensor.Ctx) *tensor.Tensor, o Options, params ...*tensor.Tensor) (err error) {
	defer tensor.Recover(&err)
	if o.Step == 0 {
		o.Step = 1e-5
	}
	if o.Tol == 0 {
		o.Tol = 1e-6
	}
	for _, p := range params {
		if p.DType() != tensor.F64 || !p.IsParam() {
			return fmt.Errorf("grad: %v is not an f64 parameter", p)
		}
		p.ZeroGrad()
	}
	o.Ctx.Grad = true
	ctx := tensor.New(o.Ctx)
	defer ctx.Close()
	f(ctx).Backward()
	for _, p := range params {
		if err := checkParam(ctx, f, o, p); err != nil {
			return err
		}
	}
	return nil
}

func checkParam(ctx *tensor.Ctx, f func(*tensor.Ctx) *tensor.Tensor, o Options, p *tensor.Tensor) error {
	x := p.ReadF64()
	dx := make([]float64, len(x))
	if g := p.Grad(); g != nil {
		dx = g.ReadF64()
	}
	loss := func() (v float64) {
		p.SetF64(x)
		ctx.Next(0)
		ctx.NoGrad(func() { v = f(ctx).Item() })
		return v
	}
	defer p.SetF64(x)
	step := 1
	if o.Max > 0 && len(x) > o.Max {
		step = (len(x) + o.Max - 1) / o.Max
	}
	for i := 0; i < len(x); i += step {
		was := x[i]
		h := o.Step * math.Max(1, math.Abs(was))
		x[i] = was + h
		up := loss()
		x[i] = was - h
		down := loss()
		x[i] = was
		want := (up - down) / (2 * h)
		if d := math.Abs(dx[i] - want); !(d <= o.Tol*math.Max(1, math.Abs(want))) {
			return fmt.Errorf("grad: %v element %d: tape says %.9g, finite difference %.9g", p, i, dx[i], want)
		}
	}
	return nil
}
