package tensor

import "fmt"

// ConvOptions of Conv1d; the zero value slides by one over x as it is.
type ConvOptions struct {
	Stride   int // [1]
	Padding  int // zeros put before and after
	Dilation int // distance of neighbouring taps [1]
	Groups   int // channels fall into so many groups that do not see each other [1]
}

// Conv2dOptions of Conv2d, (height, width) each; zeros mean what they do in ConvOptions.
type Conv2dOptions struct {
	Stride, Padding, Dilation [2]int
	Groups                    int
}

// Conv1d is torch's conv1d, a cross-correlation:
//
//	y[b, o, i] = bias[o] + Σ_c Σ_k w[o, c, k]·x[b, c, i·stride + k·dilation − padding]
//
// x [B, C, L], w [O, C/groups, K], bias [O] or nil → [B, O, (L + 2·padding − dilation·(K−1) − 1)/stride + 1].
func (x *Tensor) Conv1d(w, bias *Tensor, o ConvOptions) *Tensor {
	if x.rank != 3 || w.rank != 3 {
		fail("conv1d", "x [B, C, L], w [O, C/groups, K]", x, w)
	}
	c := ctxOf("conv1d", x, w, bias)
	g := window{1, w.shape[2], 1, or1(o.Stride), 0, o.Padding, 1, or1(o.Dilation)}
	y := c.Use(x).Reshape(x.shape[0], x.shape[1], 1, x.shape[2]).conv("conv1d", c.Use(w).Unsqueeze(2), bias, g, or1(o.Groups))
	return y.Squeeze(2)
}

// Conv2d is torch's conv2d, Conv1d's sum over two axes: x [B, C, H, W], w [O, C/groups, KH, KW], bias [O] or nil
// → [B, O, H′, W′].
func (x *Tensor) Conv2d(w, bias *Tensor, o Conv2dOptions) *Tensor {
	if x.rank != 4 || w.rank != 4 {
		fail("conv2d", "x [B, C, H, W], w [O, C/groups, KH, KW]", x, w)
	}
	c := ctxOf("conv2d", x, w, bias)
	g := window{w.shape[2], w.shape[3], or1(o.Stride[0]), or1(o.Stride[1]), o.Padding[0], o.Padding[1], or1(o.Dilation[0]), or1(o.Dilation[1])}
	return c.Use(x).conv("conv2d", c.Use(w), bias, g, or1(o.Groups))
}

// conv lays the windows out as columns, so that one product makes each image: y[b] = w·columns(x[b]).
func (x *Tensor) conv(op string, w, bias *Tensor, g window, groups int) *Tensor {
	sameFloat(op, x, w, bias)
	n, ch, out := x.shape[0], x.shape[1], w.shape[0]
	if groups < 1 || ch%groups != 0 || out%groups != 0 || w.shape[1] != ch/groups || (bias != nil && (bias.rank != 1 || bias.shape[0] != out)) {
		fail(op, fmt.Sprintf("w [O, C/%d, …], bias [O]", groups), x, w, bias)
	}
	oh, ow := g.count(op, x)
	taps := ch / groups * g.kh * g.kw
	cols := x.columns(g, oh, ow)
	var y *Tensor
	if groups == 1 {
		y = w.Reshape(out, taps).MatMul(cols)
	} else {
		y = w.Reshape(groups, out/groups, taps).MatMul(cols.Reshape(n, groups, taps, oh*ow))
	}
	y = y.Reshape(n, out, oh, ow)
	if bias == nil {
		return y
	}
	return y.Add(x.ctx.Use(bias).Reshape(out, 1, 1))
}

// ConvTransposeOptions of ConvTranspose1d.
type ConvTransposeOptions struct {
	ConvOptions
	OutputPadding int // elements added at the end of the result, below the stride
}

