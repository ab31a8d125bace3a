package tensor_test

import (
	"math"

	"github.com/hanji-ml/hanji/tensor"
)

// param draws a parameter whose values lie away from kinks at 0 and from poles.
func param(dt tensor.DType, name string, shape ...int) *tensor.Tensor {
	p := tensor.NewParam(name, dt, shape...)
	u := tensor.NewParam(name, tensor.F32, shape...) // so that both element types get the same numbers
	u.FillUniform(uint64(len(name)+p.Len()), -1, 1)
	v := u.ReadF64()
	for i := range v {
		v[i] += math.Copysign(0.25, v[i])
	}
	p.SetF64(v)
	return p
}

type T = *tensor.Tensor

// opCase is one op, or some together, as a function of the parameters that opCases gives.
type opCase func(c *tensor.Ctx) T

// opCases are all ops on odd shapes, with broadcasting, views and shared operands. A new op gets its whole examination (finite
// differences, the float32 twin on every path, no access to storage outside a primitive, no element left unwritten) by a line here.
func opCases(dt tensor.DType) (cases map[string]opCase, params []T) {
	param := func(name string, shape ...int) T {
		p := param(dt, name, shape...)
		params = append(params, p)
		return p
	}
	a, b, row, col := param("a", 3, 5, 7), param("bb", 3, 5, 7), param("row", 7), param("col", 5, 1)
	w, bias, m := param("w", 4, 7), param("bias", 4), param("m", 3, 7, 2)
	wt, beta := transposed(w), param("beta", 7)
	q, k, v, gq := param("q", 2, 3, 4), param("k2", 2, 3, 4), param("v33", 2, 3, 4), param("gq", 2, 4, 3, 4)
	w2, bias2 := param("mlp2", 5, 4), param("mlpb", 5)
	cw, cw1, gw, cw2 := param("cw", 4, 5, 3), param("cw1", 4, 5, 1), param("gw", 4, 2, 3), param("cw2", 4, 2, 3, 2)
	ctw, ctg := param("ctw", 4, 5, 3), param("ctg", 4, 2, 3)
	ow, kw := param("ow", 4, 5), param("kw", 2, 3)
	abias, kbias := param("abias", 2, 3, 3), param("kbias", 2, 1, 1, 3)
	heads := func(c *tensor.Ctx, x T) T { return c.Use(x).Reshape(2, 3, 2, 2).Permute(0, 2, 1, 3) }
	one := func(f func(x T) T) func(c *tensor.Ctx) T {
		return func(c *tensor.Ctx) T { return f(c.Use(a)) }
	}
	two := func(f func(x, y T) T, q T) func(c *tensor.Ctx) T {
		return func(c *tensor.Ctx) T { return f(c.Use(a), q) }
	}
	cases = map[string]opCase{
		"add": two(T.Add, b), "add row": two(T.Add, row), "add col": two(T.Add, col),
		"sub": two(T.Sub, b), "sub row": two(T.Sub, row), "rsub col": func(c *tensor.Ctx) T { return c.Use(col).Sub(a) },
		"mul": two(T.Mul, b), "mul row": two(T.Mul, row), "mul col": two(T.Mul, col), "mul self": two(T.Mul, a),
		"div": two(T.Div, b), "div row": two(T.Div, row), "rdiv col": func(c *tensor.Ctx) T { return c.Use(col).Div(a) },
		"max": two(T.Max, b), "min": two(T.Min, b),
		"scalars": one(func(x T) T { return x.AddS(2).MulS(3).RSubS(1).DivS(4).RDivS(2).SubS(1).Neg() }),
		"clamp":   one(func(x T) T { return x.ClampMin(-0.6).ClampMax(0.6) }),
		"abs":     one(T.Abs), "square": one(T.Square), "sqrt": one(func(x T) T { return x.Square().Sqrt() }),
		"rsqrt": one(func(x T) T { return x.Square().Rsqrt() }), "recip": one(T.Recip), "exp": one(T.Exp), "expm1": one(T.Expm1),
		"log gamma": one(func(x T) T { return x.Square().LogGamma() }), "log": one(func(x T) T { return x.Square().Log() }), "log1p": one(func(x T) T { return x.Square().Log1p() }),
		"sin": one(T.Sin), "cos": one(T.Cos), "tanh": one(T.Tanh), "sigmoid": one(T.Sigmoid), "erf": one(T.Erf),
		"relu": one(T.ReLU), "gelu": one(T.GELU), "gelu tanh": one(T.GELUTanh), "quick gelu": one(T.QuickGELU), "silu": one(T.SiLU),
		"softplus": one(T.Softplus), "log sigmoid": one(T.LogSigmoid), "elu": one(func(x T) T { return x.ELU(0.7) }),
		"leaky": one(func(x T) T { return x.LeakyReLU(0.1) }), "mish": one(T.Mish), "hard sigmoid": one(T.HardSigmoid), "hard swish": one(T.HardSwish),
		"sum axis": one(func(x T) T { return x.Sum(1).Square() }), "sum axes": one(func(x T) T { return x.Sum(0, 2).Square() }),
		"sum all": one(func(x T) T { return x.Sum().Square() }), "mean": one(func(x T) T { return x.Mean(-1).Square() }),
		"amax": one(func(x T) T { return x.Amax(1).Square() }), "logsumexp": one(func(x T) T { return x.LogSumExp().Square() }),
		"softmax": one(func(x T) T { return x.Softmax().Mul(b) }), "log softmax": one(func(x T) T { return x.LogSoftmax().Mul(b) }),
		"gate":      one(func(x T) T { return x.Gate(-1, x.Ctx().Use(b), nil) }),
		"gate down": one(func(x T) T { return x.Gate(1, x.Ctx().Use(b), x.Square()) }), "gate far": one(func(x T) T { return x.Gate(0, b, b) }),
		"gate residual": one(func(x T) T { return x.Gate(2, x.Square(), x.Ctx().Use(b)) }),
		"linear over":   one(func(x T) T { return x.LinearOver(1, ow, bias).Square() }), "linear far": one(func(x T) T { return x.LinearOver(0, kw, nil).Square() }),
		"mlp over":         one(func(x T) T { return x.MLPOver(1, ow, bias, w2, bias2, tensor.ActGELU, 0, 0).Square() }),
		"mlp over dropout": one(func(x T) T { return x.MLPOver(1, ow, bias, w2, bias2, tensor.ActGELU, 0.3, 9).Square() }),
		"reshape":          one(func(x T) T { return x.Reshape(5, 21).Square() }), "permute view": one(func(x T) T { return x.Permute(1, 0, 2).Square().Mul(row) }),
		"permute copy": one(func(x T) T { return x.Permute(2, 0, 1).Square() }), "transpose": one(func(x T) T { return x.Transpose(1, 2).Exp() }),
		"transposed reshape": one(func(x T) T { return x.Transpose(0, 1).Reshape(15, 7).Square() }),
		"slice":              one(func(x T) T { return x.Slice(1, 1, 4).Square().Mul(row) }), "slice last": one(func(x T) T { return x.Slice(2, 2, 5).Exp() }),
		"index": one(func(x T) T { return x.Index(1, 2).Square() }), "unsqueeze": one(func(x T) T { return x.Unsqueeze(1).Square().Squeeze(1) }),
		"expand": func(c *tensor.Ctx) T { return c.Use(col).Expand(3, 5, 7).Mul(a) },
		"concat": one(func(x T) T { return tensor.Concat(1, x, b, x).Square() }), "stack": one(func(x T) T { return tensor.Stack(0, x, x.Ctx().Use(b)).Exp() }),
		"unfold": one(func(x T) T { return x.Unfold(3, 2).Square() }), "unfold overlap": one(func(x T) T { return x.Unfold(4, 1).Exp() }),
		"pad zero":      one(func(x T) T { return x.Pad(2, 1, 2, tensor.PadZero).Exp() }),
		"pad replicate": one(func(x T) T { return x.Pad(1, 2, 1, tensor.PadReplicate).Square() }),
		"linear":        one(func(x T) T { return x.Linear(w, bias).Square() }), "linear act": one(func(x T) T { return x.LinearAct(w, nil, tensor.ActGELU) }),
		"matrix":         one(func(x T) T { return x.MulMatrix(opaque{}, bias).Square() }),
		"matrix of view": one(func(x T) T { return x.Transpose(0, 1).MulMatrix(opaque{}, nil).Square() }),
		"linear of view": one(func(x T) T { return x.Transpose(0, 1).Linear(w, bias).Square() }),
		"matmul":         one(func(x T) T { return x.MatMul(m).Square() }), "matmul shared": one(func(x T) T { return x.MatMul(wt).Square() }),
		"matmulT": one(func(x T) T { return x.MatMulT(b).Square() }), "matmulT shared": one(func(x T) T { return x.MatMulT(w).Square() }),
		"tmatmul": one(func(x T) T { return x.TMatMul(b).Square() }), "matmul broadcast": one(func(x T) T { return x.Unsqueeze(1).MatMul(m).Square() }),
		"layer norm":   one(func(x T) T { return x.LayerNorm(row, beta, 1e-5).Mul(b) }),
		"layer norm x": one(func(x T) T { return x.LayerNorm(nil, nil, 1e-5).Mul(b) }),
		"rms norm":     one(func(x T) T { return x.RMSNorm(row, 1e-5).Mul(b) }),
		"batch norm":   one(func(x T) T { y, _, _ := x.BatchNormTrain(row, nil, 1e-5); return y.Mul(b) }),
		"dropout":      one(func(x T) T { return x.Dropout(0.4, 7).Square() }),
		"dropout add of flattened": one(func(x T) T {
			return x.Permute(1, 0, 2).Reshape(15, 7).DropoutAdd(x.Reshape(15, 7), 0.4, 7).Square()
		}),
		"dropout add":   one(func(x T) T { return x.DropoutAdd(b, 0.4, 7).Square() }),
		"embedding":     func(c *tensor.Ctx) T { return c.Ints([]int64{3, 0, 3, 1}, 2, 2).Embedding(w).Square() },
		"cross entropy": one(func(x T) T { return ce(x.Reshape(15, 7), tensor.CrossEntropyOptions{}) }),
		"cross entropy smooth": one(func(x T) T {
			return ce(x.Reshape(15, 7), tensor.CrossEntropyOptions{LabelSmoothing: 0.1, Ignore: true, IgnoreIndex: 2})
		}),
		"attention": func(c *tensor.Ctx) T {
			y, _ := tensor.Attention(heads(c, q), heads(c, k), heads(c, v), tensor.AttentionOptions{Causal: true})
			return y
		},
		"attention bias, dropout": func(c *tensor.Ctx) T {
			y, _ := tensor.Attention(heads(c, q), heads(c, k), heads(c, v), tensor.AttentionOptions{Bias: abias, Dropout: 0.3, Path: 5, Scale: 0.7})
			return y
		},
		"attention key bias": func(c *tensor.Ctx) T {
			y, _ := tensor.Attention(heads(c, q), heads(c, k), heads(c, v), tensor.AttentionOptions{Bias: kbias})
			return y
		},
		"attention residual scores": func(c *tensor.Ctx) T {
			y, s := tensor.Attention(heads(c, q), heads(c, k), heads(c, v), tensor.AttentionOptions{Scores: true})
			z, _ := tensor.Attention(heads(c, k), heads(c, k), heads(c, v), tensor.AttentionOptions{Prev: s})
			return tensor.Concat(0, y.Add(z), heads(c, q).Mul(y))
		},
		"grouped attention": func(c *tensor.Ctx) T {
			y, _ := tensor.Attention(c.Use(gq), c.Use(k).Reshape(2, 1, 3, 4), c.Use(v).Reshape(2, 1, 3, 4), tensor.AttentionOptions{})
			return y
		},
		"mlp":         one(func(x T) T { return x.MLP(w, bias, w2, bias2, tensor.ActGELU, 0, 0).Square() }),
		"mlp dropout": one(func(x T) T { return x.Transpose(0, 1).MLP(w, bias, w2, nil, tensor.ActSiLU, 0.4, 3).Square() }),
		"conv1d": func(c *tensor.Ctx) T {
			return c.Use(a).Conv1d(cw, bias, tensor.ConvOptions{Stride: 2, Padding: 2, Dilation: 2}).Square()
		},
		"conv1d wide steps": func(c *tensor.Ctx) T {
			return c.Use(a).Conv1d(cw, nil, tensor.ConvOptions{Stride: 4, Padding: 3}).Square()
		},
		"conv1d 1 tap": func(c *tensor.Ctx) T { return c.Use(a).Conv1d(cw1, bias, tensor.ConvOptions{}).Square() },
		"conv1d groups": func(c *tensor.Ctx) T {
			return c.Use(gq).Reshape(2, 4, 12).Conv1d(gw, bias, tensor.ConvOptions{Padding: 1, Groups: 2}).Square()
		},
		"conv2d": func(c *tensor.Ctx) T {
			o := tensor.Conv2dOptions{Stride: [2]int{2, 1}, Padding: [2]int{0, 1}, Dilation: [2]int{1, 2}}
			return c.Use(gq).Reshape(2, 2, 6, 4).Conv2d(cw2, bias, o).Square()
		},
		"conv2d groups": func(c *tensor.Ctx) T {
			return c.Use(gq).Reshape(2, 4, 3, 4).Conv2d(cw2, bias, tensor.Conv2dOptions{Groups: 2, Padding: [2]int{1, 1}}).Square()
		},
		"conv transpose": func(c *tensor.Ctx) T {
			o := tensor.ConvTransposeOptions{ConvOptions: tensor.ConvOptions{Stride: 2, Padding: 1, Dilation: 2}, OutputPadding: 1}
			return c.Use(gq).Reshape(2, 4, 12).ConvTranspose1d(ctw, bias2, o).Square()
		},
		"conv transpose groups": func(c *tensor.Ctx) T {
			o := tensor.ConvTransposeOptions{ConvOptions: tensor.ConvOptions{Stride: 3, Groups: 2}}
			return c.Use(gq).Reshape(2, 4, 12).ConvTranspose1d(ctg, bias, o).Square()
		},
		"max pool": one(func(x T) T { return x.MaxPool1d(3, 2, 1).Square() }), "avg pool": one(func(x T) T { return x.AvgPool1d(3, 2, 1).Square() }),
		"moving average": one(func(x T) T { return x.MovingAverage(5).Square() }),
		"group norm": func(c *tensor.Ctx) T {
			return c.Use(gq).Reshape(2, 4, 12).GroupNorm(2, bias, c.Use(bias).Exp(), 1e-5).Exp()
		},
		"batch norm eval": one(func(x T) T {
			return x.BatchNorm(x.Ctx().Full(0.3, dt, 7), x.Ctx().Full(2, dt, 7), row, x.Ctx().Use(row).Exp(), 1e-5).Square()
		}),
		"rope": func(c *tensor.Ctx) T {
			return c.Use(gq).Reshape(8, 3, 4).RoPE(angles(dt, c, T.Cos), angles(dt, c, T.Sin), c.Ints([]int64{2, 0, 5, 5, 1, 4, 3, 0}, 8), false).Square()
		},
		"rope adjacent, partial": one(func(x T) T {
			return x.Transpose(0, 1).RoPE(angles(dt, x.Ctx(), T.Cos).MulS(1.5), angles(dt, x.Ctx(), T.Sin).MulS(1.5), nil, true).Square()
		}),
		"paged attention": one(func(x T) T { // of constants: it has no gradient of its own
			c := x.Ctx()
			rows := c.Full(0.5, dt, 3, 5, 7).Mul(angles(dt, c, T.Sin).Reshape(12).Slice(0, 3, 10))
			p := &tensor.Paged{Pages: []T{tensor.NewBuffer("page", dt, 2, 2, 1, 2, 7), tensor.NewBuffer("page", dt, 2, 2, 1, 2, 7)}}
			for i := range 3 {
				p.Rows = append(p.Rows, tensor.PagedRow{Table: []int32{1, 0}, Pos: i})
			}
			tensor.StoreKV(rows.Slice(1, 0, 1), rows.Slice(1, 1, 2), 1, p)
			return tensor.PagedAttention(rows, 1, 0, p).Mul(x.Reshape(3, 35))
		}),
		"relu2": one(T.ReLU2), "swiglu": one(func(x T) T { return x.SwiGLU(x.Ctx().Use(b)) }),
		"to":        one(func(x T) T { return x.To(tensor.F64).Square() }),
		"embed pad": func(c *tensor.Ctx) T { return c.Ints([]int64{3, 0, 3, 1}, 2, 2).EmbeddingPad(w, -1).Square() },
		"ce weights": one(func(x T) T {
			return ce(x.Reshape(15, 7), tensor.CrossEntropyOptions{Weight: x.Ctx().Constant(dt, []float64{1, 2, 0.5, 3, 0.1, 1, 2}, 7), LabelSmoothing: 0.2})
		}),
		"used twice": one(func(x T) T { y := x.Exp(); return y.Mul(y.Sum(1)).Add(y) }),
	}
	return cases, params
}

