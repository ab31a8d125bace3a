package nn_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/internal/golden"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/safetensors"
	"github.com/hanji-ml/hanji/tensor"
)

type tens = *tensor.Tensor

// variant is one line of a case's index.
type variant struct {
	Name    string
	Op      string
	Attrs   map[string]any
	Inputs  map[string][]int
	Outputs map[string][]int
}

// num is a numeric attribute, or other where it is absent.
func (v variant) num(name string, other float64) float64 {
	if f, ok := v.Attrs[name].(float64); ok {
		return f
	}
	return other
}

func (v variant) int(name string, other int) int { return int(v.num(name, float64(other))) }

// pair is an attribute that is a number for both axes or a list of two.
func (v variant) pair(name string, other int) [2]int {
	if l, ok := v.Attrs[name].([]any); ok {
		return [2]int{int(l[0].(float64)), int(l[1].(float64))}
	}
	n := v.int(name, other)
	return [2]int{n, n}
}

// operation computes a variant's outputs by name.
type operation func(v variant, in map[string]tens) map[string]tens

func y(t tens) map[string]tens { return map[string]tens{"y": t} }

func unaryOp(f func(tens) tens) operation {
	return func(_ variant, in map[string]tens) map[string]tens { return y(f(in["x"])) }
}

func pairOp(f func(a, b tens) tens) operation {
	return func(_ variant, in map[string]tens) map[string]tens { return y(f(in["a"], in["b"])) }
}

