package tensor

import "fmt"

// MaxPool1d is the largest element of each window along the last axis, torch's max_pool1d:
//
//	y[…, i] = max over k < size of x[…, i·stride + k − pad], places outside x not counted
//
// x [..., L] → [..., (L + 2·pad − size)/stride + 1]; stride 0: size; pad at most size/2. The first of equals gets the gradient.
func (x *Tensor) MaxPool1d(size, stride, pad int) *Tensor {
	n, stride := x.poolPlaces("max_pool1d", size, stride, pad)
	c := ctxOf("max_pool1d", x)
	sameFloat("max_pool1d", x)
	x = x.packed()
	shape := x.shape
	shape[x.rank-1] = n
	out, at := c.empty(x.dt, shape[:x.rank]), c.empty(I64, shape[:x.rank])
	prim.maxPool(out, at, x, size, stride, pad)
	if n := c.record("max_pool1d", maxPoolBack, out, x); n != nil {
		n.save[0] = at
	}
	return out
}

func maxPoolBack(n *node) {
	x, dy := n.in[0], n.out.grad.packed()
	dx := dy.ctx.like(x)
	prim.maxPoolGrad(dx, dy, n.save[0])
	x.accumulate(dx)
}

// AvgPool1d is the mean of each window along the last axis, the zeros of the padding counted in (torch's avg_pool1d with its
// default count_include_pad). Shapes and bounds are MaxPool1d's.
func (x *Tensor) AvgPool1d(size, stride, pad int) *Tensor {
	_, stride = x.poolPlaces("avg_pool1d", size, stride, pad)
	return x.Pad(-1, pad, pad, PadZero).Unfold(size, stride).Mean(-1).Squeeze(-1)
}

// MovingAverage is the centred mean of size (odd) elements along the last axis, the edge values repeated so that the length
// stays: the trend of the series decompositions of Autoformer (arXiv 2106.13008, §3.1) and DLinear.
func (x *Tensor) MovingAverage(size int) *Tensor {
	if size < 1 || size%2 == 0 {
		fail("moving_average", fmt.Sprintf("the size must be odd, got %d", size), x)
	}
	return x.Pad(-1, size/2, size/2, PadReplicate).AvgPool1d(size, 1, 0)
}

func (x *Tensor) poolPlaces(op string, size, stride, pad int) (places, step int) {
	if stride == 0 {
		stride = size
	}
	if x.rank < 1 || size < 1 || stride < 1 || pad < 0 || pad > size/2 || x.shape[x.rank-1]+2*pad < size {
		fail(op, fmt.Sprintf("windows of %d every %d with padding %d", size, stride, pad), x)
	}
	return (x.shape[x.rank-1]+2*pad-size)/stride + 1, stride
}
