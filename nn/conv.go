package nn

import (
	"math"

	"github.com/hanji-ml/hanji/tensor"
)

// Conv1d slides a kernel along the last axis; see tensor.Conv1d for the equation.
type Conv1d struct {
	Weight  *tensor.Tensor // [O, C/groups, K]
	Bias    *tensor.Tensor // [O]; nil: none
	Options tensor.ConvOptions
}

// NewConv1d makes a layer from in to out channels with a kernel of k.
func NewConv1d(in, out, k int, bias bool, o tensor.ConvOptions) *Conv1d {
	c := &Conv1d{Weight: tensor.NewParam("weight", tensor.F32, out, in/max(o.Groups, 1), k), Options: o}
	if bias {
		c.Bias = tensor.NewParam("bias", tensor.F32, out)
	}
	return c
}

// Forward maps [B, C, L] to [B, O, L′].
func (c *Conv1d) Forward(x *tensor.Tensor) *tensor.Tensor {
	return x.Conv1d(c.Weight, c.Bias, c.Options)
}

// init is torch's: weight and bias from ±1/√(fan in).
func (c *Conv1d) init(key uint64) { initConv(c.Weight, c.Bias, key) }

// Conv2d slides a kernel over images; see tensor.Conv2d.
type Conv2d struct {
	Weight  *tensor.Tensor // [O, C/groups, KH, KW]
	Bias    *tensor.Tensor // [O]; nil: none
	Options tensor.Conv2dOptions
}

// NewConv2d makes a layer from in to out channels with a kernel of kh×kw.
func NewConv2d(in, out, kh, kw int, bias bool, o tensor.Conv2dOptions) *Conv2d {
	c := &Conv2d{Weight: tensor.NewParam("weight", tensor.F32, out, in/max(o.Groups, 1), kh, kw), Options: o}
	if bias {
		c.Bias = tensor.NewParam("bias", tensor.F32, out)
	}
	return c
}

// Forward maps [B, C, H, W] to [B, O, H′, W′].
func (c *Conv2d) Forward(x *tensor.Tensor) *tensor.Tensor {
	return x.Conv2d(c.Weight, c.Bias, c.Options)
}

func (c *Conv2d) init(key uint64) { initConv(c.Weight, c.Bias, key) }

// ConvTranspose1d is the adjoint of Conv1d; see tensor.ConvTranspose1d.
type ConvTranspose1d struct {
	Weight  *tensor.Tensor // [C, O/groups, K]
	Bias    *tensor.Tensor // [O]; nil: none
	Options tensor.ConvTransposeOptions
}

// NewConvTranspose1d makes a layer from in to out channels with a kernel of k.
func NewConvTranspose1d(in, out, k int, bias bool, o tensor.ConvTransposeOptions) *ConvTranspose1d {
	c := &ConvTranspose1d{Weight: tensor.NewParam("weight", tensor.F32, in, out/max(o.Groups, 1), k), Options: o}
	if bias {
		c.Bias = tensor.NewParam("bias", tensor.F32, out)
	}
	return c
}

// Forward maps [B, C, L] to [B, O, L′].
func (c *ConvTranspose1d) Forward(x *tensor.Tensor) *tensor.Tensor {
	return x.ConvTranspose1d(c.Weight, c.Bias, c.Options)
}

func (c *ConvTranspose1d) init(key uint64) { initConv(c.Weight, c.Bias, key) }

// initConv draws from ±1/√n, n the elements of one slice along the first axis: torch's kaiming_uniform with a = √5.
func initConv(w, b *tensor.Tensor, key uint64) {
	bound := 1 / math.Sqrt(float64(max(w.Len()/max(w.Dim(0), 1), 1)))
	w.FillUniform(key, -bound, bound)
	if b != nil {
		b.FillUniform(key+1, -bound, bound)
	}
}