// operations are all ops that the fixtures of golden/training name (make/training.py says what each is).
var operations = map[string]operation{
	"gelu": unaryOp(tens.GELU), "gelu_tanh": unaryOp(tens.GELUTanh), "quick_gelu": unaryOp(tens.QuickGELU), "silu": unaryOp(tens.SiLU),
	"relu": unaryOp(tens.ReLU), "sigmoid": unaryOp(tens.Sigmoid), "tanh": unaryOp(tens.Tanh), "softplus": unaryOp(tens.Softplus),
	"elu":        unaryOp(func(x tens) tens { return x.ELU(1) }),
	"leaky_relu": unaryOp(func(x tens) tens { return x.LeakyReLU(0.01) }),
	"mish":       unaryOp(tens.Mish), "relu2": unaryOp(tens.ReLU2), "log_sigmoid": unaryOp(tens.LogSigmoid),
	"exp": unaryOp(func(x tens) tens { return x.ClampMin(-80).ClampMax(80).Exp() }),
	"swiglu_mlp": func(_ variant, in map[string]tens) map[string]tens {
		return y((&nn.SwiGLU{Gate: &nn.Linear{Weight: in["gate"]}, Up: &nn.Linear{Weight: in["up"]}, Down: &nn.Linear{Weight: in["down"]}}).Forward(in["x"]))
	},

	"softmax": unaryOp(tens.Softmax), "log_softmax": unaryOp(tens.LogSoftmax),
	"logsumexp": unaryOp(func(x tens) tens { return x.LogSumExp().Squeeze(-1) }),

	"layer_norm": func(v variant, in map[string]tens) map[string]tens {
		return y((&nn.LayerNorm{Weight: in["w"], Bias: in["b"], Eps: v.num("eps", 1e-5)}).Forward(in["x"]))
	},
	"rms_norm": func(v variant, in map[string]tens) map[string]tens {
		return y((&nn.RMSNorm{Weight: in["w"], Eps: v.num("eps", 1e-5)}).Forward(in["x"]))
	},
	"group_norm": func(v variant, in map[string]tens) map[string]tens {
		return y((&nn.GroupNorm{Weight: in["w"], Bias: in["b"], Groups: v.int("groups", 1), Eps: v.num("eps", 1e-5)}).Forward(in["x"]))
	},
	"batch_norm_train": batchNormTrain, "batch_norm_eval": batchNormEval,

	"attention": attention, "multi_head": multiHead,

	"conv1d": func(v variant, in map[string]tens) map[string]tens {
		o := tensor.ConvOptions{Stride: v.int("stride", 1), Padding: v.int("padding", 0), Dilation: v.int("dilation", 1), Groups: v.int("groups", 1)}
		return y((&nn.Conv1d{Weight: in["w"], Bias: in["b"], Options: o}).Forward(in["x"]))
	},
	"conv2d": func(v variant, in map[string]tens) map[string]tens {
		o := tensor.Conv2dOptions{Stride: v.pair("stride", 1), Padding: v.pair("padding", 0), Dilation: v.pair("dilation", 1), Groups: v.int("groups", 1)}
		return y((&nn.Conv2d{Weight: in["w"], Bias: in["b"], Options: o}).Forward(in["x"]))
	},
	"conv_transpose1d": func(v variant, in map[string]tens) map[string]tens {
		o := tensor.ConvTransposeOptions{ConvOptions: tensor.ConvOptions{Stride: v.int("stride", 1), Padding: v.int("padding", 0)}, OutputPadding: v.int("output_padding", 0)}
		return y((&nn.ConvTranspose1d{Weight: in["w"], Bias: in["b"], Options: o}).Forward(in["x"]))
	},
	"avg_pool1d": func(v variant, in map[string]tens) map[string]tens {
		if _, pooled := v.Attrs["stride"]; !pooled { // the moving average: its note says that the edges are repeated
			return y(in["x"].MovingAverage(v.int("kernel", 0)))
		}
		return y(in["x"].AvgPool1d(v.int("kernel", 0), v.int("stride", 0), v.int("padding", 0)))
	},
	"max_pool1d": func(v variant, in map[string]tens) map[string]tens {
		return y(in["x"].MaxPool1d(v.int("kernel", 0), v.int("stride", 0), v.int("padding", 0)))
	},

	"linear": func(_ variant, in map[string]tens) map[string]tens {
		return y((&nn.Linear{Weight: in["w"], Bias: in["b"]}).Forward(in["x"]))
	},
	"embedding": func(v variant, in map[string]tens) map[string]tens {
		if pad, ok := v.Attrs["padding_idx"]; ok {
			return y(in["ids"].EmbeddingPad(in["w"], int(pad.(float64))))
		}
		return y((&nn.Embedding{Weight: in["w"]}).Forward(in["ids"]))
	},
	"tied": func(_ variant, in map[string]tens) map[string]tens {
		return y(in["ids"].Embedding(in["w"]).Linear(in["w"], nil))
	},
	"mean_pool": func(_ variant, in map[string]tens) map[string]tens {
		return y(in["x"].Mul(in["m"]).Sum(1).Div(in["m"].Sum(1).ClampMin(1e-9)).Squeeze(1))
	},

	"cross_entropy": crossEntropy,
	"causal_lm": func(_ variant, in map[string]tens) map[string]tens {
		return y(nn.CausalLoss(in["x"].Flatten(0, 1), in["t"], -100, func(x tens) tens { return x }))
	},
	"mse": pairOp(nn.MSE), "l1": pairOp(nn.MAE),
	"smooth_l1": pairOp(func(a, b tens) tens { return nn.SmoothL1(a, b, 1) }),
	"huber": func(v variant, in map[string]tens) map[string]tens {
		return y(nn.Huber(in["a"], in["b"], v.num("delta", 1)))
	},
	"cosine_similarity": pairOp(func(a, b tens) tens { return nn.CosineSimilarity(a, b).Mean() }),
	"bce_with_logits": func(_ variant, in map[string]tens) map[string]tens {
		return y(nn.BCEWithLogits(in["a"], in["t"], in["pw"]))
	},
	"kl_div": pairOp(func(a, b tens) tens { return nn.KLDiv(a.LogSoftmax(), b.Softmax()) }),
	"z_loss": func(_ variant, in map[string]tens) map[string]tens { return y(nn.ZLoss([]tens{in["a"]}, nil)) },

	"lstm": func(v variant, in map[string]tens) map[string]tens {
		out, hn, cn := (&nn.LSTM{Recurrent: recurrent(v, in)}).Forward(in["x"], in["h0"], in["c0"])
		return map[string]tens{"y": out, "hn": hn, "cn": cn}
	},
	"gru": func(v variant, in map[string]tens) map[string]tens {
		out, hn := (&nn.GRU{Recurrent: recurrent(v, in)}).Forward(in["x"], in["h0"])
		return map[string]tens{"y": out, "hn": hn}
	},
}

// channelsLast turns torch's N×C×L into our N×L×C; N×C stays.
func channelsLast(x tens) tens {
	if x.Rank() == 3 {
		return x.Permute(0, 2, 1)
	}
	return x
}

func batchNormTrain(v variant, in map[string]tens) map[string]tens {
	dt, c := in["xs"].DType(), in["w"].Len()
	b := nn.NewBatchNorm(c)
	nn.Cast(b, dt)
	b.Weight, b.Bias, b.Eps, b.Momentum = in["w"], in["b"], v.num("eps", 0), v.num("momentum", 0)
	var ys, running []tens
	ctx := in["xs"].Ctx()
	for i := range in["xs"].Dim(0) {
		ys = append(ys, channelsLast(b.Forward(channelsLast(in["xs"].Index(0, i)))))
		running = append(running, ctx.F64s(append(b.RunningMean.ReadF64(), b.RunningVar.ReadF64()...), 2, c).To(dt))
	}
	return map[string]tens{"y": tensor.Stack(0, ys...), "running": tensor.Stack(0, running...)}
}