// opaque is a matrix [4, 7] of a few numbers.
type opaque struct{}

func (opaque) Shape() (out, in int) { return 4, 7 }
func (opaque) Bytes() int           { return 0 }
func (opaque) Row(dst []float32, r int) {
	for i := range dst {
		dst[i] = float32((3*r+5*i)%7-3) / 4
	}
}
func (m opaque) Mul(dst []float32, ldd int, x []float32, rows, ldx int) {
	w := make([]float32, 7)
	for i := range rows {
		for r := range 4 {
			m.Row(w, r)
			dst[i*ldd+r] = 0
			for k, v := range w {
				dst[i*ldd+r] += v * x[i*ldx+k]
			}
		}
	}
}

// angles is f of a table [6, 2] of angles, without history.
func angles(dt tensor.DType, c *tensor.Ctx, f func(T) T) T {
	return f(c.Constant(dt, []float64{0, 0, 1, 0.1, 2, 0.2, 3, 0.3, 4, 0.4, 5, 0.5}, 6, 2))
}

// transposed is a constant copy of w [4, 7] as [7, 4].
func transposed(w *tensor.Tensor) *tensor.Tensor {
	k := tensor.NewBuffer("wt", w.DType(), 7, 4)
	v := w.ReadF64()
	t := make([]float64, len(v))
	for i := range 4 {
		for j := range 7 {
			t[j*4+i] = v[i*7+j]
		}
	}
	k.SetF64(t)
	return k
}

func ce(x *tensor.Tensor, o tensor.CrossEntropyOptions) *tensor.Tensor {
	return x.CrossEntropy(x.Ctx().Ints([]int64{0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4, 5, 6, 0}, 15), o)
}

// weigh makes a scalar in which every element counts differently, so that a transposed gradient is seen.
func weigh(y *tensor.Tensor) *tensor.Tensor {
	v := make([]float64, y.Len())
	for i := range v {
		v[i] = 0.5 + math.Mod(float64(i)*0.37, 1)
	}
	return y.Mul(y.Ctx().Constant(y.DType(), v, y.Shape()...)).Sum()
}