// ConvTranspose1d is torch's conv_transpose1d, the adjoint of Conv1d:
//
//	y[b, o, i·stride + k·dilation − padding] += w[c, o, k]·x[b, c, i], then + bias[o]
//
// x [B, C, L], w [C, O/groups, K], bias [O] or nil → [B, O, (L−1)·stride − 2·padding + dilation·(K−1) + outputPadding + 1].
func (x *Tensor) ConvTranspose1d(w, bias *Tensor, o ConvTransposeOptions) *Tensor {
	const op = "conv_transpose1d"
	groups := or1(o.Groups)
	if x.rank != 3 || w.rank != 3 || groups < 1 || x.shape[1]%groups != 0 || w.shape[0] != x.shape[1] ||
		(bias != nil && (bias.rank != 1 || bias.shape[0] != w.shape[1]*groups)) {
		fail(op, "x [B, C, L], w [C, O/groups, K], bias [O]", x, w, bias)
	}
	c := ctxOf(op, x, w, bias)
	sameFloat(op, x, w, bias)
	n, ch, l, out, k := x.shape[0], x.shape[1], x.shape[2], w.shape[1]*groups, w.shape[2]
	g := window{1, k, 1, or1(o.Stride), 0, o.Padding, 1, or1(o.Dilation)}
	g.check(op, x)
	size := (l-1)*g.sw - 2*g.pw + g.dw*(k-1) + o.OutputPadding + 1
	if o.OutputPadding < 0 || o.OutputPadding >= g.sw || size < 1 || l < 1 {
		fail(op, fmt.Sprintf("output padding %d with stride %d leaves %d elements", o.OutputPadding, g.sw, size), x, w)
	}
	w, x = c.Use(w), c.Use(x)
	var cols *Tensor
	if groups == 1 {
		cols = w.Reshape(ch, out*k).TMatMul(x)
	} else {
		cols = w.Reshape(groups, ch/groups, out/groups*k).TMatMul(x.Reshape(n, groups, ch/groups, l)).Reshape(n, out*k, l)
	}
	y := cols.image(g, out, 1, size).Reshape(n, out, size)
	if bias == nil {
		return y
	}
	return y.Add(c.Use(bias).Unsqueeze(1))
}

// window is the geometry of a sliding window: its size, stride, padding before and after, and dilation.
type window struct{ kh, kw, sh, sw, ph, pw, dh, dw int }

func or1(v int) int {
	if v == 0 {
		return 1
	}
	return v
}

func (g window) check(op string, x *Tensor) {
	if min(g.kh, g.kw, g.sh, g.sw, g.dh, g.dw) < 1 || min(g.ph, g.pw) < 0 {
		fail(op, "kernel, stride and dilation are at least 1, padding at least 0", x)
	}
}

// count is the number of places that the window takes in x [B, C, H, W].
func (g window) count(op string, x *Tensor) (oh, ow int) {
	g.check(op, x)
	h, w := x.shape[2]+2*g.ph-g.dh*(g.kh-1), x.shape[3]+2*g.pw-g.dw*(g.kw-1)
	if h < 1 || w < 1 {
		fail(op, "the kernel is larger than the padded input", x)
	}
	return (h-1)/g.sh + 1, (w-1)/g.sw + 1
}

func (g window) array() [8]int { return [8]int{g.kh, g.kw, g.sh, g.sw, g.ph, g.pw, g.dh, g.dw} }

func windowOf(a [8]int) window { return window{a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]} }

// columns is im2col: x [B, C, H, W] → [B, C·KH·KW, OH·OW], column (oh, ow) holding what the window sees there.
func (x *Tensor) columns(g window, oh, ow int) *Tensor {
	if g == (window{1, 1, 1, 1, 0, 0, g.dh, g.dw}) {
		return x.Reshape(x.shape[0], x.shape[1], oh*ow)
	}
	c := ctxOf("columns", x)
	x = x.packed()
	var shape [MaxRank]int
	shape[0], shape[1], shape[2] = x.shape[0], x.shape[1]*g.kh*g.kw, oh*ow
	out := c.empty(x.dt, shape[:3])
	prim.im2col(out, x, g, oh, ow)
	if n := c.record("columns", columnsBack, out, x); n != nil {
		n.arg = g.array()
	}
	return out
}

func columnsBack(n *node) {
	x, dy := n.in[0], n.out.grad.packed()
	g := windowOf(n.arg)
	oh, ow := g.count("columns", x)
	dx := dy.ctx.like(x)
	prim.col2im(dx, dy, g, oh, ow)
	x.accumulate(dx)
}

// image is col2im, columns' adjoint: [B, C·KH·KW, OH·OW] → [B, C, h, w], what falls on one place added up.
func (x *Tensor) image(g window, ch, h, w int) *Tensor {
	c := ctxOf("image", x)
	x = x.packed()
	var shape [MaxRank]int
	shape[0], shape[1], shape[2], shape[3] = x.shape[0], ch, h, w
	out := c.empty(x.dt, shape[:4])
	prim.col2im(out, x, g, 1, x.shape[2])
	if n := c.record("image", imageBack, out, x); n != nil {
		n.arg = g.array()
	}
	return out
}

func imageBack(n *node) {
	x, dy := n.in[0], n.out.grad.packed()
	dx := dy.ctx.like(x)
	prim.im2col(dx, dy, windowOf(n.arg), 1, x.shape[2])
	x.accumulate(dx)
}