func batchNormEval(v variant, in map[string]tens) map[string]tens {
	b := &nn.BatchNorm{Weight: in["w"], Bias: in["b"], RunningMean: in["rm"], RunningVar: in["rv"], Eps: v.num("eps", 0)}
	return y(channelsLast(b.Forward(channelsLast(in["xs"].Index(0, 0)))))
}

// attention takes the mask both ways where it can: as the option (causal), else as a bias of −Inf.
func attention(v variant, in map[string]tens) map[string]tens {
	o := tensor.AttentionOptions{Bias: in["bias"]}
	if mask := in["mask"]; mask != nil {
		if mask.Rank() == 2 {
			o.Causal = true // every two-axis mask of the fixtures is causal; the check below holds it to that
			t, s := mask.Dim(0), mask.Dim(1)
			for i, m := range mask.ReadInts() {
				if (m == 1) != (i%s <= i/s+s-t) {
					panic("the fixture's mask is not causal")
				}
			}
		} else {
			bias := make([]float64, mask.Len())
			for i, m := range mask.ReadInts() {
				if m == 0 {
					bias[i] = negInf
				}
			}
			o.Bias = in["q"].Ctx().F64s(bias, mask.Shape()...).To(in["q"].DType())
		}
	}
	out, _ := tensor.Attention(in["q"], in["k"], in["v"], o)
	return y(out)
}

func multiHead(v variant, in map[string]tens) map[string]tens {
	l := func(n string) *nn.Linear { return &nn.Linear{Weight: in["w"+n], Bias: in["b"+n]} }
	out, _ := (&nn.Attention{Q: l("q"), K: l("k"), V: l("v"), Out: l("o"), Heads: v.int("heads", 1)}).Forward(in["x"], tensor.AttentionOptions{})
	return y(out)
}

// crossEntropy follows torch's defaults: −100 is ignored always.
func crossEntropy(v variant, in map[string]tens) map[string]tens {
	o := tensor.CrossEntropyOptions{Ignore: true, IgnoreIndex: int64(v.num("ignore_index", -100)), LabelSmoothing: v.num("label_smoothing", 0), Weight: in["w"]}
	x, t := in["x"], in["t"]
	if x.Rank() == 3 { // N×C×L
		x, t = x.Permute(0, 2, 1).Flatten(0, 1), t.Flatten(0, 1)
	}
	switch v.Attrs["reduction"] {
	case "none":
		return y(x.CrossEntropyRows(t, o))
	case "sum":
		return y(x.CrossEntropyRows(t, o).Sum())
	}
	return y(x.CrossEntropy(t, o))
}

func recurrent(v variant, in map[string]tens) nn.Recurrent {
	var r nn.Recurrent
	for l := range v.int("layers", 1) {
		at := func(name, suffix string) tens { return in[name+"_l"+string(rune('0'+l))+suffix] }
		r.WeightIH, r.WeightHH = append(r.WeightIH, at("weight_ih", "")), append(r.WeightHH, at("weight_hh", ""))
		r.BiasIH, r.BiasHH = append(r.BiasIH, at("bias_ih", "")), append(r.BiasHH, at("bias_hh", ""))
		if v.Attrs["bidirectional"] == true {
			r.WeightIHReverse, r.WeightHHReverse = append(r.WeightIHReverse, at("weight_ih", "_reverse")), append(r.WeightHHReverse, at("weight_hh", "_reverse"))
			r.BiasIHReverse, r.BiasHHReverse = append(r.BiasIHReverse, at("bias_ih", "_reverse")), append(r.BiasHHReverse, at("bias_hh", "_reverse"))
		}
	}
	return r
}

// TestGolden runs every variant of golden/training that has an op: outputs and gradients, in float32 and float64, with the
// weights as watched activations and as parameters, on every processor path.
func TestGolden(t *testing.T) {
	golden.Paths(t, func(t *testing.T) {
		for _, name := range golden.Cases(t, "training", "*") {
			c := golden.Open(t, "training", name)
			var index []variant
			if json.Unmarshal(c.Index, &index) != nil || len(index) == 0 || index[0].Op == "" {
				continue // optim, gradclip, schedules: package optim
			}
			for _, v := range index {
				f, ok := operations[v.Op]
				if !ok {
					t.Errorf("%s: no operation %q", name, v.Op)
					continue
				}
				for _, dt := range []tensor.DType{tensor.F32, tensor.F64} {
					for _, params := range []bool{false, true} {
						way := "watched"
						if params {
							way = "params"
						}
						t.Run(name+"/"+v.Name+"/"+dt.String()+"/"+way, func(t *testing.T) {
							runVariant(t, c.With(t), v, f, dt, params)
						})
					}
				}
			}
		}
	})
}

// runVariant runs a variant and checks it. Where the mean is large, torch's own numbers are noise: its float32 by 1e-3, its
// float64 twin by a little more than the tolerance. There the result is held, with the case's tolerances, against the same
// layer norm of x less a constant, which is the same function and loses nothing, and the fixture's twin at its note's 2e-3.
func runVariant(t *testing.T, c *golden.Case, v variant, f operation, dt tensor.DType, params bool) {
	check := func(name string, got golden.Tensor) { c.Check(t, name, got) }
	if note, _ := v.Attrs["note"].(string); v.Op == "layer_norm" && strings.Contains(note, ".f64 twin") {
		exact := map[string]golden.Tensor{}
		compute(t, c, v, f, tensor.F64, params, true, func(name string, got golden.Tensor) {
			exact[name] = got
			for i, w := range c.Tensor(t, name).F64 {
				if math.Abs(got.F64[i]-w) > 2e-3 {
					t.Errorf("%s[%d]: shifted %v, fixture %v", name, i, got.F64[i], w)
				}
			}
		})
		check = func(name string, got golden.Tensor) {
			c.CheckValue(t, name, got.F64, exact[strings.TrimSuffix(name, ".f64")+".f64"].F64)
		}
	}
	compute(t, c, v, f, dt, params, false, check)
}

// compute runs a variant's op and its backward pass and hands every result over; shift takes 10⁴ from x.
func compute(t *testing.T, c *golden.Case, v variant, f operation, dt tensor.DType, params, shift bool, check func(name string, got golden.Tensor)) {
	ctx := tensor.New(tensor.Options{Grad: true, Train: strings.HasSuffix(v.Op, "_train")})
	defer ctx.Close()
	tag := ""
	if dt == tensor.F64 {
		tag = ".f64"
	}
	in := map[string]tens{}
	leaves := map[string]tens{}
	for name := range v.Inputs {
		x := c.Tensor(t, v.Name+"."+name)
		if x.I64 != nil {
			in[name] = ctx.Ints(x.I64, x.Shape...)
			continue
		}
		if shift && name == "x" {
			for i := range x.F64 {
				x.F64[i] -= 1e4
			}
		}
		if params && isWeight(v.Op, name) {
			p := tensor.NewParam(name, dt, x.Shape...)
			p.SetF64(x.F64)
			in[name] = p
		} else {
			in[name] = ctx.F64s(x.F64, x.Shape...).To(dt)
		}
		if c.Has(v.Name + ".d" + name + tag) {
			leaves[name] = in[name]
			if !in[name].IsParam() {
				in[name].Watch()
			}
		}
	}
	outs := f(v, in)
	var loss tens
	for name := range v.Outputs {
		out := outs[name]
		check(v.Name+"."+name+tag, value(out))
		up := v.Name + ".dy"
		if len(v.Outputs) > 1 {
			up = v.Name + ".upstream_" + name
		}
		if !out.NeedsGrad() {
			continue
		}
		part := out.Sum()
		if c.Has(up) {
			d := c.Tensor(t, up)
			part = out.Mul(ctx.F64s(d.F64, d.Shape...).To(dt)).Sum()
		}
		if loss == nil {
			loss = part
		} else {
			loss = loss.Add(part)
		}
	}
	if len(leaves) == 0 {
		return
	}
	loss.Backward()
	for name, x := range leaves {
		g := x.Grad()
		if g == nil {
			t.Errorf("no gradient of %s", name)
			continue
		}
		check(v.Name+".d"+name+tag, value(g))
	}
}

// isWeight tells which inputs of an op may be parameters; those of losses and of ops that begin with them stay activations.
func isWeight(op, name string) bool {
	switch op {
	case "mse", "l1", "smooth_l1", "huber", "cosine_similarity", "kl_div", "bce_with_logits", "cross_entropy", "mean_pool":
		return name == "pw"
	}
	return name != "x" && name != "xs" && name != "q" && name != "a" && name != "h0" && name != "c0"
}

func value(x tens) golden.Tensor {
	dt := safetensors.F32
	if x.DType() == tensor.F64 {
		dt = safetensors.F64
	}
	return golden.Tensor{DType: dt, Shape: x.Shape(), F64: x.ReadF64()}
}

var negInf = math.Inf(-1)
